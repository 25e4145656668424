//! The sidecar: serves mounted credentials over the [container credentials
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html) on
//! loopback.
//!
//! It serves images without a shell, which `credential_process` needs, and every SDK: all of them
//! read `AWS_CONTAINER_CREDENTIALS_FULL_URI` and `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, and ask
//! again before the credentials expire.
//!
//! ```text
//! run          checks Options, creates the token's file if asked to, binds the address
//!   -> server  connections, with limits on their number, size and time
//!   -> page    the path: credentials, those of one profile, health
//!   -> guard   request checks (method, Host, no proxy), then the bearer token
//!   -> file    the mounted process JSON, opened anew for each request -> Served, or a Refusal
//!   -> notes   one log line for each change of a file's outcome
//!   -> held    the last valid credentials, where the file has none for a moment
//! probe        asks a running sidecar for its health, for probes of an image without a shell
//! ```
//!
//! Invariants:
//!
//! - Each request reads the file, which the kubelet replaces. While the file is missing or
//!   malformed, the credentials read last are served until they expire.
//! - Expired credentials are refused, never served.
//! - No error and no log line contains secret material.
//!
//! It depends on no other crate of the workspace, and so links neither the Kubernetes client nor
//! the AWS SDK. The controller takes `server` (a listener with limits), `health` and `logging` from
//! here.

#![warn(unused_crate_dependencies)]

mod file;
mod guard;
pub mod health;
mod held;
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
