//! Objects that somebody made as large as the API server takes them.

use super::scale::LIMIT;
use super::stage::Stage;
use crate::harness::cluster::make_all;
use crate::harness::usage::memory;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use refreshable_api::{RefreshableCredential, names};
use serde_json::{Value, json};

/// The API server takes 256 KiB of annotations of an object, keys included.
const LARGE: usize = 260_000;
/// So many Secrets that a watch of own Secrets shows.
const SECRETS: usize = 500;
const RESOURCES: usize = 60;

fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": {names::MANAGED_BY_LABEL: names::MANAGED_BY},
        "annotations": {"note": "n".repeat(LARGE)}})
}

#[tokio::test]
async fn large_annotations_neither_end_the_controller_nor_keep_it_from_starting() {
    let stage = Stage::without_controller().await;
    let secret = |n| json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(&format!("large-{n}"))});
    let secrets: Api<Secret> = stage.namespace.api();
    make_all(&secrets, (0..SECRETS).map(secret)).await;
    let roles = json!([{"roleArn": stage.role("large").await}]);
    let resource = |n| {
        json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": metadata(&format!("resource-{n}")), "spec": {"roles": roles}})
    };
    let credentials: Api<RefreshableCredential> = stage.credentials();
    make_all(&credentials, (0..RESOURCES).map(resource)).await;

    let stage = stage.started(|program| program.arg("--no-leader-election")).await;
    stage.until(&format!("resource-{}", RESOURCES - 1), "True", "Issued").await;
    let process = stage.controller().process().id();
    let (most, holds) = (memory(process, "VmHWM"), memory(process, "VmRSS"));
    println!("the controller held at most {most} KiB, and holds {holds} KiB");
    assert!(most < LIMIT, "{most} KiB: the chart's limit is {LIMIT} KiB");
    stage.strike().await;
}
