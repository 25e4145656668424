//! EKS Pod Identity: a ServiceAccount's token for the credentials of the role that EKS associates
//! with it.

use super::{Obtained, Request, Source};
use crate::aws::ask::Ask;
use crate::aws::call::{DateSeen, TIMEOUT, send, timeouts};
use crate::aws::region::Home;
use aws_sdk_eksauth::config::{BehaviorVersion, Region, retry::RetryConfig};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{Arn, PodIdentitySource, PrincipalStatus};
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Issuer, Lifetime, Session};
use secrecy::{ExposeSecret as _, SecretString};

const OPERATION: &str = "AssumeRoleForPodIdentity";
/// The audience that EKS expects of tokens.
const AUDIENCE: &str = "pods.eks.amazonaws.com";

impl Source for PodIdentitySource {
    fn name(&self) -> &'static str {
        "podIdentity"
    }

    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    fn rate_limit_key(&self, _namespace: &str) -> String {
        format!("eks/{}", self.cluster_name)
    }

    fn endpoint(&self) -> Option<String> {
        Some(format!("eks/{}", self.cluster_name))
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        self.region.as_deref().map_or(Home::Unknown, Home::Region)
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async { Ok(Obtained::Session(Box::new(assume(self, request).await?))) })
    }
}

async fn assume(source: &PodIdentitySource, request: &Request<'_>) -> Result<Issued, IssueError> {
    let token = request.token(&source.service_account_ref.name, AUDIENCE).await?;
    let region =
        source.region.clone().unwrap_or_else(|| request.sts.region(request.sts_spec, None));
    let date = DateSeen::default();
    let mut config = aws_sdk_eksauth::config::Builder::from(&request.source_context.aws)
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(TIMEOUT))
        .interceptor(date.clone());
    config.set_use_fips(request.sts_spec.use_fips);
    let ask = Ask {
        operation: OPERATION,
        subject: &source.cluster_name,
        endpoint: format!("EKS Auth in {region}"),
        issuer: Issuer::Aws,
        now: request.now,
    };
    let asked = aws_sdk_eksauth::Client::from_conf(config.build())
        .assume_role_for_pod_identity()
        .cluster_name(&source.cluster_name)
        .token(token.expose_secret())
        .send();
    let answer = send(&ask, request.sts.meter(), asked).await?;
    let invalid =
        |what: String| IssueError::InvalidAnswer { operation: OPERATION, what, request_id: None };
    let given = answer.credentials().ok_or_else(|| invalid("it lacks credentials".to_owned()))?;
    let key = AccessKey {
        id: given.access_key_id().to_owned(),
        secret: SecretString::from(given.secret_access_key()),
        token: Some(SecretString::from(given.session_token())),
    };
    let expiration = Timestamp::from_second(given.expiration().secs())
        .map_err(|_| invalid("Expiration cannot be read".to_owned()))?;
    let session = Session::checked(key, expiration).map_err(invalid)?;
    let user = answer.assumed_role_user();
    let arn = user.map(|u| u.arn().to_owned());
    Ok(Issued {
        lifetime: Lifetime::judge(OPERATION, expiration, date.get(), request.now)?,
        session,
        principal: PrincipalStatus {
            account_id: arn.as_deref().and_then(Arn::account_of),
            arn,
            user_id: user.map(|u| u.assume_role_id().to_owned()),
        },
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    })
}
