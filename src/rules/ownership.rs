//! Metadata of a published Secret: its owner, and a record of its data.
//!
//! The metadata holds everything that the controller plans by after a restart. So the data itself
//! is never watched, and a restart costs no call of an issuer.

use super::inputs::{InputVersions, UsedInput, UsedInputs};
use super::issuer::TokenSize;
use super::kept;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use refreshable_api::{
    Arn, DeletionPolicy, InputDigest, PrincipalStatus, RefreshableCredential, names,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Secret under the name that a resource publishes to, judged by its metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretView {
    /// No Secret, or none that the controller can see: foreign Secrets carry no label.
    Absent,
    /// It belongs to this other owner.
    Foreign(String),
    /// It is the resource's own.
    Own(Box<Record>),
}

impl SecretView {
    /// The record of the resource's own Secret.
    pub fn own(&self) -> Option<&Record> {
        match self {
            Self::Own(record) => Some(record),
            Self::Absent | Self::Foreign(_) => None,
        }
    }
}

/// Metadata of the resource's own Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The Secret's name.
    pub name: String,
    /// The Secret's UID.
    pub uid: String,
    /// The Secret's resource version.
    pub resource_version: String,
    /// Record of its data; `None` where an annotation is missing or cannot be read.
    pub content: Option<Content>,
    /// It existed before and was adopted.
    pub adopted: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// Finalizers that delay its deletion.
    pub finalizers: Vec<String>,
}

/// Record of the credentials in a Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// When they were issued, by the issuer's clock.
    pub issued_at: Timestamp,
    /// When they expire, by that clock.
    pub expiration: Timestamp,
    /// Digest of the request, see [`super::fingerprint::of_request`].
    pub request: String,
    /// Inputs that they were obtained with.
    pub inputs: UsedInputs,
    /// Digest of the data.
    pub checksum: String,
    /// Principal of the credentials.
    pub principal: PrincipalStatus,
    /// AWS's `PackedPolicySize`.
    pub packed_policy_size: Option<i32>,
    /// AWS's `SessionTokenSize` and `SessionTokenUtilization`.
    pub token: TokenSize,
    /// Record of each profile; empty without profiles.
    pub profiles: BTreeMap<String, ProfileRecord>,
    /// The access key id.
    pub key_id: Option<String>,
    /// Warning for the user about credentials that were issued.
    pub warning: Option<String>,
    /// The refresh request that they fulfil.
    pub handled_refresh: Option<String>,
}

/// Record of one profile's credentials.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProfileRecord {
    /// When its credentials were issued.
    pub issued_at: Timestamp,
    /// When they expire.
    pub expiration: Timestamp,
    /// Digest of the profile's request, see [`super::fingerprint::of_profile`].
    pub request: String,
    /// ARN of their principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The last attempt failed: these credentials are of an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// Reads a Secret's metadata for the resource with UID `owner_uid`.
pub fn view(meta: &ObjectMeta, owner_uid: &str) -> SecretView {
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|a| a.get(key));
    let named = annotation(names::OWNER_UID_ANNOTATION).map(String::as_str);
    let controller = meta.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    // The garbage collector follows the owner reference, so it decides. Secrets that outlive their
    // resource (`deletionPolicy: Retain`) have none; there the annotation decides.
    let owned = match controller {
        Some(owner) => owner.uid == owner_uid,
        None => named == Some(owner_uid),
    };
    if !owned {
        let whose = controller.map_or_else(
            || {
                // The UID differs: an earlier resource, possibly of the same name, left the Secret.
                annotation(names::OWNER_NAME_ANNOTATION).map_or("something else".to_owned(), |n| {
                    format!("RefreshableCredential {n} (another one of that name)")
                })
            },
            |o| format!("{} {}", o.kind, o.name),
        );
        return SecretView::Foreign(whose);
    }
    SecretView::Own(Box::new(Record {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        content: content(&annotation).map(|content| warned(content, meta)),
        adopted: annotation(names::ADOPTED_ANNOTATION).is_some(),
        deleting: meta.deletion_timestamp.is_some(),
        finalizers: meta.finalizers.clone().unwrap_or_default(),
    }))
}

/// Warns of what cannot be compared.
fn warned(mut content: Content, meta: &ObjectMeta) -> Content {
    if kept::is_cut(meta) {
        content.warning.get_or_insert_with(|| TOO_LARGE.to_owned());
    }
    content
}

const TOO_LARGE: &str = "labels or annotations that others gave the Secret take more than 4 KiB: the largest are not \
                         looked at, and a change of them is not undone. Keep them smaller";

fn content<'a>(annotation: &impl Fn(&str) -> Option<&'a String>) -> Option<Content> {
    let time = |key| annotation(key)?.parse::<Timestamp>().ok();
    let number = |key| annotation(key)?.parse::<i32>().ok();
    let arn = annotation(names::PRINCIPAL_ANNOTATION).cloned();
    let issued_at = time(names::ISSUED_AT_ANNOTATION)?;
    let expiration = time(names::EXPIRATION_ANNOTATION)?;
    Some(Content {
        issued_at,
        // Every time of the plan is a part of the lifetime, which must be positive.
        expiration: (expiration > issued_at).then_some(expiration)?,
        request: annotation(names::REQUEST_ANNOTATION)?.clone(),
        inputs: match annotation(names::INPUTS_ANNOTATION) {
            Some(text) => inputs(
                serde_json::from_str(text).ok()?,
                annotation(names::INPUT_DIGESTS_ANNOTATION),
            ),
            None => UsedInputs::new(),
        },
        checksum: annotation(names::CHECKSUM_ANNOTATION)?.clone(),
        principal: PrincipalStatus {
            account_id: arn.as_deref().and_then(Arn::account_of),
            arn,
            user_id: annotation(names::PRINCIPAL_ID_ANNOTATION).cloned(),
        },
        packed_policy_size: number(names::PACKED_POLICY_SIZE_ANNOTATION),
        token: TokenSize {
            bytes: number(names::SESSION_TOKEN_SIZE_ANNOTATION),
            utilization: number(names::SESSION_TOKEN_UTILIZATION_ANNOTATION),
        },
        profiles: match annotation(names::PROFILES_ANNOTATION) {
            Some(text) => serde_json::from_str(text).ok()?,
            None => BTreeMap::new(),
        },
        key_id: annotation(names::KEY_ID_ANNOTATION).cloned(),
        warning: annotation(names::WARNING_ANNOTATION).cloned(),
        handled_refresh: annotation(names::HANDLED_REFRESH_ANNOTATION).cloned(),
    })
}

/// Whether a Secret has a controlling owner. There can be one.
pub fn is_controlled(meta: &ObjectMeta) -> bool {
    meta.owner_references.iter().flatten().any(|o| o.controller == Some(true))
}

/// Whether a Secret's owner lets it be adopted, or did before.
pub fn allows_adoption(meta: &ObjectMeta) -> bool {
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|a| a.get(key));
    annotation(names::ALLOW_ADOPTION_ANNOTATION).is_some_and(|v| v == names::ALLOW_ADOPTION)
        || annotation(names::ADOPTED_ANNOTATION).is_some()
}

/// The inputs at these versions, with their digests. Digests that are missing or cannot be read
/// leave the versions to decide: an earlier version of the controller wrote none.
fn inputs(versions: InputVersions, digests: Option<&String>) -> UsedInputs {
    let mut digests: BTreeMap<String, InputDigest> =
        digests.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let one = |(name, version): (String, String)| {
        let digest = digests.remove(&name);
        (name, UsedInput { version: Some(version), digest })
    };
    versions.into_iter().map(one).collect()
}

/// Whether labels and owner reference of a published Secret are still as `object` asks for. Labels
/// and annotations that were too large to be kept count as they should be.
pub fn metadata_intact(meta: &ObjectMeta, object: &RefreshableCredential) -> bool {
    let spec = object.spec.secret();
    let held = |entries: &Option<BTreeMap<String, String>>, key: &str, value: &str| {
        entries.as_ref().and_then(|e| e.get(key)).map(|v| v == value)
    };
    let has = |entries: &Option<BTreeMap<String, String>>, key: &str, value: &str| {
        held(entries, key, value).unwrap_or(kept::is_cut(meta))
    };
    let labels = spec.labels.iter().flatten().all(|(k, v)| has(&meta.labels, k, v));
    let annotations = spec.annotations.iter().flatten().all(|(k, v)| has(&meta.annotations, k, v));
    let uid = object.metadata.uid.as_deref();
    let owned = meta.owner_references.iter().flatten().any(|o| Some(o.uid.as_str()) == uid);
    // A change of `deletionPolicy` has to add or remove the owner reference.
    let wants_owner = spec.deletion_policy() == DeletionPolicy::Delete;
    labels
        && annotations
        && owned == wants_owner
        && held(&meta.labels, names::MANAGED_BY_LABEL, names::MANAGED_BY) == Some(true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    pub(crate) fn meta_of(owner_uid: &str) -> ObjectMeta {
        let annotations = BTreeMap::from(
            [
                (names::OWNER_UID_ANNOTATION, owner_uid),
                (names::OWNER_NAME_ANNOTATION, "reports"),
                (names::ISSUED_AT_ANNOTATION, "2026-01-01T00:00:00Z"),
                (names::EXPIRATION_ANNOTATION, "2026-01-01T01:00:00Z"),
                (names::REQUEST_ANNOTATION, "r"),
                (names::INPUTS_ANNOTATION, r#"{"key":"u/1"}"#),
                (names::CHECKSUM_ANNOTATION, "c"),
                (names::PRINCIPAL_ANNOTATION, "arn:aws:sts::111122223333:assumed-role/reports/s"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        ObjectMeta {
            name: Some("reports".into()),
            uid: Some("secret-uid".into()),
            resource_version: Some("7".into()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }
    }

    fn owner(uid: &str) -> OwnerReference {
        OwnerReference {
            uid: uid.into(),
            kind: "RefreshableCredential".into(),
            name: "other".into(),
            controller: Some(true),
            ..OwnerReference::default()
        }
    }

    #[test]
    fn an_own_secret_tells_what_it_holds() {
        let view = view(&meta_of("me"), "me");
        let record = view.own().expect("own");
        let content = record.content.as_ref().expect("readable");
        assert_eq!(content.expiration.duration_since(content.issued_at).as_secs(), 3600);
        assert_eq!(content.principal.account_id.as_deref(), Some("111122223333"));
        assert_eq!(content.inputs["key"], UsedInput { version: Some("u/1".into()), digest: None });
    }

    #[test]
    fn sizes_of_the_token_are_read_where_the_issuer_told_them() {
        let token = |annotations: &[(&str, &str)]| {
            let mut meta = meta_of("me");
            let own = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            meta.annotations.get_or_insert_default().extend(own);
            let view = view(&meta, "me");
            view.own().and_then(|r| r.content.as_ref()).expect("readable").token
        };
        assert_eq!(token(&[]), TokenSize::default(), "as a Secret of an earlier version has none");
        let (size, share) =
            (names::SESSION_TOKEN_SIZE_ANNOTATION, names::SESSION_TOKEN_UTILIZATION_ANNOTATION);
        let both = TokenSize { bytes: Some(1832), utilization: Some(44) };
        assert_eq!(token(&[(size, "1832"), (share, "44")]), both);
        assert_eq!(token(&[(size, "many")]), TokenSize::default());
    }

    #[test]
    fn digests_of_inputs_are_read_where_there_are_some() {
        let digest = InputDigest { key_id: "i".into(), keys: vec!["k".into()], mac: "m".into() };
        let written = serde_json::json!({"key": digest}).to_string();
        for (text, expected) in
            [(written.as_str(), Some(digest)), ("{", None), (r#"{"other": {}}"#, None)]
        {
            let mut meta = meta_of("me");
            meta.annotations
                .as_mut()
                .and_then(|a| a.insert(names::INPUT_DIGESTS_ANNOTATION.into(), text.into()));
            let seen = view(&meta, "me");
            let content = seen.own().and_then(|r| r.content.as_ref()).expect("readable");
            assert_eq!(
                content.inputs["key"],
                UsedInput { version: Some("u/1".into()), digest: expected },
                "{text}"
            );
        }
    }

    #[test]
    fn labels_that_were_too_large_count_as_they_should_be_and_our_own_does_not() {
        let spec = serde_json::json!({"secret": {"labels": {"team": "a"}}});
        let object = crate::fixtures::credential(spec);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let with = |labels: &[(&str, &str)], cut: bool| {
            let mut meta = meta_of(&uid);
            meta.owner_references = Some(vec![owner(&uid)]);
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            meta.labels = Some(labels.collect());
            let marker = (names::LEFT_OUT_ANNOTATION.to_owned(), "true".to_owned());
            meta.annotations.get_or_insert_default().extend(cut.then_some(marker));
            meta
        };
        let ours = (names::MANAGED_BY_LABEL, names::MANAGED_BY);
        for (labels, cut, intact) in [
            (&[ours, ("team", "a")] as &[_], false, true),
            (&[ours, ("team", "b")], false, false),
            (&[ours], false, false),
            (&[ours], true, true),
            (&[ours, ("team", "b")], true, false),
            // Without it the watch does not show the Secret.
            (&[("team", "a")], true, false),
        ] {
            let meta = with(labels, cut);
            assert_eq!(metadata_intact(&meta, &object), intact, "{labels:?} {cut}");
            let seen = view(&meta, &uid);
            let content = seen.own().and_then(|r| r.content.as_ref()).expect("readable");
            assert_eq!(content.warning.is_some(), cut, "{:?}", content.warning);
        }
    }

    #[test]
    fn the_controlling_owner_decides_before_the_annotation() {
        let mut meta = meta_of("me");
        meta.owner_references = Some(vec![owner("other-uid")]);
        assert_eq!(view(&meta, "me"), SecretView::Foreign("RefreshableCredential other".into()));
        meta.owner_references = Some(vec![owner("me")]);
        assert!(view(&meta, "me").own().is_some());
    }

    #[test]
    fn a_retained_secret_of_an_earlier_resource_is_foreign() {
        assert!(matches!(view(&meta_of("earlier"), "me"), SecretView::Foreign(_)));
        assert!(matches!(view(&ObjectMeta::default(), "me"), SecretView::Foreign(_)));
    }

    #[test]
    fn a_secret_is_adopted_where_its_owner_says_so() {
        for (key, value, allowed) in [
            (names::ALLOW_ADOPTION_ANNOTATION, "true", true),
            (names::ALLOW_ADOPTION_ANNOTATION, "false", false),
            (names::ALLOW_ADOPTION_ANNOTATION, "", false),
            (names::ADOPTED_ANNOTATION, "true", true),
            (names::OWNER_UID_ANNOTATION, "true", false),
        ] {
            let annotations = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            let meta = ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() };
            assert_eq!(allows_adoption(&meta), allowed, "{key}={value}");
        }
        assert!(!allows_adoption(&ObjectMeta::default()));
    }

    #[test]
    fn annotations_that_cannot_be_read_leave_the_content_unknown() {
        for key in [
            names::ISSUED_AT_ANNOTATION,
            names::EXPIRATION_ANNOTATION,
            names::REQUEST_ANNOTATION,
            names::CHECKSUM_ANNOTATION,
        ] {
            let mut meta = meta_of("me");
            meta.annotations.as_mut().and_then(|a| a.remove(key));
            assert_eq!(view(&meta, "me").own().expect("own").content, None, "{key}");
        }
        for (key, value) in [
            (names::EXPIRATION_ANNOTATION, "tomorrow"),
            (names::EXPIRATION_ANNOTATION, "2025-01-01T00:00:00Z"),
            (names::INPUTS_ANNOTATION, "{"),
        ] {
            let mut meta = meta_of("me");
            meta.annotations.as_mut().and_then(|a| a.insert(key.into(), value.into()));
            assert_eq!(view(&meta, "me").own().expect("own").content, None, "{key}={value}");
        }
    }
}
