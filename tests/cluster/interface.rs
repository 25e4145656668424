//! The user's interface: columns, events, suspension, the Secret's shape, another STS.

use super::stage::{SOON, Stage};
use crate::harness::{Cluster, Proxy, certificates, eventually, scratch};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

#[tokio::test]
async fn the_columns_say_what_matters() {
    let stage = Stage::set().await;
    let role = stage.role("seen").await;
    stage
        .credential("seen", json!({"roles": [{"roleArn": role}], "secret": {"name": "elsewhere"}}))
        .await;
    stage.until("seen", "True", "Issued").await;
    let namespace = stage.namespace.name.as_str();
    let table = stage
        .cluster
        .kubectl(&["get", "rcred", "--namespace", namespace, "--output", "wide"])
        .await;
    let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "SECRET", "AGE", "PRINCIPAL"],
        "{table}"
    );
    let arn = format!("arn:aws:sts::{}:assumed-role/seen/{namespace}.seen", stage.account);
    assert_eq!(lines[1][..3], ["seen", "True", "Issued"], "{table}");
    assert_eq!((lines[1][5], lines[1][7]), ("elsewhere", arn.as_str()), "{table}");
    let by_category = stage
        .cluster
        .kubectl(&["get", "refreshable", "--namespace", namespace, "--output", "name"])
        .await;
    assert!(by_category.contains("refreshablecredential.refreshable.dev/seen"), "{by_category}");
    let policies = stage.cluster.kubectl(&["get", "credpol", "--output", "name"]).await;
    assert!(policies.contains("credentialpolicy.refreshable.dev/"), "{policies}");
    stage.strike().await;
}

#[tokio::test]
async fn a_resource_that_no_controller_has_seen_is_not_current() {
    let stage = Stage::without_controller().await;
    stage
        .credential("unseen", json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/a"}]}))
        .await;
    let unseen = stage.credentials().get("unseen").await.expect("it is there");
    assert_eq!(unseen.status.and_then(|s| s.observed_generation), Some(-1));
}

#[tokio::test]
async fn transitions_are_told_once_each() {
    let stage = Stage::set().await;
    let role = stage.role("told").await;
    stage.credential("told", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("told", "True", "Issued").await;
    for round in ["1", "2", "3"] {
        stage
            .patch(
                "told",
                json!({"metadata": {"annotations": {"refreshable.dev/requested-at": round}}}),
            )
            .await;
        stage
            .until_it("told", "the request is handled", |c| {
                c.status
                    .as_ref()
                    .is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some(round))
            })
            .await;
    }
    let fault = stage.aws.on("AssumeRole").of_role(&role).gets_denied();
    stage
        .patch("told", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "4"}}}))
        .await;
    stage.until("told", "True", "RefreshFailing").await;
    fault.lift();
    stage
        .patch("told", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "5"}}}))
        .await;
    stage.until("told", "True", "Issued").await;
    let namespace = stage.namespace.name.as_str();
    let events = ["get", "events.events.k8s.io", "--namespace", namespace, "--output"];
    let columns = "jsonpath={range .items[*]}{.type} {.reason} {.series.count}{\"\\n\"}{end}";
    // The way back is the first event again: Kubernetes counts it as one of a series.
    eventually(SOON, "each transition is told", async || {
        let list = stage.cluster.kubectl(&[&events[..], &[columns]].concat()).await;
        let mut lines: Vec<&str> = list.lines().map(str::trim).collect();
        lines.sort();
        if lines == ["Normal Issued 2", "Warning RefreshFailing"] { Ok(()) } else { Err(list) }
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn what_is_suspended_rests_and_goes_on_when_resumed() {
    let stage = Stage::set().await;
    let role = stage.role("rests").await;
    stage.credential("rests", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("rests", "True", "Issued").await;
    let key = stage.key_id("rests").await;
    stage.patch("rests", json!({"spec": {"suspend": true}})).await;
    stage.until("rests", "True", "Suspended").await;
    stage
        .patch(
            "rests",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "now"}}}),
        )
        .await;
    let other = json!({"spec": {"roles": [{"roleArn": role, "durationSeconds": 1800}]}});
    stage.patch("rests", other).await;
    stage.until("rests", "False", "Suspended").await;
    assert_eq!(stage.key_id("rests").await, key, "what is published stays");
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);

    stage.patch("rests", json!({"spec": {"suspend": false}})).await;
    stage.until("rests", "True", "Issued").await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2, "one call answers both");
    stage.strike().await;
}

#[tokio::test]
async fn the_secret_has_the_shape_that_is_asked_for() {
    let stage = Stage::set().await;
    let role = stage.role("shaped").await;
    let secret = json!({
        "name": "shaped-aws", "profile": "reports", "region": "ap-south-1", "mountPath": "/aws",
        "formats": ["Credentials", "Config", "ProcessJson", "Environment"],
        "keys": {"processJson": "aws.json"},
        "labels": {"team": "a"}, "annotations": {"reloader.stakater.com/match": "true"},
    });
    stage.credential("shaped", json!({"roles": [{"roleArn": role}], "secret": secret})).await;
    let ready = stage.until("shaped", "True", "Issued").await;
    let keys = ready.status.and_then(|s| s.secret).expect("a Secret").keys;
    let published = stage.namespace.api::<Secret>().get("shaped-aws").await.expect("it is there");
    let meta = &published.metadata;
    assert_eq!(meta.labels.as_ref().and_then(|l| l.get("team")).map(String::as_str), Some("a"));
    assert!(
        meta.annotations.as_ref().is_some_and(|a| a.contains_key("reloader.stakater.com/match"))
    );
    let data = stage.published("shaped-aws").await;
    assert_eq!(
        data.keys().cloned().collect::<std::collections::BTreeSet<_>>(),
        keys.into_iter().collect()
    );
    assert!(data["credentials"].starts_with("[reports]\n"));
    assert_eq!(
        data["config"],
        "[profile reports]\nregion = ap-south-1\ncredential_process = cat /aws/aws.json\n"
    );
    assert_eq!(data["AWS_REGION"], "ap-south-1");

    let fewer = json!({"spec": {"secret": {"formats": ["ProcessJson"], "labels": {"team": "b"}}}});
    stage.patch("shaped", fewer).await;
    eventually(SOON, "the Secret follows", async || {
        let data = stage.published("shaped-aws").await;
        if data.keys().eq(["aws.json"]) { Ok(()) } else { Err(format!("{:?}", data.keys())) }
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn another_sts_is_called_where_a_policy_allows_it_and_its_certificate_is_known() {
    let stage = Stage::set().await;
    let authority = certificates::Authority::new(&scratch::subfolder("sts"));
    let https = Proxy::to(stage.issuer.url()).tls(&authority.server("sts", &[])).start().await;
    let role = stage.role("other-sts").await;
    let spec = |ca: Option<String>| {
        let mut sts = json!({"endpoint": https.url(), "region": "eu-west-1"});
        if let Some(ca) = ca {
            sts["caBundle"] = ca.into();
        }
        json!({"roles": [{"roleArn": role}], "sts": sts})
    };
    stage.credential("other", spec(None)).await;
    let denied = stage.until("other", "False", "NotPermitted").await;
    assert!(
        denied.status.expect("a status").conditions[0].message.contains("spec.allow.endpoints")
    );
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": format!("{}-endpoints", stage.namespace.name)},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name}},
                "allow": {"endpoints": [https.url()]},
            },
        }))
        .await;
    let distrusted = stage.until("other", "False", "IssuerUnavailable").await;
    let failure = distrusted.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.message.to_lowercase().contains("certificate"), "{}", failure.message);
    stage.credential("other", spec(Some(authority.certificate()))).await;
    stage.until("other", "True", "Issued").await;
    assert_eq!(https.calls_for_role(&role).len(), 1);
    assert!(stage.aws.calls_for_role(&role).is_empty());
    stage.strike().await;
}

/// A cluster of its own, because its API server stands still for a while.
#[tokio::test]
async fn an_api_server_that_stands_still_makes_it_unready_and_no_worse() {
    let cluster = Cluster::start().await;
    let controller =
        crate::harness::Controller::program(env!("CARGO_BIN_EXE_refreshable-controller"))
            .kubeconfig(cluster.control_plane.admin_kubeconfig())
            .args(["--no-leader-election"])
            .start()
            .await;
    cluster.control_plane.api_server().freeze();
    let told =
        eventually(SOON * 2, "it is not ready", async || match controller.page("/readyz").await {
            Ok((503, text)) => Ok(text),
            other => Err(format!("{other:?}")),
        })
        .await;
    assert!(told.contains("has not answered for"), "{told}");
    assert!(matches!(controller.page("/healthz").await, Ok((200, _))), "no reason to kill it");
    cluster.control_plane.api_server().thaw();
    controller.wait_ready().await;
    assert!(controller.stop().await.success());
}
