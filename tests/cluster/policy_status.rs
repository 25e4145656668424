//! The status of a CredentialPolicy: whether it is in force, which patterns are useless, and how
//! much it serves.

use super::stage::{SOON, Stage};
use crate::harness::{eventually, stays};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams};
use refreshable_api::{CredentialPolicy, CredentialPolicyStatus};
use serde_json::{Value, json};
use std::time::Duration;

async fn policy(stage: &Stage, name: &str, spec: Value) {
    let kind = "CredentialPolicy";
    let metadata = json!({"name": name});
    stage
        .apply(json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}))
        .await;
}

fn condition<'a>(status: &'a CredentialPolicyStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|c| c.type_ == kind)
}

/// Status and reason of Ready, and the two counts.
type Said = (String, String, Option<i32>, Option<i32>);

fn said(status: &CredentialPolicyStatus) -> Option<Said> {
    let ready = condition(status, "Ready")?;
    Some((ready.status.clone(), ready.reason.clone(), status.namespaces, status.resources))
}

/// Waits until the policy says this of itself.
async fn until(
    stage: &Stage,
    name: &str,
    ready: (&str, &str),
    counts: (i32, Option<i32>),
) -> CredentialPolicy {
    let api: Api<CredentialPolicy> = Api::all(stage.namespace.client.clone());
    let wanted: Said = (ready.0.to_owned(), ready.1.to_owned(), Some(counts.0), counts.1);
    eventually(SOON, &format!("{name} says {wanted:?}"), async || {
        let policy = api.get(name).await.map_err(|e| e.to_string())?;
        match policy.status.as_ref().and_then(said) {
            Some(said) if said == wanted => Ok(policy),
            said => Err(format!("{said:?}")),
        }
    })
    .await
}

#[tokio::test]
async fn a_policy_tells_what_it_serves_and_what_in_it_is_of_no_use() {
    let stage = Stage::apart().await;
    let controller =
        stage.bare_program().args(["--no-leader-election", "--log-level", "debug"]).start().await;
    let stage = stage.with_controller(controller);
    let (namespace, account) = (stage.namespace.name.clone(), stage.account.clone());
    let aws = stage.issuer.account(&account);
    let reports = format!("{namespace}-reports");
    let role = aws.role(&reports).trusting(aws.user_arn("controller")).create().await;

    let tenants = json!({"matchLabels": {"tenant": "true"}});
    let own = json!({"roles": [{"arns": [format!("arn:aws:iam::{account}:role/{{namespace}}-reports")]}]});
    policy(&stage, "own-path", json!({"namespaceSelector": tenants, "allow": own})).await;
    let user = format!("arn:aws:iam::{account}:user/reports");
    let mistaken =
        json!({"roles": [{"arns": [role, user]}], "urls": ["https://vault.example.com/v1/*"]});
    let unmatched = json!({"matchLabels": {"tenant": "false"}});
    policy(&stage, "mistaken", json!({"namespaceSelector": unmatched, "allow": mistaken})).await;
    let equals =
        json!({"matchExpressions": [{"key": "tenant", "operator": "Equals", "values": ["true"]}]});
    policy(&stage, "unread", json!({"namespaceSelector": equals, "allow": {"caBundles": true}}))
        .await;

    until(&stage, "own-path", ("True", "Accepted"), (0, Some(0))).await;
    let mistaken = until(&stage, "mistaken", ("True", "UnmatchablePattern"), (0, Some(0))).await;
    let status = mistaken.status.expect("a status");
    let message = &condition(&status, "Ready").expect("a condition").message;
    for words in [
        &format!(
            "spec.allow.roles[0].arns[1] ({user}) can match nothing: the last part of a role's ARN begins with role/"
        ),
        "spec.allow.urls[0] (https://vault.example.com/v1/*) can match nothing: a path has no wildcards: end the pattern",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert!(!message.contains("arns[0]"), "{message}");
    let unread = until(&stage, "unread", ("False", "InvalidSelector"), (0, Some(0))).await;
    let status = unread.status.expect("a status");
    let stalled = condition(&status, "Stalled").expect("it is stalled");
    assert!(
        stalled.message.contains("matchExpressions[0] has operator Equals: write In"),
        "{}",
        stalled.message
    );

    // Namespaces and resources come.
    stage.cluster.kubectl(&["label", "namespace", &namespace, "tenant=true"]).await;
    stage.cluster.namespace("tenant").label("tenant", "true").create().await;
    stage.credential("reports", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("reports", "True", "Issued").await;
    let counted = until(&stage, "own-path", ("True", "Accepted"), (2, Some(1))).await;
    let table = stage.cluster.kubectl(&["get", "credpol"]).await;
    let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "NAMESPACES", "RESOURCES", "AGE"], "{table}");
    assert_eq!(lines[1][..4], ["mistaken", "True", "0", "0"], "{table}");
    assert_eq!(lines[2][..4], ["own-path", "True", "2", "1"], "{table}");
    assert_eq!(lines[3][..4], ["unread", "False", "0", "0"], "{table}");
    let wide = stage.cluster.kubectl(&["get", "credpol", "unread", "--output", "wide"]).await;
    assert!(
        wide.contains("REASON") && wide.contains("InvalidSelector   spec.namespaceSelector: "),
        "{wide}"
    );

    // A rotation is nothing to tell of.
    let written = || stage.cluster.audit().of("patch", "credentialpolicies/status").count();
    let before = written();
    assert!(before > 0, "the audit log shows what was written");
    stage
        .patch(
            "reports",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    stage
        .until_it("reports", "it is renewed", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some("1"))
        })
        .await;
    let api: Api<CredentialPolicy> = Api::all(stage.namespace.client.clone());
    stays(Duration::from_secs(3), "no policy is written", async || {
        let now = api.get("own-path").await.map_err(|e| e.to_string())?.metadata.resource_version;
        if now != counted.metadata.resource_version {
            return Err(format!("{now:?}"));
        }
        if written() == before { Ok(()) } else { Err(stage.cluster.audit().to_string()) }
    })
    .await;

    // They go again, and the selector is corrected.
    let now_in =
        json!({"matchExpressions": [{"key": "tenant", "operator": "In", "values": ["true"]}]});
    policy(&stage, "unread", json!({"namespaceSelector": now_in, "allow": {"caBundles": true}}))
        .await;
    stage.credentials().delete("reports", &DeleteParams::default()).await.expect("deleted");
    stage.cluster.kubectl(&["label", "namespace", &namespace, "tenant-"]).await;
    until(&stage, "own-path", ("True", "Accepted"), (1, Some(0))).await;
    let corrected = until(&stage, "unread", ("True", "Accepted"), (1, Some(0))).await;
    let status = corrected.status.expect("a status");
    assert!(condition(&status, "Stalled").is_none(), "{:?}", status.conditions);
    assert_eq!(status.observed_generation, corrected.metadata.generation);
    stage.controller().assert_clean().await;
    stage.strike_cluster();
}

#[tokio::test]
async fn who_watches_some_namespaces_alone_tells_everything_but_the_count_of_resources() {
    let stage = Stage::set().await;
    let role = stage.role("partly").await;
    stage.credential("partly", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("partly", "True", "Issued").await;
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name}});
    let name = format!("{}-partly", stage.namespace.name);
    policy(
        &stage,
        &name,
        json!({"namespaceSelector": selector, "allow": {"roles": [{"arns": [role]}]}}),
    )
    .await;
    until(&stage, &name, ("True", "Accepted"), (1, None)).await;
    stage.strike().await;
}
