//! AWS CodeArtifact's [GetAuthorizationToken](https://docs.aws.amazon.com/codeartifact/latest/APIReference/API_GetAuthorizationToken.html):
//! REST, with all parameters in the query.

use super::service::{Means, ServiceCall};
use refreshable_api::CodeArtifactToken;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::token::code_artifact::{self, Answer, ID, OPERATION, SIGNING_NAME};
use secrecy::ExposeSecret as _;

/// Buys the token of a domain.
///
/// # Errors
/// AWS's error, or why the call failed.
pub(crate) async fn get_authorization_token(
    token: &CodeArtifactToken,
    means: Means<'_>,
) -> Result<Answer, IssueError> {
    let endpoint = |fips, dual_stack| code_artifact::endpoint(&token.region, fips, dual_stack);
    let call = ServiceCall {
        operation: OPERATION,
        id: ID,
        signing_name: SIGNING_NAME,
        region: &token.region,
        endpoint: &endpoint,
        path: code_artifact::path(token),
        headers: Vec::new(),
        body: "",
    };
    let answer = call.send(means).await?;
    let read = code_artifact::read(answer.body.expose_secret(), answer.request_id.as_deref())?;
    means.redactor.protect(read.token.expose_secret());
    Ok(read)
}
