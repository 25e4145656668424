//! AWS's clients: STS and its endpoints, common parts of SDK calls, MFA codes.

pub(crate) mod ask;
pub(crate) mod call;
mod client;
pub(crate) mod code_artifact;
pub(crate) mod ecr;
mod failure;
mod foreign;
pub mod region;
mod sent;
pub(crate) mod service;
pub mod sts;
pub mod totp;
pub mod x509_signature;

pub use call::Meter;
pub use sts::{Caller, Sts};
pub use totp::TotpSteps;
