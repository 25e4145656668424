//! AWS CodeArtifact's
//! [GetAuthorizationToken](https://docs.aws.amazon.com/codeartifact/latest/APIReference/API_GetAuthorizationToken.html).

use super::field;
use super::presigned::query;
use crate::expiry;
use crate::issuer::IssueError;
use crate::partition;
use jiff::Timestamp;
use refreshable_api::CodeArtifactToken;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

/// The operation. ECR has one of the same name.
pub const OPERATION: &str = "CodeArtifactGetAuthorizationToken";
/// Name of the service in signatures.
pub const SIGNING_NAME: &str = "codeartifact";
/// AWS's id of the service, of which `AWS_ENDPOINT_URL_<id>` is made.
pub const ID: &str = "codeartifact";

/// Judges what stands in URLs and in files.
///
/// # Errors
/// [`IssueError::Specification`].
pub fn checked(token: &CodeArtifactToken) -> Result<(), IssueError> {
    field::name("codeArtifact.domain", &token.domain)?;
    field::account("codeArtifact.domainOwner", &token.domain_owner)?;
    field::region("codeArtifact.region", &token.region)?;
    let mut names = token.repositories.iter().map(|r| &r.name);
    names.try_for_each(|name| field::name("codeArtifact.repositories.name", name))
}

/// URL of the service's [endpoint](https://docs.aws.amazon.com/general/latest/gr/codeartifact.html).
pub fn endpoint(region: &str, fips: bool, dual_stack: bool) -> String {
    let partition = partition::of_region(region);
    let host = if fips { "codeartifact-fips" } else { "codeartifact" };
    let domain = if dual_stack { partition.dual_stack } else { partition.domain };
    format!("https://{host}.{region}.{domain}")
}

/// Path and query of the request.
pub fn path(token: &CodeArtifactToken) -> String {
    let seconds = token.duration_seconds().to_string();
    let parameters = [
        ("domain", token.domain.as_str()),
        ("domain-owner", &token.domain_owner),
        ("duration", &seconds),
    ];
    format!("/v1/authorization-token?{}", query(&parameters))
}

/// A token, and when it ends. `Debug` does not show it.
pub struct Answer {
    /// The token.
    pub token: SecretString,
    /// When the repositories stop taking it.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    authorization_token: Option<SecretString>,
    expiration: Option<Value>,
}

/// Reads the body of a response.
///
/// # Errors
/// [`IssueError::InvalidAnswer`], naming the member that is missing or wrong and never its value.
pub fn read(body: &[u8], request_id: Option<&str>) -> Result<Answer, IssueError> {
    let invalid = |what: &str| IssueError::InvalidAnswer {
        operation: OPERATION,
        what: what.to_owned(),
        request_id: request_id.map(str::to_owned),
    };
    // serde's message could quote the body.
    let body: Body = serde_json::from_slice(body)
        .map_err(|_| invalid("it is not a JSON object with authorizationToken"))?;
    let token = body.authorization_token.ok_or_else(|| invalid("authorizationToken is missing"))?;
    if !is_b64token(token.expose_secret()) {
        return Err(invalid("authorizationToken is not a bearer token"));
    }
    let expires_at = body.expiration.as_ref().and_then(expiry::from_json);
    let expires_at =
        expires_at.ok_or_else(|| invalid("expiration is missing or cannot be read"))?;
    Ok(Answer { token, expires_at })
}

/// Whether a text is a `b64token` of [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-2.1).
/// None of its characters means anything in the files that it is written into.
pub(super) fn is_b64token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

#[cfg(test)]
#[path = "code_artifact_tests.rs"]
mod tests;
