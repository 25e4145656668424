//! Injection: one annotation, and boto3 in the Pod calls AWS.

use super::ground;
use super::rotation::{keys, last_word};
use serde_json::{Value, json};

/// A Deployment whose Pod mounts and sets nothing, but for the annotations, calls without a failure
/// with as many keys, which boto3 found by this method.
async fn injected(mode: &str, more: Value, seconds: i32, wanted: usize, method: &str) {
    let ground = ground().await;
    let namespace = format!("inject-{mode}");
    ground.restricted(&namespace).await;
    let endpoint = ground.short_sessions(&namespace, seconds).await;
    ground.published(&namespace, &endpoint, more).await;
    let annotations = json!({"refreshable.dev/inject": "aws", "refreshable.dev/inject-mode": mode});
    ground.deployment(&namespace, "app", ground.caller(&[], ""), json!({}), annotations).await;
    let what = format!("the program calls with {wanted} keys");
    let word = ground
        .until_logs(&namespace, "app=app", &what, |logs| {
            last_word(logs).filter(|word| keys(word) >= wanted)
        })
        .await;
    assert_eq!(word["failures"], json!([]), "{word:#}");
    assert_eq!(word["method"], method, "{word:#}");
    ground.assert_clean(&namespace).await;
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn a_process_is_asked_anew_across_rotations() {
    injected("process", json!({}), 20, 3, "custom-process").await;
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn the_sidecar_serves_across_rotations() {
    injected("agent", json!({}), 20, 3, "container-role").await;
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn a_file_is_read() {
    injected("file", json!({}), 3600, 1, "shared-credentials-file").await;
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn variables_are_set() {
    injected("env", json!({"secret": {"formats": ["Environment"]}}), 3600, 1, "env").await;
}
