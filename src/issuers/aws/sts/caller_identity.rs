//! GetCallerIdentity.

use super::answer::principal;
use super::{Caller, Sts};
use crate::aws::call::{DateSeen, send};
use jiff::Timestamp;
use refreshable_api::{PrincipalStatus, StsSpec};
use refreshable_rules::issuer::IssueError;

impl Sts {
    /// [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html):
    /// whose credentials are these?
    ///
    /// # Errors
    /// The issuer's error, or why the call failed.
    pub async fn get_caller_identity(
        &self,
        caller: &Caller,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<PrincipalStatus, IssueError> {
        let ask = self.ask("GetCallerIdentity", "", None, spec, now);
        let config = self.config(spec, None, Some(caller), &DateSeen::default())?;
        let asked = self.client.get_caller_identity().customize().config_override(config).send();
        let answer = send(&ask, self.meter(), asked).await?;
        let mut found = principal(answer.arn(), answer.user_id());
        found.account_id = answer.account().map(str::to_owned).or(found.account_id);
        Ok(found)
    }
}
