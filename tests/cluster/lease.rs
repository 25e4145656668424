//! The lease against a real API server: one that stands still again and again, and replicas that
//! lost it.

use super::stage::{SOON, Stage, ready};
use crate::harness::audit::Audit;
use crate::harness::{Controller, eventually, stays};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// A lease that nobody renews is respected for 15 s.
const TAKEOVER: Duration = Duration::from_secs(60);

/// The user that a replica is to the API server.
fn user(identity: &str) -> String {
    format!("replica-{identity}")
}

/// A replica under a user of its own, so that the audit log tells it from others.
async fn replica(stage: &Stage, identity: &str) -> Controller {
    let kubeconfig =
        stage.cluster.control_plane.kubeconfig_of(&user(identity), &["system:masters"]);
    let replica = stage
        .program()
        .kubeconfig(&kubeconfig)
        .args([
            "--lease-namespace",
            &stage.namespace.name,
            "--identity",
            identity,
            "--log-level",
            "debug",
        ])
        .start()
        .await;
    held_by(stage, identity).await;
    replica
}

async fn held_by(stage: &Stage, identity: &str) {
    let leases = stage.namespace.api::<Lease>();
    eventually(TAKEOVER, &format!("{identity} leads"), async || {
        let lease = leases.get("refreshable-controller").await.map_err(|e| e.to_string())?;
        let holder = lease.spec.and_then(|s| s.holder_identity);
        if holder.as_deref() == Some(identity) { Ok(()) } else { Err(format!("{holder:?}")) }
    })
    .await;
}

/// The writes of a replica in the stage's namespace, without those of events and of the lease: these
/// hold no credentials.
fn written(stage: &Stage, identity: &str, since: Timestamp) -> Audit {
    let user = user(identity);
    let own = stage.cluster.audit().within(&stage.namespace.name).since(since).writes();
    own.only(|r| r.user == user && !["events", "leases"].contains(&r.resource.as_str()))
}

/// Resources by these names, whose sessions last so long; issued.
async fn short_lived(stage: &Stage, names: &[String], lifetime: Duration) -> String {
    let role = stage.role("short").await;
    let _ = stage.aws.on("AssumeRole").of_role(&role).expires_in(lifetime);
    for name in names {
        stage.credential(name, json!({"roles": [{"roleArn": role}]})).await;
    }
    join_all(names.iter().map(|name| {
        stage.until_it(name, "it is issued", |c| ready(c).is_some_and(|r| r.0 == "True"))
    }))
    .await;
    role
}

#[tokio::test]
async fn an_api_server_that_stands_still_again_and_again_makes_nothing_late_for_good() {
    let stage = Stage::apart().await;
    let controller = replica(&stage, "only").await;
    let names: Vec<String> = (0..60).map(|n| format!("paused-{n}")).collect();
    short_lived(&stage, &names, SECOND * 40).await;

    let api_server = stage.cluster.control_plane.api_server();
    for pause in 0..12_u32 {
        api_server.freeze();
        tokio::time::sleep(Duration::from_millis(8_400) + Duration::from_millis(100) * pause).await;
        api_server.thaw();
        tokio::time::sleep(SECOND * 4).await;
    }
    let after = Timestamp::now();
    let credentials = stage.credentials();
    eventually(SECOND * 60, "every one of them is renewed", async || {
        let all = credentials.list(&Default::default()).await.map_err(|e| e.to_string())?;
        let time = |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
            time.as_ref().map(|t| t.0)
        };
        let late: Vec<String> = all
            .iter()
            .filter(|c| {
                let status = c.status.as_ref().expect("a status");
                let renewed = time(&status.last_refresh_time)
                    .is_some_and(|t| t >= after - SignedDuration::from_secs(20));
                let valid = time(&status.expiration).is_some_and(|t| t > Timestamp::now());
                !(renewed && valid && ready(c).is_some_and(|r| r.0 == "True"))
            })
            .map(|c| format!("{}: {:?}", c.metadata.name.as_deref().unwrap_or_default(), c.status))
            .collect();
        if all.items.len() == names.len() && late.is_empty() {
            return Ok(());
        }
        let first = late.first().cloned().unwrap_or_default();
        Err(format!(
            "{} of {} are late: {first}\n{}",
            late.len(),
            names.len(),
            controller.process().log_tail(20)
        ))
    })
    .await;
    controller.process().assert_running();
    assert!(controller.log().contains("the lease cannot be renewed"), "its lease was in danger");
    controller.assert_clean().await;
    stage.strike_cluster();
}

#[tokio::test]
async fn who_loses_the_lease_ends_and_writes_nothing() {
    let stage = Stage::without_controller().await;
    let robbed = replica(&stage, "robbed").await;
    let names: Vec<String> = (0..5).map(|n| format!("due-{n}")).collect();
    short_lived(&stage, &names, SECOND * 20).await;
    let slow = stage.role("slow").await;
    stage.credential("slow", json!({"roles": [{"roleArn": slow}]})).await;
    stage.until("slow", "True", "Issued").await;
    let before = stage.published("slow").await;

    let _slows = stage.aws.on("AssumeRole").of_role(&slow).takes(SECOND * 8);
    stage
        .patch("slow", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}))
        .await;
    eventually(SOON, "the issuer is asked", async || match stage.aws.calls_for_role(&slow).len() {
        2 => Ok(()),
        other => Err(other),
    })
    .await;
    let theft = json!({"spec": {"holderIdentity": "thief"}});
    let leases = stage.namespace.api::<Lease>();
    leases
        .patch("refreshable-controller", &PatchParams::default(), &Patch::Merge(theft))
        .await
        .expect("stolen");
    let status =
        eventually(SOON, "it ends", async || robbed.process().exit_status().ok_or("it runs")).await;
    assert!(!status.success());
    let lost = lost_at(&robbed);
    assert!(
        written(&stage, "robbed", lost - SignedDuration::from_mins(5)).count() > 10,
        "it wrote before"
    );
    // By then the slow answer is there, and every other resource is due.
    stays(SECOND * 12, "nothing is written", async || {
        let after = written(&stage, "robbed", lost);
        if after.count() == 0 { Ok(()) } else { Err(after) }
    })
    .await;
    assert_eq!(stage.published("slow").await, before, "what was under way was not published");
}

/// When its log says that it lost the lease.
fn lost_at(controller: &Controller) -> Timestamp {
    let log = controller.log();
    let line = log
        .lines()
        .find(|l| l.contains("the lease was lost; this process ends"))
        .expect("it says so");
    let time = line.split(['"', ' ']).find_map(|word| word.parse().ok());
    time.unwrap_or_else(|| panic!("a time: {line}"))
}

#[tokio::test]
async fn who_slept_past_its_lease_writes_nothing() {
    let stage = Stage::without_controller().await;
    let sleeper = replica(&stage, "sleeper").await;
    let names: Vec<String> = (0..5).map(|n| format!("slept-{n}")).collect();
    short_lived(&stage, &names, SECOND * 20).await;
    sleeper.process().freeze();
    let waking = replica(&stage, "waking").await;
    let asleep = Timestamp::now();
    for name in &names {
        stage
            .until_it(name, "the other one renews it", |c| {
                let renewed = c.status.as_ref().and_then(|s| s.last_refresh_time.as_ref());
                renewed.is_some_and(|t| t.0 >= asleep - SignedDuration::from_secs(1))
            })
            .await;
    }
    sleeper.process().thaw();
    // All that it knows is old, and much of it is overdue.
    let status =
        eventually(SOON, "it ends", async || sleeper.process().exit_status().ok_or("it runs"))
            .await;
    assert!(!status.success());
    lost_at(&sleeper);
    let after = written(&stage, "sleeper", asleep);
    assert_eq!(after.count(), 0, "{after}");
    assert!(written(&stage, "waking", asleep).count() >= names.len(), "the log tells who writes");
    waking.assert_clean().await;
}

#[tokio::test]
async fn timings_of_the_flags_stand_in_the_lease() {
    let stage = Stage::without_controller().await;
    let timings =
        ["--lease-duration", "30s", "--lease-renew-deadline", "20s", "--lease-retry-period", "1s"];
    let lease = ["--lease-namespace", &stage.namespace.name, "--identity", "timed"];
    let replica = stage.program().args(lease).args(timings).start().await;
    held_by(&stage, "timed").await;
    let lease =
        stage.namespace.api::<Lease>().get("refreshable-controller").await.expect("the lease");
    assert_eq!(lease.spec.and_then(|s| s.lease_duration_seconds), Some(30));
    replica.assert_clean().await;
}
