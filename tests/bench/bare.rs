//! A client that makes the controller's two writes for each resource, and decides nothing.

use crate::harness::Cluster;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use refreshable_api::{RefreshableCredential, names};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// As many at a time as the controller's default.
const AT_ONCE: usize = 64;

/// The writes for one resource.
pub(crate) struct Writes {
    name: String,
    secret: Value,
    status: Value,
}

impl Writes {
    /// Those that the controller made for `object`, whose Secret is `secret`, as this client makes
    /// them for the resource `name`.
    pub(crate) fn like(object: &RefreshableCredential, secret: &Secret, name: &str) -> Self {
        let annotations: BTreeMap<&String, &String> = secret
            .annotations()
            .iter()
            .filter(|(key, _)| key.starts_with(names::ANNOTATION_PREFIX))
            .collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": secret.type_, "data": secret.data,
            "metadata": {"name": name, "labels": secret.labels(), "annotations": annotations},
        });
        Self { name: name.to_owned(), secret, status: json!({"status": object.status}) }
    }
}

/// How long `client` takes for all writes, at most [`AT_ONCE`] at a time, while it holds the
/// controller's watches of the namespace.
pub(crate) async fn run(cluster: &Cluster, namespace: &str, writes: Vec<Writes>) -> Duration {
    // A connection of its own, as the controller has one.
    let client = cluster.client().await;
    let _watches = watches(&client, namespace);
    let (secrets, resources) = (
        Api::<Secret>::namespaced(client.clone(), namespace),
        Api::<RefreshableCredential>::namespaced(client, namespace),
    );
    let began = Instant::now();
    futures::stream::iter(writes)
        .map(Ok::<_, kube::Error>)
        .try_for_each_concurrent(AT_ONCE, |one| {
            let (secrets, resources) = (secrets.clone(), resources.clone());
            async move {
                let apply = PatchParams::apply("bench-bare-client");
                secrets.patch_metadata(&one.name, &apply, &Patch::Apply(&one.secret)).await?;
                let merge = PatchParams::default();
                resources.patch_status(&one.name, &merge, &Patch::Merge(&one.status)).await?;
                Ok(())
            }
        })
        .await
        .expect("the API server takes every write");
    began.elapsed()
}

fn watches(client: &Client, namespace: &str) -> JoinSet<()> {
    let config = || watcher::Config::default().page_size(100);
    let resources =
        watcher(Api::<RefreshableCredential>::namespaced(client.clone(), namespace), config());
    let managed = format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY);
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), namespace);
    let secrets = watcher(secrets, config().labels(&managed));
    let mut watches = JoinSet::new();
    watches.spawn(resources.for_each(async |_| ()));
    watches.spawn(secrets.for_each(async |_| ()));
    watches
}
