//! Secrets and ConfigMaps as the watches show them: their metadata alone.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use refreshable_api::names;
use serde_json::Value;

/// A Secret's metadata. Its data is never watched.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// A ConfigMap's metadata. Its data is as little watched.
pub type ConfigMapMeta = PartialObjectMeta<ConfigMap>;

/// `<uid>/<resourceVersion>`: what tells one state of an input from another.
pub(super) fn version_of(meta: &ObjectMeta) -> String {
    format!(
        "{}/{}",
        meta.uid.as_deref().unwrap_or_default(),
        meta.resource_version.as_deref().unwrap_or_default()
    )
}

/// When a Secret's data was last written, as the API server notes for each field manager.
pub(super) fn data_written(meta: &ObjectMeta) -> Option<Timestamp> {
    let writes_data = |fields: &Value| fields.get("f:data").is_some();
    let managers = meta.managed_fields.iter().flatten();
    let times = managers
        .filter(|m| m.fields_v1.as_ref().is_some_and(|f| writes_data(&f.0)))
        .filter_map(|m| m.time.as_ref());
    times.map(|t| t.0).max().or_else(|| meta.creation_timestamp.as_ref().map(|t| t.0))
}

/// Name of the resource that a published Secret's metadata names as its owner.
pub(super) fn owner_name(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(names::OWNER_NAME_ANNOTATION).map(String::as_str)
}

/// UID of the resource that a published Secret's metadata names as its owner.
pub(super) fn owner_uid(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(names::OWNER_UID_ANNOTATION).map(String::as_str)
}
