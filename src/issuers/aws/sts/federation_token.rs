//! GetFederationToken: a session for another user, made by an IAM user and narrowed by a policy.

use super::answer::{Given, issued};
use super::{Caller, Sts, policy_arns, tags};
use crate::aws::call::{DateSeen, send};
use aws_sdk_sts::operation::RequestId as _;
use jiff::Timestamp;
use refreshable_api::{FederationTokenSource, StsSpec};
use refreshable_rules::issuer::{IssueError, Issued, TokenSize};

/// GetFederationToken, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct FederationCall<'a> {
    /// The source.
    pub source: &'a FederationTokenSource,
    /// `Name`.
    pub name: &'a str,
}

impl Sts {
    /// [GetFederationToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html).
    ///
    /// # Errors
    /// The issuer's error, or why the call failed.
    pub async fn get_federation_token(
        &self,
        call: FederationCall<'_>,
        caller: &Caller,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let source = call.source;
        let ask = self.ask("GetFederationToken", call.name, None, spec, now);
        let date = DateSeen::default();
        let config = self.config(spec, None, Some(caller), &date)?;
        let asked = self
            .client
            .get_federation_token()
            .name(call.name)
            .set_duration_seconds(source.duration_seconds)
            .set_policy(source.policy.clone())
            .set_policy_arns(policy_arns(source.policy_arns.as_deref()))
            .set_tags(tags(source.tags.as_deref())?)
            .set_minimum_session_token_size(source.minimum_session_token_size)
            .customize()
            .config_override(config)
            .send();
        let answer = send(&ask, self.meter(), asked).await?;
        let user = answer.federated_user();
        let given = Given {
            credentials: answer.credentials(),
            arn: user.map(|u| u.arn()),
            user_id: user.map(|u| u.federated_user_id()),
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
