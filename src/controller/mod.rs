//! The controller: watches, and for each resource that may need something a thin hand between the
//! rules that decide and the network that carries it out.

mod call;
mod context;
mod events;
mod feeds;
mod health;
mod inputs;
mod isolation;
mod issue;
mod issue_profiles;
mod lease;
mod logging;
mod memory;
mod metrics;
mod next;
mod options;
mod propagation;
mod publish;
mod queue;
mod reconcile;
mod restart;
mod run;
mod secret_meta;
mod serve;
mod sight;
mod status;
mod triggers;
mod view;
mod watches;

pub use call::{CallError, Calls};
pub use context::{Context, Settings, Turns};
pub use events::{Announcement, Announcer};
pub use feeds::{Feed, Feeds, Writers, view};
pub use isolation::{Panics, look};
pub use lease::{Fence, NotLeading};
pub use logging::start as start_logging;
pub use memory::Memory;
pub use metrics::Metrics;
pub use next::Next;
pub use options::Options;
pub use propagation::PodMeta;
pub use reconcile::reconcile;
pub use run::{Error, run};
pub use secret_meta::SecretMeta;
pub use triggers::Touched;
pub use view::View;
