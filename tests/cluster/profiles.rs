//! Many accounts in one Secret.

use super::stage::{SOON, Stage};
use crate::harness::{eventually, python, scratch};
use serde_json::{Value, json};
use std::path::Path;

/// Roles of this name in accounts that trust `hub`, by the profile's name.
async fn spokes(stage: &Stage, hub: &str, count: usize) -> Vec<(String, String)> {
    let mut made = Vec::new();
    for number in 0..count {
        let account = format!("8{:05}{}", number, &stage.account[6..]);
        let role = stage
            .issuer
            .account(&account)
            .role("spoke")
            .trusting(hub)
            .allowing(&["s3:*", "sts:*"])
            .create()
            .await;
        made.push((format!("account-{number}"), role));
    }
    made
}

fn spec(hub: &str, spokes: &[(String, String)], folder: &Path) -> Value {
    let profiles: Vec<Value> = spokes
        .iter()
        .map(|(name, role)| json!({"name": name, "roles": [{"roleArn": role}]}))
        .collect();
    json!({
        "roles": [{"roleArn": hub}], "profiles": profiles,
        "secret": {"mountPath": folder}, "sts": {"region": "eu-west-1"},
    })
}

/// Credentials that botocore finds under each profile, through both files.
async fn read_back(stage: &Stage, folder: &Path, profiles: &[(String, String)]) -> Value {
    for (name, content) in stage.published("many").await {
        scratch::write(folder.join(name), content);
    }
    let folder = folder.display().to_string();
    let names = profiles.iter().map(|(name, _)| name.as_str());
    let arguments: Vec<&str> = [folder.as_str()].into_iter().chain(names).collect();
    python::run("parse_profiles.py", &arguments, &[]).await
}

#[tokio::test]
async fn a_hundred_accounts_cost_a_hundred_and_one_calls_and_two_writes() {
    let stage = Stage::set().await;
    let hub = stage.role("hub").await;
    let spokes = spokes(&stage, &hub, 100).await;
    let roles: Vec<&str> = spokes.iter().map(|(_, role)| role.as_str()).collect();
    stage.allow(&["arn:aws:iam::*:role/spoke"]).await;
    assert_eq!(roles.len(), 100);
    let folder = scratch::subfolder("profiles");
    let began = jiff::Timestamp::now();
    stage.credential("many", spec(&hub, &spokes, &folder)).await;
    let ready = stage.until("many", "True", "Issued").await;
    assert_eq!(stage.aws.calls().len(), 101, "the shared role once, and each account's");
    // The audit log comes a little later than the answers.
    let writes = eventually(SOON, "both writes are in the audit log", async || {
        let writes = stage.cluster.audit().within(&stage.namespace.name).since(began).writes();
        let status = writes.clone().of("patch", "refreshablecredentials/status").count();
        if status > 0 { Ok(writes) } else { Err(writes.to_string()) }
    })
    .await;
    assert_eq!(writes.clone().of("patch", "secrets").count(), 1, "{writes}");
    assert_eq!(writes.clone().of("patch", "refreshablecredentials/status").count(), 1, "{writes}");

    let status = ready.status.expect("a status");
    let list = status.profiles.expect("profiles");
    assert_eq!(list.len(), 100);
    for (profile, (name, role)) in list.iter().zip(&spokes) {
        let account = role.split(':').nth(4).expect("an account");
        assert_eq!(&profile.name, name);
        assert!(
            profile
                .arn
                .as_ref()
                .is_some_and(|a| a.contains(&format!("::{account}:assumed-role/spoke/")))
        );
        assert!(profile.expiration.is_some() && profile.message.is_none());
    }
    assert_eq!(status.expiration, list.iter().filter_map(|p| p.expiration.clone()).min());
    let found = read_back(&stage, &folder, &spokes).await;
    let published = stage.published("many").await;
    for (name, _) in &spokes {
        let json: Value = serde_json::from_str(&published[&format!("{name}.json")]).expect("JSON");
        for file in ["credentials", "config"] {
            assert_eq!(found[name][file], json["AccessKeyId"], "{name} through {file}");
        }
    }

    stage.aws.on("AssumeRole").of_role(&spokes[42].1).gets_denied();
    stage
        .patch("many", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}))
        .await;
    stage.until("many", "True", "RefreshFailing").await;
    let now = stage.published("many").await;
    let renewed = spokes
        .iter()
        .filter(|(name, _)| now[&format!("{name}.json")] != published[&format!("{name}.json")]);
    assert_eq!(renewed.count(), 99);
    assert_eq!(now["account-42.json"], published["account-42.json"]);
    assert_eq!(
        read_back(&stage, &folder, &spokes).await.as_object().map(serde_json::Map::len),
        Some(100)
    );
    stage.strike().await;
}

#[tokio::test]
async fn an_account_that_denies_keeps_what_it_had_and_holds_nobody_back() {
    let mut stage = Stage::set().await;
    let hub = stage.role("hub").await;
    let spokes = spokes(&stage, &hub, 4).await;
    stage.allow(&["arn:aws:iam::*:role/spoke"]).await;
    let folder = scratch::subfolder("profiles");
    let denied = stage.aws.on("AssumeRole").of_role(&spokes[3].1).gets_denied();
    stage.credential("many", spec(&hub, &spokes, &folder)).await;
    // One has nothing yet: the others are published, and it says so.
    let partial = stage.until("many", "False", "AccessDenied").await;
    let status = partial.status.expect("a status");
    assert_eq!(stage.published("many").await.len(), 2 + 3);
    let messages: Vec<bool> =
        status.profiles.iter().flatten().map(|p| p.message.is_some()).collect();
    assert_eq!(messages, [false, false, false, true]);
    let failure = status.failures.expect("a failure");
    assert!(
        failure.message.starts_with("1 of 4 profiles failed; account-3: "),
        "{}",
        failure.message
    );

    // It recovers by itself: only it is asked for, behind the shared role.
    denied.lift();
    let before = stage.published("many").await;
    let calls = stage.aws.calls().len();
    stage.until("many", "True", "Issued").await;
    let after = stage.published("many").await;
    assert_eq!(after["account-0.json"], before["account-0.json"], "the others are as they were");
    assert!(after.contains_key("account-3.json"));
    let since: Vec<_> = stage.aws.calls().split_off(calls);
    let theirs = |role: &str| since.iter().filter(|c| c.role() == Some(role)).count();
    assert!(theirs(&hub) > 0 && theirs(&spokes[3].1) > 0, "{since:#?}");
    assert_eq!(theirs(&hub) + theirs(&spokes[3].1), since.len(), "{since:#?}");

    // It denies again at a refresh: it keeps its own, the others get new ones.
    let denied = stage.aws.on("AssumeRole").of_role(&spokes[1].1).gets_denied();
    stage
        .patch("many", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}))
        .await;
    let failing = stage.until("many", "True", "RefreshFailing").await;
    let now = stage.published("many").await;
    assert_eq!(now["account-1.json"], after["account-1.json"]);
    assert_ne!(now["account-0.json"], after["account-0.json"]);
    let one = &failing.status.as_ref().and_then(|s| s.profiles.as_ref()).expect("profiles")[1];
    assert!(
        one.message.as_ref().is_some_and(|m| m.contains("AccessDenied"))
            && one.expiration.is_some()
    );

    // A restart asks for nothing, and writes nothing.
    let calls = stage.aws.calls().len();
    stage.restart().await;
    let still = stage.published("many").await;
    assert_eq!((still, stage.aws.calls().len()), (now, calls));
    denied.lift();
    stage.until("many", "True", "Issued").await;
    stage.strike().await;
}
