//! How long a renewed Secret takes to reach the file in the container, where the kubelet looks once
//! a minute. The figures are those of `docs/node.md`.

use super::propagation::{PODS, delays, figures, ground, say};
use serde_json::json;

#[tokio::test]
#[ignore = "runs on the node of node::bench_of_propagation"]
async fn a_change_reaches_the_file_when_the_kubelet_looks() {
    let ground = ground().await;
    let delays = delays(ground, "usual", json!({}), json!({}), json!({})).await;
    say(&format!("from the Secret's write to the file, syncFrequency 1m: {} s", figures(&delays)));
    assert!(delays[PODS - 1] < 95.0, "docs/node.md tells people to plan for 90 s: {delays:?}");
}
