//! The world tier: the real reconciler, the real Kubernetes and AWS clients, against an API server
//! and an issuer in memory, on a paused clock. Every choice comes from one seed, which is printed:
//! `REFRESHABLE_SEED=<n>` runs that one again.

mod apiserver;
mod auditor;
mod broken;
mod choices;
mod clock;
mod clock_steps;
mod clusters;
mod crashes;
mod deployments;
mod driver;
mod ecr;
mod fleet;
mod history;
mod inputs;
mod instance;
mod interleavings;
mod lapses;
mod leases;
mod lists;
mod logs;
mod months;
mod neighbours;
mod panics;
mod policies;
mod profiles;
mod promises;
mod publishing;
pub mod refusals;
mod replicas;
mod restarts;
mod restores;
mod secrets;
mod server;
mod state;
mod storm;
mod sts;
mod tokens;
mod truth;
mod users;
mod watches;
mod withdrawals;
