//! Images of a private registry, which a real containerd pulls with the published password.

use super::ground;
use crate::harness::eventually::eventually;
use crate::harness::node::images;
use crate::harness::node::registry::Registry;
use crate::harness::{background, canary};
use crate::node::ground::{ACCOUNT, Ground, SOON};
use serde_json::{Value, json};

const SPACE: &str = "registry";
/// As kubelet and containerd know it. The node finds the test's own server there.
const HOST: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
/// The password that ministack's ECR gives.
const PASSWORD: &str = "ministack-auth-token";

/// A Pod of the registry's image, with what `more` adds to its specification.
async fn pod(ground: &Ground, name: &str, more: Value) {
    let mut spec = json!({
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "serviceAccountName": "plain",
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "app",
            "image": format!("{HOST}/team-a/app:1"),
            // Otherwise a Pod may find the image that another one has pulled.
            "imagePullPolicy": "Always",
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
    });
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    ground
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": SPACE},
            "spec": spec,
        }))
        .await;
}

/// Makes a ServiceAccount, without which Kubernetes takes no Pod that names it: the namespace's own
/// comes a while after the namespace.
async fn account_of_pods(ground: &Ground, name: &str, secrets: Value) {
    ground
        .apply(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": SPACE},
            "imagePullSecrets": secrets,
        }))
        .await;
}

/// Waits until the Pod's container is as `is` says of its state.
async fn until(ground: &Ground, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let pods = ground.pods(SPACE).await;
    eventually(SOON, what, async || {
        let pod = pods.get(name).await.map_err(|error| error.to_string())?;
        let state = json!(pod.status)["containerStatuses"][0]["state"].clone();
        if is(&state) { Ok(state) } else { Err(format!("{state}\n{}", ground.node.log_tails())) }
    })
    .await
}

/// Makes a Pod, and waits until the kubelet says that the registry did not let it in.
async fn refused(ground: &Ground, registry: &Registry, name: &str) {
    let (before, asked) = (registry.served(), registry.refused());
    pod(ground, name, json!({})).await;
    until(ground, name, "the image cannot be pulled", |state| {
        let message = state["waiting"]["message"].as_str().unwrap_or_default();
        message.contains("401 Unauthorized")
    })
    .await;
    assert!(registry.refused() > asked, "it was asked");
    assert_eq!(registry.served(), before, "and served nothing");
}

/// Makes a Pod, waits until it runs, and returns which paths the registry served for it.
async fn pulled(ground: &Ground, registry: &Registry, name: &str, more: Value) -> Vec<String> {
    let before = registry.served().len();
    pod(ground, name, more).await;
    until(ground, name, "the container runs", |state| state["running"].is_object()).await;
    registry.served().split_off(before)
}

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn an_image_is_pulled_with_the_published_password_and_not_without() {
    let ground = ground().await;
    ground.restricted(SPACE).await;
    let account = ground.issuer.account(ACCOUNT);
    let trusted = account.user_arn("refreshable");
    let actions = ["ecr:GetAuthorizationToken"];
    let role = account.role("puller").trusting(trusted).allowing(&actions).create().await;
    ground.allow(SPACE, json!({"roles": [{"arns": [role]}]})).await;
    canary::register(PASSWORD);
    let image = background::blocking(images::pulled).await;
    let registry = Registry::start(&image, "AWS", PASSWORD).await;
    ground.node.mirror(HOST, registry.url());

    account_of_pods(ground, "plain", json!([])).await;
    refused(ground, &registry, "before").await;

    let registries = json!([{"accountId": ACCOUNT, "region": "eu-west-1"}]);
    let spec = json!({"roles": [{"roleArn": role}], "token": {"ecr": {"registries": registries}}});
    ground.credential(SPACE, "images", spec).await;
    let ready =
        ["wait", "--namespace", SPACE, "--for=condition=Ready", "--timeout=90s", "rcred/images"];
    ground.cluster.kubectl(&ready).await;

    let named = json!({"imagePullSecrets": [{"name": "images"}]});
    let served = pulled(ground, &registry, "by-pod", named).await;
    for part in ["/v2/team-a/app/manifests/", "/v2/team-a/app/blobs/"] {
        assert!(served.iter().any(|path| path.starts_with(part)), "{part}: {served:?}");
    }

    account_of_pods(ground, "puller", json!([{"name": "images"}])).await;
    let named = json!({"serviceAccountName": "puller"});
    let served = pulled(ground, &registry, "by-account", named).await;
    let manifest = "/v2/team-a/app/manifests/1";
    assert!(served.iter().any(|path| path == manifest), "the login was shown again: {served:?}");

    refused(ground, &registry, "after").await;
    ground.assert_clean(SPACE).await;
}
