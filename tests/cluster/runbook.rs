//! What operations.md says to type is typed, each line by itself.

use super::stage::Stage;
use super::typist;
use crate::harness::{background, programs, scratch};
use serde_json::json;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The page's commands, line by line.
fn commands() -> Vec<String> {
    typist::blocks("docs/operations.md").iter().flat_map(|block| block.lines()).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_the_page_says_to_type_is_understood() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage.credential("reports", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("reports", "True", "Issued").await;
    let namespace = format!("-n {}", stage.namespace.name);
    for command in commands() {
        // Other tests share the cluster. What is searched for in a log may not be there.
        let command = command.replace("-n team-a", &namespace).replace("-n refreshable", &namespace);
        let command = command.replace(" -A ", &format!(" {namespace} "));
        let command = command.split(" | grep ").next().expect("a command").to_owned();
        let kubeconfig = stage.cluster.control_plane.admin_kubeconfig().to_owned();
        let shown = command.clone();
        let output = background::blocking(move || {
            let path = std::env::var("PATH").unwrap_or_default();
            Command::new("bash")
                .args(["-euo", "pipefail", "-c", &command])
                .env("PATH", format!("{}:{path}", programs::controlplane().display()))
                .env("KUBECONFIG", kubeconfig)
                .env("HOME", scratch::folder())
                .current_dir(ROOT)
                .output()
                .expect("bash starts")
        })
        .await;
        assert!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // One of them asks for a refresh.
    stage
        .until_it("reports", "the refresh that was asked for is had", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.is_some())
        })
        .await;
    stage.strike().await;
}
