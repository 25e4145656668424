//! EC2's instance metadata service, version 2 only.
//!
//! aws-config's client implements the protocol. Its ready-made provider is not used, because it
//! extends the life of expired credentials and hides errors behind stale ones.

use super::{Obtained, Request, Source};
use crate::aws::call::counted;
use crate::aws::region::Home;
use aws_config::imds::Client;
use aws_config::imds::client::error::ImdsError;
use futures::future::BoxFuture;
use refreshable_api::{InstanceMetadataSource, is_path_segment};
use refreshable_rules::issuer::{AwsError, IssueError, Issuer, json};
use std::time::Duration;

const OPERATION: &str = "GetInstanceMetadata";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const TIMEOUT: Duration = Duration::from_secs(2);

impl Source for InstanceMetadataSource {
    fn name(&self) -> &'static str {
        "instanceMetadata"
    }

    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    fn rate_limit_key(&self, _namespace: &str) -> String {
        "instanceMetadata".to_owned()
    }

    fn endpoint(&self) -> Option<String> {
        Some("instanceMetadata".to_owned())
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            counted(OPERATION, request.sts.meter(), credentials(self, request)).await
        })
    }
}

async fn credentials(
    source: &InstanceMetadataSource,
    request: &Request<'_>,
) -> Result<Obtained, IssueError> {
    let client =
        Client::builder().max_attempts(1).connect_timeout(TIMEOUT).read_timeout(TIMEOUT).build();
    let role = match &source.role {
        Some(role) if is_path_segment(role) => role.clone(),
        Some(role) => {
            return Err(IssueError::Specification {
                field: "spec.source.instanceMetadata.role".to_owned(),
                what: format!(
                    "{role:?} is not a name of a role: write its name alone, without a path"
                ),
            });
        }
        None => {
            let listed = client.get(ROLES).await.map_err(|e| failed(&e, "the instance"))?;
            let listed = String::from(listed);
            // One role, on the first line; anything but a name is invalid.
            let first = listed.lines().next().unwrap_or_default().trim();
            if !is_path_segment(first) {
                return Err(invalid("the instance has no role, or its name is none"));
            }
            first.to_owned()
        }
    };
    let answer = client.get(format!("{ROLES}{role}")).await.map_err(|e| failed(&e, &role))?;
    let body = String::from(answer);
    let issued = json::read(OPERATION, body.as_bytes(), None, request.now)
        .map_err(|error| of_role(error, &role))?;
    Ok(Obtained::Session(Box::new(issued)))
}

/// A refusal names the role that it is about.
fn of_role(error: IssueError, role: &str) -> IssueError {
    match error {
        IssueError::Refused { operation, error, .. } => {
            IssueError::Refused { operation, subject: role.to_owned(), error }
        }
        other => other,
    }
}

fn invalid(what: &str) -> IssueError {
    IssueError::InvalidAnswer { operation: OPERATION, what: what.to_owned(), request_id: None }
}

fn failed(error: &ImdsError, subject: &str) -> IssueError {
    match error {
        ImdsError::ErrorResponse(response) => {
            let status = response.response().status().as_u16();
            let code = format!("HTTP {status}");
            let message = match status {
                404 => "the instance has no such role".to_owned(),
                _ => "the metadata service refused".to_owned(),
            };
            let error = AwsError { code, message, request_id: None, status, issuer: Issuer::Aws };
            IssueError::Refused { operation: OPERATION, subject: subject.to_owned(), error }
        }
        other => IssueError::Unreachable {
            operation: OPERATION,
            endpoint: "the instance metadata service".to_owned(),
            detail: other.to_string(),
        },
    }
}
