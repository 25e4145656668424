//! A cluster with a node, AWS, and the controller installed from its chart; and what tests do on
//! it.

use crate::harness::eventually::eventually;
use crate::harness::node::{Node, images};
use crate::harness::standin::StandIn;
use crate::harness::{Cluster, Issuer, background, canary, issuer, programs, scratch};
use aws_credential_types::Credentials;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Longest time that anything takes here, on a loaded machine.
pub(super) const SOON: Duration = Duration::from_secs(240);
/// The account that all roles lie in.
pub(super) const ACCOUNT: &str = "111122223333";
/// The controller's namespace.
pub(super) const HOME: &str = "refreshable";

/// The ground.
pub(super) struct Ground {
    pub(super) cluster: &'static Cluster,
    pub(super) issuer: &'static Issuer,
    pub(super) node: Node,
}

impl Ground {
    /// Starts everything, and installs the controller with helm as a user does.
    pub(super) async fn prepare(sync: Duration) -> Self {
        let controller = Path::new(env!("CARGO_BIN_EXE_refreshable-controller"));
        let agent = Path::new(env!("CARGO_BIN_EXE_refreshable-agent"));
        let images = background::blocking(move || {
            [images::own("controller", controller), images::own("agent", agent), images::python()]
        });
        // The chart brings the custom resources.
        let (cluster, issuer, images) =
            tokio::join!(Cluster::shared_bare(), Issuer::shared(), images);
        let node = Node::start(cluster, sync).await;
        for image in &images {
            node.import(image).await;
        }
        let ground = Self { cluster, issuer, node };
        ground.install().await;
        ground
    }

    async fn install(&self) {
        let user = self.issuer.account(ACCOUNT).user("refreshable").await;
        self.restricted(HOME).await;
        self.secret(
            HOME,
            "aws",
            &[("id", user.access_key_id()), ("secret", user.secret_access_key())],
        )
        .await;
        let key = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "aws", "key": key}}});
        let values = json!({
            "image": {"repository": "refreshable/controller", "pullPolicy": "Never"},
            "log": {"level": "debug"},
            "restart": {"enabled": true},
            "promptPropagation": true,
            "injection": {"enabled": true, "agent": {"image": {"pullPolicy": "Never"}}},
            "extraEnv": [
                key("AWS_ACCESS_KEY_ID", "id"),
                key("AWS_SECRET_ACCESS_KEY", "secret"),
                {"name": "AWS_REGION", "value": issuer::REGION},
                {"name": "AWS_ENDPOINT_URL_STS", "value": self.issuer.url()},
                {"name": "AWS_ENDPOINT_URL_ECR", "value": self.issuer.url()},
                {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
            ],
        });
        let values =
            scratch::write(scratch::subfolder("helm").join("values.yaml"), values.to_string());
        let values = values.display().to_string();
        self.helm(&[
            "install",
            "refreshable",
            CHART,
            "--namespace",
            HOME,
            "--values",
            &values,
            "--wait",
            "--timeout",
            "90s",
        ])
        .await;
    }

    /// Runs helm as the administrator.
    pub(super) async fn helm(&self, arguments: &[&str]) -> String {
        let kubeconfig = self.cluster.control_plane.admin_kubeconfig().to_owned();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let shown = arguments.join(" ");
        let output = background::blocking(move || {
            let mut helm = Command::new(programs::tool("helm"));
            helm.args(arguments)
                .env("KUBECONFIG", kubeconfig)
                .env("HOME", scratch::folder())
                .output()
                .expect("helm")
        })
        .await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let pods = self.cluster.kubectl(&["describe", "pods", "--namespace", HOME]).await;
            panic!("helm {shown}: {}\n{pods}\n{}", text(&output.stderr), self.node.log_tails());
        }
        text(&output.stdout)
    }

    /// Makes a namespace that takes only Pods of the strictest kind.
    pub(super) async fn restricted(&self, name: &str) {
        self.apply(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }))
        .await;
    }

    /// Applies any object.
    pub(super) async fn apply(&self, object: Value) {
        let file =
            scratch::write(scratch::subfolder("object").join("object.json"), object.to_string());
        let (ok, _, error) =
            self.cluster.try_kubectl(&["apply", "--filename", &file.display().to_string()]).await;
        assert!(ok, "{error}\n{object:#}");
    }

    /// Makes a Secret.
    pub(super) async fn secret(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> =
            data.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        let metadata = json!({"name": name, "namespace": namespace});
        self.apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}),
        )
        .await;
    }

    /// Applies a RefreshableCredential.
    pub(super) async fn credential(&self, namespace: &str, name: &str, spec: Value) {
        self.apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1",
            "kind": "RefreshableCredential",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }))
        .await;
    }

    /// A policy that allows a namespace something.
    pub(super) async fn allow(&self, namespace: &str, allow: Value) {
        self.apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1",
            "kind": "CredentialPolicy",
            "metadata": {"name": namespace},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "allow": allow,
            },
        }))
        .await;
    }

    /// A server that hands out sessions of `seconds`, which AWS really refuses afterwards; a
    /// `custom.http` source.
    pub(super) async fn short_sessions(&self, name: &str, seconds: i32) -> StandIn {
        let account = self.issuer.account(ACCOUNT);
        let clerk: Credentials = account.user(&format!("clerk-{name}")).await;
        let trusted = account.user_arn(&format!("clerk-{name}"));
        let role = account.role(name).trusting(trusted).allowing(&["s3:*", "sts:*"]).create().await;
        let sts = issuer::sts(self.issuer.url(), clerk);
        StandIn::start(move |_| {
            let request = sts
                .assume_role()
                .role_arn(&role)
                .role_session_name("short")
                .duration_seconds(seconds);
            async move {
                let answer = request.send().await.expect("a session");
                let given = answer.credentials().expect("credentials");
                canary::register(given.secret_access_key());
                canary::register(given.session_token());
                let expiration =
                    jiff::Timestamp::from_second(given.expiration().secs()).expect("a time");
                let answer = json!({
                    "Version": 1,
                    "AccessKeyId": given.access_key_id(),
                    "SecretAccessKey": given.secret_access_key(),
                    "SessionToken": given.session_token(),
                    "Expiration": expiration.to_string(),
                });
                (200, answer)
            }
        })
        .await
    }

    /// The Pods of a namespace, in the caller's runtime.
    pub(super) async fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.cluster.client().await, namespace)
    }

    /// The Secrets of a namespace.
    pub(super) async fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.cluster.client().await, namespace)
    }

    /// Logs of the containers of Pods with this label.
    pub(super) async fn container_logs(&self, namespace: &str, selector: &str) -> String {
        let arguments = [
            "logs",
            "--namespace",
            namespace,
            "--selector",
            selector,
            "--tail=-1",
            "--all-containers",
        ];
        let (_, output, errors) = self.cluster.try_kubectl(&arguments).await;
        format!("{output}{errors}")
    }

    /// Waits until what those Pods write meets a condition.
    pub(super) async fn until_logs<T>(
        &self,
        namespace: &str,
        selector: &str,
        what: &str,
        look: impl Fn(&str) -> Option<T>,
    ) -> T {
        eventually(SOON, what, async || {
            // Each look is a run of kubectl: without a pause, many tests at once leave the Pods no
            // processor.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let logs = self.container_logs(namespace, selector).await;
            look(&logs).ok_or_else(|| logs[logs.len().saturating_sub(4000)..].to_owned())
        })
        .await
    }

    /// A RefreshableCredential and its Secret, both called `aws`, out of what the endpoint hands
    /// out, for a mount at `/aws`; `more` is the rest of the specification.
    pub(super) async fn published(&self, namespace: &str, endpoint: &StandIn, more: Value) {
        self.allow(namespace, json!({"urls": [endpoint.url()]})).await;
        let mut spec =
            json!({"source": {"custom": {"http": {"url": endpoint.url()}}}, "secret": {}});
        spec.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        spec["secret"]["mountPath"] = json!("/aws");
        self.credential(namespace, "aws", spec).await;
        let ready = [
            "wait",
            "--namespace",
            namespace,
            "--for=condition=Ready",
            "--timeout=90s",
            "rcred/aws",
        ];
        self.cluster.kubectl(&ready).await;
    }

    /// Asks for a refresh now.
    pub(super) async fn ask_for_a_refresh(&self, namespace: &str) {
        let ask = format!("refreshable.dev/requested-at={}", jiff::Timestamp::now());
        self.cluster
            .kubectl(&["annotate", "--namespace", namespace, "rcred/aws", "--overwrite", &ask])
            .await;
    }

    /// A container that calls AWS all the time with boto3, never tries a call twice, and may do
    /// nothing else. The Secret is mounted at `path`, where there is one.
    pub(super) fn caller(&self, environment: &[(&str, &str)], path: &str) -> Value {
        let own = [
            ("AWS_ENDPOINT_URL", self.issuer.url()),
            ("AWS_DEFAULT_REGION", issuer::REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ];
        let variables = own
            .iter()
            .chain(environment)
            .map(|(name, value)| json!({"name": name, "value": value}));
        let mounts = if path.is_empty() {
            vec![]
        } else {
            vec![json!({"name": "aws", "mountPath": path, "readOnly": true})]
        };
        json!({
            "name": "app",
            "image": images::PYTHON,
            "imagePullPolicy": "Never",
            "args": ["-c", include_str!("../python/caller.py")],
            "env": variables.collect::<Vec<_>>(),
            "volumeMounts": mounts,
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        })
    }

    /// A Deployment of one such Pod, labelled `app: <name>` and with these labels and annotations.
    /// Where the container mounts `aws`, that is the Secret of this name.
    pub(super) async fn deployment(
        &self,
        namespace: &str,
        name: &str,
        container: Value,
        labels: Value,
        annotations: Value,
    ) {
        let mounted = container["volumeMounts"].as_array().is_some_and(|mounts| !mounts.is_empty());
        let mut labels = labels;
        labels["app"] = json!(name);
        let volumes = if mounted {
            json!([{"name": "aws", "secret": {"secretName": "aws"}}])
        } else {
            json!([])
        };
        self.apply(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": {
                        "securityContext": {
                            "runAsNonRoot": true,
                            "runAsUser": 65532,
                            "runAsGroup": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "automountServiceAccountToken": false,
                        "terminationGracePeriodSeconds": 1,
                        "containers": [container],
                        "volumes": volumes,
                    },
                },
            },
        }))
        .await;
    }

    /// # Panics
    /// Where a secret stands in what the controller, the containers of this namespace, the kubelet
    /// or containerd wrote, in an event, or in a Pod.
    pub(super) async fn assert_clean(&self, namespace: &str) {
        assert!(canary::count() > 0, "there are secrets to look for");
        canary::assert_clean(
            &self.container_logs(HOME, "app.kubernetes.io/name=refreshable").await,
            "the controller's log",
        );
        canary::assert_clean(&self.node.logs(), "the logs of kubelet, containerd and scheduler");
        for kind in ["pods", "events", "refreshablecredentials"] {
            let objects = self
                .cluster
                .kubectl(&["get", kind, "--namespace", namespace, "--output", "json"])
                .await;
            canary::assert_clean(&objects, kind);
        }
        let pods = self.pods(namespace).await.list(&Default::default()).await.expect("Pods");
        for pod in pods.items.iter().filter_map(|pod| pod.metadata.name.as_deref()) {
            let arguments = ["logs", "--namespace", namespace, pod, "--all-containers"];
            let (_, output, errors) = self.cluster.try_kubectl(&arguments).await;
            canary::assert_clean(&format!("{output}{errors}"), &format!("the log of Pod {pod}"));
        }
    }
}

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/refreshable");
