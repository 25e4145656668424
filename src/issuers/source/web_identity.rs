//! AssumeRoleWithWebIdentity, with a token of a ServiceAccount of the namespace or one from a
//! Secret.

use super::{Obtained, Request, Source, verify};
use crate::aws::region::Home;
use crate::aws::sts::{WebIdentityCall, issuer_of};
use futures::future::BoxFuture;
use refreshable_api::{Arn, WebIdentitySource};
use refreshable_rules::issuer::IssueError;
use secrecy::ExposeSecret as _;

/// Longest token that STS takes.
const LONGEST_TOKEN: usize = 20_000;

impl Source for WebIdentitySource {
    fn name(&self) -> &'static str {
        "webIdentity"
    }

    fn secrets(&self) -> Vec<&str> {
        self.token_secret_ref.iter().map(|r| r.name.as_str()).collect()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        // These calls are not signed: the namespace that names the role makes them.
        let account = Arn::account_of(&self.role_arn).unwrap_or_default();
        format!("account/{account}/{namespace}")
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        Home::PartitionOf(&self.role_arn)
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let token = match (&self.service_account_ref, &self.token_secret_ref) {
                (Some(account), None) => request.token(&account.name, &account.audience).await?,
                (None, Some(reference)) => {
                    let token = request.text(reference).await?;
                    if token.expose_secret().len() > LONGEST_TOKEN {
                        return Err(IssueError::InputInvalid {
                            kind: "Secret",
                            name: reference.name.clone(),
                            key: reference.key.clone(),
                            what: format!(
                                "the token is longer than the {LONGEST_TOKEN} characters that STS takes"
                            ),
                        });
                    }
                    token
                }
                _ => {
                    return Err(IssueError::Specification {
                        field: "spec.source.webIdentity".to_owned(),
                        what: "set exactly one of serviceAccountRef and tokenSecretRef".to_owned(),
                    });
                }
            };
            let call = WebIdentityCall {
                source: self,
                token: &token,
                session_name: &request.session_name,
            };
            let issued = request
                .sts
                .assume_role_with_web_identity(call, request.sts_spec, request.now)
                .await?;
            verify::is_role(
                &self.role_arn,
                self.role_session_name.as_deref().or(Some(&request.session_name)),
                &issued.principal,
                issuer_of(request.sts_spec),
            )?;
            Ok(Obtained::Session(Box::new(issued)))
        })
    }
}
