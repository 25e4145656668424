//! Writes, takes over and deletes Secrets: one server-side apply, guarded by ownership.
//!
//! Where no own Secret is known, the apply is not forced: a foreign Secret of the name then meets
//! it with another type (which cannot be changed), another controlling owner (there can be one) or
//! conflicting fields (each resource has a field manager of its own), and the API server refuses
//! it. Where others make Secrets of the type, too, none of these need differ: such an apply makes a
//! Secret and changes none ([`Manifest::is_only_new`]). Where an own Secret is known, the apply
//! names its UID, and the API server refuses any other.

use super::{Context, call, refusal};
use crate::{CallError, Calls};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams};
use refreshable_api::{DeletionPolicy, ObjectName, RefreshableCredential, names};
use refreshable_rules::issuer::{IssueError, Redactor};
use refreshable_rules::kept;
use refreshable_rules::ownership::{self, SecretView};
use refreshable_rules::plan;
use refreshable_rules::render::Manifest;

/// Most Secrets in one page of a list.
const PAGE: u32 = 500;

/// Why credentials were not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    /// The name is taken by a Secret that is not the resource's.
    #[error("the Secret belongs to somebody else")]
    Taken,
    /// The namespace is being deleted.
    #[error("the namespace is being deleted")]
    NamespaceGone,
    /// The resource's own Secret is of another type than is asked for.
    #[error("the Secret is of another type, which cannot be changed")]
    OtherType,
    /// The Secret was deleted, and finalizers hold it.
    #[error("the Secret is being deleted")]
    Terminating,
    /// The credentials cannot be written as it is asked for.
    #[error(transparent)]
    Unwritable(#[from] IssueError),
    /// The API server would not, or could not.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl PublishError {
    /// The error without what is protected.
    #[must_use]
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            Self::Call(error) => Self::Call(error.redacted(redactor)),
            Self::Unwritable(error) => Self::Unwritable(error.redacted(redactor)),
            other => other,
        }
    }

    /// Whether the same write may succeed in a moment: no answer, an answer that says so, or a
    /// lease that may be renewed again.
    pub(super) fn may_succeed_later(&self) -> bool {
        match self {
            Self::Taken
            | Self::NamespaceGone
            | Self::OtherType
            | Self::Terminating
            | Self::Unwritable(_) => false,
            Self::Call(error) => refusal::may_pass(error),
        }
    }
}

/// The place of a resource's Secret at the API server.
#[derive(Clone)]
pub(super) struct Place {
    calls: Calls,
    api: Api<Secret>,
    name: String,
    /// UID of the resource.
    owner: String,
    field_manager: String,
    /// An own or adopted Secret is known there.
    known: bool,
}

impl Place {
    /// The place where `object` publishes. `known` says that an own or adopted Secret with the
    /// manifest's UID exists.
    pub(super) fn of(context: &Context, object: &RefreshableCredential, known: bool) -> Self {
        let owner = object.uid().unwrap_or_default();
        Self {
            calls: context.calls.clone(),
            api: secrets(context, object),
            name: object.secret_name(),
            field_manager: names::owner_field_manager(&owner),
            owner,
            known,
        }
    }

    /// Applies the Secret.
    pub(super) async fn apply(&self, manifest: &Manifest) -> Result<ObjectMeta, PublishError> {
        self.write(manifest, false).await
    }

    /// Asks the API server whether it would take the Secret. Validation, ownership, quota and
    /// admission judge as they do for the write itself, and nothing is written.
    pub(super) async fn rehearse(&self, manifest: &Manifest) -> Result<(), PublishError> {
        match self.write(manifest, true).await {
            Err(PublishError::OtherType) => self.rehearse_beside(manifest).await,
            rehearsed => rehearsed.map(drop),
        }
    }

    /// The same, of a Secret that would take the place of another: it is asked about under a name of
    /// its own, as the other is still there.
    pub(super) async fn rehearse_beside(&self, manifest: &Manifest) -> Result<(), PublishError> {
        let beside = format!("{}-{}", self.name, self.owner);
        let beside = if ObjectName::fits(&beside) { beside } else { self.owner.clone() };
        let place = Self { name: beside.clone(), known: false, ..self.clone() };
        place.send(&manifest.only_new().named(&beside), true).await.map(drop)
    }

    /// Writes a Secret of its own, after the one with this UID was deleted. Both may be repeated.
    pub(super) async fn replace(
        &self,
        secret_uid: &str,
        manifest: &Manifest,
    ) -> Result<ObjectMeta, PublishError> {
        if self.delete(&self.name, secret_uid).await? {
            return Err(PublishError::Terminating);
        }
        let place = Self { known: false, ..self.clone() };
        place.write(&manifest.only_new(), false).await
    }

    async fn write(&self, manifest: &Manifest, dry_run: bool) -> Result<ObjectMeta, PublishError> {
        match self.send(manifest, dry_run).await {
            Err(PublishError::Call(error)) if manifest.is_only_new() && error.is_conflict() => {
                self.over_what_is_there(manifest, dry_run, error).await
            }
            sent => sent,
        }
    }

    /// There is a Secret already, and `refused` says so. It is written over if it is the resource's
    /// own: an earlier write may have arrived whose answer was lost.
    async fn over_what_is_there(
        &self,
        manifest: &Manifest,
        dry_run: bool,
        refused: CallError,
    ) -> Result<ObjectMeta, PublishError> {
        let read = self.calls.read("get secrets", self.api.get_metadata_opt(&self.name));
        let Some(found) = read.await? else { return Err(refused.into()) };
        match ownership::view(&found.metadata, &self.owner) {
            SecretView::Own(record) if record.deleting => Err(PublishError::Terminating),
            SecretView::Own(record) => {
                let own = Self { known: true, ..self.clone() };
                own.send(&manifest.over(&record.uid), dry_run).await
            }
            SecretView::Absent | SecretView::Foreign(_) => Err(PublishError::Taken),
        }
    }

    async fn send(&self, manifest: &Manifest, dry_run: bool) -> Result<ObjectMeta, PublishError> {
        let mut parameters = PatchParams::apply(&self.field_manager);
        parameters.force = self.known;
        parameters.dry_run = dry_run;
        let patch = Patch::Apply(manifest.expose());
        let write = self.api.patch_metadata(&self.name, &parameters, &patch);
        match self.calls.write("apply secrets", write).await {
            Ok(meta) => Ok(stripped(meta.metadata)),
            Err(e) if is_terminating(&e) => Err(PublishError::NamespaceGone),
            // The version that no object has is refused, and it is not yet known whose it is.
            Err(e) if manifest.is_only_new() && e.is_conflict() => Err(e.into()),
            Err(e) if !self.known && (e.is_conflict() || is_foreign(&e)) => {
                Err(PublishError::Taken)
            }
            Err(e)
                if e.is_invalid()
                    && e.to_string().contains("Only one reference can have Controller") =>
            {
                Err(PublishError::Taken)
            }
            // Who made it immutable wants it to stay.
            Err(e) if refusal::of_another_type(&e) && !refusal::of_immutable(&e) => {
                Err(PublishError::OtherType)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Deletes the Secret `name` with this UID; one that is gone already is well. Whether it waits
    /// for finalizers.
    async fn delete(&self, name: &str, secret_uid: &str) -> Result<bool, CallError> {
        match self
            .calls
            .write("delete secrets", self.api.delete(name, &call::only(secret_uid)))
            .await
        {
            Ok(answer) => Ok(answer.left().is_some_and(|s| {
                s.metadata.deletion_timestamp.is_some()
                    && s.metadata.finalizers.is_some_and(|f| !f.is_empty())
            })),
            Err(e) if e.is_not_found() || e.is_conflict() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads the Secret whole. Under what is no name there is none.
    pub(super) async fn read_data(&self) -> Result<Option<Secret>, CallError> {
        if !ObjectName::fits(&self.name) {
            return Ok(None);
        }
        self.calls.read("get secrets", self.api.get_opt(&self.name)).await
    }
}

/// Whether nothing can be made in the namespace any more, because it is being deleted.
pub(super) fn is_terminating(error: &CallError) -> bool {
    error.is_forbidden() && error.to_string().contains("is being terminated")
}

/// The API server's words for a Secret of another type or with another controlling owner.
fn is_foreign(error: &CallError) -> bool {
    let owned = error.to_string().contains("Only one reference can have Controller");
    refusal::of_another_type(error) || (error.is_invalid() && owned)
}

/// Reads the metadata of the Secret that `object` publishes under its name. Under what is no name
/// there is none.
pub(super) async fn read(
    context: &Context,
    object: &RefreshableCredential,
) -> Result<Option<ObjectMeta>, CallError> {
    let api = secrets(context, object);
    let name = object.secret_name();
    if !ObjectName::fits(&name) {
        return Ok(None);
    }
    let meta = context.calls.read("get secrets", api.get_metadata_opt(&name)).await?;
    Ok(meta.map(|m| stripped(m.metadata)))
}

/// Reads that Secret whole, to compare its data with its checksum.
pub(super) async fn read_data(
    context: &Context,
    object: &RefreshableCredential,
) -> Result<Option<Secret>, CallError> {
    Place::of(context, object, false).read_data().await
}

/// Deletes the Secret `name` with this UID; one that is gone already is well.
pub(super) async fn delete(
    context: &Context,
    object: &RefreshableCredential,
    name: &str,
    secret_uid: &str,
) -> Result<(), CallError> {
    Place::of(context, object, true).delete(name, secret_uid).await.map(drop)
}

/// Every Secret of the namespace that `object` owns, whatever its name and labels, as name and UID.
/// Those that are being deleted are left out.
pub(super) async fn owned(
    context: &Context,
    object: &RefreshableCredential,
) -> Result<Vec<(String, String)>, CallError> {
    let (api, uid) = (secrets(context, object), object.uid().unwrap_or_default());
    let mut parameters = ListParams::default().limit(PAGE);
    let mut owned = Vec::new();
    loop {
        let page = context.calls.read("list secrets", api.list_metadata(&parameters)).await?;
        for secret in page.items {
            if let Some(own) = ownership::view(&secret.metadata, &uid).own().filter(|r| !r.deleting)
            {
                owned.push((own.name.clone(), own.uid.clone()));
            }
        }
        match page.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(next) => parameters = parameters.continue_token(&next),
            None => return Ok(owned),
        }
    }
}

/// Deletes what the resource published under other names, unless it is to be retained.
pub(super) async fn prune(
    context: &Context,
    object: &RefreshableCredential,
) -> Result<(), CallError> {
    if !plan::may_have_moved(object)
        || object.spec.secret().deletion_policy() == DeletionPolicy::Retain
    {
        return Ok(());
    }
    let current = object.secret_name();
    for (name, secret_uid) in
        owned(context, object).await?.into_iter().filter(|(name, _)| *name != current)
    {
        tracing::info!(secret = name, "deleting what was published under an earlier name");
        delete(context, object, &name, &secret_uid).await?;
    }
    Ok(())
}

fn secrets(context: &Context, object: &RefreshableCredential) -> Api<Secret> {
    Api::namespaced(context.calls.client(), &object.namespace().unwrap_or_default())
}

/// The metadata as the view would keep it.
fn stripped(mut meta: ObjectMeta) -> ObjectMeta {
    kept::of_secret(&mut meta);
    meta
}
