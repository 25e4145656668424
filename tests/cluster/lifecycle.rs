//! One resource's life: issued, renewed on request, repaired, changed, deleted.

use super::stage::{SOON, Stage};
use crate::harness::{eventually, scratch};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

#[tokio::test]
async fn a_role_s_credentials_stand_in_a_secret() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage.credential("reports", json!({"roles": [{"roleArn": role}]})).await;

    let ready = stage.until("reports", "True", "Issued").await;
    let status = ready.status.expect("a status");
    let arn = status.principal.and_then(|p| p.arn).expect("a principal");
    let session = format!("{}.reports", stage.namespace.name);
    assert_eq!(arn, format!("arn:aws:sts::{}:assumed-role/reports/{session}", stage.account));
    let published = stage.published("reports").await;
    assert_eq!(published.keys().collect::<Vec<_>>(), ["config", "credentials", "credentials.json"]);
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);
    stage
        .cluster
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "rcred/reports",
            "--namespace",
            &stage.namespace.name,
        ])
        .await;
    stage.strike().await;
}

#[tokio::test]
async fn what_is_asked_for_once_costs_one_call() {
    let stage = Stage::set().await;
    let role = stage.role("once").await;
    stage.credential("once", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("once", "True", "Issued").await;
    let calls = || stage.aws.calls_for_role(&role).len();
    let renewed = async |before: String| {
        eventually(SOON, "a new key is published", async || {
            let now = stage.key_id("once").await;
            if now == before { Err(now) } else { Ok(()) }
        })
        .await;
    };

    let key = stage.key_id("once").await;
    stage
        .patch(
            "once",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "now"}}}),
        )
        .await;
    renewed(key).await;
    stage
        .until_it("once", "the request is handled", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some("now"))
        })
        .await;
    assert_eq!(calls(), 2, "a request");

    let key = stage.key_id("once").await;
    stage
        .patch("once", json!({"spec": {"roles": [{"roleArn": role, "durationSeconds": 1800}]}}))
        .await;
    renewed(key).await;
    assert_eq!(calls(), 3, "a changed specification");

    let secrets = stage.namespace.api::<Secret>();
    let key = stage.key_id("once").await;
    let altered = json!({"data": {"credentials": "YWx0ZXJlZA=="}});
    secrets.patch("once", &PatchParams::default(), &Patch::Merge(altered)).await.expect("altered");
    renewed(key).await;
    assert!(stage.published("once").await["credentials"].contains("aws_access_key_id"));
    assert_eq!(calls(), 4, "an altered Secret");

    secrets.delete("once", &DeleteParams::default()).await.expect("deleted");
    eventually(SOON, "the Secret is back", async || {
        secrets.get("once").await.map(drop).map_err(|e| e.to_string())
    })
    .await;
    assert_eq!(calls(), 5, "a deleted Secret");

    let labelled = json!({"metadata": {"labels": {"somebody": "else"}}});
    secrets
        .patch("once", &PatchParams::default(), &Patch::Merge(labelled))
        .await
        .expect("labelled");
    stage.patch("once", json!({"spec": {"refresh": {"before": "7m"}}})).await;
    stage
        .until_it("once", "the change is observed", |c| {
            c.status.as_ref().and_then(|s| s.observed_generation) == c.metadata.generation
        })
        .await;
    assert_eq!(calls(), 5, "neither a label nor another refresh point");

    stage.credentials().delete("once", &DeleteParams::default()).await.expect("deleted");
    eventually(SOON, "the Secret is collected", async || match secrets.get_opt("once").await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|s| s.map(|s| s.metadata)))),
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn other_certificates_to_trust_are_taken_by_a_process_that_begins_anew() {
    let stage = Stage::without_controller().await;
    let file = scratch::subfolder("trust").join("ca.crt");
    let authority = stage.cluster.control_plane.authority.certificate();
    let file = scratch::write(file, authority.clone());
    let namespace = stage.namespace.name.clone();
    let mut stage = stage
        .started(|program| {
            program.args(["--lease-namespace", &namespace]).env("SSL_CERT_FILE", &file)
        })
        .await;
    let role = stage.role("trusting").await;
    stage.credential("trusting", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("trusting", "True", "Issued").await;

    scratch::write(file, [authority.clone(), authority].concat());
    let status = eventually(SOON, "the process ends", async || {
        let process = stage.controller().process();
        process.exit_status().ok_or_else(|| process.log_tail(5))
    })
    .await;
    assert!(status.success(), "as if it was asked to: {status}");
    let lease =
        stage.namespace.api::<Lease>().get("refreshable-controller").await.expect("a lease");
    assert_eq!(lease.spec.and_then(|s| s.holder_identity), None, "and has given the lease back");
    let calls = stage.aws.calls_for_role(&role).len();
    stage.restart().await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), calls, "which costs no call");
    stage.strike().await;
}
