//! Translates the SDK's errors. Never through their `Debug`, which prints bodies. Confidential
//! values are redacted where the errors leave the attempt
//! ([`refreshable_rules::issuer::Redactor`]).

use super::ask::Ask;
use super::foreign;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use refreshable_rules::issuer::{AwsError, IssueError};

/// Why `ask` failed.
pub(super) fn of<E>(ask: &Ask<'_>, error: &SdkError<E, HttpResponse>) -> IssueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let unreachable = |detail: String| IssueError::Unreachable {
        operation: ask.operation,
        endpoint: ask.endpoint.clone(),
        detail,
    };
    let status = error.raw_response().map(|r| r.status().as_u16());
    let request_id = error.raw_response().and_then(|r| r.request_id()).map(str::to_owned);
    let foreign = error.raw_response().filter(|r| !r.status().is_success()).and_then(|r| {
        foreign::error(r.status().as_u16(), r.body().bytes()?, request_id.as_deref())
    });
    match error {
        SdkError::TimeoutError(_) => unreachable("no answer in time".to_owned()),
        SdkError::DispatchFailure(e) => match no_identity(error) {
            Some(detail) => IssueError::NoIdentity { detail },
            None => {
                unreachable(e.as_connector_error().map_or_else(|| chain_of(error), |c| chain_of(c)))
            }
        },
        SdkError::ConstructionFailure(_) => match no_identity(error) {
            Some(detail) => IssueError::NoIdentity { detail },
            None => IssueError::Specification { field: "spec".to_owned(), what: chain_of(error) },
        },
        SdkError::ServiceError(e) if e.err().code().is_some() => IssueError::Refused {
            operation: ask.operation,
            subject: ask.subject.to_owned(),
            error: AwsError {
                code: e.err().code().unwrap_or_default().to_owned(),
                message: e.err().message().unwrap_or_default().to_owned(),
                request_id: e.err().meta().request_id().map(str::to_owned).or(request_id),
                status: status.unwrap_or_default(),
                issuer: ask.issuer,
            },
        },
        _ => match (foreign, status) {
            (Some(error), _) => IssueError::Refused {
                operation: ask.operation,
                subject: ask.subject.to_owned(),
                error: AwsError { issuer: ask.issuer, ..error },
            },
            (None, Some(status @ (429 | 500..))) => IssueError::Refused {
                operation: ask.operation,
                subject: ask.subject.to_owned(),
                error: AwsError {
                    code: format!("HTTP {status}"),
                    message: "an answer that is not STS's".to_owned(),
                    request_id,
                    status,
                    issuer: ask.issuer,
                },
            },
            (None, Some(status)) => IssueError::InvalidAnswer {
                operation: ask.operation,
                what: format!("HTTP {status} with a body that is not STS's"),
                request_id,
            },
            (None, None) => IssueError::InvalidAnswer {
                operation: ask.operation,
                what: chain_of(error),
                request_id,
            },
        },
    }
}

/// An error with its causes, as one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    parts.join(": ")
}

/// The message of an error of the chain that looks for the controller's own identity.
fn no_identity(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<aws_credential_types::provider::error::CredentialsError>() {
            return Some(chain_of(cause));
        }
        next = cause.source();
    }
    None
}
