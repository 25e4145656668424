//! After a rotation: workloads that read once are restarted, and kubelets are told to look.

use super::stage::{SOON, Stage};
use crate::harness::eventually;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

const RESTARTED_AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";

/// A workload without Pods: the cluster has no node, and its rollouts end at once.
pub(super) fn workload(stage: &Stage, kind: &str, name: &str, replicas: u32) -> Value {
    let labels = json!({"app": name});
    let containers = json!([{"name": "main", "image": "registry.example.com/reader"}]);
    let mut spec = json!({
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    });
    if kind != "DaemonSet" {
        spec["replicas"] = replicas.into();
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": stage.namespace.name}, "spec": spec})
}

/// A rotation that somebody asks for, in another second than the one before: restarts keep time to
/// the second.
pub(super) async fn rotate(stage: &Stage, name: &str, wish: &str) {
    let status =
        stage.credentials().get(name).await.expect("it is there").status.expect("a status");
    let issued = status.last_refresh_time.expect("issued").0;
    eventually(SOON, "the second of the last rotation is over", async || {
        let now = jiff::Timestamp::now();
        if now.as_second() > issued.as_second() { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    stage
        .patch(name, json!({"metadata": {"annotations": {"refreshable.dev/requested-at": wish}}}))
        .await;
    stage
        .until_it(name, "the request is handled", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some(wish))
        })
        .await;
}

async fn restarted_at<K>(api: &Api<K>, name: &str) -> Option<String>
where
    K: Resource + Clone + DeserializeOwned + serde::Serialize + Debug,
{
    let object = serde_json::to_value(api.get(name).await.expect("it is there")).expect("JSON");
    object.pointer(RESTARTED_AT).and_then(Value::as_str).map(str::to_owned)
}

pub(super) async fn until_restarted<K>(stage: &Stage, api: &Api<K>, name: &str) -> String
where
    K: Resource + Clone + DeserializeOwned + serde::Serialize + Debug,
{
    eventually(SOON, &format!("{name} is restarted"), async || {
        match restarted_at(api, name).await {
            Some(when) => Ok(when),
            None => {
                let said = stage
                    .credentials()
                    .get("once")
                    .await
                    .map(|c| c.status.and_then(|s| s.restarts));
                let object = api
                    .get(name)
                    .await
                    .ok()
                    .and_then(|o| serde_json::to_value(o).ok())
                    .unwrap_or_default();
                Err(format!("{said:#?}\n{}", object["status"]))
            }
        }
    })
    .await
}

#[tokio::test]
async fn workloads_that_read_once_are_restarted_by_a_rotation_and_by_nothing_else() {
    let mut stage = Stage::set().await;
    let role = stage.role("once").await;
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        stage.apply(workload(&stage, kind, &kind.to_lowercase(), 0)).await;
    }
    let restart: Vec<Value> = ["Deployment", "StatefulSet", "DaemonSet"]
        .iter()
        .map(|k| json!({"kind": k, "name": k.to_lowercase()}))
        .collect();
    stage.credential("once", json!({"roles": [{"roleArn": role}], "restart": restart})).await;
    stage.until("once", "True", "Issued").await;
    let deployments = stage.namespace.api::<Deployment>();
    let (sets, daemons) =
        (stage.namespace.api::<StatefulSet>(), stage.namespace.api::<DaemonSet>());
    assert_eq!(
        restarted_at(&deployments, "deployment").await,
        None,
        "the first credentials restart nothing"
    );

    rotate(&stage, "once", "1").await;
    let first = until_restarted(&stage, &deployments, "deployment").await;
    until_restarted(&stage, &sets, "statefulset").await;
    until_restarted(&stage, &daemons, "daemonset").await;
    let told = stage
        .until_it("once", "the status says so", |c| {
            c.status
                .as_ref()
                .and_then(|s| s.restarts.as_ref())
                .is_some_and(|r| r.iter().all(|r| r.last_restart_time.is_some()))
        })
        .await;
    let generation = deployments.get("deployment").await.expect("it is there").metadata.generation;
    assert_eq!(generation, Some(2), "one restart");

    stage.restart().await;
    stage.patch("once", json!({"metadata": {"labels": {"looked": "at"}}})).await;
    let key = stage.key_id("once").await;
    stage
        .cluster
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "rcred/once",
            "--namespace",
            &stage.namespace.name,
        ])
        .await;
    assert_eq!(
        (stage.key_id("once").await, restarted_at(&deployments, "deployment").await),
        (key, Some(first))
    );
    let status = stage.credentials().get("once").await.expect("it is there").status;
    assert_eq!(status.and_then(|s| s.restarts), told.status.and_then(|s| s.restarts));
    stage.strike().await;
}

#[tokio::test]
async fn what_hinders_a_restart_stands_in_the_status() {
    let stage = Stage::set().await;
    let role = stage.role("once").await;
    let mut paused = workload(&stage, "Deployment", "paused", 0);
    paused["spec"]["paused"] = true.into();
    stage.apply(paused).await;
    stage.apply(workload(&stage, "Deployment", "rolling", 1)).await;
    let restart: Vec<Value> = ["paused", "rolling", "missing"]
        .iter()
        .map(|n| json!({"kind": "Deployment", "name": n}))
        .collect();
    stage
        .credential(
            "once",
            json!({"roles": [{"roleArn": role, "durationSeconds": 900}], "restart": restart}),
        )
        .await;
    let ready = stage.until("once", "True", "Issued").await;
    let message = ready.status.expect("a status").conditions[0].message.clone();
    assert!(message.contains("spec.restart restarts workloads every"), "{message}");
    rotate(&stage, "once", "1").await;
    let said = stage
        .until_it("once", "each says what it waits for", |c| {
            c.status
                .as_ref()
                .and_then(|s| s.restarts.as_ref())
                .is_some_and(|r| r.iter().all(|r| r.message.is_some()))
        })
        .await;
    let said = said.status.and_then(|s| s.restarts).expect("a status");
    let of = |name: &str| {
        said.iter().find(|r| r.name == name).and_then(|r| r.message.clone()).expect("a message")
    };
    assert!(of("paused").contains("kubectl rollout resume"), "{}", of("paused"));
    assert!(of("rolling").contains("under way"), "{}", of("rolling"));
    assert!(of("missing").contains("does not exist"), "{}", of("missing"));
    let deployments = stage.namespace.api::<Deployment>();
    assert_eq!(restarted_at(&deployments, "rolling").await, None);

    // It is looked at again by itself.
    stage
        .cluster
        .kubectl(&["rollout", "resume", "deployment/paused", "--namespace", &stage.namespace.name])
        .await;
    stage
        .cluster
        .kubectl(&[
            "scale",
            "deployment/rolling",
            "--replicas=0",
            "--namespace",
            &stage.namespace.name,
        ])
        .await;
    until_restarted(&stage, &deployments, "paused").await;
    until_restarted(&stage, &deployments, "rolling").await;
    stage.strike().await;
}

pub(super) fn pod(name: &str, label: Option<&str>, mounts: &str) -> Value {
    let labels = label.map(|l| json!({"refreshable.dev/propagation": l})).unwrap_or_default();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": {"refreshable.dev/mounts": mounts}},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/reader"}]},
    })
}

pub(super) async fn told(pods: &Api<Pod>, name: &str) -> Option<String> {
    pods.get(name)
        .await
        .expect("it is there")
        .annotations()
        .get("refreshable.dev/propagated")
        .cloned()
}

#[tokio::test]
async fn kubelets_are_told_of_a_rotation_where_that_is_asked_for() {
    let stage = Stage::without_controller().await;
    let role = stage.role("prompt").await;
    let pods = stage.namespace.api::<Pod>();
    for one in [
        pod("told", Some("Prompt"), "other,prompt"),
        pod("plain", None, "prompt"),
        pod("other", Some("Prompt"), "other"),
    ] {
        stage.apply(in_namespace(&stage, one)).await;
    }
    let stage = stage.started(|p| p.args(["--no-leader-election", "--prompt-propagation"])).await;
    stage
        .credential(
            "prompt",
            json!({"roles": [{"roleArn": role}], "secret": {"propagation": "Prompt"}}),
        )
        .await;
    stage.until("prompt", "True", "Issued").await;
    let when = eventually(SOON, "the Pod is annotated", async || {
        told(&pods, "told").await.ok_or("no annotation")
    })
    .await;
    let issued = stage
        .credentials()
        .get("prompt")
        .await
        .expect("it is there")
        .status
        .and_then(|s| s.last_refresh_time);
    assert_eq!(Some(when.clone()), issued.map(|t| t.0.to_string()));
    rotate(&stage, "prompt", "1").await;
    eventually(SOON, "and again", async || match told(&pods, "told").await {
        Some(now) if now != when => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!((told(&pods, "plain").await, told(&pods, "other").await), (None, None));
    stage.strike().await;
}

pub(super) fn in_namespace(stage: &Stage, mut object: Value) -> Value {
    object["metadata"]["namespace"] = stage.namespace.name.clone().into();
    object
}

#[tokio::test]
async fn who_asks_for_it_where_it_is_switched_off_is_told() {
    let stage = Stage::set().await;
    let role = stage.role("prompt").await;
    stage
        .credential(
            "prompt",
            json!({"roles": [{"roleArn": role}], "secret": {"propagation": "Prompt"}}),
        )
        .await;
    stage.until("prompt", "True", "Issued").await;
    eventually(SOON, "an event says that it is switched off", async || {
        let events =
            stage.cluster.kubectl(&["get", "events", "--namespace", &stage.namespace.name]).await;
        if events.contains("PropagationOff") && events.contains("--prompt-propagation") {
            Ok(())
        } else {
            Err(events)
        }
    })
    .await;
    // Switching it on or off asks the issuer nothing.
    let calls = stage.aws.calls_for_role(&role).len();
    stage
        .credentials()
        .patch("prompt", &PatchParams::default(), &Patch::Merge(json!({"spec": {"secret": null}})))
        .await
        .expect("patched");
    stage
        .until_it("prompt", "it is looked at", |c| {
            c.status.as_ref().and_then(|s| s.observed_generation) == Some(2)
        })
        .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), calls);
    stage.strike().await;
}
