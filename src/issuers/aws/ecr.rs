//! Amazon ECR's [GetAuthorizationToken](https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html),
//! and that of [ECR Public](https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_GetAuthorizationToken.html):
//! AWS JSON 1.1 without a parameter.

use super::service::{Means, ServiceCall};
use refreshable_rules::issuer::IssueError;
use refreshable_rules::token::ecr::{self, BODY, Login, OPERATION, TokenCall};
use secrecy::ExposeSecret as _;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The call for the password of `call`'s registries.
pub(crate) fn service_call<'a>(
    call: &'a TokenCall,
    endpoint: &'a (dyn Fn(bool, bool) -> String + Sync),
) -> ServiceCall<'a> {
    ServiceCall {
        operation: OPERATION,
        id: call.service.id(),
        signing_name: call.service.signing_name(),
        region: &call.region,
        endpoint,
        path: "/".to_owned(),
        headers: vec![
            ("content-type".to_owned(), CONTENT_TYPE.to_owned()),
            ("x-amz-target".to_owned(), call.service.target().to_owned()),
        ],
        body: BODY,
    }
}

/// Buys the password of `call`'s registries.
///
/// # Errors
/// AWS's error, or why the call failed.
pub(crate) async fn get_authorization_token(
    call: &TokenCall,
    means: Means<'_>,
) -> Result<Login, IssueError> {
    let endpoint = |fips, dual_stack| ecr::endpoint(call.service, &call.region, fips, dual_stack);
    let answer = service_call(call, &endpoint).send(means).await?;
    let login = ecr::read(answer.body.expose_secret(), answer.request_id.as_deref())?;
    means.redactor.protect(login.password.expose_secret());
    Ok(login)
}
