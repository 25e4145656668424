//! Pods and credentials that come and go.

use super::ground;
use super::rotation::{keys, last_word};
use crate::harness::eventually::{check, eventually};
use crate::harness::node::kubelet;
use crate::node::ground::{Ground, SOON};
use serde_json::json;

/// A Deployment, called as its namespace, of one caller that mounts the Secret `aws`.
async fn caller(ground: &Ground, name: &str) {
    let container = ground.caller(&[("AWS_CONFIG_FILE", "/aws/config")], "/aws");
    ground.deployment(name, name, container, json!({}), json!({})).await;
}

async fn calls(ground: &Ground, name: &str) -> serde_json::Value {
    let selector = format!("app={name}");
    let what = "the Pod calls AWS";
    ground
        .until_logs(name, &selector, what, |logs| last_word(logs).filter(|word| keys(word) >= 1))
        .await
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn a_pod_before_its_credentials_waits_and_starts_by_itself() {
    let ground = ground().await;
    ground.restricted("early").await;
    let endpoint = ground.short_sessions("early", 3600).await;
    caller(ground, "early").await;
    eventually(SOON, "the kubelet waits for the Secret", async || {
        let events = ground.cluster.kubectl(&["get", "events", "--namespace", "early"]).await;
        check(events.contains("FailedMount") && events.contains("\"aws\" not found"), || events)
    })
    .await;
    ground.published("early", &endpoint, json!({})).await;
    let word = calls(ground, "early").await;
    assert_eq!(word["failures"], json!([]), "{word:#}");
    let pods = ground.pods("early").await.list(&Default::default()).await.expect("Pods");
    assert_eq!(pods.items.len(), 1, "the same Pod all the time");
    ground.assert_clean("early").await;
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn a_pod_that_is_drained_away_costs_nothing_and_a_deleted_resource_takes_its_secret_along() {
    let ground = ground().await;
    ground.restricted("drained").await;
    let endpoint = ground.short_sessions("drained", 3600).await;
    ground.published("drained", &endpoint, json!({})).await;
    caller(ground, "drained").await;
    calls(ground, "drained").await;
    let names = async || {
        let list = [
            "get",
            "pods",
            "--namespace",
            "drained",
            "--output",
            "jsonpath={.items[*].metadata.name}",
        ];
        ground.cluster.kubectl(&list).await
    };
    let before = names().await;
    // What other tests run stays: it is not selected. (A namespace would select nothing here.)
    let drain = [
        "drain",
        kubelet::NAME,
        "--pod-selector",
        "app=drained",
        "--ignore-daemonsets",
        "--timeout",
        "60s",
    ];
    let drained = ground.cluster.kubectl(&drain).await;
    assert!(drained.contains("drained"), "{drained}");
    ground.cluster.kubectl(&["uncordon", kubelet::NAME]).await;
    eventually(SOON, "another Pod takes its place", async || {
        let now = names().await;
        check(!now.is_empty() && !now.contains(&before), || format!("{before}, now {now}"))
    })
    .await;
    let word = calls(ground, "drained").await;
    assert_eq!(word["failures"], json!([]), "{word:#}");
    assert_eq!(endpoint.asked("").len(), 1, "the issuer was asked once");

    let running = names().await;
    ground.cluster.kubectl(&["delete", "rcred", "--namespace", "drained", "aws", "--wait"]).await;
    let secrets = ground.secrets("drained").await;
    eventually(SOON, "the Secret is collected", async || match secrets.get_opt("aws").await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|s| s.map(|s| s.metadata)))),
    })
    .await;
    // A mount keeps what it had: programs go on until the session ends.
    let pods = ground.pods("drained").await;
    let pod = pods.get(&running).await.expect("it is there").status.expect("a status");
    let containers: Vec<_> = pod.container_statuses.iter().flatten().collect();
    assert!(
        !containers.is_empty() && containers.iter().all(|c| c.ready && c.restart_count == 0),
        "{pod:?}"
    );
    let kept = [
        "exec",
        "--namespace",
        "drained",
        &running,
        "--",
        "/bin/grep",
        "-c",
        "AccessKeyId",
        "/aws/credentials.json",
    ];
    assert_eq!(ground.cluster.kubectl(&kept).await.trim(), "1");
    ground.assert_clean("drained").await;
}
