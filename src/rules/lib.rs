//! The decisions about a RefreshableCredential and about policies: pure functions of an observation
//! and the time.
//!
//! The controller observes, calls this crate, and carries out the result. The crate has neither
//! clock nor network nor runtime. The time is an argument, so a test can let a year pass.
//!
//! ```text
//! observation: the resource, metadata of its Secret and inputs, policies, the time
//!   ownership     SecretView: absent, foreign, or own with the Record of its credentials
//!   policy        Judgement: Permission (not needed, allowed, denied) and Grants (on what terms)
//!   inputs        KnownInputs: whether the data of an input differs from the data that was used
//!   -> plan       Observed -> Action: Issue(cause), Wait, Backoff, Stall, Withdraw ...
//!        timing        the refresh point
//!        fingerprint   digests of the request and of the attempt
//!
//! Action::Issue, which the controller carries out with refreshable_issuers
//!   -> issuer     Issued (a session), or IssueError with its class and advice
//!   -> secret_type   whether the Secret can have the type that is asked for
//!   -> render     the session as the files of the Secret
//!   -> failure    Failure -> RecordedFailure; retry tells when the next attempt is due
//!   -> report     Finding -> the status of the resource
//! Action::Withdraw
//!   -> withdrawal  Decision: released, or held because too many Secrets would be deleted at once
//!
//! observation: all policies, the labels of namespaces, all resources, the time
//!   -> policy_status   the status of each policy
//!        selector      the namespaces that it selects
//!        unmatchable   its patterns that can match nothing
//!
//! observation: a ClusterRefreshableCredential, the labels of namespaces, all resources
//!   -> fleet       the resources that it writes and deletes, and what it says of them
//! ```
//!
//! Invariants:
//!
//! - The Secret is the record. Its annotations and the status hold everything that a new process
//!   plans by, so a restart costs no issuer call.
//! - Denied unless a policy allows it, and no suspension or pause comes before a denial.
//! - A pause holds only the attempt that failed. An attempt with another request, other input data
//!   or, where the write failed, another Secret is made at once.
//! - The same observation gives the same decision: jitter is a hash of the resource's UID.

#![warn(unused_crate_dependencies)]

// The properties of tests/fuzz name this crate as the targets do, which link it.
#[cfg(test)]
extern crate self as refreshable_rules;

pub mod ambiguous;
pub mod attempts_limit;
mod chain;
mod conditions;
pub mod duration;
pub mod expiry;
pub mod failure;
pub mod fingerprint;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod fleet;
#[cfg(test)]
mod fuzz_tests;
pub mod health;
pub mod input_object;
pub mod inputs;
pub mod issuer;
pub mod kept;
pub mod ownership;
pub mod partition;
pub mod patterns;
pub mod plan;
pub mod policy;
pub mod policy_index;
pub mod policy_patterns;
pub mod policy_served;
pub mod policy_status;
pub mod profiles;
pub mod propagation;
pub mod render;
pub mod report;
pub mod restart;
pub mod retry;
pub mod secret_type;
mod selector;
pub mod session_arn;
pub mod session_name;
pub mod session_tags;
pub mod size_limit;
pub mod template;
pub mod timing;
pub mod token;
pub mod unmatchable;
pub mod version;
pub mod withdrawal;
