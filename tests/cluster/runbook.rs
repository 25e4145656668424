//! Types the commands of operations.md, one line at a time.

use super::stage::Stage;
use super::typist::Page;
use serde_json::json;

#[tokio::test]
async fn what_the_page_says_to_type_is_understood() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage.credential("reports", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("reports", "True", "Issued").await;
    let namespace = format!("-n {}", stage.namespace.name);
    let page = Page::of("docs/operations.md");
    let commands: Vec<&str> = page.blocks.iter().flat_map(|block| block.lines()).collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        // Other tests share the cluster. What is searched for in a log may not be there.
        let command =
            command.replace("-n team-a", &namespace).replace("-n refreshable", &namespace);
        let command = command.replace(" -A ", &format!(" {namespace} "));
        let command = command.split(" | grep ").next().expect("a command");
        page.types(&format!("{command}\n"), stage.cluster.control_plane.admin_kubeconfig(), &[])
            .await;
    }
    // One of them asks for a refresh.
    stage
        .until_it("reports", "the refresh that was asked for is had", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.is_some())
        })
        .await;
    stage.strike().await;
}
