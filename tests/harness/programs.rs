//! Programs that the bench runs and does not write itself: built or installed once, on demand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder of a control plane's programs (`tests/controlplane/build`).
pub fn controlplane() -> PathBuf {
    // Asked for at each run of kubectl.
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| prepared("tests/controlplane/build", &[])).clone()
}

/// One more program of Kubernetes, such as `kubelet`.
pub fn kubernetes(program: &str) -> PathBuf {
    prepared("tests/controlplane/build", &[program]).join(program)
}

/// One helper program (`tests/tools/build`): `toxiproxy-server`, `helm` or `helm4`.
pub fn tool(program: &str) -> PathBuf {
    prepared("tests/tools/build", &[program]).join(program)
}

/// A server to hold the controller against (`tests/peers/build`): `minio` or `ec2-metadata-mock`.
pub fn peer(program: &str) -> PathBuf {
    prepared("tests/peers/build", &[program]).join(program)
}

/// The root folder of Ceph's programs, as Debian's packages hold them (`tests/peers/ceph`).
pub fn ceph() -> PathBuf {
    prepared("tests/peers/ceph", &[])
}

/// A program of the Python environment (`tests/python/setup`): `ministack`, `aws`, `python`.
pub fn python(program: &str) -> PathBuf {
    prepared("tests/python/setup", &[]).join("bin").join(program)
}

/// The folder of the botocore whose models of AWS's services are compared (`tests/python/botocore`).
pub fn botocore() -> PathBuf {
    prepared("tests/python/botocore", &[])
}

/// The folder of the Node.js packages and scripts (`tests/javascript/setup`).
pub fn node_packages() -> PathBuf {
    prepared("tests/javascript/setup", &[])
}

/// The Lua that Argo CD runs health checks with (`tests/lua/build`).
pub fn glua() -> PathBuf {
    prepared("tests/lua/build", &[]).join("glua")
}

/// The root folder of the programs of databases (`tests/peers/postgres`).
pub fn postgres() -> PathBuf {
    prepared("tests/peers/postgres", &[])
}

/// krew, which installs kubectl's plugins (`tests/krew/build`).
pub fn krew() -> PathBuf {
    prepared("tests/krew/build", &[]).join("krew")
}

/// The AWS CLI 2 (`tests/tools/awscli2`).
pub fn aws_cli_2() -> PathBuf {
    prepared("tests/tools/awscli2", &[]).join("aws")
}

/// fish, the shell (`tests/tools/fish`).
pub fn fish() -> PathBuf {
    prepared("tests/tools/fish", &[])
}

/// A program of Prometheus (`tests/tools/prometheus`): `prometheus` or `promtool`.
pub fn prometheus(program: &str) -> PathBuf {
    prepared("tests/tools/prometheus", &[]).join(program)
}

/// The folder of Prometheus Operator's CRDs (`tests/prometheus/crds`).
pub fn prometheus_operator_crds() -> PathBuf {
    prepared("tests/prometheus/crds", &[])
}

/// The folders of Flux's and Argo CD's CRDs (`tests/gitops/crds`).
pub fn gitops_crds() -> Vec<PathBuf> {
    said("tests/gitops/crds", &[]).lines().map(PathBuf::from).collect()
}

/// The folder of what `tests/consumers/build` builds or unpacks, by its name there: the programs of
/// a language, or one that a recipe is for.
pub fn consumer(name: &str) -> PathBuf {
    prepared("tests/consumers/build", &[name])
}

/// SoftHSM: its PKCS#11 module and its tool.
pub struct SoftHsm {
    /// The module's library.
    pub module: PathBuf,
    /// `softhsm2-util`.
    pub util: PathBuf,
}

/// SoftHSM (`tests/tools/softhsm`).
pub fn softhsm() -> SoftHsm {
    let folder = prepared("tests/tools/softhsm", &[]);
    SoftHsm { module: folder.join("libsofthsm2.so"), util: folder.join("softhsm2-util") }
}

/// The root folder of containerd, runc, network plugins and busybox, as Debian's packages hold
/// them.
pub fn containers() -> PathBuf {
    prepared("tests/node/containers", &[])
}

/// The folder of what lies under the programs in their images (`deploy/image/base`).
pub fn image_base() -> PathBuf {
    prepared("deploy/image/base", &[])
}

/// The program that makes container images (`deploy/image/tool`).
pub fn image_tool() -> PathBuf {
    prepared("deploy/image/tool", &[])
}

/// Builds and fetches all that a node needs: inside its namespace there is no network to do so.
pub fn of_a_node() {
    said("tests/node/fetch", &[]);
    controlplane();
    python("python");
    image_tool();
}

/// Runs a script that prepares programs, and reads from it where they are. What it says
/// on the way goes to the terminal: the first time takes minutes.
fn prepared(script: &str, arguments: &[&str]) -> PathBuf {
    PathBuf::from(said(script, arguments))
}

/// Runs a script, and gives what it prints.
pub(super) fn said(script: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(&path)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{script}: {error}"));
    assert!(output.status.success(), "{script} {arguments:?} failed: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}
