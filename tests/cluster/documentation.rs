//! What the documentation says to type is typed: every `sh` block of a page, in its order, in one shell.
//!
//! For pages that need more than this bench has, tests of the modules that [`ELSEWHERE`] names do the same.

use crate::harness::process::Process;
use crate::harness::{Cluster, Controller, Issuer, background, canary, eventually, programs, scratch};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The whole page, on a machine that builds at the same time.
const A_PAGE: Duration = Duration::from_secs(180);

/// Blocks of this kind are commands that a reader types; all others only show.
const COMMANDS: &str = "```sh\n";

/// Pages that are not typed here, each with the module whose tests do what it says, where what that needs is at hand.
const ELSEWHERE: [(&str, &str); 7] = [
    ("install.md", "helm"),
    ("upgrade.md", "helm"),
    ("operations.md", "runbook"),
    ("troubleshooting.md", "runbook"),
    ("plugin.md", "plugin"),
    ("plugin-iam.md", "plugin_iam"),
    ("sources/identityCenter.md", "peers::identity_center"),
];

/// A page of the documentation, to be typed.
struct Page {
    script: PathBuf,
    folder: PathBuf,
}

impl Page {
    fn of(name: &str) -> Self {
        let text = std::fs::read_to_string(Path::new(ROOT).join("docs").join(name)).expect("a page");
        let blocks: Vec<&str> =
            text.split(COMMANDS).skip(1).map(|rest| rest.split("```").next().expect("a block")).collect();
        assert!(!blocks.is_empty(), "{name} has no commands");
        let folder = scratch::subfolder("documentation");
        for shown in ["charts", "crds", "deploy"] {
            symlink(Path::new(ROOT).join(shown), folder.join(shown)).expect("a link");
        }
        let script = format!("set -euo pipefail\nset -v\n{}", blocks.concat());
        Self { script: scratch::write(folder.join("page.sh"), script), folder }
    }

    /// A shell that types it, with what a reader has: kubectl, helm and the AWS CLI.
    async fn typed(&self, kubeconfig: &Path, environment: &[(&str, String)]) -> Process {
        let folders = background::blocking(|| {
            let aws = programs::python("aws").parent().expect("a folder").to_owned();
            let helm = programs::tool("helm").parent().expect("a folder").to_owned();
            let plugin = Path::new(env!("CARGO_BIN_EXE_refreshable-controller")).parent().expect("a folder").to_owned();
            [programs::controlplane(), helm, aws, plugin]
        })
        .await;
        let system = std::env::var("PATH").unwrap_or_default();
        let path = folders.iter().map(|f| f.display().to_string()).chain([system]).collect::<Vec<_>>().join(":");
        let shell = Process::builder("page", "bash", &self.folder).arg(&self.script);
        let shell = shell.env("PATH", path).env("KUBECONFIG", kubeconfig).env("AWS_DEFAULT_REGION", "eu-west-1");
        environment.iter().fold(shell, |shell, (name, value)| shell.env(name, value)).start()
    }
}

/// A cluster in which the first page was typed, with the controller beside it: there is no node for its Pod.
struct Reader {
    cluster: Cluster,
    controller: Controller,
    environment: Vec<(&'static str, String)>,
}

impl Reader {
    /// Types the first page, and gives what it said.
    async fn begin() -> (Self, String) {
        let (cluster, issuer) = (Cluster::bare().await, Issuer::shared().await);
        let root = issuer.account("123412341234").root();
        let environment = vec![
            ("AWS_ENDPOINT_URL", issuer.url().to_owned()),
            ("AWS_ACCESS_KEY_ID", root.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", root.secret_access_key().to_owned()),
        ];
        let page = Page::of("first-credential.md");
        let shell = page.typed(cluster.control_plane.admin_kubeconfig(), &environment).await;
        let client = cluster.client().await;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "refreshable");
        eventually(A_PAGE, "the chart is installed", async || {
            if let Some(status) = shell.exit_status() {
                panic!("{status}\n{}", shell.log_tail(60));
            }
            accounts.get("refreshable").await.map_err(|e| e.to_string())
        })
        .await;
        let secret =
            Api::<Secret>::namespaced(client, "refreshable").get("aws-identity").await.expect("the page made it");
        let value = |key: &str| {
            let data = secret.data.as_ref().and_then(|d| d.get(key)).unwrap_or_else(|| panic!("no {key}"));
            String::from_utf8(data.0.clone()).expect("text")
        };
        canary::register(&value("AWS_SECRET_ACCESS_KEY"));
        let kubeconfig = cluster.kubeconfig_for("refreshable", "refreshable").await;
        let controller = Controller::program(env!("CARGO_BIN_EXE_refreshable-controller"))
            .kubeconfig(&kubeconfig)
            .args(["--lease-namespace", "refreshable", "--lease-name", "refreshable", "--identity", "beside"])
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", value("AWS_ACCESS_KEY_ID"))
            .env("AWS_SECRET_ACCESS_KEY", value("AWS_SECRET_ACCESS_KEY"))
            .env("AWS_ENDPOINT_URL_STS", issuer.url())
            .start()
            .await;
        let said = ended("first-credential.md", &shell, &controller).await;
        (Self { cluster, controller, environment }, said)
    }

    /// Types another page.
    async fn types(&self, name: &str) -> String {
        let shell = Page::of(name).typed(self.cluster.control_plane.admin_kubeconfig(), &self.environment).await;
        ended(name, &shell, &self.controller).await
    }

    /// What the first page took away at its end is given back: other pages speak of `reports` in `team-a`.
    async fn restore(&self) {
        let policy = json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": "team-a"},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}},
                "allow": {"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]},
            },
        });
        let file = scratch::write(scratch::subfolder("policy").join("policy.json"), policy.to_string());
        self.cluster.kubectl(&["apply", "--filename", &file.display().to_string()]).await;
        let ready = ["wait", "--for=condition=Ready", "--timeout=60s", "--namespace", "team-a", "rcred/reports"];
        self.cluster.kubectl(&ready).await;
    }
}

async fn ended(name: &str, shell: &Process, controller: &Controller) -> String {
    let status = shell.ended(A_PAGE).await.unwrap_or_else(|| panic!("{name}: no end\n{}", shell.log_tail(60)));
    assert!(status.success(), "{name}: {status}\n{}\n{}", shell.log_tail(60), controller.process().log_tail(20));
    shell.log()
}

#[tokio::test]
async fn every_page_is_typed_after_the_first() {
    let (reader, said) = Reader::begin().await;
    for expected in ["condition met", "Issued", "NotPermitted"] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    for page in super::manifests::files("docs", "md") {
        let name = page.strip_prefix(Path::new(ROOT).join("docs")).expect("inside").display().to_string();
        let text = std::fs::read_to_string(&page).expect("a page");
        let elsewhere = ELSEWHERE.iter().any(|(page, _)| *page == name);
        if name != "first-credential.md" && !elsewhere && text.contains(COMMANDS) {
            reader.restore().await;
            reader.types(&name).await;
        }
    }
    reader.controller.assert_clean().await;
}

/// Programs whose commands must not stand in a block that nothing runs.
const TYPED: [&str; 3] = ["kubectl ", "helm ", "aws "];

#[test]
fn no_command_stands_where_nothing_runs_it() {
    let mut idle = Vec::new();
    for page in super::manifests::files("docs", "md") {
        if ELSEWHERE.iter().any(|(name, _)| page.ends_with(name)) {
            continue;
        }
        let text = std::fs::read_to_string(&page).expect("a page");
        for (number, block) in text.split("\n```").enumerate().filter(|(n, _)| n % 2 == 1) {
            let (kind, body) = block.split_once('\n').unwrap_or((block, ""));
            let commands = body.lines().filter(|l| TYPED.iter().any(|t| l.trim_start_matches("$ ").starts_with(t)));
            if kind != "sh" {
                idle.extend(commands.map(|line| format!("{} block {}: {line}", page.display(), number / 2 + 1)));
            }
        }
    }
    assert!(idle.is_empty(), "commands that nothing runs:\n{}", idle.join("\n"));
}

#[test]
fn every_page_stands_in_the_book() {
    let summary = std::fs::read_to_string(Path::new(ROOT).join("docs/SUMMARY.md")).expect("a summary");
    for page in super::manifests::files("docs", "md") {
        let name = page.strip_prefix(Path::new(ROOT).join("docs")).expect("inside").display().to_string();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in docs/SUMMARY.md");
    }
}
