//! The controller: watches, and for each resource that may need something a thin hand between the
//! rules that decide and the network that carries it out.

mod call;
mod context;
mod events;
mod feeds;
mod health;
mod inputs;
mod issue;
mod lease;
mod logging;
mod memory;
mod metrics;
mod options;
mod publish;
mod reconcile;
mod run;
mod serve;
mod status;
mod triggers;
mod view;
mod watches;

pub use call::{CallError, Calls};
pub use context::{Context, Settings, Turns};
pub use events::{Announcement, Announcer};
pub use feeds::{Feed, Feeds, Touched, Writers, view};
pub use lease::{Fence, NotLeading};
pub use logging::start as start_logging;
pub use memory::Memory;
pub use metrics::Metrics;
pub use options::{LogFormat, Options};
pub use reconcile::{Next, reconcile};
pub use run::{Error, run};
pub use view::{SecretMeta, View};
