//! Responses of issuers: a session, or an error with its class, which decides the retry, and advice
//! for a person.

mod advice;
mod codes;
mod disguise;
mod error;
pub mod json;
mod redact;
mod redacted;
mod session;
pub mod vault;

pub use codes::{AwsError, Issuer, VAULT, WEB_IDENTITY_TOKEN, is_of_iam};
pub use error::IssueError;
pub use redact::{REDACTED, Redactor};
pub use session::CLOCKS_AGREE;
pub(crate) use session::is_word;
pub use session::{AccessKey, Issued, Lifetime, Session, TokenSize};
