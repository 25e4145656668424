//! Restarts the workloads that a resource names, once for each rotation, before what their Pods
//! hold expires.

use super::metrics::Restart;
use super::{Announcement, CallError, Context, call, status};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch};
use refreshable_api::conditions::Reason;
use refreshable_api::{
    ObjectName, RefreshableCredential, RestartStatus, RestartTarget, WorkloadKind,
};
use refreshable_rules::ownership::Content;
use refreshable_rules::restart::{self, Verdict, Workload};
use refreshable_rules::timing::down_to_second;

/// While a rollout is under way or paused.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(15);
/// After somebody else's write came between.
const CHANGED: SignedDuration = SignedDuration::from_secs(2);
/// While a workload is missing, or may not be restarted.
const HINDERED: SignedDuration = SignedDuration::from_mins(2);

/// Restarts what is behind the rotation of `content`. When to look again, if something is left to
/// do.
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
        let Some(status) =
            statuses.iter_mut().find(|s| s.kind == target.kind && s.name == target.name)
        else {
            continue;
        };
        let held_until = restart::held_until(status, content);
        let outcome = one(object, target, content, held_until, context).await?;
        tell(object, target, status, &outcome, context);
        again = again.into_iter().chain(note(status, outcome, content, now)).min();
    }
    status::restarted(context, object, &statuses).await?;
    Ok(again)
}

/// Outcome of the restart of one workload.
enum Outcome {
    Restarted,
    /// Restarted, although its last rollout had not ended: why.
    Insisted(String),
    /// A crash came between its restart and the status that says so.
    Done,
    /// Reason for the wait, and when to look again.
    Waits(String, Timestamp),
    Hindered(String),
}

/// Counts an outcome, and announces what somebody should look at, once.
fn tell(
    object: &RefreshableCredential,
    target: &RestartTarget,
    before: &RestartStatus,
    outcome: &Outcome,
    context: &Context,
) {
    let what = format!("{} {}", target.kind.as_str(), target.name);
    let workload = ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: Some(target.kind.as_str().to_owned()),
        name: Some(target.name.clone()),
        namespace: object.namespace(),
        ..ObjectReference::default()
    };
    match outcome {
        Outcome::Restarted => context.metrics.restarted(Restart::Settled),
        Outcome::Insisted(why) => {
            context.metrics.restarted(Restart::Forced);
            let about = format!("{what} was {why}: see why its rollouts do not end");
            context
                .event_publisher
                .announce(Announcement::warning(object, Reason::RestartForced, about).on(workload));
        }
        Outcome::Hindered(why) if before.message.as_ref() != Some(why) => {
            context.metrics.restarted(Restart::Hindered);
            let about = format!("{what} could not be restarted: {why}");
            context.event_publisher.announce(
                Announcement::warning(object, Reason::RestartFailing, about).on(workload),
            );
        }
        Outcome::Done | Outcome::Waits(..) | Outcome::Hindered(_) => {}
    }
}

/// Writes an outcome into the status, and says when to look again where it is not the last one.
fn note(
    status: &mut RestartStatus,
    outcome: Outcome,
    content: &Content,
    now: Timestamp,
) -> Option<Timestamp> {
    if matches!(outcome, Outcome::Restarted | Outcome::Insisted(_)) {
        status.last_restart_time = Some(Time(down_to_second(now)));
    }
    let (message, again) = match outcome {
        Outcome::Restarted | Outcome::Done => (None, None),
        Outcome::Insisted(why) => (Some(why), None),
        Outcome::Waits(why, until) => (Some(why), Some(until)),
        Outcome::Hindered(why) => (Some(why), Some(now + HINDERED)),
    };
    status.message = message;
    if again.is_none() {
        restart::follows(status, content);
    }
    again
}

async fn one(
    object: &RefreshableCredential,
    target: &RestartTarget,
    content: &Content,
    held_until: Timestamp,
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
    let Ok(workload) = serde_json::to_value(&read).and_then(serde_json::from_value::<Workload>)
    else {
        return Ok(Outcome::Hindered(
            "what the API server says of it could not be read".to_owned(),
        ));
    };
    let (now, deadline) = (context.now(), restart::deadline(held_until, content));
    let held_until = down_to_second(held_until);
    let verdict = workload.judge(target.kind, &uid, content.issued_at, deadline, now);
    match verdict {
        Verdict::Done => Ok(Outcome::Done),
        Verdict::Paused => {
            let why = "its rollouts are paused: `kubectl rollout resume` lets it restart";
            Ok(Outcome::Waits(why.to_owned(), now + UNDER_WAY))
        }
        Verdict::RollsOut => {
            let why = format!(
                "its last rollout is still under way; at {deadline} it is restarted all the same, because what its \
                 Pods hold expires at {held_until}"
            );
            Ok(Outcome::Waits(why, deadline.min(now + UNDER_WAY)))
        }
        Verdict::Restart | Verdict::Insist => {
            let patch = Patch::Merge(workload.restart(&uid, content.issued_at, now));
            let parameters = call::merge();
            let written = api.patch_metadata(&target.name, &parameters, &patch);
            match context.calls.write(restarting(target.kind), written).await {
                Ok(_) => {
                    let insisted = verdict == Verdict::Insist;
                    let (kind, name) = (target.kind.as_str(), &target.name);
                    tracing::info!(uid, kind, name, insisted, "restarted after a rotation");
                    Ok(if insisted {
                        Outcome::Insisted(format!(
                            "restarted while its last rollout was still under way, because what its Pods held expires \
                             at {held_until}"
                        ))
                    } else {
                        Outcome::Restarted
                    })
                }
                Err(e) if e.is_conflict() => Ok(Outcome::Waits(
                    "it changed while it was to be restarted".to_owned(),
                    now + CHANGED,
                )),
                Err(error) => hindered(error),
            }
        }
    }
}

/// Turns an error that a user can mend into an outcome that tells of it; returns others for a
/// retry.
fn hindered(error: CallError) -> Result<Outcome, CallError> {
    if error.is_not_found() {
        return Ok(Outcome::Hindered(
            "it does not exist: correct spec.restart, or make it".to_owned(),
        ));
    }
    // The words of a policy say what to change; RBAC's name a right that the chart grants.
    if error.is_refused_by_admission() {
        return Ok(Outcome::Hindered(error.to_string()));
    }
    if error.is_forbidden() {
        return Ok(Outcome::Hindered(
            "the controller may not restart workloads: install its chart with restart.enabled=true"
                .to_owned(),
        ));
    }
    if error.is_invalid() {
        return Ok(Outcome::Hindered(error.to_string()));
    }
    Err(error)
}

fn workloads(
    context: &Context,
    object: &RefreshableCredential,
    kind: WorkloadKind,
) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("apps", "v1", kind.as_str()),
        kind.plural(),
    );
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
