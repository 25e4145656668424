//! A namespace whose issuer hangs, beside one whose issuer answers.

use super::peers;
use super::stage::{SOON, Stage};
use crate::harness::eventually;
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

/// A healthy issue takes a fraction of a second. Before admission was fair over namespaces, these
/// were not issued within a minute each.
const PROMPT: Duration = Duration::from_secs(15);

fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn credential(namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

/// How many attempts are under way, and how many resources wait for theirs.
async fn under_way(stage: &Stage) -> (u32, u32) {
    let page = stage.controller().metrics().await;
    let gauge = |name: &str| {
        let value = page.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|v| v.trim().parse().ok()).expect("a number")
    };
    (gauge("refreshable_active_workers "), gauge("refreshable_rate_limited_resources "))
}

#[tokio::test]
async fn four_hundred_that_hang_delay_none_of_another_namespace() {
    // The system accepts connections, and no program answers them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let hanging = Stage::without_controller().await;
    let healthy = Stage::without_controller().await;
    let (other, own) = (hanging.namespace.name.clone(), healthy.namespace.name.clone());
    let healthy =
        healthy.started(|p| p.args(["--no-leader-election", "--watch-namespace", &other])).await;
    let anything = "arn:aws:iam::999999999999:role/*";
    let allow = json!({"endpoints": [endpoint], "roles": [{"arns": [anything]}]});
    peers::allow(&hanging, "silent", allow).await;
    let role = healthy.role("reports").await;

    let hangs = |n| {
        let sts = json!({"endpoint": endpoint, "timeoutSeconds": 60});
        let arn = format!("arn:aws:iam::999999999999:role/hangs-{n}");
        credential(&other, &format!("hangs-{n}"), json!({"roles": [{"roleArn": arn}], "sts": sts}))
    };
    hanging.apply(list((0..400).map(hangs).collect())).await;
    eventually(SOON, "as many hang as may, and the others wait", async || {
        let (running, waiting) = under_way(&healthy).await;
        let all_there = running >= 64 && waiting >= 300;
        if all_there { Ok(()) } else { Err(format!("{running} run, {waiting} wait")) }
    })
    .await;

    let reports =
        |n| credential(&own, &format!("reports-{n}"), json!({"roles": [{"roleArn": role}]}));
    healthy.apply(list((0..10).map(reports).collect())).await;
    let credentials = healthy.credentials();
    eventually(PROMPT, "all ten are issued", async || {
        let objects = credentials.list(&Default::default()).await.map_err(|e| e.to_string())?;
        let is_ready = |o: &&RefreshableCredential| {
            super::stage::ready(o).is_some_and(|(status, _)| status == "True")
        };
        let ready = objects.items.iter().filter(is_ready).count();
        if ready == 10 { Ok(()) } else { Err(format!("{ready} are ready")) }
    })
    .await;
    let (running, _) = under_way(&healthy).await;
    assert!(running >= 32, "the others hang still: {running}");
    healthy.strike().await;
}
