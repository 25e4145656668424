//! The brake on withdrawals as an administrator meets it: asked beforehand, waited for, held and
//! confirmed.

use super::plugin::User;
use super::stage::{SOON, Stage};
use crate::harness::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams};
use refreshable_api::{CredentialPolicy, PermissionStatus, RefreshableCredential};
use serde_json::{Value, json};

/// Puts the stage's one policy, for `arns`.
async fn policy(stage: &Stage, arns: &[&str], after: &str) {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name}});
    stage.apply(policy_of(&stage.namespace.name, selector, arns, after)).await;
}

fn policy_of(name: &str, selector: Value, arns: &[&str], after: &str) -> Value {
    let grants: Vec<Value> = if arns.is_empty() { Vec::new() } else { vec![json!({"arns": arns})] };
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": name},
        "spec": {"namespaceSelector": selector, "allow": {"roles": grants}, "withdrawAfter": after},
    })
}

/// A role that the controller's own identity may assume, which no policy allows yet.
async fn role(stage: &Stage, name: &str) -> String {
    let account = stage.issuer.account(&stage.account);
    account.role(name).trusting(account.user_arn("controller")).create().await
}

fn permission(object: &RefreshableCredential) -> PermissionStatus {
    object.status.as_ref().and_then(|s| s.permission.clone()).expect("a permission")
}

fn message(object: &RefreshableCredential) -> String {
    object.status.as_ref().expect("a status").conditions[0].message.clone()
}

async fn secrets(stage: &Stage) -> Vec<String> {
    let label = ListParams::default().labels("app.kubernetes.io/managed-by=refreshable-controller");
    let list = stage.namespace.api::<Secret>().list(&label).await.expect("a list");
    list.iter().map(|s| s.name_any()).collect()
}

#[tokio::test]
async fn a_permission_may_come_back_until_its_grace_period_is_cut_short() {
    let stage = Stage::set().await;
    let role = role(&stage, "missed").await;
    policy(&stage, &[&role], "2h").await;
    stage.credential("missed", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("missed", "True", "Issued").await;

    policy(&stage, &[], "2h").await;
    let pending = stage.until("missed", "True", "WithdrawalPending").await;
    let told = permission(&pending);
    let (since, until) =
        (told.denied_time.expect("a time").0, told.withdraw_time.expect("a time").0);
    assert_eq!((told.allowed, until.duration_since(since).as_hours()), (false, 2), "{pending:?}");
    assert_eq!(told.policies, std::slice::from_ref(&stage.namespace.name), "who allowed it");
    assert!(
        message(&pending).contains(&format!("is withdrawn at {until}")),
        "{}",
        message(&pending)
    );
    let inspected = User::administrator(&stage).run(&["inspect", "missed"]).await;
    assert!(inspected.output.contains("WithdrawalPending"), "{inspected:?}");

    policy(&stage, &[&role], "2h").await;
    stage.until("missed", "True", "Issued").await;
    assert_eq!(
        (secrets(&stage).await.len(), stage.aws.calls_for_role(&role).len()),
        (1, 1),
        "nothing was lost or asked"
    );

    policy(&stage, &[], "2h").await;
    stage.until("missed", "True", "WithdrawalPending").await;
    policy(&stage, &[], "Immediate").await;
    let gone = stage.until("missed", "False", "NotPermitted").await;
    assert!(
        permission(&gone).withdrawn_time.is_some() && permission(&gone).withdraw_time.is_none()
    );
    assert_eq!(secrets(&stage).await.len(), 0);
    stage.strike().await;
}

#[tokio::test]
async fn many_at_once_are_told_beforehand_and_held_until_they_are_confirmed() {
    let stage = Stage::without_controller().await;
    let home = stage.namespace.name.clone();
    let stage = stage.started(|program| program.args(["--lease-namespace", &home])).await;
    let role = role(&stage, "many").await;
    policy(&stage, &[&role], "Immediate").await;
    let names: Vec<String> = (0..12).map(|n| format!("many-{n}")).collect();
    for name in &names {
        stage.credential(name, json!({"roles": [{"roleArn": role}]})).await;
    }
    for name in &names {
        stage.until(name, "True", "Issued").await;
    }

    let user = User::administrator(&stage);
    let beforehand = user.run(&["check", "--remove", &home]).await;
    assert!(
        beforehand.errors.contains("withdraws 12 Secrets in 1 namespace, of "),
        "{beforehand:?}"
    );
    assert_eq!(
        (beforehand.code, beforehand.output.matches("many-3 ").count()),
        (1, 2),
        "{beforehand:?}"
    );
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": home}});
    let wider = policy_of(&home, selector, &["arn:aws:iam::*:role/*"], "Immediate");
    let file = crate::harness::scratch::subfolder("policy").join("wider.json");
    let file = crate::harness::scratch::write(file, wider.to_string());
    let nothing = user.run(&["check", "--policy", file.to_str().expect("a path")]).await;
    assert!(nothing.code == 0 && nothing.errors.contains("withdraws nothing of "), "{nothing:?}");

    let policies: Api<CredentialPolicy> = Api::all(stage.namespace.client.clone());
    policies.delete(&home, &DeleteParams::default()).await.expect("deleted");
    for name in &names {
        let held = stage.until(name, "True", "WithdrawalHeld").await;
        assert!(
            message(&held).contains("12 Secrets in 1 namespace of 12 would go at once"),
            "{}",
            message(&held)
        );
    }
    assert_eq!(secrets(&stage).await.len(), 12);

    // What the message says, as it stands.
    let held = stage.until("many-0", "True", "WithdrawalHeld").await;
    let words = message(&held);
    let command = words
        .split('`')
        .nth(1)
        .and_then(|c| c.strip_prefix("kubectl refreshable "))
        .expect("a command");
    let command: Vec<&str> = command.split(' ').collect();
    let place = format!("{home}/refreshable-controller-withdrawals");
    assert_eq!(command, ["withdrawals", "confirm", "--orders", &place]);
    let paused = user.run(&["withdrawals", "pause", "--orders", &place]).await;
    assert_eq!(paused.code, 0, "{paused:?}");
    let confirmed = user.run(&command).await;
    assert!(
        confirmed.code == 0 && confirmed.errors.contains("withdrawals are confirmed: "),
        "{confirmed:?}"
    );
    stage
        .until_it("many-1", "the pause is told", |c| {
            message(c).contains("all withdrawals are paused by ConfigMap")
        })
        .await;
    assert_eq!(secrets(&stage).await.len(), 12, "a pause comes before a confirmation");
    let resumed = user.run(&["withdrawals", "resume", "--orders", &place]).await;
    assert_eq!(resumed.code, 0, "{resumed:?}");
    for name in &names {
        stage.until(name, "False", "NotPermitted").await;
    }
    eventually(SOON, "they are gone", async || {
        let left = secrets(&stage).await;
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
    stage.strike().await;
}
