//! The sidecar: serves mounted credentials over the [container credentials
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html) on
//! loopback.
//!
//! It is for images without a shell, which `credential_process` needs, and for every SDK: all of
//! them read `AWS_CONTAINER_CREDENTIALS_FULL_URI` and `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, and
//! ask again before the credentials expire.
//!
//! ```text
//! serve        connections
//!   -> page    what is asked for
//!   -> guard   may it be answered? (pure, but for the token's file)
//!   -> file    the mounted file, read anew for each request, and whether it can be served (pure)
//! ```
//!
//! It depends on no other crate of the workspace, and so links neither the Kubernetes client nor
//! the AWS SDK. What the controller shares with it, the listener with limits and the log, is taken
//! from here.

#![warn(unused_crate_dependencies)]

mod file;
mod guard;
pub mod health;
pub mod logging;
mod notes;
mod options;
mod page;
mod probe;
mod refusal;
mod run;
mod serve;
pub mod server;
mod token;
mod version;

pub use options::{Options, Probe};
pub use probe::{NotReady, probe};
pub use run::{StartError, run};
