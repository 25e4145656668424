//! Rollouts that never end: a restart waits for them, and no longer than what the Pods hold is
//! valid.

use super::restart::{rotate, until_restarted, workload};
use super::stage::Stage;
use crate::harness::eventually;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use refreshable_api::RestartStatus;
use serde_json::{Value, json};
use std::time::Duration;

/// A session of this length is due after two thirds of it.
const SESSION: Duration = Duration::from_secs(60);
/// Half of a session, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Plays the kubelet of the Pods called so: they run, and are ready.
async fn run_pods(pods: &Api<Pod>, app: &str) {
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let list = pods.list(&ListParams::default().labels(&format!("app={app}"))).await.expect("Pods");
    for pod in list {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        if phase != Some("Running") {
            // It may have been replaced meanwhile.
            drop(
                pods.patch_status(
                    &pod.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(&running),
                )
                .await,
            );
        }
    }
}

/// Waits until the StatefulSet's status is such, with its Pods running.
async fn until_set(
    stage: &Stage,
    name: &str,
    what: &str,
    holds: impl Fn(&StatefulSetStatus) -> bool,
) {
    let (sets, pods) = (stage.namespace.api::<StatefulSet>(), stage.namespace.api::<Pod>());
    eventually(PATIENCE, what, async || {
        run_pods(&pods, name).await;
        let set = sets.get(name).await.map_err(|e| e.to_string())?;
        let status = set.status.unwrap_or_default();
        let seen = status.observed_generation == set.metadata.generation;
        if seen && holds(&status) { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
}

async fn restarts(stage: &Stage, name: &str) -> Vec<RestartStatus> {
    let object = stage.credentials().get(name).await.expect("it is there");
    object.status.and_then(|s| s.restarts).expect("a status")
}

#[tokio::test]
async fn a_stateful_set_with_a_partition_is_restarted_as_soon_as_its_part_has_rolled_out() {
    let stage = Stage::set().await;
    let role = stage.role("once").await;
    let mut set = workload(&stage, "StatefulSet", "parted", 3);
    set["spec"]["podManagementPolicy"] = "Parallel".into();
    set["spec"]["serviceName"] = "parted".into();
    set["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    stage.apply(set.clone()).await;
    until_set(&stage, "parted", "three are ready", |s| s.ready_replicas == Some(3)).await;
    // Another version of it, which only the last of the three Pods gets.
    set["spec"]["template"]["metadata"]["annotations"] = json!({"version": "2"});
    stage.apply(set).await;
    until_set(&stage, "parted", "one of them is updated", |s| {
        s.updated_replicas == Some(1)
            && s.ready_replicas == Some(3)
            && s.current_revision != s.update_revision
    })
    .await;

    let restart = json!([{"kind": "StatefulSet", "name": "parted"}]);
    stage.credential("once", json!({"roles": [{"roleArn": role}], "restart": restart})).await;
    stage.until("once", "True", "Issued").await;
    rotate(&stage, "once", "1").await;
    until_restarted(&stage, &stage.namespace.api::<StatefulSet>(), "parted").await;
    stage
        .until_it("once", "the status says so", |c| {
            c.status
                .as_ref()
                .and_then(|s| s.restarts.as_ref())
                .is_some_and(|r| r[0].last_restart_time.is_some())
        })
        .await;
    assert_eq!(restarts(&stage, "once").await[0].message, None, "it waited for nothing");
    stage.strike().await;
}

/// A node whose kubelet is gone, for nobody but whoever tolerates it.
fn dead_node(name: &str) -> Node {
    let taints = json!([{"key": "dead", "value": name, "effect": "NoSchedule"}]);
    let node =
        json!({"metadata": {"name": name, "labels": {"dead": name}}, "spec": {"taints": taints}});
    serde_json::from_value(node).expect("a node")
}

fn on_dead_node(mut daemons: Value, node: &str) -> Value {
    let spec = &mut daemons["spec"]["template"]["spec"];
    spec["nodeSelector"] = json!({"dead": node});
    // Its own taint, and those that Kubernetes gives to a node that is not ready.
    spec["tolerations"] = json!([{"operator": "Exists"}]);
    daemons
}

#[tokio::test]
async fn what_never_gets_ready_is_restarted_before_what_its_pods_hold_expires() {
    let stage = Stage::set().await;
    let role = stage.role("once").await;
    let nodes = Api::<Node>::all(stage.namespace.client.clone());
    let node = format!("dead-{}", stage.namespace.name);
    nodes.create(&PostParams::default(), &dead_node(&node)).await.expect("a node");
    stage.apply(workload(&stage, "Deployment", "broken", 1)).await;
    stage.apply(workload(&stage, "StatefulSet", "pending", 1)).await;
    stage.apply(on_dead_node(workload(&stage, "DaemonSet", "dead", 0), &node)).await;
    let daemons = stage.namespace.api::<DaemonSet>();
    eventually(PATIENCE, "the dead node should run one", async || {
        let status =
            daemons.get("dead").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if status.desired_number_scheduled == 1 { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;

    stage.aws.on("AssumeRole").of_role(&role).expires_in(SESSION);
    let restart = json!([
        {"kind": "Deployment", "name": "broken"}, {"kind": "StatefulSet", "name": "pending"},
        {"kind": "DaemonSet", "name": "dead"},
    ]);
    stage.credential("once", json!({"roles": [{"roleArn": role}], "restart": restart})).await;
    let first = stage.until("once", "True", "Issued").await.status.expect("a status");
    let expires = first.expiration.expect("an expiry").0;
    rotate(&stage, "once", "1").await;
    let waiting = stage
        .until_it("once", "all wait", |c| {
            let restarts = c.status.as_ref().and_then(|s| s.restarts.as_ref());
            restarts.is_some_and(|r| {
                r.iter().all(|r| r.message.as_ref().is_some_and(|m| m.contains("under way")))
            })
        })
        .await;
    for said in waiting.status.and_then(|s| s.restarts).expect("a status") {
        assert_eq!(
            (said.last_restart_time.clone(), said.expiration.map(|t| t.0)),
            (None, Some(expires)),
            "{}",
            said.name
        );
    }

    let forced = eventually(PATIENCE, "all are restarted all the same", async || {
        let said = restarts(&stage, "once").await;
        let done = said.iter().all(|r| r.last_restart_time.is_some());
        if done { Ok(said) } else { Err(format!("{said:?}")) }
    })
    .await;
    for said in &forced {
        let message = said.message.clone().unwrap_or_default();
        assert!(
            message.contains("restarted while its last rollout was still under way"),
            "{}: {message}",
            said.name
        );
    }
    let at = [
        until_restarted(&stage, &stage.namespace.api::<Deployment>(), "broken").await,
        until_restarted(&stage, &stage.namespace.api::<StatefulSet>(), "pending").await,
        until_restarted(&stage, &daemons, "dead").await,
    ];
    for when in at {
        let when: Timestamp = when.parse().expect("a time");
        assert!(when < expires, "restarted at {when}: its Pods held what expired at {expires}");
    }
    let page = stage.controller().metrics().await;
    let counted = page
        .lines()
        .find_map(|l| l.strip_prefix("refreshable_restarts_total{outcome=\"forced\"} "));
    assert!(counted.and_then(|c| c.parse::<u32>().ok()).is_some_and(|c| c >= 3), "{counted:?}");
    eventually(PATIENCE, "events tell of each", async || {
        let events =
            stage.cluster.kubectl(&["get", "events", "--namespace", &stage.namespace.name]).await;
        let told =
            ["Deployment broken", "StatefulSet pending", "DaemonSet dead"].iter().all(|what| {
                events.lines().any(|line| line.contains("RestartForced") && line.contains(what))
            });
        if told { Ok(()) } else { Err(events) }
    })
    .await;
    nodes.delete(&node, &DeleteParams::default()).await.expect("deleted");
    stage.strike().await;
}
