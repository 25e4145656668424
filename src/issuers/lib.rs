//! Obtains AWS temporary credentials: from STS and other AWS services, HTTP endpoints, programs and
//! Secrets.
//!
//! ```text
//! source::Request, which the controller builds for one attempt
//!   -> token::order       where spec.token asks for one: what buying a token needs, judged
//!   -> source::issue      one set of credentials; source::issue_profiles: many
//!        source::of          the `Source` that the specification names, in the file of its name
//!        Source::obtain      -> Obtained: a Caller (signs, never published) or a Session
//!        each role of the chain   AssumeRole with the credentials before it -> Session
//!        source::verify      the principal of each step, and of the result
//!   -> Issued, or IssueError (refreshable_rules::issuer)
//!   -> Order::buy         the token that is published instead of the session
//!
//! below the sources:
//!   aws           AWS's services, through the SDK or, where it has no operation, signed here
//!   http          all other HTTP, guarded against addresses that no policy allows
//!   certificate   keys and certificates, in PEM or in a PKCS#11 token
//!   registry      programs and modules that the administrator registered by name
//! ```
//!
//! Invariants:
//!
//! - A `Caller` (the controller's own identity, a long-lived key) never becomes `Issued`: without a
//!   role, such a source fails.
//! - A source reads each input once and makes at most `Source::calls` issuer calls; the rate limit
//!   counts on it.
//! - No issuer call is retried here: `refreshable_rules::retry` decides, and the SDK's retries are
//!   off.
//! - Every secret is registered with the attempt's `Redactor`, and every error passes through it.
//!
//! To add a source: its file in `source`, its variant in `refreshable_api::Source` and in
//! `source::of`, its requirements in `refreshable_rules::policy`, its page in `docs/sources`, its
//! tests.

#![warn(unused_crate_dependencies)]

pub mod aws;
pub mod certificate;
pub mod http;
pub mod registry;
pub mod source;
pub mod token;
