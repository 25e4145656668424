//! A Secret of the namespace that something else rotates: External Secrets, Vault Secrets Operator,
//! another controller.

use super::{InputData, Obtained, Request, Source};
use crate::aws::region::Home;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{CustomSecretKeys, CustomSecretSource, PrincipalStatus, SecretPreset};
use refreshable_rules::expiry;
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Lifetime, Session, json};
use secrecy::ExposeSecret as _;

const OPERATION: &str = "ReadSecret";

/// The data keys that are read.
struct Keys<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: Option<&'a str>,
}

impl Source for CustomSecretSource {
    fn name(&self) -> &'static str {
        "custom.secret"
    }

    fn secrets(&self) -> Vec<&str> {
        vec![&self.secret_ref.name]
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("secret/{namespace}/{}", self.secret_ref.name)
    }

    fn calls(&self) -> u32 {
        0
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let secret = request.inputs.secret(&self.secret_ref.name).await?;
            let issued = match process_json(self) {
                Some(key) => read_json(self, &secret, key, request.now)?,
                None => read_keys(self, &secret, request.now)?,
            };
            Ok(Obtained::Session(Box::new(issued)))
        })
    }
}

/// The key of the whole credentials, where one key holds them.
fn process_json(source: &CustomSecretSource) -> Option<&str> {
    let named = source.keys.as_ref().and_then(|k| k.process_json.as_deref());
    named.or((source.preset == Some(SecretPreset::ProcessJson)).then_some("credentials.json"))
}

fn read_json(
    source: &CustomSecretSource,
    secret: &InputData,
    key: &str,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    json::read(OPERATION, secret.bytes(key)?, None, now).map_err(|error| match error {
        IssueError::InvalidAnswer { what, .. } => invalid(source, key, what),
        IssueError::Refused { error, .. } => {
            invalid(source, key, format!("there is a refusal in the credentials' place: {error}"))
        }
        other => other,
    })
}

fn read_keys(
    source: &CustomSecretSource,
    secret: &InputData,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let keys = names(source);
    let token = secret.text(keys.session_token)?;
    let key = AccessKey {
        id: secret.text(keys.access_key_id)?.expose_secret().to_owned(),
        secret: secret.text(keys.secret_access_key)?,
        token: Some(token),
    };
    let expiration = expiration(source, secret, keys.expiration)?;
    let session = Session::checked(key, expiration)
        .map_err(|what| invalid(source, keys.access_key_id, what))?;
    Ok(Issued {
        lifetime: Lifetime::judge(OPERATION, expiration, None, now).map_err(|_| {
            IssueError::InputExpired {
                name: source.secret_ref.name.clone(),
                key: keys.expiration.unwrap_or(keys.access_key_id).to_owned(),
                what: format!("the credentials in it expired at {expiration}"),
            }
        })?,
        session,
        principal: PrincipalStatus::default(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    })
}

fn names(source: &CustomSecretSource) -> Keys<'_> {
    let own = source.keys.as_ref();
    let name = |of: fn(&CustomSecretKeys) -> &Option<String>| own.and_then(|k| of(k).as_deref());
    let [id, secret, token, expiration] = match source.preset.unwrap_or_default() {
        SecretPreset::Environment | SecretPreset::ProcessJson => [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CREDENTIAL_EXPIRATION",
        ],
        SecretPreset::ExternalSecrets => {
            ["access_key_id", "secret_access_key", "session_token", "expiration"]
        }
        SecretPreset::VaultSecretsOperator => ["access_key", "secret_key", "session_token", ""],
    };
    let expiration = name(|k| &k.expiration).unwrap_or(expiration);
    Keys {
        access_key_id: name(|k| &k.access_key_id).unwrap_or(id),
        secret_access_key: name(|k| &k.secret_access_key).unwrap_or(secret),
        session_token: name(|k| &k.session_token).unwrap_or(token),
        expiration: (!expiration.is_empty() && source.lifetime_seconds.is_none())
            .then_some(expiration),
    }
}

/// When the credentials expire, by the Secret's own word or from when it was written.
fn expiration(
    source: &CustomSecretSource,
    secret: &InputData,
    key: Option<&str>,
) -> Result<Timestamp, IssueError> {
    let Some(key) = key else {
        let Some(seconds) = source.lifetime_seconds else {
            return Err(IssueError::Specification {
                field: "spec.source.custom.secret.lifetimeSeconds".to_owned(),
                what: "this preset's Secrets do not say when they expire: set the lease's lifetime"
                    .to_owned(),
            });
        };
        let written = secret.written.ok_or_else(|| IssueError::Kubernetes {
            what: format!("Secret {}", secret.object.name()),
            detail: "its metadata does not say when it was written".to_owned(),
        })?;
        return Ok(written + SignedDuration::from_secs(seconds.into()));
    };
    let text = secret.text(key)?;
    let text = text.expose_secret();
    expiry::parse(text).ok_or_else(|| {
        invalid(source, key, format!("this is not a time: write it in {}", expiry::FORMS))
    })
}

fn invalid(source: &CustomSecretSource, key: &str, what: String) -> IssueError {
    IssueError::InputInvalid {
        kind: "Secret",
        name: source.secret_ref.name.clone(),
        key: key.to_owned(),
        what,
    }
}
