//! Programs that read their credentials once are restarted after a rotation.

use super::ground;
use super::rotation::last_word;
use crate::harness::eventually::{check, eventually};
use crate::node::ground::SOON;
use serde_json::json;

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn a_program_that_reads_once_is_restarted_once_for_a_rotation() {
    let ground = ground().await;
    ground.restricted("restarted").await;
    let endpoint = ground.short_sessions("restarted", 3600).await;
    ground
        .published(
            "restarted",
            &endpoint,
            json!({"restart": [{"kind": "Deployment", "name": "once"}]}),
        )
        .await;
    let container = ground.caller(&[("AWS_SHARED_CREDENTIALS_FILE", "/aws/credentials")], "/aws");
    ground.deployment("restarted", "once", container, json!({}), json!({})).await;
    let called = async |but: &str| {
        let word = |logs: &str| {
            last_word(logs).filter(|word| word["keys"][0] != but && word["keys"][0].is_string())
        };
        ground.until_logs("restarted", "app=once", "the program calls with another key", word).await
    };
    let before = called("").await;
    assert_eq!(before["method"], "shared-credentials-file", "{before:#}");
    let first = before["keys"][0].as_str().expect("a key").to_owned();

    ground.ask_for_a_refresh("restarted").await;
    eventually(SOON, "the rollout is over", async || {
        let sets = [
            "get",
            "replicasets",
            "--namespace",
            "restarted",
            "--output",
            "jsonpath={.items[*].status.readyReplicas}",
        ];
        let sets = ground.cluster.kubectl(&sets).await;
        let pods = ground
            .pods("restarted")
            .await
            .list(&Default::default())
            .await
            .expect("Pods")
            .items
            .len();
        let list = ["get", "replicasets", "--namespace", "restarted", "--output", "name"];
        let all = ground.cluster.kubectl(&list).await.lines().count();
        check(all == 2 && pods == 1 && sets.trim() == "1", || {
            format!("{all} ReplicaSets, ready {sets:?}, {pods} Pods")
        })
    })
    .await;
    let after = called(&first).await;
    for word in [&before, &after] {
        assert_eq!(word["failures"], json!([]), "{word:#}");
    }
    ground.assert_clean("restarted").await;
}
