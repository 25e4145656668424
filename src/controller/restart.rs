//! Restarts the workloads that a resource names, once for each rotation.

use super::{Announcement, CallError, Context, call, status};
use crate::api::conditions::Reason;
use crate::api::{ObjectName, RefreshableCredential, RestartStatus, RestartTarget, WorkloadKind};
use crate::rules::ownership::Content;
use crate::rules::restart::{self, Verdict, Workload};
use crate::rules::timing::down_to_second;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch};

/// While a rollout is under way.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(15);
/// While a workload is missing, paused, or may not be restarted.
const HINDERED: SignedDuration = SignedDuration::from_mins(2);

/// Restarts what is behind the rotation of `content`. When to look again, if something is left to do.
pub(super) async fn follow(
    object: &RefreshableCredential,
    content: &Content,
    context: &Context,
) -> Result<Option<Timestamp>, CallError> {
    let behind = restart::pending(object, content);
    if behind.is_empty() {
        return Ok(None);
    }
    let now = context.now();
    let mut statuses = restart::status(object, Some(content)).unwrap_or_default();
    let mut again = None::<Timestamp>;
    for target in behind {
        let Some(status) = statuses.iter_mut().find(|s| s.kind == target.kind && s.name == target.name) else {
            continue;
        };
        let outcome = one(object, target, content, now, context).await?;
        if let Outcome::Hindered(why) = &outcome
            && status.message.as_ref() != Some(why)
        {
            let about = format!("{} {} could not be restarted: {why}", target.kind.as_str(), target.name);
            context.announcer.announce(Announcement::warning(object, Reason::RestartFailing, about));
        }
        let pause = note(status, &outcome, content, now).map(|p| now + p);
        again = again.into_iter().chain(pause).min();
    }
    status::restarted(context, object, &statuses).await?;
    Ok(again)
}

/// What became of one workload.
enum Outcome {
    Restarted,
    /// A crash came between its restart and the status that says so.
    Done,
    Waits(&'static str),
    Hindered(String),
}

/// Writes an outcome into the status, and says how long to wait where it is not the last one.
fn note(status: &mut RestartStatus, outcome: &Outcome, content: &Content, now: Timestamp) -> Option<SignedDuration> {
    match outcome {
        Outcome::Restarted | Outcome::Done => {
            status.restarted_for = Some(Time(down_to_second(content.issued_at)));
            status.message = None;
            if matches!(outcome, Outcome::Restarted) {
                status.last_restart_time = Some(Time(down_to_second(now)));
            }
            None
        }
        Outcome::Waits(why) => {
            status.message = Some((*why).to_owned());
            Some(UNDER_WAY)
        }
        Outcome::Hindered(why) => {
            status.message = Some(why.clone());
            Some(HINDERED)
        }
    }
}

async fn one(
    object: &RefreshableCredential,
    target: &RestartTarget,
    content: &Content,
    now: Timestamp,
    context: &Context,
) -> Result<Outcome, CallError> {
    let uid = object.uid().unwrap_or_default();
    if let Err(what) = ObjectName::check(&target.name) {
        return Ok(Outcome::Hindered(what));
    }
    let api = workloads(context, object, target.kind);
    let read = match context.calls.read(reading(target.kind), api.get(&target.name)).await {
        Ok(read) => read,
        Err(error) => return hindered(error),
    };
    let Ok(workload) = serde_json::to_value(&read).and_then(serde_json::from_value::<Workload>) else {
        return Ok(Outcome::Hindered("what the API server says of it could not be read".to_owned()));
    };
    match workload.judge(&uid, content.issued_at) {
        Verdict::Done => Ok(Outcome::Done),
        Verdict::Wait(why) => Ok(Outcome::Waits(why)),
        Verdict::Restart => {
            let patch = Patch::Merge(workload.restart(&uid, content.issued_at, now));
            let parameters = call::merge();
            let written = api.patch_metadata(&target.name, &parameters, &patch);
            match context.calls.write(restarting(target.kind), written).await {
                Ok(_) => {
                    tracing::info!(uid, kind = target.kind.as_str(), name = target.name, "restarted after a rotation");
                    Ok(Outcome::Restarted)
                }
                Err(e) if e.is_conflict() => Ok(Outcome::Waits("it changed while it was to be restarted")),
                Err(error) => hindered(error),
            }
        }
    }
}

/// What a user can mend is told; what mends itself is tried again.
fn hindered(error: CallError) -> Result<Outcome, CallError> {
    if error.is_not_found() {
        return Ok(Outcome::Hindered("it does not exist: correct spec.restart, or make it".to_owned()));
    }
    if error.is_forbidden() {
        return Ok(Outcome::Hindered(
            "the controller may not restart workloads: install its chart with restart.enabled=true".to_owned(),
        ));
    }
    if error.is_invalid() {
        return Ok(Outcome::Hindered(error.to_string()));
    }
    Err(error)
}

fn workloads(context: &Context, object: &RefreshableCredential, kind: WorkloadKind) -> Api<DynamicObject> {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("apps", "v1", kind.as_str()), kind.plural());
    Api::namespaced_with(context.calls.client(), &object.namespace().unwrap_or_default(), &resource)
}

/// The call's name in the metrics.
fn reading(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "get deployments",
        WorkloadKind::StatefulSet => "get statefulsets",
        WorkloadKind::DaemonSet => "get daemonsets",
    }
}

/// The same, for its restart.
fn restarting(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "patch deployments",
        WorkloadKind::StatefulSet => "patch statefulsets",
        WorkloadKind::DaemonSet => "patch daemonsets",
    }
}
