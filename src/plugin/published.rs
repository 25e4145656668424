//! Published credentials of a resource, read back from its Secret.

use super::cluster::{Cluster, bare_name, object_name};
use super::error::{Error, Result};
use super::{age, ini};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use refreshable_api::conditions::READY;
use refreshable_api::{Arn, PrincipalStatus, RefreshableCredential, SecretKeys, names};
use refreshable_rules::expiry;
use refreshable_rules::issuer::{AccessKey, Issued, Lifetime, Session};
use refreshable_rules::ownership::ProfileRecord;
use refreshable_rules::ownership::{self, Record, SecretView};
use refreshable_rules::render::profile_key;
use secrecy::SecretString;
use serde::Deserialize;

/// Credentials, as they are published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The session.
    pub issued: Issued,
    /// The Region that goes with them, where one is known.
    pub region: Option<String>,
}

/// Reads the published credentials of the resource `name`, under `profile` where it has many.
/// Credentials that have expired at `now` are refused.
///
/// # Errors
/// The missing object or permission, with advice.
pub async fn read(
    cluster: &Cluster,
    name: &str,
    profile: Option<&str>,
    now: Timestamp,
) -> Result<Published> {
    let name = bare_name(name);
    let namespace = cluster.namespace();
    // A user who may read only the Secret gets its credentials: its annotations name the owner.
    let credential = match cluster.credential(name).await {
        Ok(credential) => Some(credential),
        Err(error) if error.is_forbidden() => None,
        Err(error) => return Err(error),
    };
    let secret_name =
        credential.as_ref().map_or_else(|| name.to_owned(), RefreshableCredential::secret_name);
    let secret = match cluster.ask(cluster.api::<Secret>().get(object_name(&secret_name)?)).await {
        Ok(secret) => secret,
        Err(error) if error.is_not_found() => {
            return Err(nothing(credential.as_ref(), namespace, name));
        }
        Err(error) => {
            return Err(error.advise(&format!(
                "Ask for a Role with verb get on secrets, resourceNames [{secret_name}], in namespace {namespace}"
            )));
        }
    };
    let record = owned(&secret, credential.as_ref(), name)?;
    of(&secret, &record, credential.as_ref(), profile, now)
}

/// Why there is no Secret.
fn nothing(credential: Option<&RefreshableCredential>, namespace: &str, name: &str) -> Error {
    let said = credential
        .map_or_else(String::new, |c| why(c).map_or_else(String::new, |w| format!(": {w}")));
    Error::failed(format!("RefreshableCredential {namespace}/{name} has published nothing{said}"))
}

/// The fault that the status reports.
pub fn why(credential: &RefreshableCredential) -> Option<String> {
    let status = credential.status.as_ref()?;
    if let Some(failure) = &status.failures {
        return Some(format!("{}: {}", failure.reason, failure.message));
    }
    let ready = status.conditions.iter().find(|c| c.type_ == READY && c.status != "True")?;
    Some(format!("{}: {}", ready.reason, ready.message))
}

/// The record in the Secret's metadata, if the Secret is this resource's.
fn owned(
    secret: &Secret,
    credential: Option<&RefreshableCredential>,
    name: &str,
) -> Result<Record> {
    let annotation = |key: &str| secret.annotations().get(key).map(String::as_str);
    let uid = credential.and_then(ResourceExt::uid);
    let uid = uid
        .or_else(|| annotation(names::OWNER_UID_ANNOTATION).map(str::to_owned))
        .unwrap_or_default();
    let named = annotation(names::OWNER_NAME_ANNOTATION) == Some(name);
    match ownership::view(&secret.metadata, &uid) {
        SecretView::Own(record) if named => Ok(*record),
        _ => Err(Error::failed(format!(
            "Secret {} was not published by RefreshableCredential {name}; it is left alone",
            secret.name_any()
        ))),
    }
}

/// The credentials in the Secret.
fn of(
    secret: &Secret,
    record: &Record,
    credential: Option<&RefreshableCredential>,
    profile: Option<&str>,
    now: Timestamp,
) -> Result<Published> {
    let content = record.content.as_ref().ok_or_else(|| {
        Error::failed(format!(
            "the annotations of Secret {} are not as the controller wrote them",
            secret.name_any()
        ))
    })?;
    if let Some(kind) = secret.annotations().get(names::TOKEN_ANNOTATION) {
        return Err(Error::failed(format!(
            "Secret {} holds a token ({kind}) and no AWS credentials: mount it, or name it in imagePullSecrets where it is \
             of image registries",
            secret.name_any()
        )));
    }
    let many = chosen(&content.profiles, profile)?;
    let spec = credential.map(|c| c.spec.secret()).unwrap_or_default();
    let files = Files { secret, keys: spec.keys.clone().unwrap_or_default() };
    let section = many.map_or_else(|| spec.profile().to_owned(), |(name, _)| name.to_owned());
    if many.is_none() && profile.is_some_and(|wanted| credential.is_some() && wanted != section) {
        return Err(Error::failed(format!(
            "there is one profile, {section:?}: leave --profile out, or name that one"
        )));
    }
    let recorded = many.map_or(content.expiration, |(_, r)| r.expiration);
    let json_key =
        many.map_or_else(|| files.keys.process_json.clone(), |(name, _)| profile_key(name));
    let found = files.process_json(&json_key)?;
    let found = found.or_else(|| files.environment(recorded).filter(|_| many.is_none()));
    let (key, expiration) = found.or_else(|| files.credentials(&section, recorded)).ok_or_else(|| {
        Error::failed(format!(
            "Secret {} holds no credentials in a form that this program reads: have spec.secret.formats name ProcessJson",
            secret.name_any()
        ))
    })?;
    let session = Session::checked(key, expiration)
        .map_err(|what| Error::failed(format!("Secret {}: {what}", secret.name_any())))?;
    if session.expiration.min(recorded) <= now {
        return Err(expired(credential, session.expiration.min(recorded), now));
    }
    let arn = many.map_or_else(|| content.principal.arn.clone(), |(_, r)| r.arn.clone());
    let account_id = arn.as_deref().and_then(Arn::account_of);
    let region = files.region(&section).or_else(|| spec.region.clone()).or_else(|| {
        let spec = &credential?.spec;
        let own = many.and_then(|(name, _)| {
            spec.profiles.iter().flatten().find(|p| p.name == name)?.region.clone()
        });
        own.or_else(|| spec.sts.as_ref()?.region.clone())
    });
    Ok(Published {
        issued: Issued {
            session,
            lifetime: Lifetime {
                issued_at: many.map_or(content.issued_at, |(_, r)| r.issued_at),
                expiration: recorded,
            },
            principal: PrincipalStatus { account_id, arn, user_id: None },
            packed_policy_size: None,
            token: Default::default(),
            warning: None,
        },
        region,
    })
}

/// The profile that is meant, of a resource that has many.
fn chosen<'a>(
    profiles: &'a std::collections::BTreeMap<String, ProfileRecord>,
    wanted: Option<&str>,
) -> Result<Option<(&'a str, &'a ProfileRecord)>> {
    if profiles.is_empty() {
        return Ok(None);
    }
    let all = || profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let Some(wanted) = wanted else {
        return match profiles.get_key_value("default") {
            Some((name, record)) => Ok(Some((name, record))),
            None => Err(Error::failed(format!(
                "there are several profiles: choose one of {} with --profile",
                all()
            ))),
        };
    };
    match profiles.get_key_value(wanted) {
        Some((name, record)) => Ok(Some((name, record))),
        None => {
            Err(Error::failed(format!("profile {wanted} is not published: there are {}", all())))
        }
    }
}

fn expired(credential: Option<&RefreshableCredential>, at: Timestamp, now: Timestamp) -> Error {
    let said = credential.and_then(why).map_or_else(
        || "is the controller running?".to_owned(),
        |w| format!("they are not renewed because of {w}"),
    );
    Error::failed(format!(
        "the published credentials expired {} ({at}); {said}",
        age::from(now, at)
    ))
}

/// The Secret's data, in the forms that the controller writes.
struct Files<'a> {
    secret: &'a Secret,
    keys: SecretKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessJson {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: SecretString,
    #[serde(deserialize_with = "expiry::deserialize")]
    expiration: Timestamp,
}

type Found = (AccessKey, Timestamp);

impl Files<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(&self.secret.data.as_ref()?.get(key)?.0).ok()
    }

    fn process_json(&self, key: &str) -> Result<Option<Found>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        // The parser's message may quote the text.
        let json: ProcessJson = serde_json::from_str(text).map_err(|_| {
            Error::failed(format!(
                "Secret {}, key {key}: this is not process JSON of version 1",
                self.secret.name_any()
            ))
        })?;
        let key = AccessKey {
            id: json.access_key_id,
            secret: json.secret_access_key,
            token: Some(json.session_token),
        };
        Ok(Some((key, json.expiration)))
    }

    fn environment(&self, recorded: Timestamp) -> Option<Found> {
        let secret = |key: &str| self.text(key).map(SecretString::from);
        let key = AccessKey {
            id: self.text(&self.keys.access_key_id)?.to_owned(),
            secret: secret(&self.keys.secret_access_key)?,
            token: secret(&self.keys.session_token),
        };
        let expiration = self.text(&self.keys.expiration).and_then(expiry::parse);
        Some((key, expiration.unwrap_or(recorded)))
    }

    fn credentials(&self, section: &str, recorded: Timestamp) -> Option<Found> {
        let sections =
            ini::read(ini::Kind::Credentials, self.text(&self.keys.credentials)?).ok()?;
        let profile = sections.get_profile(section)?;
        let take = |name: &str| profile.get(name).map(str::to_owned);
        let key = AccessKey {
            id: take("aws_access_key_id")?,
            secret: take("aws_secret_access_key")?.into(),
            token: take("aws_session_token").map(SecretString::from),
        };
        Some((key, recorded))
    }

    fn region(&self, section: &str) -> Option<String> {
        let file = self.text(&self.keys.config).and_then(|t| ini::read(ini::Kind::Config, t).ok());
        let named = file.as_ref().and_then(|f| f.get_profile(section)?.get("region"));
        named.or_else(|| self.text(&self.keys.region)).map(str::to_owned)
    }
}

#[cfg(test)]
#[path = "published_tests.rs"]
pub(super) mod tests;
