//! Error codes: what class they are, and the reason that conditions name. What a person can do is
//! in [`advice`](super::advice).
//!
//! Codes of STS's operations, of its [common
//! errors](https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html), and of
//! S3-compatible stores (Ceph RGW, MinIO).

use crate::retry::Class;
use crate::token::{code_artifact, ecr};
use refreshable_api::conditions::Reason;

/// The kind of server that responded. A code has the same class everywhere; the advice differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Issuer {
    /// AWS.
    #[default]
    Aws,
    /// The STS of an S3-compatible store, which `spec.sts.endpoint` names.
    Store,
    /// A server that the source names, with its own API.
    Server,
}

/// An error as the issuer answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// The code, for example `AccessDenied`.
    pub code: String,
    /// The issuer's message, without any secret of the request. Empty where a store sends none.
    pub message: String,
    /// The request id, to be named to AWS's support and found in CloudTrail.
    pub request_id: Option<String>,
    /// HTTP status.
    pub status: u16,
    /// The kind of server that responded.
    pub issuer: Issuer,
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message.trim_end_matches('.'))?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// Meaning of an error code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Throttled,
    Unavailable,
    Denied,
    /// The role does not exist. AWS responds `AccessDenied` then; the role may be created later.
    Missing,
    /// The credentials that signed the call have expired.
    CallerExpired,
    /// The credentials that signed the call are not known or do not fit.
    CallerInvalid,
    /// The token or assertion that was sent has expired.
    InputExpired,
    /// The token or assertion that was sent is not accepted.
    InputRefused,
    Specification,
    /// The issuer does not know the operation.
    Unsupported,
    Clock,
}

/// Codes with a clear meaning, each with its section in `docs/troubleshooting.md`. Others are
/// judged by their HTTP status.
const KNOWN: [(&str, Kind); 54] = [
    ("Throttling", Kind::Throttled),
    ("ThrottlingException", Kind::Throttled),
    ("ThrottledException", Kind::Throttled),
    ("RequestLimitExceeded", Kind::Throttled),
    ("TooManyRequestsException", Kind::Throttled),
    ("RequestThrottled", Kind::Throttled),
    ("RequestThrottledException", Kind::Throttled),
    ("SlowDown", Kind::Throttled),
    ("PriorRequestNotComplete", Kind::Throttled),
    ("AccessDenied", Kind::Denied),
    ("AccessDeniedException", Kind::Denied),
    ("UnauthorizedOperation", Kind::Denied),
    ("NotAuthorized", Kind::Denied),
    ("OptInRequired", Kind::Denied),
    ("NoSuchEntity", Kind::Missing),
    ("AssumeRoleUnauthorizedAccess", Kind::Denied),
    ("InstanceProfileNotFound", Kind::Denied),
    ("ExpiredToken", Kind::CallerExpired),
    ("InvalidClientTokenId", Kind::CallerInvalid),
    ("SignatureDoesNotMatch", Kind::CallerInvalid),
    ("UnrecognizedClientException", Kind::CallerInvalid),
    ("AuthFailure", Kind::CallerInvalid),
    ("InvalidAccessKeyId", Kind::CallerInvalid),
    ("MissingAuthenticationToken", Kind::CallerInvalid),
    ("IncompleteSignature", Kind::CallerInvalid),
    ("ExpiredTokenException", Kind::InputExpired),
    ("ExpiredIdentityToken", Kind::InputExpired),
    ("InvalidIdentityToken", Kind::InputRefused),
    ("InvalidIdentityTokenException", Kind::InputRefused),
    ("IDPRejectedClaim", Kind::InputRefused),
    ("IDPRejectedClaimException", Kind::InputRefused),
    ("RequestExpired", Kind::Clock),
    ("RequestTimeTooSkewed", Kind::Clock),
    ("IDPCommunicationError", Kind::Unavailable),
    ("RequestTimeout", Kind::Unavailable),
    ("RequestTimeoutException", Kind::Unavailable),
    ("InternalFailure", Kind::Unavailable),
    ("InternalError", Kind::Unavailable),
    ("InternalServerError", Kind::Unavailable),
    ("ServiceUnavailable", Kind::Unavailable),
    ("RegionDisabledException", Kind::Specification),
    ("MalformedPolicyDocument", Kind::Specification),
    ("MalformedPolicyDocumentException", Kind::Specification),
    ("PackedPolicyTooLarge", Kind::Specification),
    ("PackedPolicyTooLargeException", Kind::Specification),
    ("ValidationError", Kind::Specification),
    ("ValidationException", Kind::Specification),
    ("InvalidParameterValue", Kind::Specification),
    ("InvalidParameterCombination", Kind::Specification),
    ("InvalidAction", Kind::Specification),
    ("MissingParameter", Kind::Specification),
    ("InvalidArgument", Kind::Specification),
    ("MethodNotAllowed", Kind::Unsupported),
    ("NotImplemented", Kind::Unsupported),
];

/// Meaning of an error of `operation`.
pub(super) fn kind(operation: &str, error: &AwsError) -> Kind {
    match KNOWN.iter().find(|(code, _)| *code == error.code) {
        // These calls are not signed, so the expired thing is the token that was sent (MinIO).
        Some((_, Kind::CallerExpired)) if is_unsigned(operation) => Kind::InputExpired,
        // The session that signs was issued a moment ago and is not an input. Regions may know it
        // later than STS does, or when they are enabled.
        Some((_, Kind::InputExpired)) if buys_token(operation) => Kind::CallerExpired,
        Some((_, Kind::CallerInvalid)) if buys_token(operation) => Kind::Denied,
        Some((_, kind)) => *kind,
        _ if error.status == 429 => Kind::Throttled,
        _ if error.status >= 500 => Kind::Unavailable,
        // Vault's standby nodes respond with 472 and 473, and with 412 while they lag behind.
        _ if matches!(error.status, 408 | 412 | 425 | 472 | 473) => Kind::Unavailable,
        // A refusal in a response body may be temporary.
        _ if error.status < 400 || error.status == 401 || error.status == 403 => Kind::Denied,
        _ => Kind::Specification,
    }
}

/// Whether an operation is called without a signature, with a token or an assertion instead.
fn is_unsigned(operation: &str) -> bool {
    matches!(operation, "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML")
}

/// The class of an error of `operation`, which decides the retry.
pub fn class_of(operation: &str, error: &AwsError) -> Class {
    match kind(operation, error) {
        Kind::Throttled => Class::Throttled,
        Kind::Unavailable | Kind::CallerExpired | Kind::Clock => Class::Transient,
        Kind::Denied | Kind::Missing => Class::Denied,
        Kind::CallerInvalid | Kind::InputExpired | Kind::InputRefused => Class::Input,
        Kind::Specification | Kind::Unsupported => Class::Specification,
    }
}

/// The reason that conditions and events name for an error of `operation`.
pub fn reason_of(operation: &str, error: &AwsError) -> Reason {
    match kind(operation, error) {
        Kind::Throttled => Reason::Throttled,
        Kind::Unavailable | Kind::Clock => Reason::IssuerUnavailable,
        Kind::Denied | Kind::Missing => Reason::AccessDenied,
        Kind::CallerExpired | Kind::InputExpired => Reason::InputExpired,
        Kind::CallerInvalid | Kind::InputRefused => Reason::InputInvalid,
        Kind::Specification | Kind::Unsupported => Reason::InvalidSpecification,
    }
}

/// Whether the trust policy of a role, or the policy of the caller, decides on an operation.
pub fn is_of_iam(operation: &str) -> bool {
    matches!(
        operation,
        "AssumeRole"
            | "AssumeRoleWithWebIdentity"
            | "AssumeRoleWithSAML"
            | "AssumeRoleForPodIdentity"
            | "AssumeRoleWithCertificate"
            | "CreateSession"
            | "GetCredentialsForIdentity"
            | "GetFederationToken"
    )
}

/// The operation with which a session buys a token for services outside AWS.
pub const WEB_IDENTITY_TOKEN: &str = "GetWebIdentityToken";

/// Whether a session buys a token with an operation.
pub(super) fn buys_token(operation: &str) -> bool {
    [ecr::OPERATION, code_artifact::OPERATION, WEB_IDENTITY_TOKEN].contains(&operation)
}

/// The operation of reading a lease of Vault's AWS engine.
pub const VAULT: &str = "ReadVaultLease";

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, status: u16) -> AwsError {
        AwsError {
            code: code.into(),
            message: "m".into(),
            request_id: Some("r".into()),
            status,
            issuer: Issuer::Aws,
        }
    }

    #[test]
    fn codes_have_the_class_that_aws_s_documents_give_them() {
        for (code, status, class, reason) in [
            ("Throttling", 400, Class::Throttled, Reason::Throttled),
            ("RequestLimitExceeded", 503, Class::Throttled, Reason::Throttled),
            ("InternalFailure", 500, Class::Transient, Reason::IssuerUnavailable),
            ("IDPCommunicationError", 400, Class::Transient, Reason::IssuerUnavailable),
            ("AccessDenied", 403, Class::Denied, Reason::AccessDenied),
            ("ExpiredToken", 403, Class::Transient, Reason::InputExpired),
            ("ExpiredTokenException", 400, Class::Input, Reason::InputExpired),
            ("InvalidIdentityToken", 400, Class::Input, Reason::InputInvalid),
            ("InvalidClientTokenId", 403, Class::Input, Reason::InputInvalid),
            ("RegionDisabledException", 403, Class::Specification, Reason::InvalidSpecification),
            ("MalformedPolicyDocument", 400, Class::Specification, Reason::InvalidSpecification),
            ("PackedPolicyTooLarge", 400, Class::Specification, Reason::InvalidSpecification),
            ("ValidationError", 400, Class::Specification, Reason::InvalidSpecification),
            ("SomethingNew", 502, Class::Transient, Reason::IssuerUnavailable),
            ("SomethingNew", 429, Class::Throttled, Reason::Throttled),
            ("SomethingNew", 403, Class::Denied, Reason::AccessDenied),
            ("SomethingNew", 400, Class::Specification, Reason::InvalidSpecification),
        ] {
            let e = error(code, status);
            let found = (class_of("AssumeRole", &e), reason_of("AssumeRole", &e));
            assert_eq!(found, (class, reason), "{code} {status}");
        }
    }

    #[test]
    fn every_code_has_its_section_in_the_documentation() {
        let page = include_str!("../../../docs/troubleshooting.md");
        let (_, page) = page.split_once("\n## By error code\n").expect("a part about codes");
        let headings: Vec<&str> = page.lines().filter(|l| l.starts_with("### ")).collect();
        let documented: std::collections::BTreeSet<&str> =
            headings.iter().flat_map(|h| h.split('`').skip(1).step_by(2)).collect();
        let known = || KNOWN.iter().map(|(code, _)| *code);
        for code in known() {
            assert!(documented.contains(code), "{code} has no section in docs/troubleshooting.md");
        }
        for code in documented {
            let judged_by_status = code.starts_with("HTTP ");
            assert!(
                judged_by_status || known().any(|k| k == code),
                "{code} has a section, and no advice"
            );
        }
    }

    #[test]
    fn the_text_names_code_and_request() {
        assert_eq!(error("AccessDenied", 403).to_string(), "AccessDenied: m (request r)");
    }
}
