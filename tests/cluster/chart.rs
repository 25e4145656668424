//! The chart over a matrix of values, taken by a real API server, and its Pods under PodSecurity
//! `restricted`.

use super::typist;
use crate::harness::{Cluster, eventually, helm, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The matrix: `tests/chart/check` lints and renders it, too.
fn matrix() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/values");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    files
}

/// The values that the documentation shows.
fn of_the_pages() -> Vec<PathBuf> {
    let pages = super::documentation::pages();
    let shown: Vec<_> = pages.iter().flat_map(|page| typist::fenced(page, "yaml,values")).collect();
    assert!(shown.len() >= 7, "{shown:?}");
    let folder = scratch::subfolder("shown");
    let write = |(number, values): (usize, &String)| {
        scratch::write(folder.join(format!("{number}.yaml")), values)
    };
    shown.iter().enumerate().map(write).collect()
}

/// Kinds of Prometheus Operator, which this cluster does not know.
fn is_foreign(object: &Value) -> bool {
    object["apiVersion"].as_str().is_some_and(|v| v.starts_with("monitoring.coreos.com/"))
}

async fn dry_run(cluster: &Cluster, objects: &[Value]) -> (bool, String) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let file = scratch::write(scratch::subfolder("dry-run").join("list.json"), list.to_string());
    let file = file.display().to_string();
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        &file,
    ];
    let (ok, output, errors) = cluster.try_kubectl(&arguments).await;
    (ok, format!("{output}{errors}"))
}

fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

async fn apply(cluster: &Cluster, object: &Value) {
    let file = scratch::write(scratch::subfolder("apply").join("object.json"), object.to_string());
    cluster
        .kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &file.display().to_string(),
        ])
        .await;
}

#[tokio::test]
async fn what_it_renders_is_taken_by_the_api_server() {
    let cluster = Cluster::shared().await;
    for name in ["chart", "team-a", "team-b"] {
        apply(cluster, &namespace(name, json!({}))).await;
    }
    for values in matrix().into_iter().chain(of_the_pages()) {
        let objects = helm::template_with("matrix", "chart", &values).await;
        let (foreign, known): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_foreign);
        let (ok, said) = dry_run(cluster, &known).await;
        assert!(ok, "{}: {said}", values.display());
        println!(
            "{}: {} objects taken, {} of Prometheus Operator left out",
            values.display(),
            known.len(),
            foreign.len()
        );

        // Strict: what no schema knows is refused.
        let mut wrong =
            known.iter().find(|o| o["kind"] == "Deployment").expect("a Deployment").clone();
        wrong["spec"]["template"]["spec"]["containers"][0]["evn"] = json!([]);
        let (ok, said) = dry_run(cluster, &[wrong]).await;
        assert!(!ok && said.contains("evn"), "{said}");
    }
}

#[tokio::test]
async fn its_pods_are_taken_where_podsecurity_is_restricted() {
    let cluster = Cluster::shared().await;
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest",
    });
    apply(cluster, &namespace("restricted", labels)).await;
    for values in matrix() {
        let objects = helm::template_with("restricted", "restricted", &values).await;
        let deployment = objects.iter().find(|o| o["kind"] == "Deployment").expect("a Deployment");
        let mut pod = deployment["spec"]["template"].clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "restricted".into();
        pod["metadata"]["namespace"] = "restricted".into();
        let (ok, said) = dry_run(cluster, &[pod.clone()]).await;
        assert!(ok, "{}: {said}", values.display());

        // That the API server looks: without any one of these it refuses.
        for (pointer, part) in [
            ("/spec/securityContext", "runAsNonRoot"),
            ("/spec/securityContext", "seccompProfile"),
            ("/spec/containers/0/securityContext", "allowPrivilegeEscalation"),
            ("/spec/containers/0/securityContext", "capabilities"),
        ] {
            let mut lax = pod.clone();
            lax.pointer_mut(pointer)
                .and_then(Value::as_object_mut)
                .and_then(|c| c.remove(part))
                .expect("it is there");
            let (ok, said) = dry_run(cluster, &[lax]).await;
            assert!(!ok && said.contains("violates PodSecurity"), "{part}: {said}");
        }
    }
}

#[tokio::test]
async fn its_deployment_gets_its_pods_in_such_a_namespace() {
    let cluster = Cluster::shared().await;
    let home = cluster
        .namespace("restricted")
        .label("pod-security.kubernetes.io/enforce", "restricted")
        .create()
        .await;
    let objects = helm::template(
        &home.name,
        &home.name,
        &json!({"crds": {"enabled": false}, "fence": {"enabled": false}}),
    )
    .await;
    for object in objects
        .iter()
        .filter(|o| matches!(o["kind"].as_str(), Some("Deployment" | "ServiceAccount")))
    {
        apply(cluster, object).await;
    }
    eventually(Duration::from_secs(30), "both Pods are made", async || {
        let arguments = ["get", "pods", "--namespace", &home.name, "--output", "name"];
        let pods = cluster.kubectl(&arguments).await;
        if pods.lines().count() == 2 { Ok(()) } else { Err(pods) }
    })
    .await;
    cluster.kubectl(&["delete", "deployment", "--all", "--namespace", &home.name]).await;
}

#[tokio::test]
async fn people_with_view_and_edit_have_the_resources() {
    let cluster = Cluster::shared().await;
    let home = cluster.namespace("people").create().await;
    let values = json!({"crds": {"enabled": false}, "fence": {"enabled": false}});
    for object in helm::template(&home.name, &home.name, &values).await {
        if object["kind"] == "ClusterRole" {
            apply(cluster, &object).await;
        }
    }
    for name in ["view", "edit", "admin"] {
        let (role, user) = (format!("--clusterrole={name}"), format!("--user={name}"));
        let binding = ["create", "rolebinding", name, "--namespace", &home.name, &role, &user];
        cluster.kubectl(&binding).await;
    }
    for (user, verb, resource, may) in [
        ("view", "list", "refreshablecredentials", true),
        ("view", "create", "refreshablecredentials", false),
        ("edit", "list", "refreshablecredentials", true),
        ("edit", "create", "refreshablecredentials", true),
        ("admin", "delete", "refreshablecredentials", true),
        ("admin", "patch", "refreshablecredentials/status", false),
    ] {
        // kubectl takes what stands behind a slash for the name of an object.
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let part = format!("--subresource={part}");
        let home = &home.name;
        let ask = ["auth", "can-i", verb, resource, &part, "--namespace", home, "--as", user];
        eventually(Duration::from_secs(30), &format!("{ask:?}: {may}"), async || {
            let (yes, said, _) = cluster.try_kubectl(&ask).await;
            if yes == may { Ok(()) } else { Err(said) }
        })
        .await;
    }
    let ours = [format!("{}-view", home.name), format!("{}-edit", home.name)];
    cluster.kubectl(&["delete", "clusterrole", &home.name, &ours[0], &ours[1]]).await;
}
