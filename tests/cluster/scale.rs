//! A thousand resources, counted at the servers and not in the controller.

use super::stage::{Stage, ready};
use crate::harness::{eventually, proxy};
use futures::StreamExt as _;
use kube::api::{ListParams, PostParams};
use refreshable::api::RefreshableCredential;
use serde_json::json;
use std::time::{Duration, Instant};

const MANY: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(240);

/// What the chart's default `resources.limits.memory` is, in KiB.
const LIMIT: u64 = 256 * 1024;

/// The most memory that a process ever held, in KiB.
fn most_resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high-water mark");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_thousand_resources_cost_a_thousand_calls_and_a_restart_none() {
    let mut stage = Stage::with_latency(proxy::USUAL_LATENCY).await;
    let role = stage.role("many").await;
    let api = stage.credentials();
    let began = Instant::now();
    futures::stream::iter(0..MANY)
        .for_each_concurrent(30, |number| {
            let object: RefreshableCredential = serde_json::from_value(json!({
                "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
                "metadata": {"name": format!("many-{number:04}")}, "spec": {"roles": [{"roleArn": role}]},
            }))
            .expect("a resource");
            let api = api.clone();
            async move { drop(api.create(&PostParams::default(), &object).await.expect("made")) }
        })
        .await;
    let all_ready = async || {
        let list = api.list(&ListParams::default()).await.map_err(|e| e.to_string())?;
        let number = list.iter().filter(|c| ready(c).is_some_and(|(status, _)| status == "True")).count();
        if number == MANY { Ok(()) } else { Err(format!("{number} are Ready")) }
    };
    eventually(PATIENCE, "all are Ready", all_ready).await;
    println!("{MANY} resources Ready after {:.1} s", began.elapsed().as_secs_f64());
    let most = most_resident(stage.controller().process().id());
    println!("the controller held at most {most} KiB");
    assert!(most < LIMIT, "the chart's limit is {LIMIT} KiB");

    // The controller's own requests: those that kubectl and this test did not make.
    let writes =
        |resource: &'static str| stage.cluster.audit().within(&stage.namespace.name).of("patch", resource).count();
    assert_eq!(stage.aws.calls_of("AssumeRole").len(), MANY);
    assert_eq!(stage.aws.calls().len(), MANY, "and no other call");
    assert_eq!(writes("secrets"), MANY);
    assert!(writes("refreshablecredentials/status") <= MANY, "{}", writes("refreshablecredentials/status"));
    let reads = stage.cluster.audit().within(&stage.namespace.name).of("get", "secrets").count();
    assert_eq!(reads, 0, "no other call on the hot path");

    let before = stage.cluster.audit().within(&stage.namespace.name).writes().only(|r| r.resource != "events").count();
    stage.restart().await;
    // Another resource goes the whole way: by then every resource before it in the queue has been looked at.
    let probe = stage.role("probe").await;
    stage.credential("probe", json!({"roles": [{"roleArn": probe}]})).await;
    stage.until("probe", "True", "Issued").await;
    eventually(PATIENCE, "every resource has been looked at", async || {
        let page = stage.controller().metrics().await;
        let count = page.lines().find_map(|l| l.strip_prefix("refreshable_reconcile_duration_seconds_count "));
        match count.and_then(|c| c.parse::<usize>().ok()) {
            Some(count) if count > MANY => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), MANY, "a restart costs no issuer call");
    let audit = stage.cluster.audit().within(&stage.namespace.name).writes().only(|r| r.resource != "events");
    let probe_writes = audit.clone().only(|r| r.name == "probe").count();
    assert_eq!(audit.count() - probe_writes, before, "and no write");
    stage.strike().await;
}
