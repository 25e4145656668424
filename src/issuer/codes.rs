//! AWS's error codes: what class they are, and what a person can do.
//!
//! Codes as in the references of STS's operations and its
//! [common errors](https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html).

use crate::api::conditions::Reason;
use crate::rules::retry::Class;

/// An error as AWS answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// The code, for example `AccessDenied`.
    pub code: String,
    /// AWS's message, with every secret of the request taken out.
    pub message: String,
    /// The request id, to be named to AWS's support and found in CloudTrail.
    pub request_id: Option<String>,
    /// HTTP status.
    pub status: u16,
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

#[derive(Clone, Copy)]
enum Kind {
    Throttled,
    Unavailable,
    Denied,
    /// The credentials that signed the call have expired.
    CallerExpired,
    /// The credentials that signed the call are not known or do not fit.
    CallerInvalid,
    /// The token or assertion that was sent has expired.
    InputExpired,
    /// The token or assertion that was sent is not accepted.
    InputRefused,
    Specification,
    Clock,
}

/// Codes that say by themselves what is wrong, each with its section in `docs/troubleshooting.md`. Others are judged by
/// their HTTP status.
const KNOWN: [(&str, Kind); 47] = [
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
];

fn kind(error: &AwsError) -> Kind {
    match KNOWN.iter().find(|(code, _)| *code == error.code) {
        Some((_, kind)) => *kind,
        _ if error.status == 429 => Kind::Throttled,
        _ if error.status >= 500 => Kind::Unavailable,
        _ if error.status == 401 || error.status == 403 => Kind::Denied,
        _ => Kind::Specification,
    }
}

/// The class of an error, which decides the retry.
pub fn class_of(error: &AwsError) -> Class {
    match kind(error) {
        Kind::Throttled => Class::Throttled,
        Kind::Unavailable | Kind::CallerExpired | Kind::Clock => Class::Transient,
        Kind::Denied => Class::Denied,
        Kind::CallerInvalid | Kind::InputExpired | Kind::InputRefused => Class::Input,
        Kind::Specification => Class::Specification,
    }
}

/// The reason that conditions and events name.
pub fn reason_of(error: &AwsError) -> Reason {
    match kind(error) {
        Kind::Throttled => Reason::Throttled,
        Kind::Unavailable | Kind::Clock => Reason::IssuerUnavailable,
        Kind::Denied => Reason::AccessDenied,
        Kind::CallerExpired | Kind::InputExpired => Reason::InputExpired,
        Kind::CallerInvalid | Kind::InputRefused => Reason::InputInvalid,
        Kind::Specification => Reason::InvalidSpecification,
    }
}

/// Whether the trust policy of a role, or the policy of who calls, decides on an operation.
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

/// What a person can do about an error of `operation`.
pub fn advice(operation: &str, error: &AwsError) -> &'static str {
    match (kind(error), error.code.as_str()) {
        (Kind::Throttled, _) => {
            "Nothing: it is tried again more slowly. If it lasts, lower the controller's call rate or raise the account's STS quota"
        }
        (Kind::Unavailable | Kind::CallerExpired, _) => "Nothing: it is tried again by itself",
        (Kind::Clock, _) => "Set the controller's node to the right time",
        (Kind::Denied, _) if operation == "AssumeRole" => {
            "Check that the role exists, that its trust policy lets this caller in (account, ExternalId, source identity, tags, MFA) \
             and that the caller's own policy allows sts:AssumeRole on it"
        }
        (Kind::Denied, _) if operation == "AssumeRoleWithWebIdentity" => {
            "Check that the role exists and that its trust policy names this token's issuer, subject and audience"
        }
        (Kind::Denied, _) => "Check the policies of the identity that made the call",
        (Kind::CallerInvalid, _) => {
            "Check the access key in the Secret: it is unknown, inactive, deleted or its secret does not fit"
        }
        (Kind::InputExpired, _) => "Renew the token in the Secret; the change is noticed by itself",
        (Kind::InputRefused, _) => "Check the token's issuer, signature and audience against the IAM identity provider",
        (Kind::Specification, "RegionDisabledException") => {
            "Activate STS for this Region in the account, or choose another spec.sts.region"
        }
        (Kind::Specification, "MalformedPolicyDocument" | "MalformedPolicyDocumentException") => {
            "Correct the session policy in the specification"
        }
        (Kind::Specification, "PackedPolicyTooLarge" | "PackedPolicyTooLargeException") => {
            "Shorten the session policy, or use fewer session tags"
        }
        (Kind::Specification, _) => "Correct the specification: the issuer says which value it does not take",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, status: u16) -> AwsError {
        AwsError { code: code.into(), message: "m".into(), request_id: Some("r".into()), status }
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
            assert_eq!((class_of(&e), reason_of(&e)), (class, reason), "{code} {status}");
            assert!(!advice("AssumeRole", &e).is_empty());
        }
    }

    #[test]
    fn every_code_has_its_section_in_the_documentation() {
        let page = include_str!("../../docs/troubleshooting.md");
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
            assert!(judged_by_status || known().any(|k| k == code), "{code} has a section, and no advice");
        }
    }

    #[test]
    fn the_text_names_code_and_request() {
        assert_eq!(error("AccessDenied", 403).to_string(), "AccessDenied: m (request r)");
    }
}
