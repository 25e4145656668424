//! Which workloads are to be restarted, and whether now: once for each rotation, and not while a
//! rollout is under way, unless that does not end before what the Pods hold expires.
//!
//! The status and the workload's Pod template both record the credentials that each workload was
//! last restarted for: whichever of the two writes a crash prevents, no restart is lost and none is
//! made twice.

use super::ownership::Content;
use super::plan;
use super::profiles;
use super::timing::down_to_second;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use refreshable_api::{RefreshableCredential, RestartStatus, RestartTarget, WorkloadKind, names};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Restarts that come more often than this are warned about: a rollout takes minutes, too.
const OFTEN: SignedDuration = SignedDuration::from_mins(15);

/// Status of each workload that `object` names. A newly named workload counts as started with the
/// credentials published by then.
pub fn status(
    object: &RefreshableCredential,
    content: Option<&Content>,
) -> Option<Vec<RestartStatus>> {
    let before = object.status.as_ref();
    let published = before.and_then(|s| Some((s.last_refresh_time.clone()?, s.expiration.clone())));
    let first = published.or_else(|| content.map(|c| (issue_time(c), Some(end(c)))));
    let said = before.and_then(|s| s.restarts.as_ref());
    let one = |target: &RestartTarget| {
        let known = said
            .and_then(|s| s.iter().find(|r| r.kind == target.kind && r.name == target.name))
            .cloned();
        let mut status = known.unwrap_or_else(|| RestartStatus {
            kind: target.kind,
            name: target.name.clone(),
            restarted_for: None,
            expiration: None,
            last_restart_time: None,
            message: None,
        });
        if status.restarted_for.is_none()
            && let Some((issued, expiration)) = first.clone()
        {
            (status.restarted_for, status.expiration) = (Some(issued), expiration);
        }
        status
    };
    let targets = &object.spec.restart;
    (!targets.is_empty()).then(|| targets.iter().map(one).collect())
}

/// The workloads whose Pods run with credentials older than `content`, according to the status.
pub fn pending<'a>(object: &'a RefreshableCredential, content: &Content) -> Vec<&'a RestartTarget> {
    let rotation = down_to_second(content.issued_at);
    let said = object.status.as_ref().and_then(|s| s.restarts.as_ref());
    let behind = |target: &&RestartTarget| {
        let known =
            said.and_then(|s| s.iter().find(|r| r.kind == target.kind && r.name == target.name));
        known.and_then(|r| r.restarted_for.as_ref()).is_some_and(|t| t.0 < rotation)
    };
    object.spec.restart.iter().filter(behind).collect()
}

/// Writes into `status` that the workload's Pods start with `content` from now on.
pub fn follows(status: &mut RestartStatus, content: &Content) {
    (status.restarted_for, status.expiration) = (Some(issue_time(content)), Some(end(content)));
}

fn issue_time(content: &Content) -> Time {
    Time(down_to_second(content.issued_at))
}

fn end(content: &Content) -> Time {
    Time(down_to_second(
        profiles::first_end(content, content.issued_at).unwrap_or(content.expiration),
    ))
}

/// When the credentials in a workload's Pods expire. A status of an earlier version has only their
/// issue time: they last as long as their successors.
pub fn held_until(status: &RestartStatus, content: &Content) -> Timestamp {
    let as_long = |issued: &Time| issued.0 + content.expiration.duration_since(content.issued_at);
    let noted = status.expiration.as_ref().map(|t| t.0);
    noted.or_else(|| status.restarted_for.as_ref().map(as_long)).unwrap_or(content.issued_at)
}

/// When a restart for `content` waits no longer for a rollout to end: half of the time between the
/// rotation and `held_until` is left to the restart's own rollout.
pub fn deadline(held_until: Timestamp, content: &Content) -> Timestamp {
    let left = held_until.duration_since(content.issued_at).max(SignedDuration::ZERO);
    down_to_second(content.issued_at + left / 2)
}

/// Warning about restarts that come too often.
pub fn warning(object: &RefreshableCredential, content: &Content) -> Option<String> {
    let every = plan::refresh_at(object, content).duration_since(content.issued_at);
    let instead = match object.spec.token {
        None => {
            "ask for a longer session, or mount the config file, whose credential_process needs no restart"
        }
        Some(_) => "mount the Secret, and have the program read the token's file again",
    };
    (!object.spec.restart.is_empty() && every < OFTEN).then(|| {
        format!("spec.restart restarts workloads every {} minutes: {instead}", every.as_mins())
    })
}

/// A Deployment, StatefulSet or DaemonSet, as far as a restart needs to know it.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Workload {
    /// Its metadata.
    pub metadata: ObjectMeta,
    spec: WorkloadSpec,
    status: WorkloadStatus,
}

#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct WorkloadSpec {
    paused: bool,
    replicas: Option<i64>,
    template: Template,
    update_strategy: Strategy,
}

#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct Template {
    metadata: ObjectMeta,
}

#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: Option<String>,
    rolling_update: RollingUpdate,
}

#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct RollingUpdate {
    /// Of a StatefulSet: Pods with lower ordinals are not replaced.
    partition: i64,
}

#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct WorkloadStatus {
    observed_generation: Option<i64>,
    replicas: i64,
    updated_replicas: i64,
    ready_replicas: i64,
    available_replicas: i64,
    desired_number_scheduled: i64,
    updated_number_scheduled: i64,
    number_available: i64,
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
}

impl Condition {
    fn gave_up(&self) -> bool {
        self.kind == "Progressing"
            && self.status == "False"
            && self.reason == "ProgressDeadlineExceeded"
    }
}

/// Decision about one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was restarted for these credentials already.
    Done,
    /// Restart it.
    Restart,
    /// Restart it although its last rollout is still under way: what its Pods hold expires.
    Insist,
    /// Look again: its last rollout is still under way.
    RollsOut,
    /// Look again: its rollouts are paused, so a restart would have no effect.
    Paused,
}

impl Workload {
    /// Whether to restart it at `now` for the rotation of `issued_at` of the resource with this
    /// UID. A rollout is waited for until `deadline`.
    pub fn judge(
        &self,
        kind: WorkloadKind,
        uid: &str,
        issued_at: Timestamp,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Verdict {
        if self.restarted_for(uid).is_some_and(|t| t >= down_to_second(issued_at)) {
            Verdict::Done
        } else if self.spec.paused {
            Verdict::Paused
        } else if !self.rolls_out(kind) {
            Verdict::Restart
        } else if now < deadline {
            Verdict::RollsOut
        } else {
            Verdict::Insist
        }
    }

    fn restarted_for(&self, uid: &str) -> Option<Timestamp> {
        let annotations = self.spec.template.metadata.annotations.as_ref()?;
        annotations.get(&format!("{}{uid}", names::RESTARTED_FOR_PREFIX))?.parse().ok()
    }

    /// Whether a rollout is under way, as `kubectl rollout status` judges it. One that ran into its
    /// deadline is not.
    fn rolls_out(&self, kind: WorkloadKind) -> bool {
        let status = &self.status;
        if status.observed_generation < self.metadata.generation {
            return true;
        }
        if self.spec.update_strategy.kind.as_deref() == Some("OnDelete") {
            return false;
        }
        let wanted = self.spec.replicas.unwrap_or(1);
        match kind {
            WorkloadKind::Deployment => {
                !status.conditions.iter().any(Condition::gave_up)
                    && (status.updated_replicas < wanted
                        || status.replicas > status.updated_replicas
                        || status.available_replicas < wanted)
            }
            WorkloadKind::StatefulSet => {
                let kept = self.spec.update_strategy.rolling_update.partition;
                status.ready_replicas < wanted || status.updated_replicas < wanted - kept
            }
            WorkloadKind::DaemonSet => {
                let desired = status.desired_number_scheduled;
                status.updated_number_scheduled < desired || status.number_available < desired
            }
        }
    }

    /// The merge patch that restarts it, refused by the API server if it changed since it was read.
    pub fn restart(&self, uid: &str, issued_at: Timestamp, now: Timestamp) -> Value {
        let annotations = BTreeMap::from([
            (names::RESTARTED_AT_ANNOTATION.to_owned(), down_to_second(now).to_string()),
            (
                format!("{}{uid}", names::RESTARTED_FOR_PREFIX),
                down_to_second(issued_at).to_string(),
            ),
        ]);
        json!({
            "metadata": {"resourceVersion": self.metadata.resource_version},
            "spec": {"template": {"metadata": {"annotations": annotations}}},
        })
    }
}

#[cfg(test)]
#[path = "restart_tests.rs"]
mod tests;
