//! Writes the status where it says something new, and announces what changed.

use super::{Announcement, CallError, Context};
use crate::api::conditions::RECONCILING;
use crate::api::{RefreshableCredential, names};
use crate::rules::ownership::Record;
use crate::rules::report::{self, Finding};
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

/// Reports `finding`. Writes nothing where the status says it already.
pub(super) async fn report(
    context: &Context,
    object: &RefreshableCredential,
    record: Option<&Record>,
    finding: &Finding,
) -> Result<(), CallError> {
    let now = context.now();
    let status = report::status(object, record, finding, now);
    if object.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let uid = object.uid().unwrap_or_default();
    let api = Api::<RefreshableCredential>::namespaced(context.calls.client(), &object.namespace().unwrap_or_default());
    let parameters = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    // The UID keeps the status of a deleted resource from a new one of the same name.
    let patch = Patch::Merge(json!({ "metadata": { "uid": uid }, "status": status }));
    let name = object.name_any();
    let written = context.calls.write("patch status", api.patch_status(&name, &parameters, &patch)).await;
    match written {
        Ok(new) => context.memory.status_written(&uid, new.metadata.resource_version, now),
        // Deleted, or deleted and made anew: there is nothing to report to.
        Err(e) if e.is_not_found() || e.is_conflict() => return Ok(()),
        Err(e) => return Err(e),
    }
    if let Some(condition) = report::transition(object.status.as_ref(), &status) {
        let failing = status.conditions.iter().any(|c| c.type_ == RECONCILING) || condition.status == "False";
        context.announcer.announce(Announcement::of(object, condition, failing));
    }
    Ok(())
}
