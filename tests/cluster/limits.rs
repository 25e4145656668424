//! Limits that an administrator sets for one namespace: attempts a minute, bytes, and a number of
//! resources.

use super::installed::Installed;
use super::stage::{SOON, Stage};
use crate::harness::eventually;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::{Api, Patch, PatchParams, PostParams};
use refreshable_api::names;
use serde_json::{Value, json};
use std::time::Duration;

/// A resource says after a minute what it waits for.
const SAYS_SO: Duration = Duration::from_secs(90);

/// The administrator writes how many attempts the stage's namespace may make.
async fn limit(stage: &Stage, attempts: &str) -> Result<Namespace, kube::Error> {
    annotate(stage, names::ATTEMPTS_ANNOTATION, attempts).await
}

/// And how many bytes its resources may take.
async fn limit_size(stage: &Stage, bytes: &str) -> Result<Namespace, kube::Error> {
    annotate(stage, names::TOTAL_SIZE_ANNOTATION, bytes).await
}

async fn annotate(stage: &Stage, key: &str, value: &str) -> Result<Namespace, kube::Error> {
    let namespaces = Api::<Namespace>::all(stage.cluster.client().await);
    let patch = json!({"metadata": {"annotations": {key: value}}});
    let name = &stage.namespace.name;
    namespaces.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
}

#[tokio::test]
async fn a_namespace_makes_as_many_attempts_a_minute_as_its_administrator_allows() {
    let stage = Stage::without_controller().await;
    limit(&stage, "1").await.expect("written");
    let program = |p: crate::harness::controller::Builder| {
        p.args(["--no-leader-election", "--namespace-metrics"])
    };
    let stage = stage.started(program).await;
    let role = stage.role("limited").await;
    for name in ["one", "two", "three"] {
        stage.credential(name, json!({"roles": [{"roleArn": role}]})).await;
    }
    // The third has not had its turn when it says what it waits for, or the second.
    let waiting = eventually(SAYS_SO, "one says what it waits for", async || {
        let all = stage.credentials().list(&Default::default()).await.map_err(|e| e.to_string())?;
        let waits = all.iter().find_map(|c| {
            let conditions = &c.status.as_ref()?.conditions;
            let ready = conditions.iter().find(|c| c.type_ == "Ready")?;
            (ready.reason == "AttemptsLimited").then(|| (c.metadata.name.clone(), ready.clone()))
        });
        waits.ok_or_else(|| format!("{:?}", all.iter().map(|c| &c.status).collect::<Vec<_>>()))
    })
    .await;
    let (name, ready) = waiting;
    assert_eq!(ready.status, "False");
    let words = "may make 1 attempts a minute (refreshable.dev/attempts-per-minute)";
    assert!(ready.message.contains(words), "{}", ready.message);
    let attempts = stage.aws.calls_of("AssumeRole").len();
    assert!((1..=2).contains(&attempts), "{attempts} attempts in a minute");
    let page = stage.controller().metrics().await;
    for series in ["namespace_rate_limited_resources", "namespace_attempts_total"] {
        let of_it = format!("refreshable_{series}{{namespace=\"{}\"", stage.namespace.name);
        assert!(page.contains(&of_it), "{of_it}\n{page}");
    }

    // A higher limit holds at once, for those that wait already, too.
    limit(&stage, "600").await.expect("written");
    for name in ["one", "two", "three"] {
        stage.until(name, "True", "Issued").await;
    }
    assert_eq!(stage.aws.calls_of("AssumeRole").len(), 3, "{name:?}");
    stage.strike().await;
}

#[tokio::test]
async fn a_namespace_that_takes_too_many_bytes_gets_nothing_new_and_loses_nothing() {
    let stage = Stage::without_controller().await;
    limit_size(&stage, "30Ki").await.expect("written");
    let stage = stage.started(|p| p.args(["--no-leader-election"])).await;
    let role = stage.role("sized").await;
    let spec = json!({"roles": [{"roleArn": role}]});
    stage.credential("one", spec.clone()).await;
    stage.until("one", "True", "Issued").await;

    // Annotations that the controller does not keep are counted, too.
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "large", "namespace": stage.namespace.name,
                "annotations": {"example.com/note": "x".repeat(40 << 10)}},
            "spec": spec,
        }))
        .await;
    let large = stage.until("large", "False", "SizeLimited").await;
    let message = large.status.map(|s| s.conditions[0].message.clone()).unwrap_or_default();
    let words = "together, more than 30Ki (refreshable.dev/total-size)";
    assert!(message.contains(words), "{message}");
    stage.credential("two", spec.clone()).await;
    stage.until("two", "False", "SizeLimited").await;
    assert_eq!(stage.aws.calls_of("AssumeRole").len(), 1);

    // The one that is published is renewed all the same, and made anew where it was deleted.
    let asked = json!({"metadata": {"annotations": {names::REQUESTED_AT_ANNOTATION: "1"}}});
    stage.patch("one", asked).await;
    eventually(SOON, "it is renewed", async || match stage.aws.calls_of("AssumeRole").len() {
        2 => Ok(()),
        calls => Err(format!("{calls} calls")),
    })
    .await;
    stage.until("one", "True", "Issued").await;

    // Who waits goes on when the sum has fallen, and when the limit is raised.
    stage.credentials().delete("large", &Default::default()).await.expect("deleted");
    stage.until("two", "True", "Issued").await;
    limit_size(&stage, "1Ki").await.expect("written");
    stage.credential("three", spec).await;
    stage.until("three", "False", "SizeLimited").await;
    limit_size(&stage, "10Mi").await.expect("written");
    stage.until("three", "True", "Issued").await;
    stage.strike().await;
}

#[tokio::test]
async fn a_limit_that_is_no_number_is_refused_and_says_what_to_write() {
    let stage = Stage::without_controller().await;
    let _installed = Installed::on(&stage, json!({})).await;
    let advice = "must be a whole number from 1 to 60000, for example \"60\"";
    eventually(SOON, "the check is in force", async || match limit(&stage, "6O").await {
        Err(error) if error.to_string().contains(advice) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    for wrong in ["0", "-1", "1.5", "60001", "99999", "60/m", ""] {
        let error = limit(&stage, wrong).await.expect_err(wrong).to_string();
        assert!(error.contains(advice), "{wrong:?}: {error}");
    }
    for right in ["1", "60", "60000"] {
        limit(&stage, right).await.expect(right);
    }
    let advice = "at most 6 digits, with a unit (k, M, G, T, Ki, Mi, Gi, Ti) or without";
    for wrong in ["0", "-1", "1.5Mi", "10MB", "1000000", "1e6", "10 Mi", "Mi", ""] {
        let error = limit_size(&stage, wrong).await.expect_err(wrong).to_string();
        assert!(error.contains(advice), "{wrong:?}: {error}");
    }
    for right in ["1", "500k", "10Mi", "999999Ti"] {
        limit_size(&stage, right).await.expect(right);
    }
}

/// The quota of docs/tenancy.md.
fn quota() -> ResourceQuota {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tenancy.md"));
    let page = page.expect("the page");
    let from = page.find("apiVersion: v1\nkind: ResourceQuota").expect("a quota");
    let text = page[from..].split("```").next().expect("a block");
    serde_saphyr::from_str(text).expect("YAML")
}

#[tokio::test]
async fn a_quota_bounds_the_resources_of_a_namespace() {
    let stage = Stage::without_controller().await;
    let quota = quota();
    let name = quota.metadata.name.clone().expect("a name");
    let hard: Value = json!(quota.spec.as_ref().and_then(|s| s.hard.clone()));
    let quotas = stage.namespace.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.expect("made");
    // No controller counts here: the count is the test's. All but one of them are there.
    let mut used = hard.clone();
    for (_, count) in used.as_object_mut().expect("counts") {
        let all: u32 = count.as_str().and_then(|c| c.parse().ok()).expect("a number");
        *count = json!((all - 1).to_string());
    }
    let status = json!({"status": {"hard": hard, "used": used}});
    let params = PatchParams::default();
    quotas.patch_status(&name, &params, &Patch::Merge(status)).await.expect("counted");
    let spec = json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
    let resource = |name: &str| {
        json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": name, "namespace": stage.namespace.name}, "spec": spec,
        })
    };
    let mut number = 0;
    eventually(SOON, "the quota refuses one more", async || {
        number += 1;
        let (taken, _, error) = stage.try_apply(&resource(&format!("more-{number}"))).await;
        match !taken && error.contains("exceeded quota") {
            true => Ok(()),
            false => Err(error),
        }
    })
    .await;
}
