//! A Secret with made-up credentials, to test whether the API server would accept the real one.

use super::{Existing, Files, Manifest, Profile, files, manifest, profile_files};
use crate::fingerprint;
use crate::inputs::UsedInputs;
use crate::issuer::{AccessKey, Issued, Lifetime, Session};
use crate::ownership::ProfileRecord;
use crate::token::docker_config::{self, Registries};
use crate::token::ecr::{self, Login};
use crate::token::{database, eks, package_files};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{EcrToken, PrincipalStatus, RefreshableCredential, TokenKind, TokenSpec};
use std::collections::BTreeMap;

/// Length of the made-up session token, in bytes: AWS's are between 500 and 4,096 bytes long,
/// mostly around this.
const TOKEN: usize = 1200;
/// Length of a made-up token, in bytes, around which those of ECR are; most others are shorter.
const PASSWORD: usize = 2600;

/// Made-up credentials, as if issued at `now`.
fn sample(now: Timestamp) -> Issued {
    let expiration = now + SignedDuration::from_hours(1);
    let key = AccessKey {
        id: "ASIAXXXXXXXXXXXXXXXX".to_owned(),
        secret: "x".repeat(40).into(),
        token: Some("x".repeat(TOKEN).into()),
    };
    Issued {
        session: Session { key, expiration },
        lifetime: Lifetime { issued_at: now, expiration },
        principal: PrincipalStatus::default(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    }
}

/// The data of a Secret with a token, of the length that AWS's have.
fn token_files(kind: TokenKind<'_>, now: Timestamp) -> Files {
    let signed = "x".repeat(PASSWORD).into();
    match kind {
        TokenKind::Ecr(token) => registry_files(token, now),
        TokenKind::CodeArtifact(token) => package_files::files(token, &signed),
        TokenKind::Rds(token) => database::rds_files(token, &signed),
        TokenKind::Dsql(token) => database::dsql_files(token, &signed),
        TokenKind::Eks(token) => eks::files(token, &signed),
        TokenKind::WebIdentity(_) => Files::from([(TokenSpec::DATA_KEY.to_owned(), signed)]),
    }
}

/// Passwords of registries. Those of other Secrets are not read for it.
fn registry_files(token: &EcrToken, now: Timestamp) -> Files {
    let calls = ecr::calls(token).unwrap_or_default();
    let login =
        || Login { user: "AWS".to_owned(), password: "x".repeat(PASSWORD).into(), expires_at: now };
    let logins: Vec<_> = calls.into_iter().map(|call| (call.hosts, login())).collect();
    let file = docker_config::render(&logins, Registries::default()).file;
    Files::from([(EcrToken::DATA_KEY.to_owned(), file)])
}

/// The Secret of `object` with such credentials.
pub fn sample_manifest(
    object: &RefreshableCredential,
    now: Timestamp,
    existing: Existing<'_>,
) -> Manifest {
    const REGION: &str = "us-east-1";
    let (spec, issued) = (object.spec.secret(), sample(now));
    let mut records = BTreeMap::new();
    let content = match &object.spec.profiles {
        None => match &object.spec.token {
            Some(token) => token.kind().map(|kind| token_files(kind, now)).unwrap_or_default(),
            None => files(&spec, REGION, &issued),
        },
        Some(profiles) => {
            for profile in profiles {
                let record = ProfileRecord {
                    issued_at: now,
                    expiration: issued.lifetime.expiration,
                    request: fingerprint::of_profile(&object.spec, profile),
                    arn: profile.roles.last().map(|r| r.role_arn.clone()),
                    failed: false,
                };
                records.insert(profile.name.clone(), record);
            }
            let named = |p: &refreshable_api::ProfileSpec| Profile {
                name: p.name.clone(),
                region: p.region.clone(),
                issued: issued.clone(),
            };
            let all: Vec<Profile> = profiles.iter().map(named).collect();
            profile_files(&spec, REGION, &all)
        }
    };
    manifest(object, &issued, &records, &UsedInputs::new(), &content, existing)
}
