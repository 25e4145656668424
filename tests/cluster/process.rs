//! The controller as a process: it leads or waits, it stops in order, and a restart costs nothing.

use super::stage::{SOON, Stage};
use crate::harness::{Controller, eventually};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use std::time::Duration;

/// A lease that nobody renews is respected for 15 s.
const TAKEOVER: Duration = Duration::from_secs(60);

fn replica(stage: &Stage, identity: &str) -> crate::harness::controller::Builder {
    stage.program().args(["--lease-namespace", &stage.namespace.name, "--identity", identity])
}

async fn holder(stage: &Stage) -> Option<String> {
    let lease = stage.namespace.api::<Lease>().get_opt("refreshable-controller").await.ok()??;
    lease.spec?.holder_identity
}

async fn held_by(stage: &Stage, identity: &str) {
    eventually(TAKEOVER, &format!("{identity} leads"), async || match holder(stage).await {
        Some(holder) if holder == identity => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn one_leads_and_another_takes_over_at_no_cost() {
    let stage = Stage::without_controller().await;
    let first = replica(&stage, "first").start().await;
    held_by(&stage, "first").await;
    // A replica that waits is ready.
    let second = replica(&stage, "second").start().await;
    let role = stage.role("led").await;
    stage.credential("led", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("led", "True", "Issued").await;
    let before = stage.namespace.api::<Secret>().get("led").await.expect("it is there");
    assert!(second.metrics().await.contains("refreshable_leader 0"));

    first.kill();
    held_by(&stage, "second").await;
    eventually(SOON, "the second leads and is ready", async || {
        let page = second.metrics().await;
        let ready = second.page("/readyz").await;
        if page.contains("refreshable_leader 1") && matches!(ready, Ok((200, _))) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
    stage.credential("next", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("next", "True", "Issued").await;
    let after = stage.namespace.api::<Secret>().get("led").await.expect("it is there");
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2, "one for each resource");
    assert!(second.stop().await.success());
    assert_eq!(holder(&stage).await, None, "a lease is given back");
}

#[tokio::test]
async fn work_under_way_is_ended_before_the_process() {
    let stage = Stage::set().await;
    let role = stage.role("slow").await;
    stage.aws.on("AssumeRole").of_role(&role).takes(Duration::from_secs(3));
    stage.credential("slow", json!({"roles": [{"roleArn": role}]})).await;
    eventually(SOON, "the issuer is asked", async || {
        if stage.aws.calls_for_role(&role).is_empty() { Err("not yet") } else { Ok(()) }
    })
    .await;
    assert!(stage.controller().stop().await.success());
    assert_eq!(stage.published("slow").await.len(), 3, "what was under way was published");
    let resource = stage.credentials().get("slow").await.expect("it is there");
    assert_eq!(super::stage::ready(&resource), Some(("True".into(), "Issued".into())));
}

#[tokio::test]
async fn without_an_api_server_it_is_not_ready() {
    let stage = Stage::without_controller().await;
    let nowhere = crate::harness::scratch::subfolder("nowhere").join("kubeconfig");
    let config = std::fs::read_to_string(stage.cluster.control_plane.admin_kubeconfig())
        .expect("a kubeconfig");
    let dead = format!("https://127.0.0.1:{}", crate::harness::ports::free());
    let file = crate::harness::scratch::write(
        nowhere,
        config.replace(stage.cluster.control_plane.url(), &dead),
    );
    let lost = Controller::program(env!("CARGO_BIN_EXE_refreshable-controller"))
        .kubeconfig(&file)
        .args(["--no-leader-election"])
        .spawn();
    eventually(SOON, "it says that the API server has not answered", async || {
        match lost.page("/readyz").await {
            Ok((503, text)) if text.contains("API server") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(matches!(lost.page("/healthz").await, Ok((200, _))), "no reason to kill it");
    assert!(lost.stop().await.success(), "and it stops all the same");
}

#[tokio::test]
async fn a_namespace_of_one_s_own_needs_no_rights_on_cluster_level() {
    let stage = Stage::without_controller().await;
    let namespace = stage.namespace.name.clone();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "refreshable", "namespace": namespace}});
    let rules = json!([
        {"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]);
    let kind = |kind: &str, rest: serde_json::Value| {
        let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "refreshable", "namespace": namespace}});
        object
            .as_object_mut()
            .expect("an object")
            .extend(rest.as_object().expect("an object").clone());
        object
    };
    stage.apply(account).await;
    stage.apply(kind("Role", json!({"rules": rules}))).await;
    stage
        .apply(kind(
            "RoleBinding",
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "refreshable"},
                "subjects": [{"kind": "ServiceAccount", "name": "refreshable", "namespace": namespace}],
            }),
        ))
        .await;
    let kubeconfig = stage.cluster.kubeconfig_for(&namespace, "refreshable").await;
    let narrow = stage
        .program()
        .kubeconfig(&kubeconfig)
        .args(["--no-leader-election", "--no-policies"])
        .start()
        .await;

    let user = stage.issuer.account(&stage.account).user("narrow").await;
    let account = stage.issuer.account(&stage.account);
    let role = account.role("narrow").trusting(account.user_arn("narrow")).create().await;
    stage
        .secret(
            "key",
            &[
                ("AWS_ACCESS_KEY_ID", user.access_key_id()),
                ("AWS_SECRET_ACCESS_KEY", user.secret_access_key()),
            ],
        )
        .await;
    let source = json!({"accessKey": {"secretRef": {"name": "key"}}});
    stage.credential("narrow", json!({"source": source, "roles": [{"roleArn": role}]})).await;
    stage.until("narrow", "True", "Issued").await;
    stage.credential("ambient", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("ambient", "False", "NotPermitted").await;

    let asked = stage.cluster.audit().by_account(&namespace, "refreshable");
    let refused = asked.clone().only(|r| r.code == 403);
    assert_eq!(refused.count(), 0, "{refused}");
    narrow.assert_clean().await;
}
