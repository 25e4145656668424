//! Writes, takes over and deletes Secrets: one server-side apply, guarded by ownership.
//!
//! Where no own Secret is known, the apply is not forced: a foreign Secret of the name then meets it
//! with another type (which cannot be changed), another controlling owner (there can be one) or
//! conflicting fields (each resource has a field manager of its own), and the API server refuses it.
//! Where an own Secret is known, the apply names its UID, and the API server refuses any other.

use super::{Context, issuer_time};
use crate::api::{DeletionPolicy, RefreshableCredential, names};
use crate::controller::CallError;
use crate::render::Manifest;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use std::time::Duration;

/// How often a write is tried before the credentials are given up: they cost an issuer call.
const TRIES: u32 = 4;
/// Pause after the first try that failed; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Why credentials were not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    /// The name is taken by a Secret that is not the resource's.
    #[error("the Secret belongs to somebody else")]
    Taken,
    /// The namespace is being deleted.
    #[error("the namespace is being deleted")]
    NamespaceGone,
    /// The API server would not, or could not.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Applies the Secret. `known` says that an own or adopted Secret with the manifest's UID exists.
pub(super) async fn apply(
    context: &Context,
    object: &RefreshableCredential,
    manifest: &Manifest,
    known: bool,
) -> Result<ObjectMeta, PublishError> {
    let uid = object.uid().unwrap_or_default();
    let api = secrets(context, object);
    let mut parameters = PatchParams::apply(&names::secret_field_manager(&uid));
    parameters.force = known;
    let name = object.secret_name();
    let manifest = manifest.annotated(issuer_time::annotation());
    let patch = Patch::Apply(manifest.expose());
    let mut pause = PAUSE;
    for tries in 1.. {
        match context.calls.write("apply secrets", api.patch_metadata(&name, &parameters, &patch)).await {
            Ok(meta) => return Ok(stripped(meta.metadata)),
            Err(e) if e.is_transient() && tries < TRIES => tokio::time::sleep(pause).await,
            Err(e) if e.is_forbidden() && e.to_string().contains("is being terminated") => {
                return Err(PublishError::NamespaceGone);
            }
            Err(e) if !known && (e.is_conflict() || is_foreign(&e)) => return Err(PublishError::Taken),
            Err(e) => return Err(e.into()),
        }
        pause *= 2;
    }
    unreachable!("the loop ends with its last try")
}

/// The API server's words for a Secret of another type or with another controlling owner.
fn is_foreign(error: &CallError) -> bool {
    let text = error.to_string();
    error.is_invalid()
        && (text.contains("field is immutable") || text.contains("Only one reference can have Controller"))
}

/// Reads the metadata of the Secret that `object` publishes under its name.
pub(super) async fn read(context: &Context, object: &RefreshableCredential) -> Result<Option<ObjectMeta>, CallError> {
    let api = secrets(context, object);
    let name = object.secret_name();
    let meta = context.calls.read("get secrets", api.get_metadata_opt(&name)).await?;
    Ok(meta.map(|m| stripped(m.metadata)))
}

/// Reads that Secret whole, to compare its data with its checksum.
pub(super) async fn read_data(context: &Context, object: &RefreshableCredential) -> Result<Option<Secret>, CallError> {
    let api = secrets(context, object);
    let name = object.secret_name();
    context.calls.read("get secrets", api.get_opt(&name)).await
}

/// Deletes the Secret `name` with this UID; one that is gone already is well.
pub(super) async fn delete(
    context: &Context,
    object: &RefreshableCredential,
    name: &str,
    secret_uid: &str,
) -> Result<(), CallError> {
    let api = secrets(context, object);
    let parameters = DeleteParams::default()
        .preconditions(Preconditions { uid: Some(secret_uid.to_owned()), resource_version: None });
    match context.calls.write("delete secrets", api.delete(name, &parameters)).await {
        Ok(_) => Ok(()),
        Err(e) if e.is_not_found() || e.is_conflict() => Ok(()),
        Err(e) => Err(e),
    }
}

/// Deletes the Secret that an earlier specification named, if it is still the resource's own and to be deleted.
pub(super) async fn prune(context: &Context, object: &RefreshableCredential) -> Result<(), CallError> {
    let former = object.status.as_ref().and_then(|s| s.secret.as_ref()).map(|s| s.name.as_str());
    let Some(former) = former.filter(|f| *f != object.secret_name()) else { return Ok(()) };
    if object.spec.secret().deletion_policy() == DeletionPolicy::Retain {
        return Ok(());
    }
    let api = secrets(context, object);
    let Some(meta) = context.calls.read("get secrets", api.get_metadata_opt(former)).await? else { return Ok(()) };
    let uid = object.uid().unwrap_or_default();
    match crate::rules::ownership::view(&meta.metadata, &uid).own() {
        Some(own) => delete(context, object, former, &own.uid).await,
        None => Ok(()),
    }
}

fn secrets(context: &Context, object: &RefreshableCredential) -> Api<Secret> {
    Api::namespaced(context.calls.client(), &object.namespace().unwrap_or_default())
}

fn stripped(mut meta: ObjectMeta) -> ObjectMeta {
    meta.managed_fields = None;
    meta
}
