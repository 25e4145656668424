//! AssumeRole, with every parameter that AWS has.

use super::answer::{Given, issued};
use super::{Caller, Sts, exposed, policy_arns, tags};
use crate::aws::call::{DateSeen, send};
use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::types::ProvidedContext;
use jiff::Timestamp;
use refreshable_api::{Role, StsSpec};
use refreshable_rules::issuer::{IssueError, Issued, TokenSize};
use secrecy::SecretString;

/// AssumeRole, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct RoleCall<'a> {
    /// The role.
    pub role: &'a Role,
    /// `RoleSessionName`.
    pub session_name: &'a str,
    /// `ExternalId`.
    pub external_id: Option<&'a SecretString>,
    /// `TokenCode`.
    pub token_code: Option<&'a SecretString>,
}

impl Sts {
    /// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
    ///
    /// # Errors
    /// The issuer's error, or why the call failed.
    pub async fn assume_role(
        &self,
        call: RoleCall<'_>,
        caller: &Caller,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let role = call.role;
        let ask = self.ask("AssumeRole", &call.role.role_arn, Some(&call.role.role_arn), spec, now);
        let date = DateSeen::default();
        let config = self.config(spec, Some(&role.role_arn), Some(caller), &date)?;
        let asked = self
            .client
            .assume_role()
            .role_arn(&role.role_arn)
            .role_session_name(call.session_name)
            .set_duration_seconds(role.duration_seconds)
            .set_external_id(exposed(call.external_id))
            .set_policy(role.policy.clone())
            .set_policy_arns(policy_arns(role.policy_arns.as_deref()))
            .set_tags(tags(role.tags.as_deref())?)
            .set_transitive_tag_keys(role.transitive_tag_keys.clone())
            .set_source_identity(role.source_identity.clone())
            .set_serial_number(role.serial_number.clone())
            .set_token_code(exposed(call.token_code))
            .set_provided_contexts(contexts(role))
            .set_minimum_session_token_size(role.minimum_session_token_size)
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

fn contexts(role: &Role) -> Option<Vec<ProvidedContext>> {
    role.provided_contexts.as_ref().map(|list| {
        list.iter()
            .map(|c| {
                ProvidedContext::builder()
                    .provider_arn(&c.provider_arn)
                    .context_assertion(&c.context_assertion)
                    .build()
            })
            .collect()
    })
}
