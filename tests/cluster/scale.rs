//! A thousand resources, counted at the servers and not in the controller; `REFRESHABLE_RESOURCES`
//! says how many others.

use super::stage::{Stage, ready};
use crate::harness::cluster::make_all;
use crate::harness::environment::number;
use crate::harness::usage::{memory, processor_time};
use crate::harness::{eventually, proxy};
use kube::api::{Api, ListParams};
use refreshable_api::RefreshableCredential;
use serde_json::json;
use std::time::{Duration, Instant};

/// How many resources, and how long that may take.
fn scale() -> (usize, Duration) {
    let many = number("REFRESHABLE_RESOURCES").unwrap_or(1000_usize);
    (many, Duration::from_secs(240) * u32::try_from(many.div_ceil(1000)).expect("a number"))
}

/// The chart's default `resources.limits.memory`, in KiB.
pub(super) const LIMIT: u64 = 256 * 1024;

/// Makes so many resources with this role.
pub(super) async fn make(api: &Api<RefreshableCredential>, many: usize, role: &str) {
    let one = |number| {
        json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": format!("many-{number:05}")}, "spec": {"roles": [{"roleArn": role}]},
        })
    };
    make_all(api, (0..many).map(one)).await;
}

/// Waits until so many resources are Ready.
pub(super) async fn all_ready(api: &Api<RefreshableCredential>, many: usize, patience: Duration) {
    let all_ready = async || {
        let list = api.list(&ListParams::default()).await.map_err(|e| e.to_string())?;
        let number =
            list.iter().filter(|c| ready(c).is_some_and(|(status, _)| status == "True")).count();
        if number == many { Ok(()) } else { Err(format!("{number} are Ready")) }
    };
    eventually(patience, "all are Ready", all_ready).await;
}

#[tokio::test]
async fn a_thousand_resources_cost_a_thousand_calls_and_a_restart_none() {
    let (many, patience) = scale();
    let mut stage = Stage::with_latency(proxy::USUAL_LATENCY).await;
    let role = stage.role("many").await;
    let api = stage.credentials();
    let began = Instant::now();
    make(&api, many, &role).await;
    all_ready(&api, many, patience).await;
    let process = stage.controller().process().id();
    let most = memory(process, "VmHWM");
    println!(
        "{many} resources Ready after {:.1} s; the controller held at most {most} KiB, and used {:.1} s of a processor",
        began.elapsed().as_secs_f64(),
        processor_time(process).as_secs_f64()
    );
    assert!(most < LIMIT, "the chart's limit is {LIMIT} KiB");

    // The controller's own requests: those that kubectl and this test did not make.
    let writes = |resource: &'static str| {
        stage.cluster.audit().within(&stage.namespace.name).of("patch", resource).count()
    };
    assert_eq!(stage.aws.calls_of("AssumeRole").len(), many);
    assert_eq!(stage.aws.calls().len(), many, "and no other call");
    assert_eq!(writes("secrets"), many);
    assert!(
        writes("refreshablecredentials/status") <= many,
        "{}",
        writes("refreshablecredentials/status")
    );
    let reads = stage.cluster.audit().within(&stage.namespace.name).of("get", "secrets").count();
    // Past what is promised here, a watch that lags behind a burst costs a look at what was
    // written.
    let looks = many.saturating_sub(1000) / 500;
    assert!(reads <= looks, "no other call on the hot path: {reads} Secrets were read");

    let before = stage
        .cluster
        .audit()
        .within(&stage.namespace.name)
        .writes()
        .only(|r| r.resource != "events")
        .count();
    stage.restart_within(patience).await;
    // Another resource goes the whole way: by then every resource before it in the queue has been
    // looked at.
    let probe = stage.role("probe").await;
    stage.credential("probe", json!({"roles": [{"roleArn": probe}]})).await;
    stage.until("probe", "True", "Issued").await;
    stage.looked_at_all(patience).await;
    println!("after a restart it holds {} KiB", memory(stage.controller().process().id(), "VmRSS"));
    assert_eq!(stage.aws.calls_for_role(&role).len(), many, "a restart costs no issuer call");
    let audit = stage
        .cluster
        .audit()
        .within(&stage.namespace.name)
        .writes()
        .only(|r| r.resource != "events");
    let probe_writes = audit.clone().only(|r| r.name == "probe").count();
    assert_eq!(audit.count() - probe_writes, before, "and no write");
    stage.strike().await;
}
