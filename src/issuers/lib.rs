//! Obtains AWS temporary credentials.
//!
//! ```text
//! source        one file for each source: base credentials, then each role of the chain (source::chain)
//!   -> aws      AWS's services, through the SDK or, where it has no operation, signed here
//!   -> http     everything else that speaks HTTP, guarded against addresses that nobody allowed
//!   -> certificate  keys and certificates: in PEM, or in a PKCS#11 token
//! source::verify   whose credentials are these?
//! ```
//!
//! To add a source: its file in `source`, its variant in `refreshable_api::Source` and in
//! `source::of`, what it needs in `refreshable_rules::policy`, its page in `docs/sources`, its
//! tests.

#![warn(unused_crate_dependencies)]

pub mod aws;
pub mod certificate;
pub mod http;
pub mod registry;
pub mod source;
