//! etcd restored from a snapshot: the API server's versions go back, and with them all that its
//! watchers know.

use super::stage::{SOON, Stage, ready};
use crate::harness::eventually;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::{Duration, Instant};

/// Writes that the snapshot lacks, beside those of resources: more than all that come after it.
const LOST_WRITES: usize = 2_000;
/// The lease is renewed every two seconds, and whoever begins anew waits for its end.
const NOTICED: Duration = Duration::from_secs(60);

#[tokio::test]
async fn after_etcd_is_restored_from_a_snapshot_what_comes_then_is_served() {
    let stage = Stage::apart().await;
    let namespace = stage.namespace.name.clone();
    let mut stage = stage.started(|program| program.args(["--lease-namespace", &namespace])).await;
    let role = stage.role("kept").await;
    let spec = json!({"roles": [{"roleArn": role}]});
    stage.credential("kept", spec.clone()).await;
    stage.until("kept", "True", "Issued").await;
    let key = stage.key_id("kept").await;
    let control_plane = &stage.cluster.control_plane;
    let snapshot = control_plane.snapshot();

    eventually(SOON, "etcd is back", async || stage.credentials().list(&Default::default()).await)
        .await;
    let maps = stage.namespace.api::<ConfigMap>();
    let map =
        serde_json::from_value(json!({"metadata": {"name": "counter"}})).expect("a ConfigMap");
    maps.create(&PostParams::default(), &map).await.expect("made");
    for number in 0..LOST_WRITES {
        let patch = Patch::Merge(json!({"data": {"count": number.to_string()}}));
        maps.patch("counter", &PatchParams::default(), &patch).await.expect("written");
    }
    stage.credential("lost", spec.clone()).await;
    stage.until("lost", "True", "Issued").await;

    control_plane.restore(&snapshot).await;
    stage.credential("new", spec).await;
    let issued = async |stage: &Stage| {
        let new = stage.credentials().get("new").await.map_err(|e| e.to_string())?;
        let is_issued = ready(&new).is_some_and(|r| r.0 == "True");
        if is_issued { Ok(()) } else { Err(stage.controller().process().log_tail(5)) }
    };
    let deadline = Instant::now() + NOTICED;
    while let Err(seen) = issued(&stage).await {
        assert!(Instant::now() < deadline, "not within {NOTICED:?}: {seen}");
        // Whoever runs a controller starts it again when it has ended, as a kubelet does.
        if stage.controller().process().exit_status().is_some() {
            stage.restart().await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.until("kept", "True", "Issued").await;
    assert_eq!(stage.key_id("kept").await, key, "it is asked for nothing");
    assert!(stage.credentials().get_opt("lost").await.expect("an answer").is_none());
    stage.strike_cluster();
}
