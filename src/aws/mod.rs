//! AWS's clients: STS and its endpoints, MFA codes.

pub mod region;
pub mod sts;
pub mod totp;

pub use sts::{Caller, Meter, Sts};
pub use totp::TotpSteps;
