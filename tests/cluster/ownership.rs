//! Whose Secret it is: never somebody else's, unless it is to be taken over.

use super::stage::{SOON, Stage};
use crate::harness::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::json;

#[tokio::test]
async fn a_foreign_secret_is_never_overwritten_unless_it_is_to_be_adopted() {
    let stage = Stage::set().await;
    let role = stage.role("foreign").await;
    stage.secret("foreign", &[("theirs", "kept"), ("credentials", "theirs too")]).await;
    stage.credential("foreign", json!({"roles": [{"roleArn": role}]})).await;

    let refused = stage.until("foreign", "False", "SecretConflict").await;
    let message = refused.status.and_then(|s| s.failures).expect("a failure").message;
    assert!(message.contains("adopt: true"), "{message}");
    assert_eq!(stage.published("foreign").await["credentials"], "theirs too");
    let calls = stage.aws.calls_for_role(&role).len();
    assert_eq!(calls, 1, "the first attempt could not know");

    // Another attempt looks before it asks the issuer.
    stage
        .patch(
            "foreign",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}}),
        )
        .await;
    stage
        .until_it("foreign", "the request is handled", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some("again"))
        })
        .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), calls);

    // Its resource asks for it, and its owner has not agreed.
    stage.patch("foreign", json!({"spec": {"secret": {"adopt": true}}})).await;
    let command = format!(
        "kubectl annotate secret --namespace {} foreign refreshable.dev/allow-adoption=true",
        stage.namespace.name
    );
    let alone =
        format!("adopted only if its owner allows that; it is left as it is. Run `{command}`");
    stage
        .until_it("foreign", "it says how its owner agrees", |c| {
            let failure = c.status.as_ref().and_then(|s| s.failures.as_ref());
            failure.is_some_and(|f| f.reason == "SecretConflict" && f.message.contains(&alone))
        })
        .await;
    assert_eq!(stage.published("foreign").await["credentials"], "theirs too");
    assert_eq!(stage.aws.calls_for_role(&role).len(), calls);

    stage.allow_adoption("foreign").await;
    stage
        .patch(
            "foreign",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "allowed"}}}),
        )
        .await;
    stage.until("foreign", "True", "Issued").await;
    let adopted = stage.published("foreign").await;
    assert_eq!(adopted["theirs"], "kept");
    assert!(adopted["credentials"].contains("aws_access_key_id"));
    let secret = stage.namespace.api::<Secret>().get("foreign").await.expect("it is there");
    assert_eq!(secret.type_.as_deref(), Some("Opaque"), "the type stays as it was");
    stage.strike().await;
}

#[tokio::test]
async fn of_two_resources_with_one_secret_one_has_it() {
    let stage = Stage::set().await;
    let role = stage.role("shared").await;
    let spec = json!({"roles": [{"roleArn": role}], "secret": {"name": "shared"}});
    stage.credential("first", spec.clone()).await;
    stage.until("first", "True", "Issued").await;
    let key = stage.key_id("shared").await;

    stage.credential("second", spec).await;
    let refused = stage.until("second", "False", "SecretConflict").await;
    let conditions = refused.status.expect("a status").conditions;
    let message = &conditions.iter().find(|c| c.type_ == "Stalled").expect("stalled").message;
    assert!(message.contains("RefreshableCredential first"), "{message}");
    assert_eq!(stage.key_id("shared").await, key);
    assert_eq!(
        stage.aws.calls_for_role(&role).len(),
        1,
        "what cannot be published is not asked for"
    );
    stage.strike().await;
}

#[tokio::test]
async fn a_retained_secret_outlives_its_resource_and_stays_its_own() {
    let stage = Stage::set().await;
    let role = stage.role("retained").await;
    let spec = json!({"roles": [{"roleArn": role}], "secret": {"deletionPolicy": "Retain"}});
    stage.credential("retained", spec.clone()).await;
    stage.until("retained", "True", "Issued").await;
    let secrets = stage.namespace.api::<Secret>();
    assert!(secrets.get("retained").await.expect("it is there").owner_references().is_empty());
    let key = stage.key_id("retained").await;

    stage.credentials().delete("retained", &DeleteParams::default()).await.expect("deleted");
    stage.credential("retained", spec).await;
    stage.until("retained", "False", "SecretConflict").await;
    assert_eq!(
        stage.key_id("retained").await,
        key,
        "another resource of that name does not own it"
    );
    stage.strike().await;
}

#[tokio::test]
async fn a_renamed_secret_moves() {
    let stage = Stage::set().await;
    let role = stage.role("moves").await;
    stage.credential("moves", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("moves", "True", "Issued").await;
    stage
        .patch("moves", json!({"spec": {"secret": {"name": "moved", "labels": {"team": "a"}}}}))
        .await;
    let secrets = stage.namespace.api::<Secret>();
    eventually(SOON, "the Secret has moved", async || {
        let (old, new) = (secrets.get_opt("moves").await, secrets.get_opt("moved").await);
        match (old, new) {
            (Ok(None), Ok(Some(new))) if new.labels().get("team").is_some_and(|t| t == "a") => {
                Ok(())
            }
            (old, new) => {
                Err(format!("{:?} {:?}", old.map(|s| s.is_some()), new.map(|s| s.is_some())))
            }
        }
    })
    .await;
    stage.strike().await;
}
