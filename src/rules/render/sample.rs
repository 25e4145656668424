//! A Secret with made-up credentials, to test whether the API server would accept the real one.

use super::{Existing, Files, Manifest, Profile, files, manifest, profile_files};
use crate::fingerprint;
use crate::inputs::UsedInputs;
use crate::issuer::{AccessKey, IssueError, Issued, Lifetime, Session};
use crate::ownership::ProfileRecord;
use crate::secret_type;
use crate::template;
use crate::token;
use crate::token::docker_config::{self, Registries};
use crate::token::ecr::{self, Login};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{EcrToken, PrincipalStatus, ProfileSpec, RefreshableCredential, TokenKind};
use secrecy::SecretString;
use std::collections::BTreeMap;

/// The Region where none is named.
const REGION: &str = "us-east-1";

/// How long made-up secrets are, in bytes.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    session_token: usize,
    token: usize,
}

/// As long as AWS's: session tokens have between 500 and 4,096 bytes, mostly around this; most
/// tokens are shorter than ECR's.
const REAL: Lengths = Lengths { session_token: 1200, token: 2600 };
/// Short enough to be read.
const READABLE: Lengths = Lengths { session_token: 40, token: 40 };

/// Made-up credentials, as if issued at `now`.
fn sample(now: Timestamp, lengths: Lengths) -> Issued {
    let expiration = now + SignedDuration::from_hours(1);
    let key = AccessKey {
        id: "ASIAXXXXXXXXXXXXXXXX".to_owned(),
        secret: "x".repeat(40).into(),
        token: Some("x".repeat(lengths.session_token).into()),
    };
    Issued {
        session: Session { key, expiration },
        lifetime: Lifetime { issued_at: now, expiration },
        principal: principal(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    }
}

/// A made-up principal.
fn principal() -> PrincipalStatus {
    PrincipalStatus {
        arn: Some("arn:aws:sts::111122223333:assumed-role/role/session".to_owned()),
        account_id: Some("111122223333".to_owned()),
        user_id: Some("AROAXXXXXXXXXXXXXXXXX:session".to_owned()),
    }
}

/// The data of a Secret with a token.
fn token_files(kind: TokenKind<'_>, now: Timestamp, lengths: Lengths) -> Files {
    let made_up = "x".repeat(lengths.token).into();
    match kind {
        TokenKind::Ecr(registries) => registry_files(registries, &made_up, now),
        other => token::files(other, &made_up),
    }
}

/// Passwords of registries. Those of other Secrets are not read for it.
fn registry_files(token: &EcrToken, password: &SecretString, now: Timestamp) -> Files {
    let calls = ecr::calls(token).unwrap_or_default();
    let login = || Login { user: "AWS".to_owned(), password: password.clone(), expires_at: now };
    let logins: Vec<_> = calls.into_iter().map(|call| (call.hosts, login())).collect();
    let file = docker_config::render(&logins, Registries::default()).file;
    Files::from([(EcrToken::DATA_KEY.to_owned(), file)])
}

/// The Secret of `object` with such credentials, as long as AWS's.
///
/// # Errors
/// [`IssueError::Specification`] for a template that cannot be written.
pub fn sample_manifest(
    object: &RefreshableCredential,
    now: Timestamp,
    existing: Existing<'_>,
) -> Result<Manifest, IssueError> {
    let (issued, mut records) = (sample(now, REAL), BTreeMap::new());
    for profile in object.spec.profiles.iter().flatten() {
        let record = ProfileRecord {
            issued_at: now,
            expiration: issued.lifetime.expiration,
            request: fingerprint::of_profile(&object.spec, profile),
            arn: profile.roles.last().map(|r| r.role_arn.clone()),
            failed: false,
        };
        records.insert(profile.name.clone(), record);
    }
    let content = content(object, &issued, REAL)?;
    Ok(manifest(object, &issued, &records, &UsedInputs::new(), &content, existing))
}

/// The data of such a Secret, with made-up values that are short enough to be read.
///
/// # Errors
/// As [`sample_manifest`].
pub fn sample_files(object: &RefreshableCredential, now: Timestamp) -> Result<Files, IssueError> {
    template::checked(&object.spec)?;
    secret_type::checked(&object.spec)?;
    content(object, &sample(now, READABLE), READABLE)
}

fn content(
    object: &RefreshableCredential,
    issued: &Issued,
    lengths: Lengths,
) -> Result<Files, IssueError> {
    let spec = object.spec.secret();
    if let Some(token) = &object.spec.token {
        let now = issued.lifetime.issued_at;
        return Ok(token.kind().map(|kind| token_files(kind, now, lengths)).unwrap_or_default());
    }
    let Some(profiles) = &object.spec.profiles else { return files(&spec, REGION, issued) };
    let named = |p: &ProfileSpec| Profile {
        name: p.name.clone(),
        region: p.region.clone(),
        issued: issued.clone(),
    };
    let all: Vec<Profile> = profiles.iter().map(named).collect();
    profile_files(&spec, REGION, &all)
}
