//! Writes the status where it says something new, and announces what changed.

use super::{Announcement, CallError, Context, call};
use crate::api::conditions::{RECONCILING, WITHDRAWN};
use crate::api::{RefreshableCredential, RestartStatus};
use crate::rules::ownership::Record;
use crate::rules::policy::Permission;
use crate::rules::report::{self, Finding};
use kube::ResourceExt as _;
use kube::api::{Api, Patch};
use serde_json::{Value, json};

/// Reports `finding`. Writes nothing where the status says it already.
pub(super) async fn report(
    context: &Context,
    object: &RefreshableCredential,
    permission: &Permission,
    record: Option<&Record>,
    finding: &Finding,
) -> Result<(), CallError> {
    let now = context.now();
    let status = report::status(object, permission, record, finding, now);
    if object.status.as_ref() == Some(&status) {
        return Ok(());
    }
    if !write(context, object, json!(status)).await? {
        return Ok(());
    }
    if let Some(condition) = report::transition(object.status.as_ref(), &status) {
        let failing = status.conditions.iter().any(|c| c.type_ == RECONCILING) || condition.status == "False";
        let mut announcement = Announcement::of(object, condition, failing);
        if report::withdrawn(object.status.as_ref(), &status) {
            WITHDRAWN.clone_into(&mut announcement.reason);
        }
        context.announcer.announce(announcement);
    }
    Ok(())
}

/// Writes how far workloads have followed the rotations, where the status does not say it yet.
pub(super) async fn restarted(
    context: &Context,
    object: &RefreshableCredential,
    restarts: &Vec<RestartStatus>,
) -> Result<(), CallError> {
    if object.status.as_ref().and_then(|s| s.restarts.as_ref()) != Some(restarts) {
        write(context, object, json!({ "restarts": restarts })).await?;
    }
    Ok(())
}

/// Patches members of the status. Whether the resource is still there.
async fn write(context: &Context, object: &RefreshableCredential, status: Value) -> Result<bool, CallError> {
    let uid = object.uid().unwrap_or_default();
    let api = Api::<RefreshableCredential>::namespaced(context.calls.client(), &object.namespace().unwrap_or_default());
    // The UID keeps the status of a deleted resource from a new one of the same name.
    let patch = Patch::Merge(json!({ "metadata": { "uid": uid }, "status": status }));
    let name = object.name_any();
    match context.calls.write("patch status", api.patch_status(&name, &call::merge(), &patch)).await {
        Ok(new) => {
            context.memory.status_written(&uid, new.metadata.resource_version, context.now());
            Ok(true)
        }
        // Deleted, or deleted and made anew: there is nothing to report to.
        Err(e) if e.is_not_found() || e.is_conflict() => Ok(false),
        Err(e) => Err(e),
    }
}
