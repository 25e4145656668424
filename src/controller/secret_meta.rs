//! Secrets as the watches show them: their metadata alone.

use crate::api::names;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;

/// A Secret's metadata. Its data is never watched.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// `<uid>/<resourceVersion>`: what tells one state of an input from another.
pub(super) fn version_of(meta: &ObjectMeta) -> String {
    format!("{}/{}", meta.uid.as_deref().unwrap_or_default(), meta.resource_version.as_deref().unwrap_or_default())
}

/// Name of the resource that a published Secret's metadata names as its owner.
pub(super) fn owner_name(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(names::OWNER_NAME_ANNOTATION).map(String::as_str)
}

/// UID of the resource that a published Secret's metadata names as its owner.
pub(super) fn owner_uid(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(names::OWNER_UID_ANNOTATION).map(String::as_str)
}
