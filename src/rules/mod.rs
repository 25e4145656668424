//! The rules: pure functions of what was observed and of the time. No I/O, no clock, no randomness.

pub mod budget;
pub mod failure;
pub mod fingerprint;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod inputs;
pub mod ownership;
pub mod patterns;
pub mod plan;
pub mod policy;
pub mod profiles;
pub mod propagation;
pub mod report;
pub mod restart;
pub mod retry;
pub mod session_arn;
pub mod session_name;
pub mod session_tags;
pub mod timing;
pub mod vitals;
