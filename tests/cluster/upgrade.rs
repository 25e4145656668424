//! From the API as the last release had it (tests/crds/baseline) to the one of now: no call, and
//! nothing lost.

use super::stage::{SOON, Stage};
use crate::harness::eventually;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crds/baseline");
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

async fn install(stage: &Stage, crds: &str) {
    stage
        .cluster
        .kubectl(&["apply", "--server-side", "--force-conflicts", "--filename", crds])
        .await;
    stage
        .cluster
        .kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "--filename", crds])
        .await;
}

/// The status of `name` in the form of the last release.
async fn earlier_status(stage: &Stage, name: &str) -> Value {
    let object = stage.credentials().get(name).await.expect("the resource");
    let mut status = json!(object.status.expect("a status"));
    let kept = status["controller"].take();
    if status["secret"].is_object() {
        status["secret"]["resourceVersion"] = kept["secretResourceVersion"].clone();
    }
    if let Some(failures) = status["failures"].as_object_mut() {
        let class = failures["class"].as_str().unwrap_or_default().to_lowercase();
        failures.insert("class".to_owned(), class.into());
        failures.insert("attempted".to_owned(), kept["failedAttempt"]["request"].clone());
        // A pause that nothing but time ends.
        let later = Timestamp::now() + SignedDuration::from_hours(1);
        failures.insert(
            "nextTryTime".to_owned(),
            json!(later.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        );
    }
    status
}

/// The status as the API server has it, with members that today's types do not know.
async fn raw_status(stage: &Stage, name: &str) -> Value {
    let namespace = &stage.namespace.name;
    let object = stage
        .cluster
        .kubectl(&["get", "rcred", name, "--namespace", namespace, "--output", "json"])
        .await;
    serde_json::from_str::<Value>(&object).expect("JSON")["status"].take()
}

#[tokio::test]
async fn an_upgrade_of_the_api_costs_no_call_and_ends_no_pause() {
    let mut stage =
        Stage::apart().await.started(|program| program.args(["--no-leader-election"])).await;
    let (good, bad) = (stage.role("good").await, stage.role("bad").await);
    let _fault = stage.aws.on("AssumeRole").of_role(&bad).gets_denied();
    stage.credential("good", json!({"roles": [{"roleArn": good}]})).await;
    stage.credential("bad", json!({"roles": [{"roleArn": bad}]})).await;
    stage
        .credential(
            "unasked",
            json!({"roles": [{"roleArn": "arn:aws:iam::999999999999:role/nobodys"}]}),
        )
        .await;
    stage.until("good", "True", "Issued").await;
    stage.until("bad", "False", "AccessDenied").await;
    stage.until("unasked", "False", "NotPermitted").await;

    stage.controller().process().kill();
    let earlier = [
        ("good", earlier_status(&stage, "good").await),
        ("bad", earlier_status(&stage, "bad").await),
    ];
    install(&stage, BASELINE).await;
    for (name, earlier) in earlier {
        // Until the API server serves the schema of the last release, it drops what today's does
        // not know.
        eventually(SOON, "the status of the last release is stored", async || {
            let patch = Patch::Merge(json!({ "status": earlier }));
            stage
                .credentials()
                .patch_status(name, &PatchParams::default(), &patch)
                .await
                .map_err(|e| e.to_string())?;
            let status = raw_status(&stage, name).await;
            let earlier = [&status["secret"]["resourceVersion"], &status["failures"]["attempted"]];
            if earlier.iter().any(|v| v.is_string()) { Ok(()) } else { Err(format!("{status:#}")) }
        })
        .await;
    }
    let calls = stage.aws.calls().len();
    let key = stage.key_id("good").await;

    install(&stage, CRDS).await;
    stage.restart().await;
    stage
        .until_it("good", "the status is in today's form", |c| {
            let kept = c.status.as_ref().and_then(|s| s.controller.as_ref());
            kept.is_some_and(|k| k.secret_resource_version.is_some())
        })
        .await;
    stage.until("good", "True", "Issued").await;
    let paused = stage
        .until("bad", "False", "AccessDenied")
        .await
        .status
        .and_then(|s| s.failures)
        .expect("a failure");
    assert!(
        paused.next_try_time.0 > Timestamp::now() + SignedDuration::from_mins(30),
        "{paused:?}"
    );
    stage.until("unasked", "False", "NotPermitted").await;
    assert_eq!(stage.aws.calls().len(), calls, "an upgrade asks the issuer for nothing");
    assert_eq!(stage.key_id("good").await, key);

    // Policies are still what allows it, and etcd holds one version of each kind.
    stage
        .patch("bad", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "now"}}}))
        .await;
    stage
        .until_it("bad", "a request ends the pause", |c| {
            c.status.as_ref().and_then(|s| s.failures.as_ref()).is_some_and(|f| f.class == "Denied")
        })
        .await;
    let crds: Api<CustomResourceDefinition> = Api::all(stage.namespace.client.clone());
    for name in ["refreshablecredentials.refreshable.dev", "credentialpolicies.refreshable.dev"] {
        let status = crds.get(name).await.expect("the CRD").status.expect("a status");
        assert_eq!(status.stored_versions.as_deref(), Some(&["v1alpha1".to_owned()][..]), "{name}");
    }
    stage.strike_cluster();
}
