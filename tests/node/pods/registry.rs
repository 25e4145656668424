//! Images of a private registry, which a real containerd pulls with the published password.

use super::ground;
use crate::harness::background;
use crate::harness::eventually::eventually;
use crate::harness::node::images;
use crate::harness::node::registry::Registry;
use crate::node::ground::{ACCOUNT, Ground, SOON};
use serde_json::{Value, json};
use std::time::Duration;

const SPACE: &str = "registry";
/// As kubelet and containerd know it. The node finds the test's own server there.
const HOST: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
/// The password that ministack's ECR gives.
const PASSWORD: &str = "ministack-auth-token";

async fn pod(ground: &Ground, name: &str, secrets: Value) {
    ground
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": SPACE},
            "spec": {
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65532,
                    "runAsGroup": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 1,
                "imagePullSecrets": secrets,
                "containers": [{
                    "name": "app",
                    "image": format!("{HOST}/team-a/app:1"),
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
            },
        }))
        .await;
}

/// Waits until the Pod's container is as `is` says of its state.
async fn until(ground: &Ground, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let pods = ground.pods(SPACE).await;
    eventually(SOON, what, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let pod = pods.get(name).await.map_err(|error| error.to_string())?;
        let state = json!(pod.status)["containerStatuses"][0]["state"].clone();
        if is(&state) { Ok(state) } else { Err(format!("{state}\n{}", ground.node.log_tails())) }
    })
    .await
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
    let image = background::blocking(images::pulled).await;
    let registry = Registry::start(&image, "AWS", PASSWORD).await;
    ground.node.mirror(HOST, registry.url());

    pod(ground, "without", json!([])).await;
    let refused = until(ground, "without", "the image cannot be pulled", |state| {
        let reason = state["waiting"]["reason"].as_str().unwrap_or_default();
        ["ErrImagePull", "ImagePullBackOff"].contains(&reason)
    })
    .await;
    assert!(registry.refused() > 0 && registry.served().is_empty(), "{refused}");

    let registries = json!([{"accountId": ACCOUNT, "region": "eu-west-1"}]);
    let spec = json!({"roles": [{"roleArn": role}], "token": {"ecr": {"registries": registries}}});
    ground.credential(SPACE, "images", spec).await;
    let ready =
        ["wait", "--namespace", SPACE, "--for=condition=Ready", "--timeout=90s", "rcred/images"];
    ground.cluster.kubectl(&ready).await;
    pod(ground, "with", json!([{"name": "images"}])).await;
    until(ground, "with", "the container runs", |state| state["running"].is_object()).await;
    let served = registry.served();
    for part in ["/v2/team-a/app/manifests/", "/v2/team-a/app/blobs/"] {
        assert!(served.iter().any(|path| path.starts_with(part)), "{part}: {served:?}");
    }
    ground.assert_clean(SPACE).await;
}
