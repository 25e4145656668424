//! A ClusterRefreshableCredential on a real API server, served by the chart's ServiceAccount behind
//! the chart's fence.

use super::installed::Installed;
use super::stage::{SOON, Stage, ready};
use crate::harness::{canary, eventually};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use refreshable_api::{
    ClusterRefreshableCredential, ClusterRefreshableCredentialStatus, RefreshableCredential,
};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "metrics";
/// The garbage collector looks for new kinds every 30 seconds.
const COLLECTED: Duration = Duration::from_secs(120);

fn cluster(spec: Value) -> Value {
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "ClusterRefreshableCredential",
        "metadata": {"name": NAME}, "spec": spec,
    })
}

/// The resource whose template makes role `<namespace>-metrics` its own.
fn template(account: &str) -> Value {
    let role = json!({
        "roleArn": format!("arn:aws:iam::{account}:role/{{namespace}}-metrics"),
        "tags": [{"key": "namespace", "value": "{namespace}"}],
    });
    json!({
        "namespaceSelector": {"matchLabels": {"metrics": "true"}},
        "template": {
            "metadata": {"labels": {"team": "platform"}},
            "spec": {"roles": [role], "secret": {"name": "{namespace}-aws"}},
        },
    })
}

async fn until(
    stage: &Stage,
    reason: &str,
    ready_of_all: &str,
) -> ClusterRefreshableCredentialStatus {
    let api: Api<ClusterRefreshableCredential> = Api::all(stage.namespace.client.clone());
    eventually(COLLECTED, &format!("{reason}, {ready_of_all}"), async || {
        let object = api.get(NAME).await.map_err(|error| error.to_string())?;
        let status = object.status.unwrap_or_default();
        let said = status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.as_str());
        let is_so = said == Some(reason) && status.ready_of_all.as_deref() == Some(ready_of_all);
        if is_so { Ok(status) } else { Err(format!("{status:?}")) }
    })
    .await
}

/// The access key that is published in a namespace, once there is one.
async fn key_id(stage: &Stage, namespace: &str) -> String {
    let secrets: Api<Secret> = Api::namespaced(stage.namespace.client.clone(), namespace);
    let secret = secrets.get(&format!("{namespace}-aws")).await.expect("a Secret");
    let data = secret.data.expect("data");
    let json: Value = serde_json::from_slice(&data["credentials.json"].0).expect("JSON");
    json["AccessKeyId"].as_str().expect("a key").to_owned()
}

async fn label(stage: &Stage, namespace: &str, label: &str) {
    stage.cluster.kubectl(&["label", "namespace", namespace, label]).await;
}

fn credentials(stage: &Stage, namespace: &str) -> Api<RefreshableCredential> {
    Api::namespaced(stage.namespace.client.clone(), namespace)
}

/// Waits until a namespace has neither the resource nor its Secret.
async fn until_gone(stage: &Stage, namespace: &str) {
    let secrets: Api<Secret> = Api::namespaced(stage.namespace.client.clone(), namespace);
    eventually(COLLECTED, &format!("{namespace} has nothing left"), async || {
        let secret = secrets.get_opt(&format!("{namespace}-aws")).await.expect("an answer");
        let object = credentials(stage, namespace).get_opt(NAME).await.expect("an answer");
        match (object, secret) {
            (None, None) => Ok(()),
            (object, secret) => Err(format!("{} {}", object.is_some(), secret.is_some())),
        }
    })
    .await;
}

#[tokio::test]
async fn each_selected_namespace_gets_a_session_of_its_own() {
    let stage = Stage::apart().await;
    let installed = Installed::on(&stage, json!({})).await;
    let controller = installed.start_as(stage.bare_program()).await;
    let stage = stage.with_controller(controller);
    let account = stage.account.clone();
    let aws = stage.issuer.account(&account);
    let mut namespaces = Vec::new();
    for _ in 0..4 {
        let namespace = stage.cluster.namespace("fleet").label("tenant", "true").create().await;
        let role = format!("{}-metrics", namespace.name);
        aws.role(&role).trusting(aws.user_arn("controller")).create().await;
        namespaces.push(namespace.name);
    }
    let [one, two, three, four] = namespaces.try_into().expect("four");
    let grant = json!({
        "arns": [format!("arn:aws:iam::{account}:role/{{namespace}}-metrics")],
        "tags": [{"key": "namespace", "values": ["{namespace}"]}],
    });
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": NAME},
            "spec": {
                "namespaceSelector": {"matchLabels": {"tenant": "true"}},
                "allow": {"roles": [grant]}, "withdrawAfter": "Immediate",
            },
        }))
        .await;
    // One namespace has a resource of that name already, which a person made.
    let theirs = json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": NAME, "namespace": three},
        "spec": {"roles": [{"roleArn": "arn:aws:iam::111122223333:role/theirs"}]},
    });
    stage.apply(theirs).await;
    for namespace in [&one, &two, &three] {
        label(&stage, namespace, "metrics=true").await;
    }
    stage.apply(cluster(template(&account))).await;

    let status = until(&stage, "NotAllReady", "2/3").await;
    let told = &status.not_ready.expect("one")[0];
    assert_eq!((&told.namespace, told.reason.as_str()), (&three, "NameTaken"));
    let keys = [key_id(&stage, &one).await, key_id(&stage, &two).await];
    assert_ne!(keys[0], keys[1], "each has a session of its own");
    let made = credentials(&stage, &one).get(NAME).await.expect("it is there");
    assert_eq!(made.spec.roles[0].role_arn, format!("arn:aws:iam::{account}:role/{one}-metrics"));
    assert_eq!(made.metadata.labels.expect("labels")["team"], "platform");
    let theirs = credentials(&stage, &three).get(NAME).await.expect("it is there");
    assert_eq!(theirs.spec.roles[0].role_arn, "arn:aws:iam::111122223333:role/theirs");

    let table = stage.cluster.kubectl(&["get", "crcred"]).await;
    let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "READY", "OF", "ALL", "REASON", "AGE"], "{table}");
    assert_eq!(lines[1][..4], [NAME, "False", "2/3", "NotAllReady"], "{table}");

    // Theirs goes, and another namespace comes.
    credentials(&stage, &three).delete(NAME, &DeleteParams::default()).await.expect("deleted");
    label(&stage, &four, "metrics=true").await;
    until(&stage, "AllReady", "4/4").await;

    // Where no policy allows it, the namespace has its own reason, and others theirs.
    label(&stage, &four, "tenant-").await;
    let status = until(&stage, "NotAllReady", "3/4").await;
    let told = &status.not_ready.expect("one")[0];
    assert_eq!((&told.namespace, told.reason.as_str()), (&four, "NotPermitted"));
    label(&stage, &four, "tenant=true").await;
    until(&stage, "AllReady", "4/4").await;

    // What somebody changes is put back; what the template does not speak of is theirs.
    let patch = json!({"spec": {
        "roles": [{"roleArn": "arn:aws:iam::111122223333:role/theirs"}], "refresh": {"before": "25m"},
    }});
    let before = credentials(&stage, &one)
        .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("it is patched");
    let back = eventually(SOON, "it is put back", async || {
        let now = credentials(&stage, &one).get(NAME).await.map_err(|e| e.to_string())?;
        let role = now.spec.roles[0].role_arn.clone();
        if role.ends_with(&format!("{one}-metrics")) { Ok(now) } else { Err(role) }
    })
    .await;
    assert_eq!(back.metadata.uid, before.metadata.uid, "it is the same resource");
    assert_eq!(back.spec.refresh.and_then(|r| r.before).as_deref(), Some("25m"));
    eventually(SOON, "it is ready again", async || {
        let now = credentials(&stage, &one).get(NAME).await.map_err(|e| e.to_string())?;
        match ready(&now) {
            Some((status, _)) if status == "True" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // A namespace that loses the label, one that ends, and the resource itself.
    label(&stage, &two, "metrics-").await;
    until_gone(&stage, &two).await;
    stage.cluster.kubectl(&["delete", "namespace", &three, "--wait=false"]).await;
    until(&stage, "AllReady", "2/2").await;
    assert!(!key_id(&stage, &one).await.is_empty() && !key_id(&stage, &four).await.is_empty());
    stage.cluster.kubectl(&["delete", "crcred", NAME]).await;
    for namespace in [&one, &four] {
        until_gone(&stage, namespace).await;
    }
    let asked = stage.cluster.audit().by_account(&installed.name, &installed.name);
    let refused = asked.only(|request| !request.authorized);
    assert_eq!(refused.count(), 0, "{refused}");
    stage.controller().assert_clean().await;
    let objects = stage.cluster.kubectl(&["get", "crcred,rcred", "-A", "--output", "json"]).await;
    canary::assert_clean(&objects, "the resources");
    stage.strike_cluster();
}
