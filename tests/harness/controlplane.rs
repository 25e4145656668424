//! A real control plane as processes: etcd, the API server, the controller manager.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::certificates::{Authority, Identity};
use super::eventually::eventually;
use super::process::Process;
use super::{background, certificates, cluster, http, place, ports, programs, scratch};

/// Long enough for a slow machine under load; usually it takes three seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// The issuer of ServiceAccount tokens. Nobody serves it: who verifies tokens against the
/// API server's own discovery page uses [`ControlPlane::url`].
pub const TOKEN_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The controllers that the tests lean on.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
    deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,\
    job-controller,cronjob-controller,disruption-controller,clusterrole-aggregation-controller";

/// And where there is a node: those that let Pods run on it and take them off it.
const CONTROLLERS_OF_A_NODE: &str = "node-lifecycle-controller,taint-eviction-controller,disruption-controller,\
    job-controller,cronjob-controller,root-ca-certificate-publisher-controller,pod-garbage-collector-controller";

/// A running control plane. It ends when dropped.
pub struct ControlPlane {
    /// The certificate authority of its servers and of its clients.
    pub authority: Authority,
    url: String,
    folder: PathBuf,
    admin: PathBuf,
    // The order is that of dropping: nobody is left to complain about a missing server.
    controller_manager: Option<Process>,
    api_server: Process,
    etcd: Process,
}

impl ControlPlane {
    /// Starts etcd and the API server, and waits until it is ready.
    ///
    /// The controller manager comes with [`run_controllers`](Self::run_controllers): its
    /// garbage collector looks for new kinds every 30 seconds only, so that custom
    /// resources are best there first.
    pub async fn start() -> Self {
        let (bin, folder, authority, signing_key) = background::blocking(|| {
            let folder = scratch::subfolder("controlplane");
            let authority = Authority::new(&folder);
            (
                programs::controlplane(),
                folder.clone(),
                authority,
                certificates::signing_key(&folder),
            )
        })
        .await;

        let (etcd, etcd_url) = start_etcd(&bin, &folder).await;
        // Pods reach it as its Service, which has no other port.
        let port = if place::node().is_some() { 443 } else { ports::free() };
        let url = format!("https://{}:{port}", place::address());
        let api_server = start_api_server(&bin, &folder, &authority, &signing_key, &etcd_url, port);
        let admin = authority.client("admin", "admin", &["system:masters"]);
        let admin = kubeconfig(
            &folder.join("admin.kubeconfig"),
            &url,
            &authority,
            &Login::Certificate(&admin),
        );
        wait_ready(&api_server, &admin).await;
        Self { authority, url, folder, admin, controller_manager: None, api_server, etcd }
    }

    /// Starts the controller manager, and waits until its controllers work.
    pub async fn run_controllers(&mut self) {
        let kubeconfig = self.kubeconfig_of("system:kube-controller-manager", &[]);
        let bin = background::blocking(programs::controlplane).await;
        let controllers = match place::node() {
            Some(_) => format!("{CONTROLLERS},{CONTROLLERS_OF_A_NODE}"),
            None => CONTROLLERS.to_owned(),
        };
        let process = Process::builder(
            "kube-controller-manager",
            bin.join("kube-controller-manager"),
            &self.folder,
        )
        .args(["--kubeconfig".as_ref(), kubeconfig.as_os_str()])
        .arg(format!("--controllers={controllers}"))
        // Each under the rights that Kubernetes gives it: the user itself may roll nothing out.
        .arg("--use-service-account-credentials")
        .arg(format!("--root-ca-file={}", self.authority.certificate_file().display()))
        // No server of its own: nobody asks it anything here.
        .args(["--leader-elect=false", "--secure-port=0"])
        .start();

        // A namespace's default ServiceAccount is made by one of its controllers.
        let accounts: Api<ServiceAccount> =
            Api::namespaced(cluster::client(&self.admin).await, "default");
        eventually(PATIENCE, "the controller manager works", async || {
            process.assert_running();
            accounts.get("default").await
        })
        .await;
        self.controller_manager = Some(process);
    }

    /// Where the API server listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig of a cluster administrator.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin
    }

    /// The API server's audit log ([`super::audit`] reads it).
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// Writes a kubeconfig of this control plane with a bearer token.
    pub fn token_kubeconfig(&self, file: &str, token: &str) -> PathBuf {
        kubeconfig(&self.folder.join(file), &self.url, &self.authority, &Login::Token(token))
    }

    /// Writes a kubeconfig for one of Kubernetes' own programs.
    pub fn kubeconfig_of(&self, user: &str, groups: &[&str]) -> PathBuf {
        let name = user.rsplit(':').next().unwrap_or(user);
        let identity = self.authority.client(name, user, groups);
        let file = self.folder.join(format!("{name}.kubeconfig"));
        kubeconfig(&file, &self.url, &self.authority, &Login::Certificate(&identity))
    }

    /// Kills the API server and starts it again, and waits until it is ready: it knows nothing of
    /// what watches have seen.
    pub async fn restart_api_server(&self) {
        self.api_server.start_again();
        wait_ready(&self.api_server, &self.admin).await;
    }

    /// All that etcd holds, for [`restore`](Self::restore). etcd stands still meanwhile.
    pub fn snapshot(&self) -> PathBuf {
        self.etcd.kill();
        let snapshot = self.folder.join("snapshot");
        copy(&data(&self.folder), &snapshot);
        self.etcd.start_again();
        snapshot
    }

    /// Ends etcd and the API server, and lets them go on from `snapshot`: all that came after it is
    /// lost.
    pub async fn restore(&self, snapshot: &Path) {
        self.api_server.kill();
        self.etcd.kill();
        let data = data(&self.folder);
        std::fs::remove_dir_all(&data).expect("etcd's folder");
        copy(snapshot, &data);
        self.etcd.start_again();
        self.api_server.start_again();
        wait_ready(&self.api_server, &self.admin).await;
    }

    /// The API server's process: to freeze it, for one.
    pub fn api_server(&self) -> &Process {
        &self.api_server
    }

    /// Kills all of it, where it cannot be dropped.
    pub fn kill(&self) {
        for process in self.controller_manager.iter().chain([&self.api_server, &self.etcd]) {
            process.kill();
        }
    }

    /// etcd's process.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }
}

/// etcd's folder.
fn data(folder: &Path) -> PathBuf {
    folder.join("etcd")
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-R").args([from, to]).status().expect("cp starts");
    assert!(copied.success(), "{} is copied to {}", from.display(), to.display());
}

async fn start_etcd(bin: &Path, folder: &Path) -> (Process, String) {
    let client = format!("http://127.0.0.1:{}", ports::free());
    let peer = format!("http://127.0.0.1:{}", ports::free());
    let etcd = Process::builder("etcd", bin.join("etcd"), folder)
        .args(["--data-dir".as_ref(), data(folder).as_os_str()])
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .arg(format!("--initial-cluster=default={peer}"))
        // What is lost at a power cut was a test's.
        .args(["--unsafe-no-fsync", "--log-level=warn"])
        // The bench makes a hundred thousand resources, with all their versions.
        .arg("--quota-backend-bytes=8589934592")
        .start();
    eventually(PATIENCE, "etcd is healthy", async || {
        etcd.assert_running();
        match http::get(&format!("{client}/health")).await {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    (etcd, client)
}

fn start_api_server(
    bin: &Path,
    folder: &Path,
    authority: &Authority,
    signing_key: &Path,
    etcd: &str,
    port: u16,
) -> Process {
    let address = place::address().to_string();
    let serving =
        authority.server("kube-apiserver", &["kubernetes.default.svc", "10.0.0.1", &address]);
    let policy =
        scratch::write(folder.join("audit-policy.yaml"), include_str!("audit-policy.yaml"));
    let path = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    let builder = Process::builder("kube-apiserver", bin.join("kube-apiserver"), folder)
        .arg(format!("--etcd-servers={etcd}"))
        .arg(format!("--advertise-address={address}"))
        .arg(format!("--secure-port={port}"))
        .arg(path("cert-dir", folder))
        .arg(path("tls-cert-file", &serving.certificate_file))
        .arg(path("tls-private-key-file", &serving.key_file))
        .arg(path("client-ca-file", &authority.certificate_file()))
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(format!("--service-account-issuer={TOKEN_ISSUER}"))
        .arg(path("service-account-signing-key-file", signing_key))
        .arg(path("service-account-key-file", signing_key))
        .arg("--endpoint-reconciler-type=none")
        .arg(path("audit-policy-file", &policy))
        .arg(path("audit-log-path", &folder.join("audit.log")))
        // One file for the whole run, never rotated away.
        .arg("--audit-log-maxsize=100000");
    if place::node().is_none() {
        return builder
            .args(["--bind-address=127.0.0.1", "--authorization-mode=RBAC"])
            // It would refuse Pods in a namespace whose ServiceAccount is not there yet.
            .arg("--disable-admission-plugins=ServiceAccount")
            .start();
    }
    let client = authority.client("kubelet-client", "kube-apiserver", &["system:masters"]);
    builder
        .args(["--bind-address=0.0.0.0", "--authorization-mode=Node,RBAC"])
        .arg("--enable-admission-plugins=NodeRestriction")
        .arg("--kubelet-preferred-address-types=InternalIP")
        .arg(path("kubelet-certificate-authority", &authority.certificate_file()))
        .arg(path("kubelet-client-certificate", &client.certificate_file))
        .arg(path("kubelet-client-key", &client.key_file))
        .start()
}

async fn wait_ready(api_server: &Process, admin: &Path) {
    let client = cluster::client(admin).await;
    let began = Instant::now();
    eventually(PATIENCE, "the API server is ready", async || {
        api_server.assert_running();
        let request = ::http::Request::get("/readyz").body(Vec::new()).expect("a request");
        client
            .request_text(request)
            .await
            .map_err(|error| format!("{error}, after {:?}", began.elapsed()))
    })
    .await;
}

enum Login<'a> {
    Certificate(&'a Identity),
    Token(&'a str),
}

/// Writes a kubeconfig with everything inside, so that it can be handed to any program.
fn kubeconfig(file: &Path, url: &str, authority: &Authority, login: &Login<'_>) -> PathBuf {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let user = match login {
        Login::Token(token) => serde_json::json!({ "token": token }),
        Login::Certificate(identity) => serde_json::json!({
            "client-certificate-data": BASE64_STANDARD.encode(&identity.certificate),
            "client-key-data": BASE64_STANDARD.encode(&identity.key),
        }),
    };
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{ "name": "bench", "context": { "cluster": "bench", "user": "bench" } }],
        "clusters": [{ "name": "bench", "cluster": {
            "server": url,
            "certificate-authority-data": BASE64_STANDARD.encode(authority.certificate()),
        }}],
        "users": [{ "name": "bench", "user": user }],
    });
    // JSON is YAML.
    scratch::write(file.into(), serde_json::to_string_pretty(&config).expect("JSON"))
}
