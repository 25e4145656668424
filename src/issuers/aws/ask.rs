//! A call to an issuer, as its errors and metrics name it.

use jiff::Timestamp;
use refreshable_rules::issuer::Issuer;

/// A call to an issuer.
pub(crate) struct Ask<'a> {
    /// The operation.
    pub(crate) operation: &'static str,
    /// What it is called for, for example the role's ARN.
    pub(crate) subject: &'a str,
    /// Where it is called.
    pub(crate) endpoint: String,
    /// Who answers there.
    pub(crate) issuer: Issuer,
    /// The time of the attempt.
    pub(crate) now: Timestamp,
}
