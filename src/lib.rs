//! Keeps AWS temporary credentials fresh in Kubernetes Secrets.
//!
//! Data's way through the crate:
//!
//! ```text
//! controller::watches   RefreshableCredential, own Secrets' metadata, policies, input Secrets' metadata
//!   -> rules::plan      pure: (spec, status, Secret metadata, permission, now) -> Action
//!   -> source           Action::Issue: base credentials, then each role (source::chain)
//!   -> source::verify   whose credentials are these?
//!   -> render           credentials -> files (pure)
//!   -> controller::publish  one server-side apply, ownership guarded
//!   -> rules::report    what the status says of it (pure), controller::status writes it
//!   -> requeue at the refresh point (rules::timing)
//! ```
//!
//! The kubectl plugin ([`plugin`]) is a program of its own beside the controller.
//!
//! Arrows point one way: `bin` -> [`controller`] -> [`source`] -> [`aws`] -> [`issuer`] -> [`rules`] -> [`api`],
//! and [`controller`] -> [`render`] -> [`issuer`].
//!
//! [`agent`], the sidecar, stands apart: it needs nothing but [`clock`], [`expiry`], [`logging`] and `server`, and is
//! built small without feature `controller`, which everything else belongs to.

pub mod agent;
#[cfg(feature = "controller")]
pub mod api;
#[cfg(feature = "controller")]
pub mod aws;
#[cfg(feature = "controller")]
pub mod certificate;
pub mod clock;
#[cfg(feature = "controller")]
pub mod controller;
pub mod expiry;
#[cfg(feature = "controller")]
pub mod http;
#[cfg(feature = "controller")]
pub mod issuer;
pub mod logging;
#[cfg(feature = "plugin")]
pub mod plugin;
#[cfg(feature = "controller")]
pub mod registry;
#[cfg(feature = "controller")]
pub mod render;
#[cfg(feature = "controller")]
pub mod rules;
mod server;
#[cfg(feature = "controller")]
pub mod source;
pub mod version;
