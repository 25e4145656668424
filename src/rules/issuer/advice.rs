//! Advice for a person about an issuer's error. AWS's documentation, consoles and quotas do not
//! apply to stores: their codes say less, often without a message.

use super::codes::{AwsError, Issuer, Kind, VAULT, WEB_IDENTITY_TOKEN, buys_token, kind};
use crate::token::{code_artifact, ecr};

/// Advice about an error of `operation`.
pub fn advice(operation: &str, error: &AwsError) -> &'static str {
    let kind = kind(operation, error);
    if operation == VAULT && kind == Kind::Unavailable && error.code == "HTTP 503" {
        return "Unseal Vault, or find out why it has no active node; retried automatically";
    }
    if let Kind::Unavailable | Kind::CallerExpired = kind {
        return "No action needed; retried automatically";
    }
    if operation == VAULT
        && let Some(advice) = of_vault(kind, error)
    {
        return advice;
    }
    // A metadata service's message about EC2 is EC2's, whichever server relays it.
    match error.code.as_str() {
        "AssumeRoleUnauthorizedAccess" => {
            return "Let ec2.amazonaws.com assume the role in its trust policy; EC2 tries again at its next refresh";
        }
        "InstanceProfileNotFound" => {
            return "Attach an instance profile that exists to the instance: the one that it had was deleted";
        }
        _ => {}
    }
    match error.issuer {
        Issuer::Aws => of_aws(operation, kind, error),
        Issuer::Store => of_store(operation, kind, error),
        Issuer::Server => of_server(kind),
    }
}

fn of_vault(kind: Kind, error: &AwsError) -> Option<&'static str> {
    match (kind, error.code.as_str()) {
        (Kind::Denied, _) => Some(
            "Check that the token in the Secret is valid and that its Vault policy allows to read this path",
        ),
        (Kind::Specification, "HTTP 404") => Some(
            "Check the URL: the path at which the AWS engine is mounted, and the name of the role",
        ),
        _ => None,
    }
}

fn of_aws(operation: &str, kind: Kind, error: &AwsError) -> &'static str {
    match (kind, error.code.as_str()) {
        (Kind::Throttled, _) => {
            "No action needed; retried more slowly. If it lasts, lower the controller's call rate or raise the account's STS quota"
        }
        (Kind::Denied, _) if operation == "AssumeRole" => {
            "Check that the role exists, that its trust policy lets this caller in (account, ExternalId, source identity, tags, MFA) \
             and that the caller's own policy allows sts:AssumeRole on it"
        }
        (Kind::Denied, _) if operation == "AssumeRoleWithWebIdentity" => {
            "Check that the role exists and that its trust policy names this token's issuer, subject and audience"
        }
        (Kind::Denied, "UnrecognizedClientException" | "InvalidClientTokenId")
            if buys_token(operation) =>
        {
            "Check that the Region in spec.token exists in the role's partition and is enabled in the role's account"
        }
        (Kind::Denied, _) if operation == ecr::OPERATION => {
            "Allow the role ecr:GetAuthorizationToken on resource * (with public: true also ecr-public:GetAuthorizationToken \
             and sts:GetServiceBearerToken)"
        }
        (Kind::Denied, _) if operation == code_artifact::OPERATION => {
            "Allow the role codeartifact:GetAuthorizationToken on the domain and sts:GetServiceBearerToken on resource *, and \
             check the domain's own policy where it belongs to another account"
        }
        (Kind::Denied, _) if operation == WEB_IDENTITY_TOKEN => {
            "Allow the role sts:GetWebIdentityToken (with tags also sts:TagGetWebIdentityToken) on resource *, and enable outbound identity federation in its account"
        }
        (Kind::Denied, _) => "Check the policies of the identity that made the call",
        (Kind::Missing, _) => "Create it, or correct its name in the specification",
        (Kind::InputRefused, _) => {
            "Check the token's issuer, signature and audience against the IAM identity provider"
        }
        (Kind::Specification, "RegionDisabledException") => {
            "Activate STS for this Region in the account, or choose another spec.sts.region"
        }
        _ => of_any(kind, error),
    }
}

fn of_store(operation: &str, kind: Kind, error: &AwsError) -> &'static str {
    match kind {
        Kind::Denied | Kind::Missing | Kind::Specification | Kind::Unsupported
            if operation == "GetCallerIdentity" =>
        {
            "This store does not say whose credentials these are, so they cannot be checked: take accountId and arn out \
             of spec.principal"
        }
        Kind::Throttled => {
            "No action needed; retried more slowly. If it lasts, lower the controller's call rate or raise the store's limit"
        }
        Kind::Denied if operation == "AssumeRole" => {
            "Check the key that signed the call (stores answer an unknown key and a wrong secret the same way), that the \
             role exists under exactly this ARN, that its trust policy lets this caller in and that the caller's own \
             policy allows sts:AssumeRole on it"
        }
        Kind::Denied if matches!(operation, "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML") => {
            "Check that the role exists under exactly this ARN, that the token has not expired, that the store trusts the \
             token's issuer (its identity provider: URL, audiences, certificates) and that the role's trust policy names \
             the token's subject and audience"
        }
        Kind::Denied => {
            "Check the key that signed the call (stores answer an unknown key and a wrong secret the same way) and that \
             the store lets its user call this operation"
        }
        Kind::Missing => {
            "Create the role in the store, or correct roleArn: the path and the tenant are part of it. It is tried again \
             automatically"
        }
        Kind::InputRefused => {
            "Check the token's issuer, signature and audience against the identity provider that the store trusts"
        }
        Kind::Unsupported => "This store does not know the operation: choose another source",
        _ => of_any(kind, error),
    }
}

fn of_server(kind: Kind) -> &'static str {
    match kind {
        Kind::Throttled => {
            "No action needed; retried more slowly. If it lasts, raise the server's limit"
        }
        Kind::Denied | Kind::CallerInvalid | Kind::InputExpired | Kind::InputRefused => {
            "Check what the source sends to prove who it is (headers, token, client certificate) and what the server lets it have"
        }
        Kind::Clock => {
            "Set the clocks of the controller's node and of the server to the right time"
        }
        _ => "Check the source's URL and what the server expects to be asked",
    }
}

/// Advice that fits every issuer.
fn of_any(kind: Kind, error: &AwsError) -> &'static str {
    match (kind, error.code.as_str()) {
        (Kind::Throttled | Kind::Unavailable | Kind::CallerExpired, _) => {
            "No action needed; retried automatically"
        }
        (Kind::Clock, _) => "Set the controller's node to the right time",
        (Kind::CallerInvalid, _) => {
            "Check the access key in the Secret: it is unknown, inactive, deleted or its secret does not fit"
        }
        (Kind::InputExpired, _) => {
            "Renew the token in the Secret; the change is noticed automatically"
        }
        (_, "MalformedPolicyDocument" | "MalformedPolicyDocumentException") => {
            "Correct the session policy in the specification"
        }
        (_, "PackedPolicyTooLarge" | "PackedPolicyTooLargeException") => {
            "Shorten the session policy, or use fewer session tags"
        }
        (Kind::Unsupported, _) => "The issuer does not know the operation: choose another source",
        _ if error.message.trim().is_empty() => {
            "Correct the specification. The issuer does not say which value it refuses: compare durationSeconds with the \
             role's longest session first, then policies, tags and names with what the issuer takes"
        }
        _ => "Correct the specification: the issuer says which value it does not take",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssueError;
    use crate::retry::Class;
    use refreshable_api::conditions::Reason;

    const ROLE: &str = "AssumeRole";
    const TOKEN: &str = "AssumeRoleWithWebIdentity";
    const WHO: &str = "GetCallerIdentity";

    fn refused(
        operation: &'static str,
        code: &str,
        status: u16,
        message: &str,
        issuer: Issuer,
    ) -> IssueError {
        let error = AwsError {
            code: code.into(),
            message: message.into(),
            request_id: Some("r".into()),
            status,
            issuer,
        };
        IssueError::Refused { operation, subject: "arn:aws:iam:::role/reports".into(), error }
    }

    #[test]
    fn each_issuer_s_codes_have_the_class_of_aws_s_answer_and_advice_that_fits_the_issuer() {
        use {Class::*, Issuer::*, Reason as R};
        for (issuer, operation, code, status, message, class, reason, words) in [
            (
                Aws,
                WEB_IDENTITY_TOKEN,
                "OutboundWebIdentityFederationDisabled",
                403,
                "disabled",
                Denied,
                R::AccessDenied,
                "enable outbound identity federation",
            ),
            (
                Aws,
                WEB_IDENTITY_TOKEN,
                "JWTPayloadSizeExceeded",
                400,
                "too large",
                Specification,
                R::InvalidSpecification,
                "Correct the specification",
            ),
            (
                Aws,
                code_artifact::OPERATION,
                "AccessDeniedException",
                403,
                "no",
                Denied,
                R::AccessDenied,
                "codeartifact:GetAuthorizationToken on the domain",
            ),
            (
                Aws,
                code_artifact::OPERATION,
                "UnrecognizedClientException",
                403,
                "no",
                Denied,
                R::AccessDenied,
                "Region in spec.token",
            ),
            // AWS has one error for a role that does not exist and for one that does not trust the
            // caller.
            (Aws, ROLE, "AccessDenied", 403, "no", Denied, R::AccessDenied, "that the role exists"),
            (
                Aws,
                TOKEN,
                "AccessDenied",
                403,
                "no",
                Denied,
                R::AccessDenied,
                "names this token's issuer",
            ),
            (
                Aws,
                ROLE,
                "InvalidClientTokenId",
                403,
                "no",
                Input,
                R::InputInvalid,
                "access key in the Secret",
            ),
            (
                Aws,
                ROLE,
                "ValidationError",
                400,
                "DurationSeconds",
                Specification,
                R::InvalidSpecification,
                "says which",
            ),
            (
                Aws,
                ROLE,
                "ValidationError",
                400,
                "",
                Specification,
                R::InvalidSpecification,
                "does not say which",
            ),
            (Aws, ROLE, "ExpiredToken", 403, "", Transient, R::InputExpired, "automatically"),
            (
                Aws,
                ROLE,
                "RegionDisabledException",
                403,
                "",
                Specification,
                R::InvalidSpecification,
                "Activate STS",
            ),
            (
                Aws,
                TOKEN,
                "InvalidIdentityToken",
                400,
                "",
                Input,
                R::InputInvalid,
                "IAM identity provider",
            ),
            (Aws, ROLE, "Throttling", 400, "", Throttled, R::Throttled, "STS quota"),
            // Ceph RGW: S3's XML without a message.
            (
                Store,
                ROLE,
                "NoSuchEntity",
                404,
                "",
                Denied,
                R::AccessDenied,
                "Create the role in the store",
            ),
            (
                Store,
                TOKEN,
                "NoSuchEntity",
                404,
                "",
                Denied,
                R::AccessDenied,
                "Create the role in the store",
            ),
            (
                Store,
                ROLE,
                "AccessDenied",
                403,
                "",
                Denied,
                R::AccessDenied,
                "the key that signed the call",
            ),
            (
                Store,
                TOKEN,
                "AccessDenied",
                403,
                "",
                Denied,
                R::AccessDenied,
                "store trusts the token's issuer",
            ),
            (
                Store,
                "GetSessionToken",
                "AccessDenied",
                403,
                "",
                Denied,
                R::AccessDenied,
                "its user call this operation",
            ),
            (
                Store,
                ROLE,
                "InvalidArgument",
                400,
                "",
                Specification,
                R::InvalidSpecification,
                "durationSeconds",
            ),
            (
                Store,
                ROLE,
                "MalformedPolicyDocument",
                400,
                "",
                Specification,
                R::InvalidSpecification,
                "session policy",
            ),
            (
                Store,
                WHO,
                "MethodNotAllowed",
                405,
                "",
                Specification,
                R::InvalidSpecification,
                "out of spec.principal",
            ),
            (
                Store,
                "GetFederationToken",
                "MethodNotAllowed",
                405,
                "",
                Specification,
                R::InvalidSpecification,
                "source",
            ),
            (
                Store,
                ROLE,
                "SignatureDoesNotMatch",
                403,
                "",
                Input,
                R::InputInvalid,
                "access key in the Secret",
            ),
            (
                Store,
                ROLE,
                "RequestTimeTooSkewed",
                403,
                "",
                Transient,
                R::IssuerUnavailable,
                "right time",
            ),
            (Store, ROLE, "SlowDown", 503, "", Throttled, R::Throttled, "the store's limit"),
            // MinIO: STS's XML with words.
            (
                Store,
                TOKEN,
                "ExpiredToken",
                400,
                "expired",
                Input,
                R::InputExpired,
                "Renew the token",
            ),
            (
                Store,
                TOKEN,
                "InvalidParameterValue",
                400,
                "x",
                Specification,
                R::InvalidSpecification,
                "says which",
            ),
            (
                Store,
                ROLE,
                "MissingParameter",
                400,
                "x",
                Specification,
                R::InvalidSpecification,
                "says which",
            ),
            (
                Store,
                ROLE,
                "STSNotInitialized",
                503,
                "x",
                Transient,
                R::IssuerUnavailable,
                "automatically",
            ),
            (
                Store,
                ROLE,
                "InternalError",
                500,
                "x",
                Transient,
                R::IssuerUnavailable,
                "automatically",
            ),
            (
                Store,
                TOKEN,
                "InvalidIdentityToken",
                400,
                "",
                Input,
                R::InputInvalid,
                "that the store trusts",
            ),
            (
                Store,
                "GetSessionToken",
                "NotImplemented",
                501,
                "",
                Specification,
                R::InvalidSpecification,
                "another source",
            ),
            // Servers of one's own.
            (
                Server,
                "GetCredentials",
                "AccessDenied",
                403,
                "no",
                Denied,
                R::AccessDenied,
                "headers, token",
            ),
            (
                Server,
                "GetCredentials",
                "HTTP 404",
                404,
                "",
                Specification,
                R::InvalidSpecification,
                "source's URL",
            ),
            (
                Server,
                "GetCredentials",
                "HTTP 429",
                429,
                "",
                Throttled,
                R::Throttled,
                "the server's limit",
            ),
            (
                Server,
                "GetCredentials",
                "HTTP 502",
                502,
                "",
                Transient,
                R::IssuerUnavailable,
                "automatically",
            ),
        ] {
            let error = refused(operation, code, status, message, issuer);
            let case =
                format!("{issuer:?} {operation} {code} {status} {message:?}: {}", error.advice());
            assert_eq!((error.class(), error.reason()), (class, reason), "{case}");
            assert!(error.advice().contains(words), "{case}");
            if issuer != Aws {
                for aws in ["IAM", "quota", "account", "CloudTrail", "trust-policy"] {
                    assert!(
                        !error.advice().replace("accountId", "").contains(aws),
                        "{aws}: {case}"
                    );
                }
            }
            if message.is_empty() {
                assert!(!error.advice().contains("the issuer says which"), "{case}");
            }
        }
    }
}
