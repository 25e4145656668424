//! A call to an issuer, as its errors and metrics name it.

use jiff::Timestamp;
use refreshable_rules::issuer::Issuer;

/// A call to an issuer.
pub(crate) struct Ask<'a> {
    /// The operation.
    pub(crate) operation: &'static str,
    /// Subject of the call, for example the role's ARN.
    pub(crate) subject: &'a str,
    /// Where it is called.
    pub(crate) endpoint: String,
    /// The kind of server that responds.
    pub(crate) issuer: Issuer,
    /// The time of the attempt.
    pub(crate) now: Timestamp,
}
