//! A Cognito identity pool: GetId, then GetCredentialsForIdentity, both unsigned.

use super::{Obtained, Request, Source};
use crate::aws::ask::Ask;
use crate::aws::call::{DateSeen, TIMEOUT, send, timeouts};
use crate::aws::region::Home;
use aws_sdk_cognitoidentity::Client;
use aws_sdk_cognitoidentity::config::{BehaviorVersion, Region, retry::RetryConfig};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{CognitoLogin, CognitoSource};
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Issuer, Lifetime, Session};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;

const GET_CREDENTIALS: &str = "GetCredentialsForIdentity";

impl Source for CognitoSource {
    fn name(&self) -> &'static str {
        "cognito"
    }

    fn secrets(&self) -> Vec<&str> {
        self.logins
            .iter()
            .flatten()
            .filter_map(|l| l.token_secret_ref.as_ref())
            .map(|r| r.name.as_str())
            .collect()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("cognito/{namespace}/{}", self.identity_pool_id)
    }

    fn endpoint(&self) -> Option<String> {
        let region = self.identity_pool_id.split(':').next().unwrap_or_default();
        Some(format!("cognito-identity/{region}"))
    }

    fn calls(&self) -> u32 {
        if self.identity_id.is_some() { 1 } else { 2 }
    }

    fn home(&self) -> Home<'_> {
        Home::Region(region(self))
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let mut logins = Vec::new();
            for login in self.logins.iter().flatten() {
                logins.push((login.provider.clone(), token(login, request).await?));
            }
            Ok(Obtained::Session(Box::new(credentials(self, &logins, request).await?)))
        })
    }
}

/// The token of one login.
async fn token(login: &CognitoLogin, request: &Request<'_>) -> Result<SecretString, IssueError> {
    match (&login.service_account_ref, &login.token_secret_ref) {
        (Some(account), None) => request.token(&account.name, &account.audience).await,
        (None, Some(reference)) => request.text(reference).await,
        _ => Err(IssueError::Specification {
            field: "spec.source.cognito.logins".to_owned(),
            what: "set exactly one of serviceAccountRef and tokenSecretRef".to_owned(),
        }),
    }
}

/// The pool's Region, with which its id begins.
fn region(source: &CognitoSource) -> &str {
    source.identity_pool_id.split(':').next().unwrap_or_default()
}

async fn credentials(
    source: &CognitoSource,
    logins: &[(String, SecretString)],
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let region = region(source);
    let date = DateSeen::default();
    let mut config = aws_sdk_cognitoidentity::config::Builder::from(&request.source_context.aws)
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(TIMEOUT))
        .interceptor(date.clone());
    config.set_use_fips(request.sts_spec.use_fips);
    let client = Client::from_conf(config.build());
    let ask = |operation| Ask {
        operation,
        subject: source.identity_pool_id.as_str(),
        endpoint: format!("Cognito in {region}"),
        issuer: Issuer::Aws,
        now: request.now,
    };
    let exposed: HashMap<String, String> = logins
        .iter()
        .map(|(provider, token)| (provider.clone(), token.expose_secret().to_owned()))
        .collect();
    let exposed = (!exposed.is_empty()).then_some(exposed);
    let invalid = |operation, what: &str| IssueError::InvalidAnswer {
        operation,
        what: what.to_owned(),
        request_id: None,
    };
    let id = match &source.identity_id {
        Some(id) => id.clone(),
        None => {
            let asked = client
                .get_id()
                .identity_pool_id(&source.identity_pool_id)
                .set_account_id(source.account_id.clone())
                .set_logins(exposed.clone())
                .send();
            let answer = send(&ask("GetId"), request.sts.meter(), asked).await?;
            answer.identity_id.ok_or_else(|| invalid("GetId", "IdentityId is missing"))?
        }
    };
    let asked = client
        .get_credentials_for_identity()
        .identity_id(&id)
        .set_logins(exposed)
        .set_custom_role_arn(source.custom_role_arn.clone())
        .send();
    let answer = send(&ask(GET_CREDENTIALS), request.sts.meter(), asked).await?;
    let invalid = |what: &str| invalid(GET_CREDENTIALS, what);
    let given = answer.credentials().ok_or_else(|| invalid("it lacks credentials"))?;
    let key = AccessKey {
        id: given.access_key_id().ok_or_else(|| invalid("AccessKeyId is missing"))?.to_owned(),
        secret: SecretString::from(
            given.secret_key().ok_or_else(|| invalid("SecretKey is missing"))?,
        ),
        token: given.session_token().map(SecretString::from),
    };
    let expiration = given.expiration().and_then(|e| Timestamp::from_second(e.secs()).ok());
    let expiration =
        expiration.ok_or_else(|| invalid("Expiration is missing or cannot be read"))?;
    Ok(Issued {
        lifetime: Lifetime::judge(GET_CREDENTIALS, expiration, date.get(), request.now)?,
        session: Session::checked(key, expiration).map_err(|what| invalid(&what))?,
        principal: refreshable_api::PrincipalStatus::default(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    })
}
