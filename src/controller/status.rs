//! Writes the status where it says something new, and announces what changed.

use super::{Announcement, CallError, Context, call, live};
use kube::ResourceExt as _;
use kube::api::{Api, Patch};
use refreshable_api::conditions::{RECONCILING, WITHDRAWN};
use refreshable_api::{RefreshableCredential, RefreshableCredentialStatus, RestartStatus};
use refreshable_rules::ownership::Record;
use refreshable_rules::policy::Permission;
use refreshable_rules::report::{self, Finding};
use serde_json::{Value, json};

/// Reports `finding`. Writes nothing where the status says it already. A status that the API server
/// does not take is kept in memory, so that its pauses hold all the same, and tried again. Whether the
/// resource is still there, as far as is known.
pub(super) async fn report(
    context: &Context,
    object: &RefreshableCredential,
    permission: &Permission,
    record: Option<&Record>,
    finding: &Finding,
) -> Result<bool, CallError> {
    let now = context.now();
    let status = report::status(object, permission, record, finding, now);
    let uid = object.uid().unwrap_or_default();
    let retry = context.memory.ledger.status_retry(&uid);
    let said = object.status.as_ref() == Some(&status);
    if said && retry.is_none_or(|at| at > now) {
        return Ok(true);
    }
    match write(context, object, json!(status)).await {
        Ok(true) => {}
        Ok(false) => return Ok(false),
        Err(error) => keep(context, &uid, status.clone(), error)?,
    }
    if let Some(condition) = report::transition(object.status.as_ref(), &status) {
        let failing =
            status.conditions.iter().any(|c| c.type_ == RECONCILING) || condition.status == "False";
        let mut announcement = Announcement::of(object, condition, failing);
        if report::withdrawn(object.status.as_ref(), &status) {
            WITHDRAWN.clone_into(&mut announcement.reason);
        }
        context.event_publisher.announce(announcement);
    }
    Ok(true)
}

/// Writes how far workloads have followed the rotations, where the status does not say it yet.
pub(super) async fn restarted(
    context: &Context,
    object: &RefreshableCredential,
    restarts: &Vec<RestartStatus>,
) -> Result<(), CallError> {
    if object.status.as_ref().and_then(|s| s.restarts.as_ref()) != Some(restarts) {
        let uid = object.uid().unwrap_or_default();
        if let Err(error) = write(context, object, json!({ "restarts": restarts })).await {
            let before = object.status.clone().unwrap_or_default();
            keep(
                context,
                &uid,
                RefreshableCredentialStatus { restarts: Some(restarts.clone()), ..before },
                error,
            )?;
        }
    }
    Ok(())
}

/// Keeps a status that the API server does not take. A lease that is not held ends the attempt as
/// well.
fn keep(
    context: &Context,
    uid: &str,
    status: RefreshableCredentialStatus,
    error: CallError,
) -> Result<(), CallError> {
    if matches!(error, CallError::NotLeading(_)) {
        context.memory.ledger.status_put_off(uid, status, context.now());
        return Err(error);
    }
    let until = context.memory.ledger.status_refused(uid, status, context.now());
    tracing::warn!(uid, %error, %until, "the status could not be written; it is kept and tried again");
    Ok(())
}

/// Patches members of the status. Whether the resource is still there.
async fn write(
    context: &Context,
    object: &RefreshableCredential,
    status: Value,
) -> Result<bool, CallError> {
    let uid = object.uid().unwrap_or_default();
    let api = Api::<RefreshableCredential>::namespaced(
        context.calls.client(),
        &object.namespace().unwrap_or_default(),
    );
    // The UID keeps the status of a deleted resource from a new one of the same name.
    let patch = Patch::Merge(json!({ "metadata": { "uid": uid }, "status": status }));
    let name = object.name_any();
    match context.calls.write("patch status", api.patch_status(&name, &call::merge(), &patch)).await
    {
        Ok(new) => {
            context.memory.ledger.status_written(&uid);
            context.memory.status_written(&uid, new.metadata.resource_version, context.now());
            Ok(true)
        }
        // Deleted, or deleted and made anew: there is nothing to report to.
        Err(e) if e.is_not_found() || e.is_conflict() => {
            live::is_gone(context, object);
            Ok(false)
        }
        Err(e) => Err(e),
    }
}
