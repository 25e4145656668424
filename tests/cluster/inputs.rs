//! Input Secrets on a real API server: what changes of them costs issuer calls, and what does not.

use super::stage::{SOON, Stage};
use crate::harness::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// A stage whose controller has a namespace of its own: the stage's.
async fn stage() -> Stage {
    let stage = Stage::without_controller().await;
    let home = stage.namespace.name.clone();
    stage
        .started(|program| program.args(["--no-leader-election", "--lease-namespace", &home]))
        .await
}

/// Changes the input.
async fn change(stage: &Stage, patch: Value) {
    let secrets = stage.namespace.api::<Secret>();
    secrets.patch("key", &PatchParams::default(), &Patch::Merge(patch)).await.expect("changed");
}

/// Waits until the input has been read more than `count` times: the controller looked at a change
/// of it.
async fn read(stage: &Stage, count: usize) -> usize {
    eventually(SOON, "the input is read", async || match reads(stage) {
        now if now > count => Ok(now),
        now => Err(now),
    })
    .await
}

fn reads(stage: &Stage) -> usize {
    let all = stage.cluster.audit().of("get", "secrets");
    all.only(|r| r.namespace == stage.namespace.name && r.name == "key").count()
}

#[tokio::test]
async fn only_other_data_that_is_used_costs_a_call() {
    let mut stage = stage().await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("starter").await;
    let role = account.role("keyed").trusting(account.user_arn("starter")).create().await;
    let key = [
        ("AWS_ACCESS_KEY_ID", user.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key()),
    ];
    stage.secret("key", &key).await;
    change(&stage, json!({"metadata": {"labels": {"refreshable.dev/watch": "true"}}})).await;
    let spec = json!({"source": {"accessKey": {"secretRef": {"name": "key"}}}, "roles": [{"roleArn": role}]});
    stage.credential("keyed", spec).await;
    stage.until("keyed", "True", "Issued").await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);

    let mut count = reads(&stage);
    for number in 0..5 {
        change(&stage, json!({"metadata": {"annotations": {"touched": number.to_string()}}})).await;
        count = read(&stage, count).await;
    }
    change(&stage, json!({"stringData": {"unused": "1"}})).await;
    read(&stage, count).await;
    let other = account.access_key("starter").await;
    stage.restart().await;
    let data = json!({"AWS_ACCESS_KEY_ID": other.access_key_id(), "AWS_SECRET_ACCESS_KEY": other.secret_access_key()});
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1, "annotations, an unused key, a restart");
    let before = stage.key_id("keyed").await;
    change(&stage, json!({"stringData": data})).await;
    eventually(SOON, "the new key is used", async || match stage.key_id("keyed").await {
        same if same == before => Err(same),
        _ => Ok(()),
    })
    .await;
    let calls = stage.aws.calls_for_role(&role);
    assert_eq!(calls.len(), 2, "other data: one call");
    assert_eq!(calls[1].access_key_id.as_deref(), Some(other.access_key_id()));

    let secret = stage.namespace.api::<Secret>().get("keyed").await.expect("published");
    let annotations = secret.metadata.annotations.unwrap_or_default();
    let digests: Value =
        serde_json::from_str(&annotations["refreshable.dev/input-digests"]).expect("JSON");
    assert_eq!(
        digests["key"]["keys"],
        json!(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
        "{digests}"
    );
    let name = "refreshable-controller-input-key";
    let key = stage.namespace.api::<Secret>().get(name).await.expect("the key of the digests");
    assert_eq!(
        (key.type_.as_deref(), key.immutable),
        (Some("refreshable.dev/input-key"), Some(true))
    );
    assert_eq!(key.data.expect("data")["key"].0.len(), 32);
    stage.strike().await;
}
