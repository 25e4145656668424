//! containerd and runc, from Debian's packages, with files, sockets and state of their own.

use super::images::{Image, SHELL};
use crate::harness::eventually::eventually;
use crate::harness::process::Process;
use crate::harness::{background, programs, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where it listens; `/run` is the namespace's own.
pub const SOCKET: &str = "/run/containerd/containerd.sock";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running containerd.
pub(super) struct Containerd {
    pub(super) process: Process,
    folder: PathBuf,
    programs: PathBuf,
}

impl Containerd {
    pub(super) async fn start() -> Self {
        let programs = background::blocking(programs::containers).await;
        let folder = scratch::subfolder("containerd");
        // In memory: layers of overlayfs cannot lie on an overlayfs, as in a container they would.
        mount_memory(&folder.join("root"));
        let network = folder.join("network");
        std::fs::create_dir(&network).expect("a folder");
        scratch::write(network.join("10-bridge.conflist"), bridge());
        let config = scratch::write(folder.join("config.toml"), config(&folder, &programs));
        let process = Process::builder("containerd", programs.join("usr/bin/containerd"), &folder)
            .args(["--config".as_ref(), config.as_os_str()])
            // It starts its shims from there.
            .env("PATH", path(&programs))
            .env("LD_LIBRARY_PATH", libraries(&programs))
            .start();
        let containerd = Self { process, folder, programs };
        eventually(PATIENCE, "containerd answers", async || {
            containerd.process.assert_running();
            containerd.ctr(&["version"]).await
        })
        .await;
        containerd
    }

    /// Imports an image for the kubelet.
    pub(super) async fn import(&self, image: &Image) {
        let file = image.archive.display().to_string();
        let imported = self.ctr(&["--namespace", "k8s.io", "images", "import", &file]).await;
        imported.unwrap_or_else(|error| panic!("{}: {error}", image.name));
    }

    /// Has it ask the registry at `url` for images of `host`. It reads that at each pull.
    pub(super) fn mirror(&self, host: &str, url: &str) {
        let folder = registries(&self.folder).join(host);
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = format!(
            "server = \"{url}\"\n[host.\"{url}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
        );
        scratch::write(folder.join("hosts.toml"), text);
    }

    async fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.programs.join("usr/bin/ctr"));
        command.args(["--address", SOCKET]).args(arguments);
        let output = background::blocking(move || command.output())
            .await
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// Where containerd looks up how a registry is reached.
fn registries(folder: &Path) -> PathBuf {
    folder.join("registries")
}

fn mount_memory(folder: &Path) {
    std::fs::create_dir(folder).expect("a folder");
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(folder)
        .status()
        .expect("mount starts");
    assert!(status.success(), "a tmpfs on {}", folder.display());
}

/// The variable PATH of whatever starts containers.
fn path(programs: &Path) -> std::ffi::OsString {
    let own = ["usr/bin", "usr/sbin"].map(|folder| programs.join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path))).expect("a PATH")
}

/// runc wants libseccomp.
fn libraries(programs: &Path) -> PathBuf {
    let folder = programs.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    assert!(folder.is_dir(), "{} is missing", folder.display());
    folder
}

fn config(folder: &Path, programs: &Path) -> String {
    let unused = ["aufs", "btrfs", "devmapper", "zfs"]
        .map(|name| format!("io.containerd.snapshotter.v1.{name}"));
    let unused = [
        &unused[..],
        &["io.containerd.internal.v1.opt".into()],
        &["io.containerd.tracing.processor.v1.otlp".into()],
    ];
    let (root, programs) = (folder.join("root"), programs.display());
    // Without CAP_SYS_RESOURCE no process may make itself less likely to be killed: hence
    // restrict_oom_score_adj.
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = {unused:?}
[grpc]
address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true
sandbox_image = "{SHELL}"
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{registries}"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{programs}/usr/lib/cni"
conf_dir = "{network}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{programs}/usr/sbin/runc"
SystemdCgroup = false
"#,
        root = root.display(),
        unused = unused.concat(),
        network = folder.join("network").display(),
        registries = registries(folder).display(),
    )
}

/// Pods have addresses of their own on a bridge, behind which lies the namespace alone.
fn bridge() -> String {
    serde_json::json!({
        "cniVersion": "1.0.0",
        "name": "bench",
        "plugins": [{
            "type": "bridge",
            "bridge": "bench0",
            "isGateway": true,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.1.0.0/16"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/cni",
            },
        }],
    })
    .to_string()
}
