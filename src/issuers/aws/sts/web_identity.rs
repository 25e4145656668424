//! AssumeRoleWithWebIdentity.

use super::answer::{Given, issued};
use super::{Sts, policy_arns};
use crate::aws::call::{DateSeen, send};
use aws_sdk_sts::operation::RequestId as _;
use jiff::Timestamp;
use refreshable_api::{StsSpec, WebIdentitySource};
use refreshable_rules::issuer::{IssueError, Issued, TokenSize};
use secrecy::{ExposeSecret as _, SecretString};

/// AssumeRoleWithWebIdentity, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct WebIdentityCall<'a> {
    /// The source.
    pub source: &'a WebIdentitySource,
    /// `WebIdentityToken`.
    pub token: &'a SecretString,
    /// `RoleSessionName` where the source names none.
    pub session_name: &'a str,
}

impl Sts {
    /// [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html),
    /// unsigned.
    ///
    /// # Errors
    /// The issuer's error, or why the call failed.
    pub async fn assume_role_with_web_identity(
        &self,
        call: WebIdentityCall<'_>,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let source = call.source;
        let ask = self.ask(
            "AssumeRoleWithWebIdentity",
            &source.role_arn,
            Some(&source.role_arn),
            spec,
            now,
        );
        let date = DateSeen::default();
        let config = self.config(spec, Some(&source.role_arn), None, &date)?;
        let asked = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&source.role_arn)
            .role_session_name(source.role_session_name.as_deref().unwrap_or(call.session_name))
            .web_identity_token(call.token.expose_secret())
            .set_duration_seconds(source.duration_seconds)
            .set_policy(source.policy.clone())
            .set_policy_arns(policy_arns(source.policy_arns.as_deref()))
            .set_provider_id(source.provider_id.clone())
            .set_minimum_session_token_size(source.minimum_session_token_size)
            .customize()
            .config_override(config)
            .send();
        let answer = send(&ask, self.meter(), asked).await?;
        let user = answer.assumed_role_user();
        let given = Given {
            credentials: answer.credentials(),
            arn: user.map(|u| u.arn()),
            user_id: user.map(|u| u.assumed_role_id()),
            #[allow(deprecated)]
            packed_policy_size: answer.packed_policy_size(),
            token: TokenSize {
                bytes: answer.session_token_size(),
                utilization: answer.session_token_utilization(),
            },
            request_id: answer.request_id(),
        };
        issued(&ask, &given, &date)
    }
}
