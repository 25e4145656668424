//! AWS: STS and its endpoints, its errors and what to do about them, MFA codes.

pub mod error;
pub mod region;
pub mod sts;
pub mod totp;

pub use sts::{Caller, Meter, Sts};
pub use totp::TotpSteps;
