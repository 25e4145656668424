//! Decides what happens to a RefreshableCredential. Everything here is a pure function of what was
//! observed and of the time, which is an argument: there is no clock, no network and no runtime.
//!
//! ```text
//! observed: the resource, the metadata of its Secret, its policies, the time
//!   -> plan       what to do now: Issue, Wait, Backoff, Stall, Withdraw ...
//!        ownership   whose the Secret is, and what its annotations say of its data
//!        policy      which administrator-owned roles, endpoints and programs the namespace may use
//!        inputs      whether the data of an input Secret changed
//!        timing      when to renew
//!   -> issuer     what an issuer answers, a session or an error: its class decides the retry, its advice is shown
//!   -> render     a session becomes the files of the Secret
//!   -> report     what the status says of it
//!
//! observed: all policies, the labels of namespaces, all resources, the time
//!   -> policy_status   what the status of each policy says
//!        selector      which namespaces it selects
//!        unmatchable   which of its patterns can match nothing
//! ```

#![warn(unused_crate_dependencies)]

pub mod ambiguous;
mod chain;
pub mod duration;
pub mod expiry;
pub mod failure;
pub mod fingerprint;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod health;
pub mod input_object;
pub mod inputs;
pub mod issuer;
pub mod ownership;
pub mod patterns;
pub mod plan;
pub mod policy;
pub mod policy_index;
pub mod policy_status;
pub mod profiles;
pub mod propagation;
pub mod render;
pub mod report;
pub mod restart;
pub mod retry;
mod selector;
pub mod session_arn;
pub mod session_name;
pub mod session_tags;
pub mod timing;
pub mod unmatchable;
pub mod version;
pub mod withdrawal;
