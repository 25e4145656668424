//! GetWebIdentityToken: a JSON Web Token about the session, for services outside AWS.

use super::{Caller, Sts, tags};
use crate::aws::call::{DateSeen, send};
use jiff::Timestamp;
use refreshable_api::{StsSpec, WebIdentityToken};
use refreshable_rules::issuer::{IssueError, WEB_IDENTITY_TOKEN};
use secrecy::{ExposeSecret as _, SecretString};

/// GetWebIdentityToken, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct OutboundCall<'a> {
    /// The token.
    pub token: &'a WebIdentityToken,
    /// `DurationSeconds`.
    pub seconds: i32,
}

impl Sts {
    /// [GetWebIdentityToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html),
    /// and when the token ends.
    ///
    /// # Errors
    /// The issuer's error, or why the call failed.
    pub async fn get_web_identity_token(
        &self,
        call: OutboundCall<'_>,
        caller: &Caller,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<(SecretString, Timestamp), IssueError> {
        let token = call.token;
        let ask = self.ask(WEB_IDENTITY_TOKEN, "", None, spec, now);
        let config = self.config(spec, None, Some(caller), &DateSeen::default())?;
        let asked = self
            .client
            .get_web_identity_token()
            .set_audience(Some(token.audiences.clone()))
            .signing_algorithm(token.signing_algorithm().as_str())
            .duration_seconds(call.seconds)
            .set_tags(tags(token.tags.as_deref())?)
            .customize()
            .config_override(config)
            .send();
        let answer = send(&ask, self.meter(), asked).await?;
        let invalid = |what: &str| IssueError::InvalidAnswer {
            operation: WEB_IDENTITY_TOKEN,
            what: what.to_owned(),
            request_id: None,
        };
        let jwt = answer.web_identity_token.map(SecretString::from);
        let jwt = jwt.filter(|jwt| jwt.expose_secret().split('.').count() == 3);
        let jwt =
            jwt.ok_or_else(|| invalid("WebIdentityToken is missing or not a JSON Web Token"))?;
        self.redactor.protect(jwt.expose_secret());
        let end = answer.expiration.and_then(|at| Timestamp::from_second(at.secs()).ok());
        Ok((jwt, end.ok_or_else(|| invalid("Expiration is missing"))?))
    }
}
