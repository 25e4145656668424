//! The kubelet, and the scheduler that gives it Pods.

use super::containerd::SOCKET;
use crate::harness::eventually::{check, eventually};
use crate::harness::process::Process;
use crate::harness::{Cluster, background, place, programs, scratch};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::Api;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Name of the one node.
pub const NAME: &str = "node-1";
const PATIENCE: Duration = Duration::from_secs(90);

/// A running kubelet whose node is ready.
pub(super) struct Kubelet {
    pub(super) process: Process,
}

/// A running scheduler.
pub(super) struct Scheduler {
    pub(super) process: Process,
}

impl Kubelet {
    pub(super) async fn start(cluster: &Cluster, sync: Duration) -> Self {
        let program = background::blocking(|| programs::kubernetes("kubelet")).await;
        let folder = scratch::subfolder("kubelet");
        let address = place::address().to_string();
        let kubeconfig =
            cluster.control_plane.kubeconfig_of(&format!("system:node:{NAME}"), &["system:nodes"]);
        let config = configuration(cluster, &folder, &address, sync).to_string();
        let config = scratch::write(folder.join("config.json"), config);
        let process = Process::builder("kubelet", program, &folder)
            .args(["--config".as_ref(), config.as_os_str()])
            .args(["--kubeconfig".as_ref(), kubeconfig.as_os_str()])
            .args(["--root-dir".as_ref(), Path::new("/var/lib/kubelet").as_os_str()])
            .args(["--cert-dir".as_ref(), folder.as_os_str()])
            .args(["--hostname-override", NAME, "--node-ip", &address])
            .start();
        let nodes: Api<NodeObject> = Api::all(cluster.client().await);
        eventually(PATIENCE, "the node takes Pods", async || {
            process.assert_running();
            let node =
                nodes.get(NAME).await.map_err(|e| format!("{e}\n{}", process.log_tail(10)))?;
            let tainted = node.spec.and_then(|s| s.taints).is_some_and(|t| !t.is_empty());
            let conditions = node.status.and_then(|s| s.conditions).unwrap_or_default();
            let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
            check(ready && !tainted, || {
                format!("tainted: {tainted}, {conditions:#?}\n{}", process.log_tail(10))
            })
        })
        .await;
        Self { process }
    }
}

fn configuration(
    cluster: &Cluster,
    folder: &Path,
    address: &str,
    sync: Duration,
) -> serde_json::Value {
    let authority = &cluster.control_plane.authority;
    let serving = authority.server("kubelet", &[address, NAME]);
    let cgroup =
        std::env::var("NODE_CGROUP").expect("tests/node/enter says which cgroup is the node's");
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "address": "0.0.0.0",
        "healthzBindAddress": "127.0.0.1",
        "readOnlyPort": 0,
        "tlsCertFile": serving.certificate_file,
        "tlsPrivateKeyFile": serving.key_file,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": false},
            "x509": {"clientCAFile": authority.certificate_file()},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "syncFrequency": format!("{}ms", sync.as_millis()),
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "podLogsDir": folder.join("pods"),
        "volumePluginDir": folder.join("plugins"),
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "enforceNodeAllocatable": ["none"],
        // The machine is not the node's: what it lacks is no reason to put Pods out.
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "makeIPTablesUtilChains": false,
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    })
}

impl Scheduler {
    pub(super) async fn start(cluster: &Cluster) -> Self {
        let program = background::blocking(|| programs::kubernetes("kube-scheduler")).await;
        let kubeconfig = cluster.control_plane.kubeconfig_of("system:kube-scheduler", &[]);
        let process = Process::builder("kube-scheduler", program, &scratch::subfolder("scheduler"))
            .args(["--kubeconfig".as_ref(), kubeconfig.as_os_str()])
            .args(["--leader-elect=false", "--secure-port=0"])
            .start();
        Self { process }
    }
}
