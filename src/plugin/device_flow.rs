//! Signing in to IAM Identity Center on another device (RFC 8628, by [SSO
//! OIDC](https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/Welcome.html)):
//! RegisterClient, StartDeviceAuthorization, then CreateToken until a person has confirmed the
//! code.

use super::error::{Error, Result, chain};
use aws_config::BehaviorVersion;
use aws_sdk_ssooidc::Client;
use aws_sdk_ssooidc::config::Region;
use aws_sdk_ssooidc::config::retry::RetryConfig;
use aws_sdk_ssooidc::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssooidc::operation::create_token::CreateTokenOutput;
use jiff::{SignedDuration, Timestamp};
use refreshable_issuers::source::SsoToken;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;

/// Client name that AWS shows at sign-in.
const CLIENT_NAME: &str = "kubectl-refreshable";
/// The scope for account credentials and a refresh token.
const SCOPE: &str = "sso:account:access";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Pause between two questions where AWS names none, and what SlowDown adds to it (RFC 8628, 3.5).
const PAUSE: Duration = Duration::from_secs(5);

/// A sign-in under way.
pub(super) struct SignIn {
    client: Client,
    start_url: String,
    region: String,
    client_id: String,
    client_secret: SecretString,
    registration_expires_at: Option<Timestamp>,
    device_code: SecretString,
    /// The code to enter or compare on the page.
    pub(super) user_code: String,
    /// The page, where possible with the code in it.
    pub(super) page: String,
    /// How long the code is good for.
    pub(super) good_for: SignedDuration,
    pause: Duration,
}

impl SignIn {
    /// Registers this program and requests a code.
    pub(super) async fn begin(start_url: &str, region: &str) -> Result<Self> {
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .no_credentials()
            .region(Region::new(region.to_owned()))
            .load()
            .await;
        let client = Client::new(&config);
        let asked = client
            .register_client()
            .client_name(CLIENT_NAME)
            .client_type("public")
            .scopes(SCOPE)
            .send();
        let registered = asked.await.map_err(|e| failed("RegisterClient", region, &e))?;
        let missing = |what: &str| {
            Error::failed(format!("IAM Identity Center in {region} answered without {what}"))
        };
        let client_id = registered.client_id().ok_or_else(|| missing("clientId"))?.to_owned();
        let client_secret =
            SecretString::from(registered.client_secret().ok_or_else(|| missing("clientSecret"))?);
        let asked = client
            .start_device_authorization()
            .client_id(&client_id)
            .client_secret(client_secret.expose_secret())
            .start_url(start_url)
            .send();
        let started = asked.await.map_err(|e| failed("StartDeviceAuthorization", region, &e))?;
        let page = started.verification_uri_complete().or(started.verification_uri());
        let seconds = u64::try_from(started.interval()).ok().filter(|s| *s > 0);
        Ok(Self {
            start_url: start_url.to_owned(),
            region: region.to_owned(),
            registration_expires_at: Timestamp::from_second(registered.client_secret_expires_at())
                .ok()
                .filter(|t| t.as_second() > 0),
            device_code: SecretString::from(
                started.device_code().ok_or_else(|| missing("deviceCode"))?,
            ),
            user_code: started.user_code().ok_or_else(|| missing("userCode"))?.to_owned(),
            page: web_address(page.ok_or_else(|| missing("verificationUri"))?, region)?,
            good_for: SignedDuration::from_secs(started.expires_in().into()),
            pause: seconds.map_or(PAUSE, Duration::from_secs),
            client_id,
            client_secret,
            client,
        })
    }

    /// Polls until a person has confirmed the code, or the code has expired.
    pub(super) async fn finish(mut self) -> Result<SsoToken> {
        let deadline =
            tokio::time::Instant::now() + Duration::try_from(self.good_for).unwrap_or(PAUSE);
        loop {
            tokio::time::sleep(self.pause).await;
            match self.ask().await? {
                Some(answer) => return self.token(&answer, Timestamp::now()),
                None if tokio::time::Instant::now() >= deadline => return Err(too_late()),
                None => {}
            }
        }
    }

    /// Polls once; `None` while the code is not confirmed.
    async fn ask(&mut self) -> Result<Option<CreateTokenOutput>> {
        let quick = aws_sdk_ssooidc::config::Builder::new().retry_config(RetryConfig::disabled());
        let asked = self
            .client
            .create_token()
            .client_id(&self.client_id)
            .client_secret(self.client_secret.expose_secret())
            .grant_type(DEVICE_CODE)
            .device_code(self.device_code.expose_secret())
            .customize()
            .config_override(quick)
            .send();
        let error = match asked.await {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        match (&error, error.code()) {
            (_, Some("AuthorizationPendingException")) => Ok(None),
            (_, Some("SlowDownException")) => {
                self.pause += PAUSE;
                Ok(None)
            }
            (_, Some("ExpiredTokenException")) => Err(too_late()),
            (_, Some("AccessDeniedException")) => Err(Error::failed(
                "the sign-in was denied on the page: run the command again and allow it",
            )),
            // The network may come back while the code is good.
            (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), _) => Ok(None),
            _ => Err(failed("CreateToken", &self.region, &error)),
        }
    }

    fn token(&self, answer: &CreateTokenOutput, now: Timestamp) -> Result<SsoToken> {
        let access = answer.access_token().filter(|t| !t.is_empty() && answer.expires_in() > 0);
        let access =
            access.ok_or_else(|| Error::failed("IAM Identity Center answered without a token"))?;
        let signed_in =
            SsoToken::signed_in(&self.start_url, &self.region, access, answer.expires_in(), now);
        let signed_in = signed_in.registered(
            &self.client_id,
            &self.client_secret,
            self.registration_expires_at,
        );
        Ok(match answer.refresh_token() {
            Some(refresh) => signed_in.refreshed_by(refresh),
            None => signed_in,
        })
    }
}

/// An address that a person is asked to open, also by a QR code.
fn web_address(page: &str, region: &str) -> Result<String> {
    let scheme = page.starts_with("https://") || page.starts_with("http://");
    if scheme && page.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(page.to_owned());
    }
    Err(Error::failed(format!(
        "IAM Identity Center in {region} answered with {page:?}, which is not a web address: check --region, and that nothing answers in its place"
    )))
}

fn too_late() -> Error {
    Error::failed("the code was not confirmed in time: run the command again")
}

/// AWS's error. Its text describes the request, whose only secret is the client's, and never
/// repeats that.
fn failed<E>(
    operation: &str,
    region: &str,
    error: &SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let advice = match error.code() {
        Some("InvalidRequestException") => {
            ": check --start-url and --region (the Region that Identity Center was set up in)"
        }
        Some("UnauthorizedClientException" | "InvalidClientException") => ": run the command again",
        _ => "",
    };
    let said = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => chain(error),
    };
    Error::failed(format!("{operation} at IAM Identity Center in {region}: {said}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::web_address;

    #[test]
    fn only_web_addresses_are_shown_to_people() {
        for page in [
            "https://example.awsapps.com/device?user_code=ABCD-EFGH",
            "http://127.0.0.1:8080/start",
        ] {
            assert_eq!(web_address(page, "eu-west-1").expect("an address"), page);
        }
        for page in [
            "",
            "javascript:x",
            "https://e/\u{1b}]0;x\u{7}",
            "https://e/ x",
            "https://e/\u{202e}",
            "https://e/\n",
        ] {
            let error = web_address(page, "eu-west-1").expect_err(page).to_string();
            assert!(
                error.contains("not a web address")
                    && !error.contains(super::super::terminal::steers),
                "{error:?}"
            );
        }
    }
}
