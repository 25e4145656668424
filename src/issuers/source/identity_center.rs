//! IAM Identity Center: credentials of a permission set, with the token of a person who signed in
//! once.
//!
//! The access token lives for an hour or so and is renewed with the refresh token, which may be
//! replaced then: the new pair is written back to its Secret before it is used, by one writer, and
//! only over the state that was read.

use super::sso_write::{self, Outcome};
use super::{Obtained, Request, Source, sso_token::SsoToken};
use crate::aws::ask::Ask;
use crate::aws::call::{DateSeen, TIMEOUT, send, timeouts};
use crate::aws::region::Home;
use aws_sdk_sso::config::{BehaviorVersion, Region, retry::RetryConfig};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{IdentityCenterSource, PrincipalStatus};
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Issuer, Lifetime, Session};
use secrecy::{ExposeSecret as _, SecretString};

const GET_ROLE_CREDENTIALS: &str = "GetRoleCredentials";
const CREATE_TOKEN: &str = "CreateToken";

/// Renewals that lose against another writer before the source gives up.
const TRIES: u32 = 3;

impl Source for IdentityCenterSource {
    fn name(&self) -> &'static str {
        "identityCenter"
    }

    fn secrets(&self) -> Vec<&str> {
        vec![&self.token_secret_ref.name]
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("secret/{namespace}/{}", self.token_secret_ref.name)
    }

    fn endpoint(&self) -> Option<String> {
        Some("sso".to_owned())
    }

    fn calls(&self) -> u32 {
        2
    }

    fn home(&self) -> Home<'_> {
        // The token in the Secret names it, once it is read.
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let (token, warning) = token(self, request).await?;
            request.sts.learn_region(&token.region);
            let issued = credentials(self, &token, request).await?;
            Ok(Obtained::Session(Box::new(Issued {
                warning: issued.warning.or(warning),
                ..issued
            })))
        })
    }

    /// The account and the permission set of the specification.
    fn accepts(&self, principal: &PrincipalStatus) -> Result<(), IssueError> {
        let Some(found) = &principal.arn else { return Ok(()) };
        let expected =
            format!(":sts::{}:assumed-role/AWSReservedSSO_{}_", self.account_id, self.role_name);
        if found.contains(&expected) {
            return Ok(());
        }
        let expected = format!("permission set {} in account {}", self.role_name, self.account_id);
        Err(IssueError::WrongPrincipal { expected, found: found.clone() })
    }
}

/// A token that is valid for a while yet, and what the user should know of its renewal.
async fn token(
    source: &IdentityCenterSource,
    request: &Request<'_>,
) -> Result<(SsoToken, Option<String>), IssueError> {
    let name = &source.token_secret_ref.name;
    let writer = request.source_context.writers.of(&format!("{}/{name}", request.namespace));
    let _held = writer.lock().await;
    for _ in 0..TRIES {
        let secret = request.inputs.state(name).await?;
        let invalid = |what: String| IssueError::InputInvalid {
            kind: "Secret",
            name: name.clone(),
            key: source.token_key.clone(),
            what,
        };
        let token = SsoToken::parse(secret.bytes(&source.token_key)?).map_err(invalid)?;
        if token.is_fresh(request.now) {
            return Ok((token, None));
        }
        // A renewal may use the refresh token up, so its result must have a place to go.
        match request.inputs.may_replace(&secret, &source.token_key).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) if token.is_valid(request.now) => return Ok((token, None)),
            Err(error) => return Err(error),
        }
        let renewed = match renew(source, &token, request).await {
            Ok(renewed) => renewed,
            // A valid token is used until it expires: the next attempt renews it.
            Err(error)
                if token.is_valid(request.now)
                    && error.class() == refreshable_rules::retry::Class::Transient =>
            {
                return Ok((token, None));
            }
            Err(error) => return Err(error),
        };
        match sso_write::write(request.inputs, secret, &source.token_key, &token, &renewed).await {
            Outcome::Written => return Ok((renewed, None)),
            Outcome::Superseded => {}
            // It was obtained, so it is used; the next renewal may need a person.
            Outcome::Failed(error) => {
                let warning = format!(
                    "the renewed token of IAM Identity Center could not be kept ({error}): somebody may have to sign in again"
                );
                return Ok((renewed, Some(warning)));
            }
        }
    }
    Err(IssueError::Kubernetes {
        what: format!("Secret {name}"),
        detail: "others keep writing to it while the token is renewed".to_owned(),
    })
}

async fn renew(
    source: &IdentityCenterSource,
    token: &SsoToken,
    request: &Request<'_>,
) -> Result<SsoToken, IssueError> {
    let grant = token.grant(request.now).map_err(|why| sign_in(source, why))?;
    let config = aws_sdk_ssooidc::config::Builder::from(&request.source_context.aws)
        .behavior_version(aws_sdk_ssooidc::config::BehaviorVersion::v2026_01_12())
        .region(Region::new(token.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(TIMEOUT))
        .build();
    request.protect(grant.refresh_token);
    request.protect(grant.client_secret);
    let ask = Ask {
        operation: CREATE_TOKEN,
        subject: &token.start_url,
        endpoint: format!("IAM Identity Center in {}", token.region),
        issuer: Issuer::Aws,
        now: request.now,
    };
    let asked = aws_sdk_ssooidc::Client::from_conf(config)
        .create_token()
        .client_id(grant.client_id)
        .client_secret(grant.client_secret.expose_secret())
        .grant_type("refresh_token")
        .refresh_token(grant.refresh_token.expose_secret())
        .send();
    let answer = match send(&ask, request.sts.meter(), asked).await {
        Err(IssueError::Refused { error, .. })
            if matches!(
                error.code.as_str(),
                "InvalidGrantException"
                    | "ExpiredTokenException"
                    | "InvalidClientException"
                    | "UnauthorizedClientException"
                    | "AccessDeniedException"
            ) =>
        {
            return Err(sign_in(source, &format!("the session has ended ({})", error.code)));
        }
        other => other?,
    };
    let invalid = |what: &str| IssueError::InvalidAnswer {
        operation: CREATE_TOKEN,
        what: what.to_owned(),
        request_id: None,
    };
    let access = answer
        .access_token()
        .filter(|t| !t.is_empty())
        .ok_or_else(|| invalid("accessToken is missing"))?;
    if answer.expires_in() <= 0 {
        return Err(invalid("expiresIn is missing or not positive"));
    }
    // The new tokens are written to a Secret, and errors of that write repeat them, too.
    [Some(access), answer.refresh_token()]
        .into_iter()
        .flatten()
        .for_each(|t| request.redactor().protect(t));
    Ok(token.renewed(access, answer.expires_in(), answer.refresh_token(), request.now))
}

async fn credentials(
    source: &IdentityCenterSource,
    token: &SsoToken,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let date = DateSeen::default();
    let config = aws_sdk_sso::config::Builder::from(&request.source_context.aws)
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(token.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(TIMEOUT))
        .interceptor(date.clone())
        .build();
    request.protect(&token.access_token);
    let subject = format!("{}/{}", source.account_id, source.role_name);
    let ask = Ask {
        operation: GET_ROLE_CREDENTIALS,
        subject: &subject,
        endpoint: format!("IAM Identity Center in {}", token.region),
        issuer: Issuer::Aws,
        now: request.now,
    };
    let asked = aws_sdk_sso::Client::from_conf(config)
        .get_role_credentials()
        .account_id(&source.account_id)
        .role_name(&source.role_name)
        .access_token(token.access_token.expose_secret())
        .send();
    let answer = match send(&ask, request.sts.meter(), asked).await {
        Err(IssueError::Refused { error, .. }) if error.code == "UnauthorizedException" => {
            return Err(sign_in(
                source,
                "the access token is no longer accepted (UnauthorizedException)",
            ));
        }
        other => other?,
    };
    let invalid = |what: &str| IssueError::InvalidAnswer {
        operation: GET_ROLE_CREDENTIALS,
        what: what.to_owned(),
        request_id: None,
    };
    let given = answer.role_credentials().ok_or_else(|| invalid("it lacks credentials"))?;
    let key = AccessKey {
        id: given.access_key_id().unwrap_or_default().to_owned(),
        secret: SecretString::from(given.secret_access_key().unwrap_or_default()),
        token: given.session_token().map(SecretString::from),
    };
    // In milliseconds, unlike everywhere else.
    let expiration = Timestamp::from_millisecond(given.expiration())
        .ok()
        .filter(|t| t.as_second() > 0)
        .ok_or_else(|| invalid("expiration is missing or cannot be read"))?;
    Ok(Issued {
        lifetime: Lifetime::judge(GET_ROLE_CREDENTIALS, expiration, date.get(), request.now)?,
        session: Session::checked(key, expiration).map_err(|what| invalid(&what))?,
        principal: PrincipalStatus::default(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    })
}

fn sign_in(source: &IdentityCenterSource, why: &str) -> IssueError {
    IssueError::PersonNeeded {
        what: format!(
            "somebody has to sign in again: {why}. Run `kubectl refreshable login --secret {0} --key {1}` in this namespace, or `aws sso login` and put the token that it caches into Secret {0}, key {1}",
            source.token_secret_ref.name, source.token_key
        ),
    }
}
