//! Secrets that cannot be written: nothing is obtained that could not be published, and what the
//! resource still owns is found.

use super::forbid::REFUSAL;
use super::stage::{SOON, Stage};
use crate::harness::eventually::{check, eventually, stays};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota, Secret};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::time::Duration;

/// How long nothing may happen: longer than the first pauses of a class that retries by itself.
const QUIET: Duration = Duration::from_secs(12);

fn condition<'a>(
    object: &'a RefreshableCredential,
    kind: &str,
) -> Option<(&'a str, &'a str, &'a str)> {
    let found = object.status.as_ref()?.conditions.iter().find(|c| c.type_ == kind)?;
    Some((found.status.as_str(), found.reason.as_str(), found.message.as_str()))
}

async fn stalled(stage: &Stage, name: &str, reason: &str) -> String {
    let holds = |c: &RefreshableCredential| {
        condition(c, "Stalled").is_some_and(|(_, why, _)| why == reason)
    };
    let object = stage.until_it(name, &format!("{name} is stalled: {reason}"), holds).await;
    let (_, _, message) = condition(&object, "Stalled").expect("it is");
    message.to_owned()
}

async fn patch_secret(stage: &Stage, name: &str, patch: Value) {
    let secrets = stage.namespace.api::<Secret>();
    secrets
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("the Secret is patched");
}

async fn ask(stage: &Stage, name: &str, value: &str) {
    stage
        .patch(name, json!({"metadata": {"annotations": {"refreshable.dev/requested-at": value}}}))
        .await;
}

/// No call for the role beyond `calls`, for a while.
async fn no_more_calls(stage: &Stage, role: &str, calls: usize) {
    stays(QUIET, "the issuer is not asked", async || {
        let seen = stage.aws.calls_for_role(role).len();
        check(seen == calls, || format!("{seen} calls instead of {calls}"))
    })
    .await;
}

#[tokio::test]
async fn terminating_secret_costs_no_call_until_it_is_gone() {
    let stage = Stage::set().await;
    let role = stage.role("held").await;
    stage.credential("held", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("held", "True", "Issued").await;
    patch_secret(&stage, "held", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    let secrets = stage.namespace.api::<Secret>();
    secrets.delete("held", &DeleteParams::default()).await.expect("it is being deleted");
    let reason = |c: &RefreshableCredential| {
        condition(c, "Reconciling").is_some_and(|c| c.1 == "SecretTerminating")
    };
    let waiting = stage.until_it("held", "it waits for the Secret to go", reason).await;
    let (_, _, message) = condition(&waiting, "Reconciling").expect("it is");
    assert!(message.contains("example.com/hold"), "{message}");
    assert_eq!(condition(&waiting, "Ready").map(|c| c.0), Some("True"), "what it holds is valid");
    ask(&stage, "held", "meanwhile").await;
    no_more_calls(&stage, &role, 1).await;

    patch_secret(&stage, "held", json!({"metadata": {"finalizers": null}})).await;
    stage.until("held", "True", "Issued").await;
    eventually(SOON, "the Secret is published anew", async || {
        match secrets.get_opt("held").await {
            Ok(Some(secret)) => {
                check(secret.metadata.deletion_timestamp.is_none(), || "the old one".to_owned())
            }
            other => Err(format!("{:?}", other.map(|s| s.is_some()))),
        }
    })
    .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2, "one call for the new one");
    stage.strike().await;
}

#[tokio::test]
async fn immutable_secret_stalls_without_a_call() {
    let stage = Stage::set().await;
    let role = stage.role("frozen").await;
    stage.credential("frozen", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("frozen", "True", "Issued").await;
    patch_secret(&stage, "frozen", json!({"immutable": true})).await;
    ask(&stage, "frozen", "1").await;
    let message = stalled(&stage, "frozen", "SecretImmutable").await;
    assert!(message.contains("Delete it"), "{message}");
    ask(&stage, "frozen", "2").await;
    no_more_calls(&stage, &role, 1).await;

    stage
        .namespace
        .api::<Secret>()
        .delete("frozen", &DeleteParams::default())
        .await
        .expect("deleted");
    stage.until("frozen", "True", "Issued").await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2);
    stage.strike().await;
}

#[tokio::test]
async fn refused_secret_is_rehearsed_before_the_issuer_is_asked_again() {
    let stage = Stage::set().await;
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]});
    let says_no = "!has(object.metadata.labels) || !('team' in object.metadata.labels)";
    let policy = stage.forbid("labels", rule, says_no, REFUSAL).await;
    let trial: Secret =
        serde_json::from_value(json!({"metadata": {"name": "trial", "labels": {"team": "a"}}}))
            .expect("a Secret");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    eventually(SOON, "the admission policy is in force", async || {
        let answer = stage.namespace.api::<Secret>().create(&dry_run, &trial).await;
        check(answer.is_err_and(|e| e.to_string().contains(REFUSAL)), || {
            "it would be taken".to_owned()
        })
    })
    .await;

    let role = stage.role("refused").await;
    let labelled = json!({"roles": [{"roleArn": role}], "secret": {"labels": {"team": "a"}}});
    stage.credential("refused", labelled).await;
    let message = stalled(&stage, "refused", "SecretRefused").await;
    assert!(message.contains(REFUSAL) && message.contains("admission policy"), "{message}");
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1, "the first attempt could not know");
    ask(&stage, "refused", "1").await;
    no_more_calls(&stage, &role, 1).await;
    let failures = |c: &RefreshableCredential| c.status.as_ref()?.failures.clone();
    stage
        .until_it("refused", "the write is rehearsed again", |c| {
            failures(c).is_some_and(|f| f.count >= 2)
        })
        .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);

    stage.permit(&policy).await;
    stage.until("refused", "True", "Issued").await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2);
    stage.strike().await;
}

#[tokio::test]
async fn quota_size_and_owner_stall_without_further_calls() {
    let stage = Stage::set().await;
    let secrets = stage.namespace.api::<Secret>();

    // A Secret that another controller owns cannot be taken over: that shows before the issuer is
    // asked.
    let owned = stage.role("owned").await;
    stage.secret("owned", &[("theirs", "kept")]).await;
    let theirs: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "x"}})).expect("a ConfigMap");
    let theirs = stage
        .namespace
        .api::<ConfigMap>()
        .create(&PostParams::default(), &theirs)
        .await
        .expect("made");
    let owner = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": theirs.metadata.uid, "controller": true,
    });
    patch_secret(&stage, "owned", json!({"metadata": {"ownerReferences": [owner]}})).await;
    stage
        .credential("owned", json!({"roles": [{"roleArn": owned}], "secret": {"adopt": true}}))
        .await;
    let message = stalled(&stage, "owned", "SecretConflict").await;
    assert!(message.contains("ConfigMap x"), "{message}");
    assert_eq!(stage.aws.calls_for_role(&owned).len(), 0);

    // One that is full cannot take the files.
    let large = stage.role("large").await;
    stage.secret("large", &[("theirs", &"x".repeat(1024 * 1024 - 200))]).await;
    stage.allow_adoption("large").await;
    stage
        .credential("large", json!({"roles": [{"roleArn": large}], "secret": {"adopt": true}}))
        .await;
    let message = stalled(&stage, "large", "SecretRefused").await;
    assert!(message.contains("Make it smaller"), "{message}");
    ask(&stage, "large", "1").await;
    no_more_calls(&stage, &large, 1).await;

    // A quota has no room for another Secret.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": stage.namespace.name}, "spec": {"hard": {"secrets": "2"}},
    });
    stage.apply(quota).await;
    let quotas = stage.namespace.api::<ResourceQuota>();
    let used =
        Patch::Merge(json!({"status": {"hard": {"secrets": "2"}, "used": {"secrets": "2"}}}));
    quotas.patch_status("few", &PatchParams::default(), &used).await.expect("the quota is used up");
    let scarce = stage.role("scarce").await;
    stage.credential("scarce", json!({"roles": [{"roleArn": scarce}]})).await;
    let message = stalled(&stage, "scarce", "SecretRefused").await;
    assert!(
        message.contains("exceeded quota")
            && message.contains("Raise the namespace's ResourceQuota"),
        "{message}"
    );
    ask(&stage, "scarce", "1").await;
    no_more_calls(&stage, &scarce, 1).await;
    quotas.delete("few", &DeleteParams::default()).await.expect("deleted");
    stage.until("scarce", "True", "Issued").await;
    assert_eq!(stage.aws.calls_for_role(&scarce).len(), 2);
    assert!(secrets.get("scarce").await.is_ok());
    stage.strike().await;
}

#[tokio::test]
async fn refused_status_writes_leave_the_backoff_as_it_is() {
    let stage = Stage::set().await;
    let rule = json!({
        "apiGroups": ["refreshable.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
        "resources": ["refreshablecredentials/status"],
    });
    let policy = stage.forbid("status", rule, "false", REFUSAL).await;
    let role = stage.role("untold").await;
    let fault = stage.aws.on("AssumeRole").of_role(&role).throttles();
    let credential = json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": "probe", "namespace": stage.namespace.name}, "spec": {"suspend": true, "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]},
    });
    stage.apply(credential).await;
    eventually(SOON, "the admission policy is in force", async || {
        let status = Patch::Merge(json!({"status": {"observedGeneration": 7}}));
        let answer =
            stage.credentials().patch_status("probe", &PatchParams::default(), &status).await;
        check(answer.is_err_and(|e| e.to_string().contains(REFUSAL)), || "it is taken".to_owned())
    })
    .await;

    stage.credential("untold", json!({"roles": [{"roleArn": role}]})).await;
    eventually(SOON, "the issuer was asked", async || {
        check(!stage.aws.calls_for_role(&role).is_empty(), || "not yet".to_owned())
    })
    .await;
    // Throttled: after 2.5 to 5 s, then 5 to 10 s, then 10 to 20 s.
    let first = stage.aws.calls_for_role(&role).len();
    stays(
        Duration::from_secs(17),
        "the issuer is asked as rarely as if the status had been written",
        async || {
            let seen = stage.aws.calls_for_role(&role).len();
            check(seen <= first + 2, || format!("{seen} calls"))
        },
    )
    .await;
    fault.lift();
    stage.permit(&policy).await;
    stage.until("untold", "True", "Issued").await;
    stage.strike().await;
}

#[tokio::test]
async fn renamed_secret_is_found_after_denials_and_at_a_revocation() {
    let stage = Stage::set().await;
    let secrets = stage.namespace.api::<Secret>();
    let gone = async |name: &str| {
        eventually(SOON, &format!("Secret {name} is gone"), async || {
            match secrets.get_opt(name).await {
                Ok(None) => Ok(()),
                other => Err(format!("{:?}", other.map(|s| s.map(|s| s.name_any())))),
            }
        })
        .await;
    };
    let role = stage.role("moving").await;
    stage.credential("moving", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("moving", "True", "Issued").await;
    let fault = stage.aws.on("AssumeRole").of_role(&role).gets_denied();
    stage.patch("moving", json!({"spec": {"secret": {"name": "moved"}}})).await;
    stage.until("moving", "False", "AccessDenied").await;
    assert!(
        secrets.get("moving").await.is_ok(),
        "what is valid stays until there is something new"
    );
    fault.lift();
    ask(&stage, "moving", "1").await;
    stage.until("moving", "True", "Issued").await;
    gone("moving").await;

    // Renamed while suspended, stripped of its label, then revoked: it is found by its owner.
    stage.patch("moving", json!({"spec": {"suspend": true}})).await;
    stage.until("moving", "True", "Suspended").await;
    let unlabelled = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    patch_secret(&stage, "moved", unlabelled).await;
    stage.patch("moving", json!({"spec": {"secret": {"name": "elsewhere"}}})).await;
    stage.until("moving", "False", "Suspended").await;
    let policies = stage.cluster.kubectl(&["get", "credentialpolicies", "--output", "name"]).await;
    for policy in policies.lines().filter(|l| l.contains(&stage.namespace.name)) {
        stage.cluster.kubectl(&["delete", policy]).await;
    }
    let revoked = stage.until("moving", "False", "NotPermitted").await;
    gone("moved").await;
    let permission = revoked.status.and_then(|s| s.permission).expect("a permission");
    assert!(permission.withdrawn_time.is_some(), "{permission:?}");
    stage.strike().await;
}

#[tokio::test]
async fn labels_on_the_secret_cost_no_call() {
    let stage = Stage::set().await;
    let role = stage.role("labels").await;
    let wanted = json!({"roles": [{"roleArn": role}], "secret": {"labels": {"team": "a"}}});
    stage.credential("labels", wanted).await;
    stage.until("labels", "True", "Issued").await;
    let before = stage.published("labels").await;
    let secrets = stage.namespace.api::<Secret>();
    for patch in [
        json!({"metadata": {"labels": {"other": "b"}}}),
        json!({"metadata": {"labels": {"team": "b"}}}),
        json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}),
        json!({"metadata": {"ownerReferences": null}}),
    ] {
        patch_secret(&stage, "labels", patch.clone()).await;
        eventually(Duration::from_secs(45), "labels and owner are put right", async || {
            let secret = secrets.get("labels").await.map_err(|e| e.to_string())?;
            let label = |key: &str| secret.labels().get(key).map(String::as_str);
            let managed = label("app.kubernetes.io/managed-by") == Some("refreshable-controller");
            let right =
                label("team") == Some("a") && managed && secret.owner_references().len() == 1;
            check(right, || format!("{patch}: {:?}", secret.metadata))
        })
        .await;
    }
    assert_eq!(stage.published("labels").await, before, "the data is as it was");
    let secret = secrets.get("labels").await.expect("it is there");
    assert_eq!(
        secret.labels().get("other").map(String::as_str),
        Some("b"),
        "other people's labels stay"
    );
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);
    // What was put right is still the controller's to renew.
    ask(&stage, "labels", "1").await;
    eventually(SOON, "it is renewed", async || {
        check(stage.published("labels").await != before, || "not yet".to_owned())
    })
    .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2);
    stage.strike().await;
}

#[tokio::test]
async fn a_profile_that_stays_denied_is_warned_of_and_counts_no_rotation() {
    let stage = Stage::set().await;
    let hub = stage.role("hub").await;
    let account = stage.issuer.account(&stage.account);
    let mut roles = Vec::new();
    for name in ["one", "two"] {
        roles.push(account.role(name).trusting(&hub).allowing(&["s3:*"]).create().await);
    }
    stage.allow(&["arn:aws:iam::*:role/one", "arn:aws:iam::*:role/two"]).await;
    let profile = |name: &str, role: &str, seconds: i64| json!({"name": name, "roles": [{"roleArn": role, "durationSeconds": seconds}]});
    let profiles = [profile("one", &roles[0], 3600), profile("two", &roles[1], 900)];
    stage.credential("two", json!({"roles": [{"roleArn": hub}], "profiles": profiles})).await;
    stage.until("two", "True", "Issued").await;
    stage.aws.on("AssumeRole").of_role(&roles[1]).gets_denied();
    ask(&stage, "two", "1").await;
    stage.until("two", "True", "RefreshFailing").await;
    let failing = |c: &RefreshableCredential| c.status.as_ref().and_then(|s| s.failures.clone());
    eventually(Duration::from_secs(60), "it is tried again twice", async || {
        let object = stage.credentials().get("two").await.map_err(|e| e.to_string())?;
        let count = failing(&object).map_or(0, |f| f.count);
        check(count >= 3, || format!("{count} failures"))
    })
    .await;
    let log = stage.controller().log();
    let published = log.lines().filter(|l| l.contains("credentials published")).count();
    assert_eq!(published, 2, "two rotations were real\n{log}");
    let warned =
        log.lines().filter(|l| l.contains("WARN") && l.contains("1 of 2 profiles failed")).count();
    assert!(warned >= 3, "{warned} warnings");
    let (_, page) = stage.controller().page("/metrics").await.expect("metrics");
    let rotations: f64 = page
        .lines()
        .filter(|l| l.starts_with("refreshable_rotations_total{"))
        .filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    assert!((rotations - 2.0).abs() < f64::EPSILON, "{rotations} rotations");
    // The message names the earliest of the published profiles' ends.
    let object = stage.credentials().get("two").await.expect("it is there");
    let status = object.status.expect("a status");
    let end = status.expiration.expect("an expiry").0;
    assert!(
        end.duration_since(jiff::Timestamp::now()) <= SignedDuration::from_mins(15),
        "{end} is not the earliest"
    );
    let message =
        &status.conditions.iter().find(|c| c.type_ == "Ready").expect("a condition").message;
    assert!(message.contains(&end.to_string()), "{message}");
    stage.strike().await;
}
