//! A Secret with made-up credentials, to test whether the API server would accept the real one.

use super::{Existing, Manifest, Profile, files, manifest, profile_files};
use crate::fingerprint;
use crate::inputs::UsedInputs;
use crate::issuer::{AccessKey, Issued, Lifetime, Session};
use crate::ownership::ProfileRecord;
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{PrincipalStatus, RefreshableCredential};
use std::collections::BTreeMap;

/// Length of the made-up session token, in bytes: AWS's are between 500 and 4,096 bytes long,
/// mostly around this.
const TOKEN: usize = 1200;

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
        None => files(&spec, REGION, &issued),
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
