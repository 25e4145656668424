//! The controller: a thin hand between the rules, which decide, and the network, which carries it
//! out.
//!
//! ```text
//! watches       RefreshableCredentials, metadata of Secrets and ConfigMaps, CredentialPolicies, Namespaces
//!   -> refreshable_engine  when each resource is looked at, and whose issuer is asked; it calls reconciler
//!   -> reconcile    one look: observation (what is observed), plan (refreshable_rules)
//!   -> claim        Action::Issue without an admission: what the resource waits with
//!   -> issue, issue_profiles   with one: target, attempt (inputs, source of refreshable_issuers, verify)
//!   -> publication, publish   one server-side apply, guarded by ownership and by the lease (call, lease)
//!   -> attempt    how it ended, as a finding
//!   -> outcome    of each action: what the status says of it (status), then propagation and restart, and when to
//!                 look again (next)
//!   brake         what Action::Withdraw asks first: not too many at once
//!   ledger        attempts that the status does not tell of, entered before the issuer is asked
//!   memory        what was written and the view does not show yet
//!
//! watches -> policy_status    what the statuses of policies say, after a change that they tell of
//! watches -> fleet            what ClusterRefreshableCredentials ask for, in each namespace; both by looks
//! run             the process: signals, ports, client; replica: all else, from the lease to the end
//! serve           probes, and metrics; secure_metrics: these over TLS, to users that Kubernetes knows
//! ```

#![warn(unused_crate_dependencies)]

mod answers;
mod attempt;
mod brake;
mod call;
mod claim;
pub mod clock;
mod clock_watch;
mod context;
mod events;
mod feeds;
mod fleet;
mod health;
mod input_key;
mod inputs;
mod inspect;
mod isolation;
mod issue;
mod issue_profiles;
mod issuer_time;
mod lease;
mod lease_timings;
mod ledger;
mod live;
mod logging;
mod looks;
mod memory;
mod metrics;
mod metrics_page;
mod next;
mod observation;
mod options;
mod outcome;
mod packed;
mod pending;
mod policy_status;
mod profile_batch;
mod profile_failures;
mod propagation;
mod publication;
mod publish;
mod published;
mod reconcile;
mod reconciler;
mod refusal;
mod replica;
mod reported;
mod restart;
mod run;
mod secret_meta;
mod secure_metrics;
mod serve;
mod status;
mod store;
mod target;
mod total_size;
mod triggers;
mod trust;
mod versions;
mod view;
mod watches;

pub use brake::Brake;
pub use call::{CallError, Calls};
pub use clock_watch::{ClockWatch, Jump};
pub use context::{Context, Settings};
pub use events::{Announcement, EventPublisher};
pub use feeds::{Change, Feed, Feeds, Place};
pub use fleet::FleetNews;
pub use health::Health;
pub use input_key::InputKeys;
pub use isolation::Panics;
pub use lease::{Candidate, Fence, NotLeading};
pub use lease_timings::LeaseTimings;
pub use logging::start as start_logging;
pub use memory::Memory;
pub use metrics::Metrics;
pub use next::Next;
pub use options::Options;
pub use packed::{Form, Kept};
pub use policy_status::PolicyNews;
pub use propagation::PodMeta;
pub use reconciler::{Reconciler, ResourceName};
pub use replica::Replica;
pub use run::{Error, run};
pub use secret_meta::{ConfigMapMeta, SecretMeta};
pub use secure_metrics::CertificateError;
pub use store::Store;
pub use triggers::Touched;
pub use view::View;

#[cfg(test)]
mod size_tests;
