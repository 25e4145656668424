//! helm, versions 3 and 4, on a cluster; and the project's chart.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::cluster::Cluster;
use super::{background, programs, scratch};

/// The project's chart.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/refreshable");

/// The chart before this one, as it was packaged.
pub const PREVIOUS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/previous/refreshable-0.1.0.tgz");

/// One version of helm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `helm`
    Three,
    /// `helm4`
    Four,
}

/// helm with an administrator's kubeconfig.
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Three, Self::Four];

    fn program(self) -> &'static str {
        match self {
            Self::Three => "helm",
            Self::Four => "helm4",
        }
    }
}

impl Helm {
    /// This version on this cluster.
    pub async fn on(cluster: &Cluster, version: Version) -> Self {
        let name = version.program();
        let program = background::blocking(|| programs::tool(name)).await;
        let kubeconfig = cluster.control_plane.admin_kubeconfig().to_owned();
        Self { program, kubeconfig, home: scratch::subfolder(name) }
    }

    /// Runs it, and gives back what it printed.
    ///
    /// # Panics
    ///
    /// Where it fails, with what it said.
    pub async fn run(&self, arguments: &[&str]) -> String {
        match self.attempt(arguments).await {
            Ok(output) => output,
            Err(output) => panic!("{} {arguments:?} failed\n{output}", self.program.display()),
        }
    }

    /// Runs it: what it printed, or everything that it said where it failed.
    pub async fn attempt(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.home);
        output(command).await
    }
}

/// The objects of the chart as a release of it holds them, without being installed.
pub async fn template(release: &str, namespace: &str, values: &Value) -> Vec<Value> {
    let file = scratch::write(scratch::subfolder("values").join("values.json"), values.to_string());
    template_with(release, namespace, &file).await
}

/// The same with a file of values.
pub async fn template_with(release: &str, namespace: &str, values: &Path) -> Vec<Value> {
    let mut command = Command::new(background::blocking(|| programs::tool("helm")).await);
    command.args(["template", release, CHART, "--namespace", namespace, "--values"]).arg(values);
    let rendered =
        output(command).await.unwrap_or_else(|error| panic!("{}: {error}", values.display()));
    documents(&rendered)
}

/// The objects of any chart, rendered by this version; or what it said instead.
pub async fn rendered_by(
    version: Version,
    chart: &Path,
    values: &Value,
) -> Result<Vec<Value>, String> {
    let file = scratch::write(scratch::subfolder("values").join("values.json"), values.to_string());
    let mut command =
        Command::new(background::blocking(move || programs::tool(version.program())).await);
    command
        .args(["template", "platform"])
        .arg(chart)
        .args(["--namespace", "platform", "--values"])
        .arg(file);
    output(command).await.map(|rendered| documents(&rendered))
}

/// The documents of a YAML stream that hold something.
pub fn documents(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

async fn output(mut command: Command) -> Result<String, String> {
    let output = background::blocking(move || command.output().expect("helm starts")).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }
}
