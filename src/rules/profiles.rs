//! Renewal and state of a resource's profiles.

use super::ownership::Content;
use super::timing::down_to_second;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use refreshable_api::{ProfileStatus, RefreshableCredential};
use std::collections::{BTreeMap, BTreeSet};

/// The profiles that got no credentials in the last attempt.
pub fn lacking(object: &RefreshableCredential, content: &Content) -> BTreeSet<String> {
    let profiles = object.spec.profiles.iter().flatten();
    // Credentials of an earlier attempt may still be valid, but they missed the last rotation.
    let current = |name: &str| content.profiles.get(name).is_some_and(|r| !r.failed);
    profiles.filter(|p| !current(&p.name)).map(|p| p.name.clone()).collect()
}

/// Whether every profile has credentials that are valid at `now`.
pub fn all_valid(object: &RefreshableCredential, content: &Content, now: Timestamp) -> bool {
    let mut profiles = object.spec.profiles.iter().flatten();
    profiles.all(|p| content.profiles.get(&p.name).is_some_and(|r| r.expiration > now))
}

/// Earliest expiry of the published credentials, past or future.
pub fn earliest_end(content: &Content) -> Timestamp {
    content.profiles.values().map(|r| r.expiration).min().unwrap_or(content.expiration)
}

/// Earliest expiry of the published credentials after `now`.
pub fn first_end(content: &Content, now: Timestamp) -> Option<Timestamp> {
    let profiles = content.profiles.values().map(|r| r.expiration);
    profiles.chain([content.expiration]).filter(|end| *end > now).min()
}

/// Status of each profile. `failed` holds the errors of the last attempt; a profile that lacks
/// credentials but is not in it keeps its earlier error.
pub fn status(
    object: &RefreshableCredential,
    content: Option<&Content>,
    failed: Option<&BTreeMap<String, String>>,
) -> Option<Vec<ProfileStatus>> {
    let profiles = object.spec.profiles.as_ref()?;
    let before = object.status.as_ref().and_then(|s| s.profiles.as_ref());
    let said = |name: &str| before?.iter().find(|p| p.name == name)?.message.clone();
    let one = |name: &String| {
        let record = content.and_then(|c| c.profiles.get(name));
        let lacks = record.is_none_or(|r| r.failed);
        ProfileStatus {
            name: name.clone(),
            arn: record.and_then(|r| r.arn.clone()),
            expiration: record.map(|r| Time(down_to_second(r.expiration))),
            // A report after no attempt must not erase the error of the last one.
            message: failed
                .and_then(|f| f.get(name).cloned())
                .or_else(|| lacks.then(|| said(name)).flatten()),
        }
    };
    Some(profiles.iter().map(|p| one(&p.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{credential, minute, record};
    use crate::ownership::ProfileRecord;
    use serde_json::json;

    fn many() -> (RefreshableCredential, Content) {
        let role = |name: &str| json!({"name": name, "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
        let object = credential(json!({"profiles": [role("a"), role("b"), role("c")]}));
        let mut content = record(&object).content.expect("content");
        let made = |failed, end| ProfileRecord {
            issued_at: minute(0),
            expiration: minute(end),
            request: "r".into(),
            arn: Some("arn".into()),
            failed,
        };
        content.profiles =
            [("a".to_owned(), made(false, 60)), ("b".to_owned(), made(true, 30))].into();
        (object, content)
    }

    #[test]
    fn what_is_kept_and_what_is_missing_is_lacking() {
        let (object, mut content) = many();
        assert_eq!(lacking(&object, &content), ["b".to_owned(), "c".to_owned()].into());
        assert!(!all_valid(&object, &content, minute(1)), "c has nothing");
        let b = content.profiles["b"].clone();
        content.profiles.insert("c".into(), b);
        assert!(
            all_valid(&object, &content, minute(29)) && !all_valid(&object, &content, minute(30))
        );
        assert_eq!(first_end(&content, minute(1)), Some(minute(30)));
        assert_eq!(first_end(&content, minute(30)), Some(minute(60)));
    }

    #[test]
    fn the_status_says_who_is_who_and_keeps_what_was_said() {
        let (mut object, content) = many();
        let failed = BTreeMap::from([
            ("b".to_owned(), "denied".to_owned()),
            ("c".to_owned(), "denied too".to_owned()),
        ]);
        let list = status(&object, Some(&content), Some(&failed)).expect("profiles");
        let seen: Vec<_> = list
            .iter()
            .map(|p| (p.name.as_str(), p.expiration.is_some(), p.message.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [("a", true, None), ("b", true, Some("denied")), ("c", false, Some("denied too"))]
        );
        object.status = Some(refreshable_api::RefreshableCredentialStatus {
            profiles: Some(list.clone()),
            ..Default::default()
        });
        assert_eq!(status(&object, Some(&content), None), Some(list));
        assert_eq!(status(&credential(json!({})), None, None), None);
    }
}
