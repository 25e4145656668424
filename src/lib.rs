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
//! Arrows point one way: `bin` -> [`controller`] -> [`source`] -> [`aws`] -> [`issuer`] -> [`rules`] -> [`api`],
//! and [`controller`] -> [`render`] -> [`issuer`].

pub mod api;
pub mod aws;
pub mod certificate;
pub mod clock;
pub mod controller;
pub mod http;
pub mod issuer;
pub mod registry;
pub mod render;
pub mod rules;
pub mod source;
