//! Facts that the checks judge, as they were gathered.

use super::super::version::VERSION_LABEL;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt as _;
use serde_json::Value;

/// A fact, or why it is not known.
pub type Known<T> = Result<T, String>;

/// Name of the environment variable with the Lease's name in the controller's container.
const LEASE_NAME: &str = "REFRESHABLE_LEASE_NAME";
/// The same, with the namespaces that it watches.
const WATCHED: &str = "REFRESHABLE_WATCH_NAMESPACES";
/// The same, where it reads neither policies nor Namespaces.
const NO_POLICIES: &str = "REFRESHABLE_NO_POLICIES";
/// The port of metrics and probes where the container names none.
const PORT: i32 = 8080;

/// A right that an installation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Like `create customresourcedefinitions.apiextensions.k8s.io`.
    pub what: String,
    /// The API server's answer.
    pub allowed: bool,
}

/// One of the two CRDs.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The CRD of this build.
    pub own: Value,
    /// The cluster's; `None` where it has none.
    pub found: Known<Option<Value>>,
}

/// A Deployment of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Its namespace.
    pub namespace: String,
    /// Its name, which the chart begins the names of its other objects with.
    pub name: String,
    /// Name of its ServiceAccount.
    pub account: String,
    /// Version of the controller, by the label.
    pub version: Option<String>,
    /// Replicas that are ready.
    pub ready: i32,
    /// Replicas that are wanted.
    pub wanted: i32,
    /// Name of the Lease; `None` where leader election is off.
    pub lease: Option<String>,
    /// Region of the controller, if its environment names it.
    pub region: Option<String>,
    /// Port of metrics and probes.
    pub port: i32,
    /// Selector of its Pods, like `a=b,c=d`.
    pub selector: String,
    /// One of the namespaces that it watches, where it does not watch all of them.
    pub within: Option<String>,
    /// Whether it reads Namespaces, and so the limits that they set.
    pub reads_namespaces: bool,
}

impl Controller {
    /// Reads a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let spec = deployment.spec.as_ref();
        let pod = spec.and_then(|s| s.template.spec.as_ref());
        let container = pod.and_then(|p| p.containers.first());
        let alone =
            container.is_some_and(|c| c.args.iter().flatten().any(|a| a == "--no-leader-election"));
        let labels = spec.and_then(|s| s.selector.match_labels.as_ref());
        let port = container.and_then(|c| c.ports.as_ref()?.first());
        Self {
            namespace: deployment.namespace().unwrap_or_default(),
            name: deployment.name_any(),
            account: pod
                .and_then(|p| p.service_account_name.clone())
                .unwrap_or_else(|| "default".to_owned()),
            version: deployment.labels().get(VERSION_LABEL).cloned(),
            ready: deployment.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0),
            wanted: spec.and_then(|s| s.replicas).unwrap_or(1),
            lease: container.filter(|_| !alone).and_then(|c| variable(c, LEASE_NAME)),
            region: container.and_then(|c| variable(c, "AWS_REGION")),
            port: port.map_or(PORT, |p| p.container_port),
            selector: labels
                .into_iter()
                .flatten()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
                .join(","),
            within: container
                .and_then(|c| variable(c, WATCHED))
                .and_then(|all| all.split(',').next().map(str::to_owned)),
            reads_namespaces: container.is_none_or(|c| variable(c, NO_POLICIES).is_none()),
        }
    }

    /// The user that its ServiceAccount is.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account)
    }

    /// Namespace and name.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn variable(container: &Container, name: &str) -> Option<String> {
    container.env.iter().flatten().find(|v| v.name == name)?.value.clone()
}

/// The admission policies and bindings of the cluster, and what they have to bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// Policies: name, and the expressions of their match conditions.
    pub policies: Vec<(String, Vec<String>)>,
    /// Bindings: the policy, and the actions.
    pub bindings: Vec<(String, Vec<String>)>,
    /// Kinds that controllers may change by RBAC besides Secrets: the controller's full name, and
    /// the ending of the name of the policy that bounds that.
    pub reach: Vec<(String, &'static str)>,
    /// Why that is not known, if it is not.
    pub unknown: Option<String>,
}

/// State of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The leader.
    pub holder: Option<String>,
    /// When it was renewed, by the leader's clock.
    pub renewed: Option<Timestamp>,
    /// For how long others respect it.
    pub duration: Option<SignedDuration>,
}

/// Answer of a Pod of the controller to `/readyz` and `/metrics`, through the API server's proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Name of the Pod.
    pub pod: String,
    /// The Pod's own answer to `/readyz`: `Err` is the reason why it is not ready. The outer error
    /// is why the Pod could not be asked.
    pub ready: Known<Result<(), String>>,
    /// Its metrics, in OpenMetrics' text.
    pub metrics: Known<String>,
}

/// Keys that the public issuer publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Field `issuer` of its discovery document.
    pub issuer: String,
    /// Identifiers of its keys.
    pub key_ids: Vec<String>,
}

/// The cluster as an issuer of tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The API server's discovery document.
    pub document: Known<Value>,
    /// The API server's key set.
    pub keys: Known<Value>,
    /// The documents behind the issuer's URL, as fetched from here; `None` where AWS could not
    /// reach it by its URL alone.
    pub published: Option<Known<Published>>,
}

/// STS, as seen from where this program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sts {
    /// URL of the endpoint.
    pub endpoint: String,
    /// Addresses of its host; `None` where a proxy resolves it.
    pub addresses: Option<Known<Vec<String>>>,
    /// HTTP status of its answer, and how far its clock is ahead of this machine's.
    pub answer: Known<(u16, Option<SignedDuration>)>,
}
