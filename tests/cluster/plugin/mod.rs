//! The kubectl plugin against a real API server and a real controller, run as users of few rights
//! run it.

pub mod doctor;
mod escapes;
mod krew;
mod login;
mod look;
mod loops;
mod renew;
mod shells;
mod take;

use super::stage::Stage;
use crate::harness::{background, canary, programs, scratch};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Somebody who runs the plugin.
pub struct User {
    kubeconfig: PathBuf,
    namespace: String,
    environment: Vec<(String, OsString)>,
}

/// Result of a run.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl User {
    /// An administrator, in the stage's namespace.
    pub fn administrator(stage: &Stage) -> Self {
        let kubeconfig = stage.cluster.control_plane.admin_kubeconfig().to_owned();
        Self { kubeconfig, namespace: stage.namespace.name.clone(), environment: Vec::new() }
    }

    /// A ServiceAccount of the stage's namespace with a Role of these rules and nothing else.
    pub async fn with_rules(stage: &Stage, name: &str, rules: Value) -> Self {
        let metadata = json!({"name": name, "namespace": stage.namespace.name});
        let group = "rbac.authorization.k8s.io";
        stage
            .apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
            .await;
        stage
            .apply(json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules}))
            .await;
        stage
            .apply(json!({
                "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": stage.namespace.name}],
            }))
            .await;
        let kubeconfig = stage.cluster.kubeconfig_for(&stage.namespace.name, name).await;
        Self { kubeconfig, namespace: stage.namespace.name.clone(), environment: Vec::new() }
    }

    /// The same, with one more variable in the environment, which is otherwise nearly empty.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs the plugin's program with these arguments, in the stage's namespace.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        self.spawn(Path::new(program()), arguments).await
    }

    /// The same, as kubectl runs it.
    pub async fn kubectl(&self, arguments: &[&str]) -> Run {
        let kubectl = background::blocking(programs::controlplane).await.join("kubectl");
        self.spawn(&kubectl, &[&["refreshable"], arguments].concat()).await
    }

    /// Runs a line of `sh`, in which `kubectl` and the plugin are found.
    pub async fn shell(&self, line: &str) -> Run {
        background::blocking(programs::controlplane).await;
        self.spawn(Path::new("sh"), &["-c", line]).await
    }

    /// Starts a line of `sh`, which is killed when dropped.
    pub fn start(&self, program: &Path, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", path())
            .env("HOME", scratch::folder())
            .env("KUBECONFIG", self.default_namespace())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A kubeconfig that says which namespace is meant where none is named.
    fn default_namespace(&self) -> OsString {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let mut config: Value = serde_saphyr::from_str(&text).expect("YAML");
        for context in config["contexts"].as_array_mut().expect("contexts") {
            context["context"]["namespace"] = self.namespace.as_str().into();
        }
        let file = scratch::subfolder("kubeconfig").join("config");
        scratch::write(file, config.to_string()).into_os_string()
    }

    async fn spawn(&self, program: &Path, arguments: &[&str]) -> Run {
        let output = self.start(program, arguments).output().await.expect("a run");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run {
            code: output.status.code().unwrap_or(-1),
            output: text(output.stdout),
            errors: text(output.stderr),
        }
    }
}

impl Run {
    /// Standard output of a run that succeeded and put no secret into its standard error.
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.output, self.errors);
        canary::assert_clean(&self.errors, "the plugin's standard error");
        self.output
    }

    /// The same, where the output holds no secret either.
    pub fn clean(self) -> String {
        let output = self.good();
        canary::assert_clean(&output, "the plugin's output");
        output
    }

    /// Standard error of a run that failed as kubectl's commands fail, and printed nothing.
    pub fn failed(self) -> String {
        assert_eq!((self.code, self.output.as_str()), (1, ""), "{}", self.errors);
        canary::assert_clean(&self.errors, "the plugin's standard error");
        self.errors
    }
}

/// The plugin's program.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_kubectl-refreshable")
}

/// Where programs are found: the plugin, kubectl, and what the machine has.
fn path() -> OsString {
    let own = Path::new(program()).parent().expect("a folder").to_owned();
    let kubectl = programs::controlplane();
    let machine = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([own, kubectl].into_iter().chain(std::env::split_paths(&machine)))
        .expect("a PATH")
}

/// Rules of somebody who may look at resources, and at nothing else.
fn reader() -> Value {
    json!([{"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials"], "verbs": ["get", "list", "watch"]}])
}
