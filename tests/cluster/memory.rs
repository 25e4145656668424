//! The memory of the running controller: what was published does not stay in it.

use super::stage::{SOON, Stage};
use crate::harness::{background, eventually, memory};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest time that a published key may stay in memory.
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// How long the issuer takes, so that there is something to find while it is asked.
const ASKED_FOR: Duration = Duration::from_secs(5);

/// Where the controller's memory holds these secrets, by their number.
async fn found(stage: &Stage, secrets: &[String]) -> BTreeMap<usize, Vec<String>> {
    let (process, secrets) = (stage.controller().process().id(), secrets.to_vec());
    background::blocking(move || memory::find(process, &secrets)).await
}

#[tokio::test]
async fn published_keys_do_not_stay_in_the_controllers_memory() {
    let stage = Stage::set().await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("owner").await;
    let role = account.role("kept").trusting(account.user_arn("owner")).create().await;
    let key = user.secret_access_key().to_owned();
    stage
        .secret(
            "key",
            &[("AWS_ACCESS_KEY_ID", user.access_key_id()), ("AWS_SECRET_ACCESS_KEY", &key)],
        )
        .await;
    let source = json!({"accessKey": {"secretRef": {"name": "key"}}});
    let spec = json!({"source": source, "roles": [{"roleArn": role}]});

    // The search finds a secret while it is in use: that it finds none later means something.
    stage.aws.on("AssumeRole").of_role(&role).takes(ASKED_FOR);
    stage.credential("kept", spec.clone()).await;
    eventually(SOON, "the key is in memory while it signs", async || {
        match found(&stage, std::slice::from_ref(&key)).await {
            found if found.is_empty() => Err("it is not found"),
            _ => Ok(()),
        }
    })
    .await;

    stage.until("kept", "True", "Issued").await;
    stage.aws.heal();
    let mut secrets = vec![key];
    secrets.extend(session(&stage, "kept").await);
    stage.credential("more", spec).await;
    stage.until("more", "True", "Issued").await;
    secrets.extend(session(&stage, "more").await);
    eventually(GONE_WITHIN, "nothing of what was published is in memory", async || {
        match found(&stage, &secrets).await {
            found if found.is_empty() => Ok(()),
            found => Err(format!("{found:#?}")),
        }
    })
    .await;

    // Neither it nor a program that it starts leaves its memory in a file.
    let limits = format!("/proc/{}/limits", stage.controller().process().id());
    let limits = std::fs::read_to_string(limits).expect("its limits");
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    stage.strike().await;
}

/// Secret key and token of what is published.
async fn session(stage: &Stage, name: &str) -> [String; 2] {
    let published = stage.published(name).await;
    let json: Value = serde_json::from_str(&published["credentials.json"]).expect("JSON");
    ["SecretAccessKey", "SessionToken"].map(|m| json[m].as_str().expect("text").to_owned())
}
