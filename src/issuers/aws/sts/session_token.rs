//! GetSessionToken: a session of an IAM user, with MFA where a policy demands it.

use super::answer::{Given, issued};
use super::{Caller, Sts, exposed};
use crate::aws::call::{DateSeen, send};
use aws_sdk_sts::operation::RequestId as _;
use jiff::Timestamp;
use refreshable_api::{SessionTokenSource, StsSpec};
use refreshable_rules::issuer::{IssueError, Issued, TokenSize};
use secrecy::SecretString;

/// GetSessionToken, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct SessionCall<'a> {
    /// The source.
    pub source: &'a SessionTokenSource,
    /// `TokenCode`.
    pub token_code: Option<&'a SecretString>,
}

impl Sts {
    /// [GetSessionToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html).
    ///
    /// # Errors
    /// The issuer's error, or why the call failed.
    pub async fn get_session_token(
        &self,
        call: SessionCall<'_>,
        caller: &Caller,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let ask = self.ask("GetSessionToken", "", None, spec, now);
        let date = DateSeen::default();
        let config = self.config(spec, None, Some(caller), &date)?;
        let asked = self
            .client
            .get_session_token()
            .set_duration_seconds(call.source.duration_seconds)
            .set_serial_number(call.source.serial_number.clone())
            .set_token_code(exposed(call.token_code))
            .set_minimum_session_token_size(call.source.minimum_session_token_size)
            .customize()
            .config_override(config)
            .send();
        let answer = send(&ask, self.meter(), asked).await?;
        // The response does not name the principal.
        let given = Given {
            credentials: answer.credentials(),
            arn: None,
            user_id: None,
            packed_policy_size: None,
            token: TokenSize {
                bytes: answer.session_token_size(),
                utilization: answer.session_token_utilization(),
            },
            request_id: answer.request_id(),
        };
        issued(&ask, &given, &date)
    }
}
