//! A release's life under helm 3 and helm 4: installed, upgraded from the chart before, rolled
//! back, uninstalled. The controllers that its Pods are run for real: nothing of it costs an issuer
//! call.

use super::stage::ready;
use crate::harness::helm::{CHART, Helm, PREVIOUS, Version};
use crate::harness::pods::Pods;
use crate::harness::{Cluster, Issuer, Proxy, canary, eventually, scratch};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const CONTROLLER: &str = env!("CARGO_BIN_EXE_refreshable-controller");
const SOON: Duration = Duration::from_secs(60);
const HOME: &str = "refreshable";

/// A cluster, an account, and what a user has in them.
struct Site {
    cluster: Arc<Cluster>,
    helm: Helm,
    aws: Proxy,
    role: String,
    values: PathBuf,
}

impl Site {
    async fn set(version: Version, account: &str) -> Self {
        let cluster = Arc::new(Cluster::bare().await);
        let issuer = Issuer::shared().await;
        let account = issuer.account(account);
        let user = account.user("controller").await;
        let role = account.role("reports").trusting(account.user_arn("controller")).create().await;
        let aws = Proxy::to(issuer.url()).start().await;
        for namespace in [HOME, "team-a"] {
            cluster.kubectl(&["create", "namespace", namespace]).await;
        }
        let keys = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "refreshable-aws", "namespace": HOME},
            "stringData": {"AWS_ACCESS_KEY_ID": user.access_key_id(), "AWS_SECRET_ACCESS_KEY": user.secret_access_key()},
        });
        apply(&cluster, &keys).await;
        // Values that both charts know.
        let key = |name: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "refreshable-aws", "key": name}}});
        let values = json!({"log": {"level": "debug"}, "extraEnv": [
            {"name": "AWS_REGION", "value": "eu-west-1"},
            {"name": "AWS_ENDPOINT_URL_STS", "value": aws.url()},
            key("AWS_ACCESS_KEY_ID"),
            key("AWS_SECRET_ACCESS_KEY"),
        ]});
        let values =
            scratch::write(scratch::subfolder("values").join("values.json"), values.to_string());
        let helm = Helm::on(&cluster, version).await;
        Self { cluster, helm, aws, role, values }
    }

    async fn helm(&self, command: &[&str], more: &[&str]) -> Result<String, String> {
        let values = self.values.display().to_string();
        let common = ["--namespace", HOME, "--timeout", "90s"];
        let mut arguments = [command, &common, more].concat();
        if matches!(command[0], "install" | "upgrade") {
            arguments.extend(["--values", &values]);
        }
        self.helm.attempt(&arguments).await
    }

    async fn credential(&self, name: &str) {
        let object = json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": name, "namespace": "team-a"}, "spec": {"roles": [{"roleArn": self.role}]},
        });
        apply(&self.cluster, &object).await;
        let api: Api<RefreshableCredential> =
            Api::namespaced(self.cluster.client().await, "team-a");
        eventually(SOON, &format!("{name} is Ready"), async || match api.get(name).await {
            Ok(object) if ready(&object).is_some_and(|(status, _)| status == "True") => Ok(()),
            other => Err(format!("{:?}", other.map(|o| o.status))),
        })
        .await;
    }

    /// After a step: a new resource goes the whole way, and the ones before cost nothing.
    async fn works_and_asked(&self, step: &str, calls: usize) {
        self.credential(step).await;
        assert_eq!(
            self.aws.calls().len(),
            calls,
            "issuer calls after {step}: {:#?}",
            self.aws.calls()
        );
    }

    async fn column(&self) -> String {
        let path = "jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}";
        let crd = "crd/refreshablecredentials.refreshable.dev";
        self.cluster.kubectl(&["get", crd, "--output", path]).await
    }
}

async fn apply(cluster: &Cluster, object: &Value) {
    let file = scratch::write(scratch::subfolder("object").join("object.json"), object.to_string());
    cluster.kubectl(&["apply", "--server-side", "--filename", &file.display().to_string()]).await;
}

/// The chart with a column more in a CRD, and one replica: a release to come.
fn next_chart() -> PathBuf {
    let folder = scratch::subfolder("next");
    let copied = Command::new("cp").args(["-R", CHART]).arg(&folder).status().expect("cp starts");
    assert!(copied.success());
    let chart = folder.join("refreshable");
    edit(&chart.join("templates/crds/refreshablecredentials.yaml"), "name: Age", "name: Since");
    edit(&chart.join("values.yaml"), "replicas: 2", "replicas: 1");
    chart
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("a file");
    assert!(text.contains(from), "{from}");
    std::fs::write(file, text.replacen(from, to, 1)).expect("written");
}

#[tokio::test]
async fn a_release_lives_under_helm_3() {
    life(Version::Three, "606060606060").await;
}

#[tokio::test]
async fn a_release_lives_under_helm_4() {
    life(Version::Four, "616161616161").await;
}

async fn life(version: Version, account: &str) {
    let site = Site::set(version, account).await;

    // Nothing runs its Pods yet: --wait waits, and says so.
    let early = site
        .helm
        .attempt(&["install", "early", CHART, "--namespace", HOME, "--wait", "--timeout", "4s"])
        .await;
    let early = early.expect_err("a Deployment without Pods that are ready");
    assert!(
        ["deadline", "timed out", "not ready"].iter().any(|w| early.to_lowercase().contains(w)),
        "{early}"
    );
    site.helm(&["uninstall", "early"], &[]).await.expect("uninstalled");
    let crds = ["refreshablecredentials", "credentialpolicies", "clusterrefreshablecredentials"]
        .map(|crd| format!("crd/{crd}.refreshable.dev"));
    let crds: Vec<&str> = crds.iter().map(String::as_str).collect();
    site.cluster.kubectl(&[&["delete"], crds.as_slice()].concat()).await;

    // The chart before this one, and what a user has by it.
    let pods = Pods::run(&site.cluster, HOME, CONTROLLER).await;
    site.helm(&["install", "refreshable", PREVIOUS], &["--wait"])
        .await
        .expect("the chart before is installed");
    apply(
        &site.cluster,
        &json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": "team-a"},
            "spec": {"namespaceSelector": {}, "allow": {"roles": [{"arns": [site.role]}]}},
        }),
    )
    .await;
    site.works_and_asked("installed", 1).await;
    let secrets: Api<Secret> = Api::namespaced(site.cluster.client().await, "team-a");
    let held =
        || async { secrets.get("installed").await.expect("it is there").metadata.resource_version };
    let before = held().await;
    let former: Vec<_> = pods.running().into_keys().collect();

    // Its CRDs were nobody's: the upgrade takes them over.
    let refused = site
        .helm(&["upgrade", "refreshable", CHART], &["--wait"])
        .await
        .expect_err("CRDs of nobody");
    assert!(refused.contains("ownership"), "{refused}");
    let conflicts: &[&str] = if version == Version::Four { &["--force-conflicts"] } else { &[] };
    let taking = [&["--wait", "--take-ownership"], conflicts].concat();
    site.helm(&["upgrade", "refreshable", CHART], &taking).await.expect("upgraded");
    eventually(SOON, "every Pod is a new one", async || {
        let running: Vec<_> = pods.running().into_keys().collect();
        if running.iter().any(|pod| former.contains(pod)) {
            Err(format!("{running:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    site.works_and_asked("upgraded", 2).await;

    // A release to come, and back.
    assert!(!site.column().await.contains("Since"));
    let next = next_chart().display().to_string();
    site.helm(&["upgrade", "refreshable", &next], &["--wait"]).await.expect("upgraded again");
    assert!(site.column().await.contains("Since"), "the CRDs are upgraded with the chart");
    site.works_and_asked("next", 3).await;
    let history = site.helm(&["history", "refreshable"], &[]).await;
    let history = match history {
        Ok(history) => history,
        Err(_) => site.helm.run(&["history", "refreshable", "--namespace", HOME]).await,
    };
    let good = history
        .lines()
        .rev()
        .nth(1)
        .and_then(|line| line.split_whitespace().next())
        .expect("a revision")
        .to_owned();
    site.helm(&["rollback", "refreshable", &good], &["--wait"]).await.expect("rolled back");
    assert!(site.column().await.contains("Age"));
    site.works_and_asked("back", 4).await;

    // Uninstalled: what users have stays, and is taken up again.
    site.helm(&["uninstall", "refreshable"], &["--wait"]).await.expect("uninstalled");
    eventually(SOON, "no Pod is left", async || {
        let left = pods.running().len();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    let left = site
        .cluster
        .kubectl(&[
            "get",
            "deployments,serviceaccounts,validatingadmissionpolicies,clusterroles",
            "-A",
            "-o",
            "name",
        ])
        .await;
    assert!(!left.contains("refreshable"), "{left}");
    let kept = site
        .cluster
        .kubectl(&[
            "get",
            "refreshablecredentials,secrets",
            "--namespace",
            "team-a",
            "--output",
            "name",
        ])
        .await;
    for name in
        ["refreshablecredential.refreshable.dev/installed", "secret/installed", "secret/back"]
    {
        assert!(kept.contains(name), "{kept}");
    }
    site.helm(&["install", "refreshable", CHART], &["--wait"]).await.expect("installed again");
    site.works_and_asked("again", 5).await;
    assert_eq!(held().await, before, "and the first Secret was never written again");

    for controller in pods.running().values() {
        controller.assert_clean().await;
    }
    let objects = site
        .cluster
        .kubectl(&["get", "refreshablecredentials,events", "-A", "--output", "json"])
        .await;
    canary::assert_clean(&objects, "the resources and events");
}

#[tokio::test]
async fn the_controllers_own_identity_is_its_service_account() {
    let cluster = Arc::new(Cluster::start().await);
    let issuer = Issuer::shared().await;
    let account = issuer.account("626262626262");
    let provider = crate::harness::controlplane::TOKEN_ISSUER.trim_start_matches("https://");
    let subject = format!("system:serviceaccount:{HOME}:{HOME}");
    let own = account.role("controller").trusting_web_identity(provider, &subject).create().await;
    let role = account.role("reports").trusting(&own).create().await;
    // AWS behind a certificate authority of one's own.
    let folder = scratch::subfolder("ca");
    let authority = crate::harness::certificates::Authority::new(&folder);
    let aws = Proxy::to(issuer.url()).tls(&authority.server("sts", &[])).start().await;
    for namespace in [HOME, "team-a"] {
        cluster.kubectl(&["create", "namespace", namespace]).await;
    }
    let ca = authority.certificate_file().display().to_string();
    let from = format!("--from-file=ca.crt={ca}");
    cluster.kubectl(&["create", "configmap", "company-ca", "--namespace", HOME, &from]).await;
    let _pods = Pods::run(&cluster, HOME, CONTROLLER).await;
    let values = json!({
        "replicas": 1, "crds": {"enabled": false}, "log": {"level": "debug"},
        "aws": {"region": "eu-west-1", "roleArn": own}, "caBundle": {"configMap": "company-ca"},
        "extraEnv": [{"name": "AWS_ENDPOINT_URL_STS", "value": aws.url()}],
    });
    let values =
        scratch::write(folder.join("values.json"), values.to_string()).display().to_string();
    let helm = Helm::on(&cluster, Version::Three).await;
    helm.run(&[
        "install",
        HOME,
        CHART,
        "--namespace",
        HOME,
        "--values",
        &values,
        "--wait",
        "--timeout",
        "60s",
    ])
    .await;
    apply(
        &cluster,
        &json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": "team-a"},
            "spec": {"namespaceSelector": {}, "allow": {"roles": [{"arns": [role]}]}},
        }),
    )
    .await;
    let api: Api<RefreshableCredential> = Api::namespaced(cluster.client().await, "team-a");
    let object = serde_json::from_value(json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": "reports"}, "spec": {"roles": [{"roleArn": role}]},
    }));
    api.create(&PostParams::default(), &object.expect("a resource")).await.expect("made");
    eventually(SOON, "it is Ready", async || match api.get("reports").await {
        Ok(object) if ready(&object).is_some_and(|(status, _)| status == "True") => Ok(()),
        other => Err(format!("{:?}", other.map(|o| o.status))),
    })
    .await;
    let called: Vec<_> = aws.calls().iter().map(|call| call.action.clone()).collect();
    assert_eq!(called, ["AssumeRoleWithWebIdentity", "AssumeRole"]);
}
