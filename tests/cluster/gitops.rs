//! What Argo CD, Flux and kustomize are given: health checks over real statuses, and manifests that
//! are taken.

use super::stage::{SOON, Stage};
use crate::harness::helm::{Helm, Version};
use crate::harness::{Cluster, background, eventually, helm, programs, scratch};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn deploy(path: &str) -> PathBuf {
    Path::new(ROOT).join("deploy").join(path)
}

/// A JSON value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            text.chars().fold("\"".to_owned(), |mut quoted, c| {
                match c {
                    '"' | '\\' => quoted.extend(['\\', c]),
                    '\n' => quoted.push_str("\\n"),
                    c => quoted.push(c),
                }
                quoted
            }) + "\""
        }
        Value::Array(list) => format!("{{{}}}", list.iter().map(lua).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            members.iter().fold("{".to_owned(), |mut table, (name, value)| {
                let _ = write!(table, "[{}]={},", lua(&json!(name)), lua(value));
                table
            }) + "}"
        }
    }
}

/// What Argo CD makes of an object: its health and the message.
async fn health(object: &Value) -> (String, String) {
    let check = std::fs::read_to_string(deploy("argocd/health.lua")).expect("the check");
    let script = format!(
        "obj = {}\nlocal hs = (function()\n{check}\nend)()\nprint(hs.status)\nprint(hs.message)\n",
        lua(object)
    );
    let file = scratch::write(scratch::subfolder("lua").join("check.lua"), script);
    let glua = background::blocking(programs::glua).await;
    let output =
        background::blocking(move || Command::new(glua).arg(file).output().expect("glua starts"))
            .await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{object:#}", String::from_utf8_lossy(&output.stderr));
    let (status, message) = text.split_once('\n').expect("two lines");
    (status.to_owned(), message.trim_end().to_owned())
}

async fn object(stage: &Stage, name: &str) -> Value {
    let arguments =
        ["get", "rcred", name, "--namespace", &stage.namespace.name, "--output", "json"];
    serde_json::from_str(&stage.cluster.kubectl(&arguments).await).expect("JSON")
}

#[tokio::test]
async fn argo_cd_sees_how_a_resource_fares() {
    let stage = Stage::without_controller().await;
    let role = stage.role("seen").await;
    let spec = json!({"roles": [{"roleArn": role}]});
    stage.credential("seen", spec.clone()).await;
    assert_eq!(
        health(&object(&stage, "seen").await).await.0,
        "Progressing",
        "no controller has seen it"
    );

    let stage = stage.started(|program| program.args(["--no-leader-election"])).await;
    stage.until("seen", "True", "Issued").await;
    let seen = object(&stage, "seen").await;
    let (status, message) = health(&seen).await;
    assert_eq!(status, "Healthy");
    assert!(message.contains("valid until"), "{message}");

    let mut changed = seen.clone();
    changed["metadata"]["generation"] = json!(2);
    assert_eq!(
        health(&changed).await.0,
        "Progressing",
        "what it says is of an earlier specification"
    );

    stage.patch("seen", json!({"spec": {"suspend": true}})).await;
    stage.until("seen", "True", "Suspended").await;
    assert_eq!(health(&object(&stage, "seen").await).await.0, "Suspended");
    stage.patch("seen", json!({"spec": {"suspend": false}})).await;
    stage.until("seen", "True", "Issued").await;

    // An issuer that is down is waited for; what is published is valid all the same.
    let down = stage.aws.on("AssumeRole").breaks();
    stage
        .patch("seen", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}))
        .await;
    stage.until("seen", "True", "RefreshFailing").await;
    assert_eq!(health(&object(&stage, "seen").await).await.0, "Healthy");
    stage.credential("waits", spec).await;
    stage.until("waits", "False", "IssuerUnavailable").await;
    assert_eq!(health(&object(&stage, "waits").await).await.0, "Progressing");
    down.lift();

    let other = format!("{role}-other");
    stage.credential("forbidden", json!({"roles": [{"roleArn": other}]})).await;
    stage.until("forbidden", "False", "NotPermitted").await;
    let (status, message) = health(&object(&stage, "forbidden").await).await;
    assert_eq!(status, "Degraded");
    assert!(message.contains("CredentialPolicy"), "{message}");
    stage.strike().await;
}

/// Flux and helm 4 read statuses by kstatus, the same library.
#[tokio::test]
async fn kstatus_waits_for_a_resource_and_gives_up_on_one_that_is_stalled() {
    let stage = Stage::set().await;
    let role = stage.role("kstatus").await;
    let chart = scratch::subfolder("kstatus");
    std::fs::create_dir(chart.join("templates")).expect("a folder");
    scratch::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: kstatus\nversion: 0.1.0\n");
    let resource = |role: &str| {
        json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "kstatus"}, "spec": {"roles": [{"roleArn": role}]},
        })
    };
    let template = chart.join("templates/resource.yaml");
    let helm = Helm::on(stage.cluster, Version::Four).await;
    let path = chart.display().to_string();
    let with = async |command: &str, timeout: &str| {
        let arguments = [
            command,
            "kstatus",
            &path,
            "--namespace",
            &stage.namespace.name,
            "--wait",
            "--timeout",
            timeout,
        ];
        helm.attempt(&arguments).await
    };

    scratch::write(template.clone(), resource(&role).to_string());
    with("install", "60s").await.expect("it waits until the credentials are there");
    stage.until("kstatus", "True", "Issued").await;

    scratch::write(template.clone(), resource(&format!("{role}-other")).to_string());
    let began = std::time::Instant::now();
    let failed = with("upgrade", "60s").await.expect_err("what is Stalled fails");
    assert!(
        began.elapsed() < SOON,
        "at once, not at the end of its time: {:?}\n{failed}",
        began.elapsed()
    );
    stage.strike().await;
}

/// All but the components of injection, which change Pods and are shown where injection is.
fn kustomizations(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            kustomizations(&path, found);
        } else if path.ends_with("kustomization.yaml")
            && !path.display().to_string().contains("/inject/")
        {
            found.push(path);
        }
    }
}

/// A folder that can be rendered: a component needs something to change.
fn rendered_by(kustomization: &Path) -> PathBuf {
    let folder = kustomization.parent().expect("a folder");
    if !std::fs::read_to_string(kustomization).expect("a kustomization").contains("kind: Component")
    {
        return folder.to_owned();
    }
    let user = scratch::subfolder("component");
    let link = Command::new("cp")
        .arg("-R")
        .arg(folder)
        .arg(user.join("component"))
        .status()
        .expect("cp starts");
    assert!(link.success());
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"timeout.reconciliation": "180s"},
    });
    scratch::write(user.join("argocd.yaml"), config_map.to_string());
    let root = json!({"resources": ["argocd.yaml"], "components": ["component"]});
    scratch::write(user.join("kustomization.yaml"), root.to_string());
    user
}

/// Installs the CRDs of Flux and Argo CD.
async fn flux_and_argo_cd(cluster: &Cluster) {
    let folders = background::blocking(programs::gitops_crds).await;
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let files = files.map(|file| file.expect("an entry").path().display().to_string());
    for file in files.filter(|file| !file.ends_with("/kustomization.yaml")) {
        cluster.kubectl(&["apply", "--server-side", "--filename", &file]).await;
        cluster.established(&["--filename", &file]).await;
    }
}

#[tokio::test]
async fn every_kustomization_renders_and_is_taken_by_the_api_server() {
    let cluster = Cluster::shared().await;
    flux_and_argo_cd(cluster).await;
    for name in ["argocd", "flux-system", "team-a", "refreshable"] {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let file = scratch::write(
            scratch::subfolder("namespace").join("namespace.json"),
            namespace.to_string(),
        );
        cluster
            .kubectl(&["apply", "--server-side", "--filename", &file.display().to_string()])
            .await;
    }
    let mut all = Vec::new();
    kustomizations(&deploy(""), &mut all);
    assert!(all.len() >= 7, "{all:?}");
    for kustomization in all {
        let name = kustomization.display().to_string();
        let mut objects = helm::documents(
            &cluster
                .kubectl(&["kustomize", &rendered_by(&kustomization).display().to_string()])
                .await,
        );
        if name.contains("/argocd/") {
            let data = &objects[0]["data"];
            let check = std::fs::read_to_string(deploy("argocd/health.lua")).expect("the check");
            assert_eq!(
                data["resource.customizations.health.refreshable.dev_RefreshableCredential"],
                json!(check)
            );
            assert_eq!(data["timeout.reconciliation"], "180s", "what was there stays");
            let application = std::fs::read_to_string(deploy("argocd/application.yaml"))
                .expect("the Application");
            objects.extend(helm::documents(&application));
        }
        if name.contains("/namespaced/") {
            let kinds: Vec<_> = objects.iter().filter_map(|o| o["kind"].as_str()).collect();
            assert!(!kinds.iter().any(|k| k.starts_with("ClusterRole")), "{kinds:?}");
            let namespaced = crate::harness::rights::granted(&objects);
            assert!(
                !namespaced.is_empty() && namespaced.iter().all(|r| r.namespace.is_some()),
                "{namespaced:?}"
            );
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file =
            scratch::write(scratch::subfolder("kustomized").join("list.json"), list.to_string())
                .display()
                .to_string();
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            &file,
        ];
        eventually(SOON, &format!("{name} is taken"), async || {
            let (ok, _, error) = cluster.try_kubectl(&arguments).await;
            if ok { Ok(()) } else { Err(error) }
        })
        .await;
    }
}
