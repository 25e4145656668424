//! Types the commands of the documentation: every `sh` block of a page, in its order, in one shell.

use super::peers::Desk;
use super::peers::identity_center::{Tokens, center, endpoints};
use super::stage::Stage;
use super::typist::{self, A_PAGE, Page};
use crate::harness::standin::StandIn;
use crate::harness::{Cluster, Controller, Issuer, canary, eventually, scratch};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use serde_json::{Value, json};
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The page after which all others are read.
const FIRST: &str = "docs/first-credential.md";

/// Pages that are typed elsewhere, block by block or line by line, each with the module that does
/// it.
const ELSEWHERE: [(&str, &str); 4] = [
    // A cluster of their own, in which things are installed, upgraded and uninstalled.
    ("README.md", "installation"),
    ("docs/install.md", "installation"),
    ("docs/upgrade.md", "installation"),
    // What the log of Pods says: there is no node here.
    ("docs/operations.md", "runbook"),
];

/// Every page of the documentation, by its path in the project.
pub fn pages() -> Vec<String> {
    let pages = super::manifests::files("docs", "md").into_iter();
    let named = pages.map(|page| page.strip_prefix(ROOT).expect("inside").display().to_string());
    named.chain(["README.md".to_owned()]).collect()
}

/// A cluster in which the first page was typed, with the controller beside it: there is no node for
/// its Pod.
struct Reader {
    cluster: Cluster,
    controller: Controller,
    environment: Vec<(&'static str, String)>,
    /// They end with this.
    _aws: (Issuer, StandIn),
}

impl Reader {
    /// Types the first page, and gives what it said.
    async fn begin() -> (Self, String) {
        let (cluster, issuer) = (Cluster::bare().await, Issuer::start().await);
        let stage = Stage::without_controller().await;
        let desk = Desk::of(&stage, "AWSReservedSSO_Reader_1234123412341234").await;
        let center = center(desk, Tokens::default(), stage.account.clone()).await;
        let root = issuer.account(ACCOUNT).root();
        let environment = vec![
            ("AWS_ENDPOINT_URL", issuer.url().to_owned()),
            ("AWS_ENDPOINT_URL_SSO_OIDC", center.url().to_owned()),
            ("AWS_ACCESS_KEY_ID", root.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", root.secret_access_key().to_owned()),
        ];
        let page = Page::of(FIRST);
        let shell = page.begin(cluster.control_plane.admin_kubeconfig(), &environment).await;
        let client = cluster.client().await;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "refreshable");
        eventually(A_PAGE, "the chart is installed", async || {
            if let Some(status) = shell.exit_status() {
                panic!("{status}\n{}", shell.log_tail(60));
            }
            accounts.get("refreshable").await.map_err(|e| e.to_string())
        })
        .await;
        let secret = Api::<Secret>::namespaced(client, "refreshable")
            .get("aws-identity")
            .await
            .expect("the page made it");
        let value = |key: &str| {
            let data =
                secret.data.as_ref().and_then(|d| d.get(key)).unwrap_or_else(|| panic!("no {key}"));
            String::from_utf8(data.0.clone()).expect("text")
        };
        canary::register(&value("AWS_SECRET_ACCESS_KEY"));
        let kubeconfig = cluster.kubeconfig_for("refreshable", "refreshable").await;
        let controller = Controller::program(env!("CARGO_BIN_EXE_refreshable-controller"))
            .kubeconfig(&kubeconfig)
            .args([
                "--lease-namespace",
                "refreshable",
                "--lease-name",
                "refreshable",
                "--identity",
                "beside",
            ])
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", value("AWS_ACCESS_KEY_ID"))
            .env("AWS_SECRET_ACCESS_KEY", value("AWS_SECRET_ACCESS_KEY"))
            .env("AWS_ENDPOINT_URL_STS", issuer.url());
        let controller =
            endpoints(&center).into_iter().fold(controller, |c, (name, value)| c.env(name, value));
        let controller = controller.start().await;
        let said = page.ended(&shell).await;
        (Self { cluster, controller, environment, _aws: (issuer, center) }, said)
    }

    /// Types another page, in a folder with what a reader of it has.
    async fn types(&self, name: &str) -> String {
        let page = Page::of(name);
        std::fs::create_dir(page.folder().join(".aws")).expect("a folder");
        for (file, text) in [
            (".aws/config", SSO_SESSION),
            ("reports.yaml", &reports().to_string()),
            ("kustomization.yaml", "resources: [reports.yaml]\n"),
            ("session.py", SESSION_PY),
            ("team-a.yaml", &policy("team-a").to_string()),
        ] {
            scratch::write(page.folder().join(file), text);
        }
        page.typed(self.cluster.control_plane.admin_kubeconfig(), &self.environment).await
    }

    /// Gives back what the first page took away at its end: other pages speak of `reports` in
    /// `team-a`, of a resource that a person signs in for, and of what others use.
    async fn restore(&self) {
        let legacy = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "legacy-aws", "namespace": "team-a"},
            "stringData": {"AWS_ACCESS_KEY_ID": "AKIAQYLPMN5HHHFPZAM2", "AWS_SECRET_ACCESS_KEY": "of-an-old-user"},
        });
        let app = json!({
            "apiVersion": "zalando.org/v1", "kind": "AWSIAMRole", "metadata": {"name": "app", "namespace": "team-a"},
            "spec": {"roleReference": format!("arn:aws:iam::{ACCOUNT}:role/app-role")},
        });
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app", "namespace": "team-a"},
            "stringData": {"awsiamrole-generation": "1"},
        });
        self.applies(&[policy("team-a"), policy("old"), reader(), legacy, aws_iam_roles()]).await;
        self.applies(&[ecr_login()]).await;
        self.cluster.established(&["crd/awsiamroles.zalando.org"]).await;
        self.applies(&[app, secret]).await;
        let ready = [
            "wait",
            "--for=condition=Ready",
            "--timeout=60s",
            "--namespace",
            "team-a",
            "rcred/reports",
        ];
        self.cluster.kubectl(&ready).await;
    }

    async fn applies(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file =
            scratch::write(scratch::subfolder("objects").join("list.json"), list.to_string());
        self.cluster.kubectl(&["apply", "--filename", &file.display().to_string()]).await;
    }
}

/// The account that the pages speak of.
const ACCOUNT: &str = "111122223333";

const SSO_SESSION: &str = "[sso-session my-session]\nsso_region = eu-west-1\n\
    sso_start_url = https://example.awsapps.com/start\nsso_registration_scopes = sso:account:access\n";

const SESSION_PY: &str = "from boto3_refresh_session import RefreshableSession\n\
    session = RefreshableSession(assume_role_kwargs={'RoleArn': 'arn:aws:iam::111122223333:role/reports'})\n";

/// A policy of this name that allows namespace `team-a` every role.
fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": name},
        "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}},
            "allow": {"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]},
        },
    })
}

fn reports() -> Value {
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential", "metadata": {"name": "reports"},
        "spec": {"roles": [{"roleArn": format!("arn:aws:iam::{ACCOUNT}:role/reports")}]},
    })
}

fn reader() -> Value {
    let source = json!({"accountId": ACCOUNT, "roleName": "Reader", "tokenSecretRef": {"name": "sso-token"}});
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": "reader", "namespace": "team-a"}, "spec": {"source": {"identityCenter": source}},
    })
}

/// A CronJob as many clusters have one, which renews a password of ECR.
fn ecr_login() -> Value {
    let script = format!(
        "kubectl create secret docker-registry regcred --docker-server={ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com \
         --docker-username=AWS --docker-password=$(aws ecr get-login-password --region eu-west-1)"
    );
    let container = json!({
        "name": "renew", "image": "registry.example.com/aws-kubectl:1", "command": ["/bin/sh", "-c", script],
        "envFrom": [{"secretRef": {"name": "legacy-aws"}}],
    });
    let pod = json!({"restartPolicy": "Never", "containers": [container]});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "ecr-login", "namespace": "team-a"},
        "spec": {"schedule": "0 */6 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    })
}

/// kube-aws-iam-controller's own kind, as much of it as is read.
fn aws_iam_roles() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "awsiamroles.zalando.org"},
        "spec": {
            "group": "zalando.org", "scope": "Namespaced", "versions": [version],
            "names": {"kind": "AWSIAMRole", "plural": "awsiamroles", "singular": "awsiamrole"},
        },
    })
}

#[tokio::test]
async fn every_page_is_typed_after_the_first() {
    let (reader, said) = Reader::begin().await;
    for expected in ["condition met", "Issued", "NotPermitted"] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    for page in pages() {
        let elsewhere = page == FIRST || ELSEWHERE.iter().any(|(name, _)| *name == page);
        if !elsewhere && !typist::blocks(&page).is_empty() {
            reader.restore().await;
            reader.types(&page).await;
        }
    }
    reader.controller.assert_clean().await;
}

/// Programs whose commands must not stand in a block that nothing runs.
const TYPED: [&str; 4] = ["kubectl ", "helm ", "aws ", "refreshable-"];

#[test]
fn no_command_stands_where_nothing_runs_it() {
    let mut idle = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&page)).expect("a page");
        // CI runs the demo itself.
        let (before, shown) = text.split_once("<!-- demo: begin -->").unwrap_or((&text, ""));
        let text = [before, shown.split_once("<!-- demo: end -->").unwrap_or_default().1].concat();
        for (number, block) in text.split("\n```").enumerate().filter(|(n, _)| n % 2 == 1) {
            let (kind, body) = block.split_once('\n').unwrap_or((block, ""));
            let commands = body
                .lines()
                .filter(|l| TYPED.iter().any(|t| l.trim_start_matches("$ ").starts_with(t)));
            if kind != "sh" {
                idle.extend(
                    commands.map(|line| format!("{page} block {}: {line}", number / 2 + 1)),
                );
            }
        }
    }
    assert!(idle.is_empty(), "commands that nothing runs:\n{}", idle.join("\n"));
}

#[test]
fn every_page_stands_in_the_book() {
    let summary =
        std::fs::read_to_string(Path::new(ROOT).join("docs/SUMMARY.md")).expect("a summary");
    for page in super::manifests::files("docs", "md") {
        let name =
            page.strip_prefix(Path::new(ROOT).join("docs")).expect("inside").display().to_string();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is not in docs/SUMMARY.md"
        );
    }
}
