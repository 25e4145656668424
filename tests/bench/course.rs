//! One run: the bare client, the controller, and the bare client again, on one API server.

use crate::bare::{self, Writes};
use crate::harness::cluster::{Namespace, make_all};
use crate::harness::usage::{memory, processor_time};
use crate::harness::{Cluster, Controller, controller};
use crate::stub::Stub;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt as _, watcher};
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Each step may take so long for a resource, on a slow machine.
const PATIENCE: Duration = Duration::from_millis(100);
/// The bare client runs up to so many resources: it makes as many of its own before and after, and
/// etcd would hold them all.
const MOST_BARE: usize = 20_000;
/// How long the controller is left alone before it is at rest, and then watched.
const SETTLES: Duration = Duration::from_secs(20);
const RESTS: Duration = Duration::from_secs(30);

/// Figures of one run.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// How many resources.
    pub(crate) number: usize,
    /// The bare client, before and after, unless there are more than [`MOST_BARE`].
    pub(crate) bare: Option<[Duration; 2]>,
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
    pub(crate) fn bare(&self) -> Option<Duration> {
        self.bare.map(|[before, after]| (before + after) / 2)
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
        let before = match number <= MOST_BARE {
            true => Some(self.bare("bare-before", number, &sample).await),
            false => None,
        };

        let namespace = self.resources("controlled", number).await;
        let granted = self.stub.granted();
        let began = Instant::now();
        let mut controller = self.controller(&namespace).start().await;
        self.ready(&namespace, number, patience).await;
        let cold = began.elapsed();
        let process = controller.process().id();
        let (cold_cpu, most) = (processor_time(process), memory(process, "VmHWM"));
        assert_eq!(self.stub.granted() - granted, number, "one call for each resource");

        tokio::time::sleep(SETTLES).await;
        let used = processor_time(process);
        tokio::time::sleep(RESTS).await;
        let rest_cpu = processor_time(process) - used;
        // What it writes it learns from its watches. Where one of them is late by half a minute, or a
        // write was not answered, it reads what is there.
        let reads = reads(&controller.metrics().await);
        assert!(reads <= number.div_ceil(100), "{reads} objects were read");

        let began = Instant::now();
        controller.restart().await;
        controller.looked_at(number, patience).await;
        let restart = began.elapsed();
        let process = controller.process().id();
        let (restart_cpu, held) = (processor_time(process), memory(process, "VmRSS"));
        assert_eq!(self.stub.granted() - granted, number, "a restart asks for nothing");
        controller.stop().await;

        let bare = match before {
            Some(before) => Some([before, self.bare("bare-after", number, &sample).await]),
            None => None,
        };
        Row { number, bare, cold, cold_cpu, most, rest_cpu, restart, restart_cpu, held }
    }

    /// Writes of the controller for one resource: the bare client writes the same.
    async fn sample(&self, patience: Duration) -> (RefreshableCredential, Secret) {
        let namespace = self.resources("sample", 1).await;
        let controller = self.controller(&namespace).start().await;
        self.ready(&namespace, 1, patience).await;
        controller.stop().await;
        let name = name_of(0);
        let object = namespace.api::<RefreshableCredential>().get(&name).await;
        let secret = namespace.api::<Secret>().get(&name).await;
        (object.expect("the resource"), secret.expect("its Secret"))
    }

    async fn bare(
        &self,
        prefix: &str,
        number: usize,
        (object, secret): &(RefreshableCredential, Secret),
    ) -> Duration {
        let namespace = self.resources(prefix, number).await;
        let writes = (0..number).map(|n| Writes::like(object, secret, &name_of(n))).collect();
        bare::run(&self.cluster, &namespace.name, writes).await
    }

    fn controller(&self, namespace: &Namespace) -> controller::Builder {
        Controller::program(&self.program)
            .kubeconfig(self.cluster.control_plane.admin_kubeconfig())
            .args(["--no-leader-election", "--watch-namespace", &namespace.name])
            // What is measured is not the limit.
            .args(["--sts-calls-per-second", "100000", "--sts-burst", "100000"])
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "example")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_STS", self.stub.url())
    }

    /// Lets every namespace assume the role.
    async fn allow(&self) {
        let policy = json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": "bench"},
            "spec": {"namespaceSelector": {}, "allow": {"roles": [{"arns": [ROLE]}]}},
        });
        let api = Api::<CredentialPolicy>::all(self.cluster.client().await);
        make_all(&api, [policy].into_iter()).await;
    }

    /// A namespace with so many resources.
    async fn resources(&self, prefix: &str, number: usize) -> Namespace {
        let namespace = self.cluster.namespace(prefix).create().await;
        let api = namespace.api::<RefreshableCredential>();
        make_all(&api, (0..number).map(resource)).await;
        namespace
    }

    /// Waits, by a watch, until so many resources are Ready.
    async fn ready(&self, namespace: &Namespace, number: usize, patience: Duration) {
        let kind = ApiResource::erase::<RefreshableCredential>(&());
        let api = Api::<DynamicObject>::default_namespaced_with(namespace.client.clone(), &kind);
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

/// How many objects were read one by one, as the metrics tell.
fn reads(metrics: &str) -> usize {
    let calls = metrics.lines().filter(|l| l.starts_with("refreshable_kubernetes_calls_total{"));
    // The version is asked for from time to time, to know whether the API server is there.
    let reads = calls.filter(|l| l.contains("call=\"get ") && !l.contains("call=\"get version\""));
    reads.filter_map(|l| l.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

const ROLE: &str = "arn:aws:iam::111122223333:role/bench";

fn name_of(number: usize) -> String {
    format!("many-{number:06}")
}

fn resource(number: usize) -> Value {
    json!({
        "apiVersion": RefreshableCredential::api_version(&()), "kind": "RefreshableCredential",
        "metadata": {"name": name_of(number)}, "spec": {"roles": [{"roleArn": ROLE}]},
    })
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}
