//! A test's use of a control plane: clients, namespaces, kubeconfigs.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::audit::Audit;
use super::controlplane::ControlPlane;
use super::eventually::eventually;
use super::{background, canary, programs, scratch};

/// Custom resources that are there before the controllers start, one YAML file each.
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A cluster without nodes.
pub struct Cluster {
    /// The processes under it.
    pub control_plane: ControlPlane,
}

/// A namespace of its own for one test.
pub struct Namespace {
    /// Its name, with a suffix that makes it the only one.
    pub name: String,
    /// An administrator's client, its default namespace this one.
    pub client: Client,
}

/// A namespace to be.
pub struct NamespaceBuilder<'a> {
    cluster: &'a Cluster,
    object: NamespaceObject,
}

impl Cluster {
    /// The cluster that all tests of a run share, started by the first who asks.
    pub async fn shared() -> &'static Cluster {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// The one into which nothing is installed yet, that all tests of a run share.
    pub async fn shared_bare() -> &'static Cluster {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::bare).await
    }

    /// A cluster of one's own into which nothing is installed yet. It ends when dropped.
    pub async fn bare() -> Cluster {
        let mut cluster = Cluster { control_plane: ControlPlane::start().await };
        cluster.control_plane.run_controllers().await;
        cluster
    }

    /// A cluster of one's own, with the project's custom resources. It ends when dropped.
    pub async fn start() -> Cluster {
        let mut cluster = Cluster { control_plane: ControlPlane::start().await };
        if Path::new(CRDS).is_dir() {
            cluster.kubectl(&["apply", "--server-side", "--filename", CRDS]).await;
            cluster.established(&["--filename", CRDS]).await;
        }
        cluster.control_plane.run_controllers().await;
        cluster
    }

    /// An administrator's client. It belongs to the runtime of the caller: a client made in
    /// one test stops working when that test ends, so nothing is shared here.
    pub async fn client(&self) -> Client {
        client(self.control_plane.admin_kubeconfig()).await
    }

    /// A new namespace, called by the prefix and a number.
    pub fn namespace(&self, prefix: &str) -> NamespaceBuilder<'_> {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
        NamespaceBuilder {
            cluster: self,
            object: NamespaceObject { metadata, ..NamespaceObject::default() },
        }
    }

    /// A kubeconfig with which a program runs as a ServiceAccount, under its own RBAC.
    pub async fn kubeconfig_for(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.token(namespace, account, &[]).await;
        self.control_plane.token_kubeconfig(&format!("{namespace}.{account}.kubeconfig"), &token)
    }

    /// A ServiceAccount's token, for the API server or for the audiences given.
    pub async fn token(&self, namespace: &str, account: &str, audiences: &[&str]) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await, namespace);
        let spec = TokenRequestSpec {
            audiences: audiences.iter().map(ToString::to_string).collect(),
            expiration_seconds: Some(24 * 60 * 60),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .unwrap_or_else(|error| panic!("a token for {namespace}/{account}: {error}"));
        let token = answer.status.expect("an answer to a TokenRequest has a status").token;
        canary::register(&token);
        token
    }

    /// Waits until these CRDs can be used. kubectl cannot read the conditions of one that has none
    /// yet.
    pub async fn established(&self, which: &[&str]) {
        let wait = [&["wait", "--for=condition=Established", "--timeout=10s"], which].concat();
        eventually(PATIENCE, &format!("{which:?} can be used"), async || {
            let (ok, _, error) = self.try_kubectl(&wait).await;
            if ok { Ok(()) } else { Err(error) }
        })
        .await;
    }

    /// Runs kubectl as the administrator, and gives back what it printed.
    ///
    /// # Panics
    ///
    /// Where it fails, with what it said.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let (status, output, errors) = self.try_kubectl(arguments).await;
        assert!(status, "kubectl {arguments:?} failed\n{output}{errors}");
        output
    }

    /// Runs kubectl as the administrator: whether it succeeded, its output, its errors.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> (bool, String, String) {
        let kubeconfig = self.control_plane.admin_kubeconfig().to_owned();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let output = background::blocking(move || {
            Command::new(programs::controlplane().join("kubectl"))
                .args(arguments)
                .env("KUBECONFIG", kubeconfig)
                .env("HOME", scratch::folder())
                .output()
                .expect("kubectl starts")
        })
        .await;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    /// Requests to the API server so far.
    pub fn audit(&self) -> Audit {
        Audit::read(&self.control_plane.audit_log())
    }
}

impl NamespaceBuilder<'_> {
    /// Adds a label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.object.metadata.labels.get_or_insert_default().insert(key.into(), value.into());
        self
    }

    /// Creates it.
    pub async fn create(self) -> Namespace {
        let name = self.object.metadata.name.clone().expect("the builder names it");
        let mut config = config(self.cluster.control_plane.admin_kubeconfig()).await;
        config.default_namespace.clone_from(&name);
        let client = Client::try_from(config).expect("a client");
        Api::all(client.clone())
            .create(&PostParams::default(), &self.object)
            .await
            .unwrap_or_else(|error| panic!("namespace {name}: {error}"));
        Namespace { name, client }
    }
}

impl Namespace {
    /// A namespaced kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::default_namespaced(self.client.clone())
    }
}

/// Makes all these objects, many at a time.
pub async fn make_all<K>(api: &Api<K>, objects: impl Iterator<Item = Value>)
where
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    futures::stream::iter(objects)
        .for_each_concurrent(30, |object| async {
            let object: K = serde_json::from_value(object).expect("an object");
            api.create(&PostParams::default(), &object).await.expect("made");
        })
        .await;
}

/// A client for a kubeconfig file, in the caller's runtime.
pub async fn client(kubeconfig: &Path) -> Client {
    Client::try_from(config(kubeconfig).await).expect("a client")
}

async fn config(kubeconfig: &Path) -> Config {
    install_crypto();
    let parsed = Kubeconfig::read_from(kubeconfig)
        .unwrap_or_else(|error| panic!("{}: {error}", kubeconfig.display()));
    Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", kubeconfig.display()))
}

/// Chooses the process's one TLS implementation, as the controller's `main` does.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody was faster: there is one, which is all that matters.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
