//! Rotation, as a program in a Pod sees it.

use super::ground;
use serde_json::{Value, json};

/// The last report of the caller in the Pod.
pub(super) fn last_word(logs: &str) -> Option<Value> {
    logs.lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(Value::is_object))
}

/// With how many keys it has called so far.
pub(super) fn keys(word: &Value) -> usize {
    word["keys"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn boto3_in_a_pod_calls_without_a_failure_across_three_rotations() {
    let ground = ground().await;
    ground.restricted("rotation").await;
    let endpoint = ground.short_sessions("rotation", 20).await;
    ground.published("rotation", &endpoint, json!({})).await;
    let container = ground.caller(&[("AWS_CONFIG_FILE", "/aws/config")], "/aws");
    ground.deployment("rotation", "caller", container, json!({}), json!({})).await;
    let word = ground
        .until_logs("rotation", "app=caller", "three rotations reach the program", |logs| {
            last_word(logs).filter(|word| keys(word) >= 4)
        })
        .await;
    assert_eq!(word["failures"], json!([]), "no call failed\n{word:#}");
    assert!(word["calls"].as_u64() > Some(20), "it calls all the time\n{word:#}");
    assert_eq!(word["method"], "custom-process", "{word:#}");
    assert!(
        word["arn"].as_str().is_some_and(|arn| arn.contains(":assumed-role/rotation/")),
        "{word:#}"
    );
    ground.assert_clean("rotation").await;
}
