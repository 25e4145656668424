//! One run: the bare client, the controller, and the bare client again, on one API server.

use crate::bare::{self, Writes};
use crate::harness::eventually::eventually;
use crate::harness::usage::{memory, processor_time};
use crate::harness::{Cluster, Controller, cluster, controller};
use crate::stub::Stub;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::Resource as _;
use kube::api::{Api, ApiResource, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Each step may take so long for a resource, on a slow machine.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the controller is left alone before it is at rest, and then watched.
const SETTLES: Duration = Duration::from_secs(20);
const RESTS: Duration = Duration::from_secs(30);

/// Figures of one run.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// How many resources.
    pub(crate) number: usize,
    /// The bare client, before and after.
    pub(crate) bare: [Duration; 2],
    /// From the start of the controller until the last resource was Ready.
    pub(crate) cold: Duration,
    /// Processor time until then.
    pub(crate) cold_cpu: Duration,
    /// The most memory that it held until then, in KiB.
    pub(crate) most: u64,
    /// Processor time while nothing happens, of [`RESTS`].
    pub(crate) rest_cpu: Duration,
    /// From a start with everything issued until it has looked at every resource.
    pub(crate) restart: Duration,
    /// Processor time until then.
    pub(crate) restart_cpu: Duration,
    /// Memory that it holds then, in KiB.
    pub(crate) held: u64,
}

impl Row {
    /// How long the bare client took, of both runs.
    pub(crate) fn bare(&self) -> Duration {
        (self.bare[0] + self.bare[1]) / 2
    }

    /// Share of a processor used at rest.
    pub(crate) fn rest(&self) -> f64 {
        self.rest_cpu.as_secs_f64() / RESTS.as_secs_f64()
    }
}

/// A cluster and an STS.
pub(crate) struct Course {
    cluster: Cluster,
    stub: Stub,
    program: String,
}

impl Course {
    pub(crate) async fn prepare(program: &str, latency: Duration) -> Self {
        let cluster = Cluster::start().await;
        let stub = Stub::start(latency).await;
        Self { cluster, stub, program: program.to_owned() }
    }

    /// Measures with so many resources.
    pub(crate) async fn run(&self, number: usize) -> Row {
        let patience = PATIENCE * u32::try_from(number).expect("a number") + SETTLES;
        self.allow().await;
        let sample = self.sample(patience).await;
        let mut bare = [Duration::ZERO; 2];
        bare[0] = self.bare("bare-before", number, &sample).await;

        let namespace = "controlled";
        self.resources(namespace, number).await;
        let granted = self.stub.granted();
        let began = Instant::now();
        let mut controller = self.controller(namespace).start().await;
        self.ready(namespace, number, patience).await;
        let cold = began.elapsed();
        let process = controller.process().id();
        let (cold_cpu, most) = (processor_time(process), memory(process, "VmHWM"));
        assert_eq!(self.stub.granted() - granted, number, "one call for each resource");

        tokio::time::sleep(SETTLES).await;
        let before = processor_time(process);
        tokio::time::sleep(RESTS).await;
        let rest_cpu = processor_time(process) - before;

        let began = Instant::now();
        controller.restart().await;
        looked_at(&controller, number, patience).await;
        let restart = began.elapsed();
        let process = controller.process().id();
        let (restart_cpu, held) = (processor_time(process), memory(process, "VmRSS"));
        assert_eq!(self.stub.granted() - granted, number, "a restart asks for nothing");
        controller.stop().await;

        bare[1] = self.bare("bare-after", number, &sample).await;
        Row { number, bare, cold, cold_cpu, most, rest_cpu, restart, restart_cpu, held }
    }

    /// Writes of the controller for one resource: the bare client writes the same.
    async fn sample(&self, patience: Duration) -> (RefreshableCredential, Secret) {
        let namespace = "sample";
        self.resources(namespace, 1).await;
        let controller = self.controller(namespace).start().await;
        self.ready(namespace, 1, patience).await;
        controller.stop().await;
        let name = name_of(0);
        let object = self.api::<RefreshableCredential>(namespace).await.get(&name).await;
        let secret = self.api::<Secret>(namespace).await.get(&name).await;
        (object.expect("the resource"), secret.expect("its Secret"))
    }

    async fn bare(
        &self,
        namespace: &str,
        number: usize,
        (object, secret): &(RefreshableCredential, Secret),
    ) -> Duration {
        self.resources(namespace, number).await;
        let writes = (0..number).map(|n| Writes::like(object, secret, &name_of(n))).collect();
        bare::run(&self.cluster, namespace, writes).await
    }

    fn controller(&self, namespace: &str) -> controller::Builder {
        Controller::program(&self.program)
            .kubeconfig(self.cluster.control_plane.admin_kubeconfig())
            .args(["--no-leader-election", "--watch-namespace", namespace])
            // What is measured is not the limit.
            .args(["--sts-calls-per-second", "100000", "--sts-burst", "100000"])
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "example")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_STS", self.stub.url())
    }

    async fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        let client = cluster::client(self.cluster.control_plane.admin_kubeconfig()).await;
        Api::namespaced(client, namespace)
    }

    /// Lets every namespace assume the role.
    async fn allow(&self) {
        let policy = json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": "bench"},
            "spec": {"namespaceSelector": {}, "allow": {"roles": [{"arns": [ROLE]}]}},
        });
        let client = cluster::client(self.cluster.control_plane.admin_kubeconfig()).await;
        let kind = GroupVersionKind::gvk("refreshable.dev", "v1alpha1", "CredentialPolicy");
        let api = Api::<DynamicObject>::all_with(client, &ApiResource::from_gvk(&kind));
        let policy: DynamicObject = serde_json::from_value(policy).expect("an object");
        api.create(&PostParams::default(), &policy).await.expect("the policy is made");
    }

    /// A namespace with so many resources.
    async fn resources(&self, namespace: &str, number: usize) {
        let object: Value =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let client = cluster::client(self.cluster.control_plane.admin_kubeconfig()).await;
        let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(client);
        let apply = PatchParams::apply("bench");
        namespaces.patch(namespace, &apply, &Patch::Apply(&object)).await.expect("a namespace");
        let api = self.api::<RefreshableCredential>(namespace).await;
        futures::stream::iter(0..number)
            .map(Ok::<_, kube::Error>)
            .try_for_each_concurrent(30, |number| {
                let (api, object) = (api.clone(), resource(number));
                async move { api.create(&PostParams::default(), &object).await.map(drop) }
            })
            .await
            .expect("the resources are made");
    }

    /// Waits, by a watch, until so many resources are Ready.
    async fn ready(&self, namespace: &str, number: usize, patience: Duration) {
        let client = cluster::client(self.cluster.control_plane.admin_kubeconfig()).await;
        let kind = ApiResource::erase::<RefreshableCredential>(&());
        let api = Api::<DynamicObject>::namespaced_with(client, namespace, &kind);
        let mut seen = BTreeSet::new();
        let wait = async {
            let mut events = pin!(watcher(api, watcher::Config::default()).applied_objects());
            while let Some(event) = events.next().await {
                let Ok(object) = event else { continue };
                if is_ready(&object.data) {
                    seen.insert(object.metadata.name.unwrap_or_default());
                }
                if seen.len() == number {
                    break;
                }
            }
        };
        let done = tokio::time::timeout(patience, wait).await.is_ok();
        assert!(done, "after {patience:?} {} of {number} are Ready", seen.len());
    }
}

const ROLE: &str = "arn:aws:iam::111122223333:role/bench";

fn name_of(number: usize) -> String {
    format!("many-{number:06}")
}

fn resource(number: usize) -> RefreshableCredential {
    let object = json!({
        "apiVersion": RefreshableCredential::api_version(&()), "kind": "RefreshableCredential",
        "metadata": {"name": name_of(number)}, "spec": {"roles": [{"roleArn": ROLE}]},
    });
    serde_json::from_value(object).expect("a resource")
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// Waits until the controller has looked as often as there are resources.
async fn looked_at(controller: &Controller, number: usize, patience: Duration) {
    eventually(patience, "every resource has been looked at", async || {
        let page = controller.metrics().await;
        let value = page
            .lines()
            .find_map(|l| l.strip_prefix("refreshable_reconcile_duration_seconds_count "));
        let looks: usize = value.and_then(|v| v.trim().parse().ok()).ok_or("no count of looks")?;
        if looks >= number { Ok(()) } else { Err(format!("{looks} looks at {number} resources")) }
    })
    .await;
}
