//! The Secret as it is applied: the data, and metadata that records it.

use super::Files;
use crate::fingerprint;
use crate::inputs::UsedInputs;
use crate::issuer::Issued;
use crate::ownership::ProfileRecord;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::{Resource as _, ResourceExt as _};
use refreshable_api::{DeletionPolicy, RefreshableCredential, SecretType, TokenSpec, names};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The body of a server-side apply. It holds secret material and therefore has no `Debug`.
#[derive(Clone)]
pub struct Manifest(Value);

impl Manifest {
    /// The body, to be sent.
    pub fn expose(&self) -> &Value {
        &self.0
    }

    /// With one more annotation, if there is one.
    pub fn annotated(&self, annotation: Option<(&str, String)>) -> Self {
        let mut body = self.0.clone();
        if let Some((key, value)) = annotation {
            body["metadata"]["annotations"][key] = value.into();
        }
        Self(body)
    }

    /// UID of the Secret that it is written over, if there is one.
    pub fn uid(&self) -> Option<&str> {
        self.0["metadata"]["uid"].as_str()
    }

    /// Whether the API server refuses it where any Secret of that name exists.
    pub fn is_only_new(&self) -> bool {
        self.0["metadata"]["resourceVersion"] == NO_VERSION
    }

    /// The same as a Secret of its own, which the API server refuses where one of that name exists.
    pub fn only_new(&self) -> Self {
        let mut body = self.0.clone();
        must_be_new(&mut body["metadata"]);
        Self(body)
    }

    /// The same, written over the Secret with this UID.
    pub fn over(&self, uid: &str) -> Self {
        let mut body = self.0.clone();
        if let Some(metadata) = body["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
            metadata.insert("uid".to_owned(), uid.into());
        }
        Self(body)
    }

    /// The same under another name.
    pub fn named(&self, name: &str) -> Self {
        let mut body = self.0.clone();
        body["metadata"]["name"] = name.into();
        Self(body)
    }
}

/// A resource version that no object has: etcd's first write has the next one. A server-side apply
/// that names it makes an object and changes none.
pub(crate) const NO_VERSION: &str = "1";

fn must_be_new(metadata: &mut Value) {
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("uid");
        metadata.insert("resourceVersion".to_owned(), NO_VERSION.into());
    }
}

/// How an existing Secret is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Existing<'a> {
    /// UID of the Secret that is written over: the API server refuses the write to any other.
    pub uid: Option<&'a str>,
    /// The Secret existed before and is adopted, with its type unchanged.
    pub adopted: bool,
}

/// The Secret of `object`, holding `files` made from `issued`.
pub fn manifest(
    object: &RefreshableCredential,
    issued: &Issued,
    profiles: &BTreeMap<String, ProfileRecord>,
    inputs: &UsedInputs,
    files: &Files,
    existing: Existing<'_>,
) -> Manifest {
    let wanted = object.spec.secret().annotations;
    let annotations =
        annotations(object, wanted.as_ref(), issued, profiles, inputs, files, existing.adopted);
    let data: Map<String, Value> = files
        .iter()
        .map(|(key, content)| (key.clone(), STANDARD.encode(content.expose_secret()).into()))
        .collect();
    let kind = (!existing.adopted).then(|| object.spec.secret_type());
    assemble(object, json!(annotations), data, existing.uid, kind)
}

/// The Secret over the one with this UID, or as one of its own. Without a type, that of the other
/// stays.
fn assemble(
    object: &RefreshableCredential,
    annotations: Value,
    data: Map<String, Value>,
    uid: Option<&str>,
    kind: Option<&str>,
) -> Manifest {
    let spec = object.spec.secret();
    let mut metadata = json!({
        "name": object.secret_name(),
        "namespace": object.namespace().unwrap_or_default(),
        "labels": labels(spec.labels.as_ref()),
        "annotations": annotations,
    });
    match uid {
        Some(uid) => metadata["uid"] = uid.into(),
        // Neither type nor fields need to differ from those of somebody else's Secret.
        None if kind.is_some_and(SecretType::is_shared) => must_be_new(&mut metadata),
        None => {}
    }
    if spec.deletion_policy() == DeletionPolicy::Delete {
        let owner = object.controller_owner_ref(&());
        metadata["ownerReferences"] = json!(owner.as_slice());
    }
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "data": data,
    });
    if let Some(kind) = kind {
        body["type"] = kind.into();
    }
    Manifest(body)
}

/// The Secret of `object` as it was published, with labels, annotations and owner put right, and data
/// and type as they are.
pub fn restored(object: &RefreshableCredential, secret: &Secret, adopted: bool) -> Manifest {
    let (spec, meta) = (object.spec.secret(), &secret.metadata);
    let own = |key: &String| key.starts_with(names::ANNOTATION_PREFIX);
    let mut annotations: BTreeMap<String, String> = meta
        .annotations
        .iter()
        .flatten()
        .filter(|(k, _)| own(k))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    annotations.extend(spec.annotations.clone().unwrap_or_default());
    let keys = object.spec.data_keys();
    let data = secret.data.iter().flatten().filter(|(k, _)| keys.contains(k));
    let data: Map<String, Value> =
        data.map(|(k, v)| (k.clone(), STANDARD.encode(&v.0).into())).collect();
    let kind = secret.type_.as_deref().filter(|_| !adopted);
    assemble(object, json!(annotations), data, meta.uid.as_deref(), kind)
}

fn labels(wanted: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut labels = wanted.cloned().unwrap_or_default();
    labels.insert(names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned());
    labels
}

fn annotations(
    object: &RefreshableCredential,
    wanted: Option<&BTreeMap<String, String>>,
    issued: &Issued,
    profiles: &BTreeMap<String, ProfileRecord>,
    inputs: &UsedInputs,
    files: &Files,
    adopted: bool,
) -> BTreeMap<String, String> {
    let checksum =
        fingerprint::of_data(files.iter().map(|(k, v)| (k, v.expose_secret().as_bytes())));
    let by_name =
        |text: BTreeMap<&String, Value>| (!text.is_empty()).then(|| json!(text).to_string());
    let versions =
        by_name(inputs.iter().filter_map(|(n, i)| Some((n, json!(i.version.as_ref()?)))).collect());
    let digests =
        by_name(inputs.iter().filter_map(|(n, i)| Some((n, json!(i.digest.as_ref()?)))).collect());
    let number = |value: Option<i32>| value.map(|v| v.to_string());
    let kind = object.spec.secret_type();
    let own = [
        (names::OWNER_NAME_ANNOTATION, Some(object.name_any())),
        (names::OWNER_UID_ANNOTATION, object.uid()),
        (names::ISSUED_AT_ANNOTATION, Some(issued.lifetime.issued_at.to_string())),
        (names::EXPIRATION_ANNOTATION, Some(issued.lifetime.expiration.to_string())),
        (names::REQUEST_ANNOTATION, Some(fingerprint::of_request(&object.spec))),
        (names::INPUTS_ANNOTATION, versions),
        (names::INPUT_DIGESTS_ANNOTATION, digests),
        (names::CHECKSUM_ANNOTATION, Some(checksum)),
        (names::PRINCIPAL_ANNOTATION, issued.principal.arn.clone()),
        (names::PRINCIPAL_ID_ANNOTATION, issued.principal.user_id.clone()),
        (names::PACKED_POLICY_SIZE_ANNOTATION, number(issued.packed_policy_size)),
        (names::SESSION_TOKEN_SIZE_ANNOTATION, number(issued.token.bytes)),
        (names::SESSION_TOKEN_UTILIZATION_ANNOTATION, number(issued.token.utilization)),
        (
            names::PROFILES_ANNOTATION,
            (!profiles.is_empty()).then(|| serde_json::to_string(profiles).unwrap_or_default()),
        ),
        (names::KEY_ID_ANNOTATION, Some(issued.session.key.id.clone())),
        (names::WARNING_ANNOTATION, issued.warning.clone()),
        (names::HANDLED_REFRESH_ANNOTATION, object.requested_at().map(str::to_owned)),
        (names::ADOPTED_ANNOTATION, adopted.then(|| "true".to_owned())),
        (
            names::TOKEN_ANNOTATION,
            object.spec.token.as_ref().and_then(TokenSpec::name).map(str::to_owned),
        ),
        (
            names::TYPE_ANNOTATION,
            (!adopted && SecretType::is_shared(kind)).then(|| kind.to_owned()),
        ),
    ];
    let mut annotations = wanted.cloned().unwrap_or_default();
    annotations.extend(own.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))));
    annotations
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
