//! A renewed Secret reaches the files of prompt Pods within seconds, where the kubelet looks once a
//! minute: Kubernetes' default. [`minute`](super::minute) measures what the others wait.

use super::ground::Ground;
use crate::harness::eventually::eventually;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::OnceCell;

pub(super) async fn ground() -> &'static Ground {
    static SHARED: OnceCell<Ground> = OnceCell::const_new();
    SHARED.get_or_init(|| Ground::prepare(Duration::from_secs(60))).await
}

/// The kubelet looks after a minute, or up to half as long again; and the machine may be loaded.
const LONGEST: Duration = Duration::from_secs(120);
/// Each Pod is a figure.
pub(super) const PODS: usize = 4;

/// Says when it sees another key in the file: seconds since 1970, and the key.
const WATCH: &str = r"
import json, time
before = None
while True:
    key = json.load(open('/aws/credentials.json'))['AccessKeyId']
    if key != before:
        print(json.dumps({'at': time.time(), 'key': key}), flush=True)
        before = key
    time.sleep(0.02)
";

/// Makes a Pod that watches its file.
async fn watcher(ground: &Ground, namespace: &str, name: &str, labels: Value, annotations: Value) {
    let mut container = ground.caller(&[], "/aws");
    container["args"] = json!(["-c", WATCH]);
    ground.deployment(namespace, name, container, labels, annotations).await;
}

/// When the Pod saw this key, in seconds since 1970.
async fn seen(ground: &Ground, namespace: &str, name: &str, key: &str) -> f64 {
    let what = format!("{name} sees {key}");
    let selector = format!("app={name}");
    eventually(LONGEST, &what, async || {
        let logs = ground.container_logs(namespace, &selector).await;
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let at = lines.filter(|line| line["key"] == key).find_map(|line| line["at"].as_f64());
        at.ok_or(logs)
    })
    .await
}

/// Asks for a refresh, and gives the new key and when its Secret was written.
async fn renew(ground: &Ground, namespace: &str, before: &str) -> (String, f64) {
    ground.ask_for_a_refresh(namespace).await;
    let secrets = ground.secrets(namespace).await;
    eventually(LONGEST, "the Secret is written", async || {
        let key = key(&secrets.get("aws").await.map_err(|e| e.to_string())?);
        if key == before {
            Err(key)
        } else {
            Ok((key, jiff::Timestamp::now().as_microsecond() as f64 / 1e6))
        }
    })
    .await
}

fn key(secret: &k8s_openapi::api::core::v1::Secret) -> String {
    let json = &secret.data.as_ref().expect("data")["credentials.json"].0;
    let json: Value = serde_json::from_slice(json).expect("JSON");
    json["AccessKeyId"].as_str().expect("a key").to_owned()
}

async fn current(ground: &Ground, namespace: &str) -> String {
    key(&ground.secrets(namespace).await.get("aws").await.expect("the Secret"))
}

pub(super) fn say(text: &str) {
    std::io::stderr()
        .write_all(format!("node tier: {text}\n").as_bytes())
        .expect("a standard error");
}

/// Delays in seconds, from the Secret's write to the file, of Pods with these labels and
/// annotations.
pub(super) async fn delays(
    ground: &Ground,
    namespace: &str,
    secret: Value,
    labels: Value,
    annotations: Value,
) -> Vec<f64> {
    ground.restricted(namespace).await;
    let endpoint = ground.short_sessions(namespace, 3600).await;
    ground.published(namespace, &endpoint, json!({"secret": secret})).await;
    let first = current(ground, namespace).await;
    let names: Vec<String> = (1..=PODS).map(|number| format!("{namespace}-{number}")).collect();
    for name in &names {
        watcher(ground, namespace, name, labels.clone(), annotations.clone()).await;
    }
    for name in &names {
        seen(ground, namespace, name, &first).await;
    }
    let (renewed, written) = renew(ground, namespace, &first).await;
    let mut delays = Vec::new();
    for name in &names {
        delays.push(seen(ground, namespace, name, &renewed).await - written);
    }
    delays.sort_by(f64::total_cmp);
    ground.assert_clean(namespace).await;
    delays
}

pub(super) fn figures(delays: &[f64]) -> String {
    delays.iter().map(|delay| format!("{delay:.1}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
#[ignore = "runs on the node of node::propagation_of_a_change"]
async fn a_change_reaches_the_files_of_prompt_pods_within_seconds() {
    let ground = ground().await;
    let labels = json!({"refreshable.dev/propagation": "Prompt"});
    let annotations = json!({"refreshable.dev/mounts": "aws"});
    let delays =
        delays(ground, "prompt", json!({"propagation": "Prompt"}), labels, annotations).await;
    say(&format!(
        "from the Secret's write to the file, syncFrequency 1m, Prompt: {} s",
        figures(&delays)
    ));
    assert!(delays[PODS - 1] < 15.0, "not the kubelet's own pace: {delays:?}");
}
