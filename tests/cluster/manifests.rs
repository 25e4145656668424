//! Manifests that people apply: the examples, the install manifest, and the YAML in the
//! documentation.

use super::stage::Stage;
use crate::harness::{Cluster, eventually, helm, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Objects of one example.
fn example(file: &Path) -> Vec<Value> {
    helm::documents(&std::fs::read_to_string(file).expect("an example"))
}

#[tokio::test]
async fn each_example_is_taken_by_a_cluster_that_has_the_crds_alone() {
    let cluster = Cluster::start().await;
    let examples = files("deploy/examples", "yaml");
    assert!(examples.len() >= 25, "{examples:?}");
    for file in examples {
        let file = file.display().to_string();
        let (ok, _, error) = cluster.try_kubectl(&["apply", "--filename", &file]).await;
        assert!(ok, "{file}: {error}");
    }
    let objects = ["get", "rcred,credpol", "--all-namespaces", "--output", "name"];
    let objects = cluster.kubectl(&objects).await;
    assert!(objects.lines().count() >= 35, "{objects}");
}

/// The namespaces, labels and roles that an example speaks of are its own.
#[test]
fn each_example_brings_what_it_selects() {
    for file in files("deploy/examples", "yaml") {
        let (objects, file) = (example(&file), file.display());
        let of_kind = |kind: &'static str| objects.iter().filter(move |o| o["kind"] == kind);
        for object in &objects {
            if !matches!(
                object["kind"].as_str(),
                Some("Namespace" | "CredentialPolicy" | "ClusterRefreshableCredential")
            ) {
                let home = &object["metadata"]["namespace"];
                let made = of_kind("Namespace").any(|n| n["metadata"]["name"] == *home);
                assert!(made, "{file} makes no Namespace {home}");
            }
        }
        for policy in of_kind("CredentialPolicy") {
            let selector = policy["spec"]["namespaceSelector"]["matchLabels"].as_object();
            let selector = selector.unwrap_or_else(|| panic!("{file}: a policy for everybody"));
            let labels = |n: &Value, (key, value): (&String, &Value)| {
                n["metadata"]["labels"][key.as_str()] == *value
            };
            let selected =
                of_kind("Namespace").any(|n| selector.iter().all(|label| labels(n, label)));
            assert!(selected, "{file}: {selector:?} selects none of its Namespaces");
        }
        let clusters = of_kind("ClusterRefreshableCredential");
        for credential in of_kind("RefreshableCredential").chain(clusters) {
            if !credential["spec"]["source"].is_null() {
                continue;
            }
            let allowed: Vec<String> = of_kind("CredentialPolicy")
                .flat_map(|p| strings(&p["spec"]["allow"]["roles"], "arns"))
                .collect();
            for role in strings(&credential["spec"], "roleArn") {
                let fits = |pattern: &String| match pattern.split_once('*') {
                    Some((before, after)) => {
                        role.starts_with(before) && role.ends_with(after.trim_end_matches('*'))
                    }
                    None => *pattern == role,
                };
                assert!(allowed.iter().any(fits), "{file} allows no {role}");
            }
        }
    }
}

/// Every string under a key of this name.
fn strings(value: &Value, name: &str) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == name => vec![text.clone()],
                Value::Array(list) if key == name => {
                    list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
                }
                other => strings(other, name),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(|value| strings(value, name)).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn each_example_stands_in_their_index() {
    let index = std::fs::read_to_string(Path::new(ROOT).join("deploy/examples/README.md"));
    let index = index.expect("an index");
    let rows: Vec<&str> = index.lines().filter(|line| line.starts_with("| [")).collect();
    let examples = files("deploy/examples", "yaml");
    assert_eq!(rows.len(), examples.len(), "{rows:#?}");
    for file in examples {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let row = rows.iter().find(|row| row.starts_with(&format!("| [{name}]({name}) |")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row in the index"));
        let objects = example(&file);
        let policy = objects.iter().any(|o| o["kind"] == "CredentialPolicy");
        let said = row.split('|').any(|cell| cell.trim() == "yes");
        assert_eq!(policy, said, "{row}");
    }
}

/// Adding a source means a page and an example, too.
#[test]
fn every_source_has_a_page_and_an_example() {
    let crd = serde_json::to_value(
        <refreshable_api::RefreshableCredential as kube::CustomResourceExt>::crd(),
    );
    let crd = crd.expect("JSON");
    let source =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/source/properties";
    let members = crd.pointer(source).and_then(|m| m.as_object()).expect("a union");
    let mut names: Vec<String> = members.keys().filter(|n| *n != "custom").cloned().collect();
    let custom = members["custom"]["properties"].as_object().expect("a union");
    names.extend(custom.keys().map(|n| format!("custom.{n}")));
    assert_eq!(names.len(), 16, "{names:?}");
    let text = |file: PathBuf| {
        std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    let examples: Vec<String> = files("deploy/examples", "yaml").into_iter().map(text).collect();
    for name in names {
        let page = text(Path::new(ROOT).join(format!("docs/sources/{name}.md")));
        assert!(page.starts_with(&format!("# `{name}`")), "{name}");
        let key = format!("{}:", name.trim_start_matches("custom."));
        // The controller's own identity is what a specification without a source means.
        let shown = name == "ambient" || examples.iter().any(|e| e.contains(&key));
        assert!(shown && page.contains("```yaml"), "{name} has no example");
    }
}

#[tokio::test]
async fn the_yaml_in_the_documentation_is_taken_by_the_api_server() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("docs").create().await;
    let mut pages = files("docs", "md");
    pages.push(Path::new(ROOT).join("README.md"));
    let mut blocks = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        for (number, block) in text.split("```yaml\n").skip(1).enumerate() {
            let yaml = block.split("```").next().expect("a block");
            let file = scratch::write(scratch::subfolder("docs").join("block.yaml"), yaml)
                .display()
                .to_string();
            let (ok, _, error) = cluster
                .try_kubectl(&[
                    "apply",
                    "--dry-run=server",
                    "--namespace",
                    &namespace.name,
                    "--filename",
                    &file,
                ])
                .await;
            assert!(ok, "{} block {}: {error}\n{yaml}", page.display(), number + 1);
            blocks += 1;
        }
    }
    assert!(blocks >= 3, "{blocks} blocks");
}

#[tokio::test]
async fn the_controller_works_with_the_rights_of_the_install_manifest_and_no_others() {
    let stage = Stage::without_controller().await;
    let manifest = Path::new(ROOT).join("deploy/install.yaml").display().to_string();
    stage
        .cluster
        .kubectl(&["apply", "--server-side", "--force-conflicts", "--filename", &manifest])
        .await;
    let kubeconfig = stage.cluster.kubeconfig_for("refreshable", "refreshable").await;
    let installed = stage
        .program()
        .kubeconfig(&kubeconfig)
        .args([
            "--lease-namespace",
            "refreshable",
            "--lease-name",
            "refreshable",
            "--identity",
            "installed",
        ])
        .start()
        .await;
    let role = stage.role("installed").await;
    stage.credential("installed", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("installed", "True", "Issued").await;
    let asked = stage.cluster.audit().by_account("refreshable", "refreshable");
    eventually(super::stage::SOON, "its event is published", async || {
        let events =
            stage.cluster.kubectl(&["get", "events", "--namespace", &stage.namespace.name]).await;
        if events.contains("Issued") { Ok(()) } else { Err(events) }
    })
    .await;
    let refused = asked.clone().only(|r| r.code == 403);
    assert_eq!(refused.count(), 0, "{refused}");
    for (verb, resource) in
        [("patch", "secrets"), ("patch", "refreshablecredentials/status"), ("create", "leases")]
    {
        assert!(
            stage
                .cluster
                .audit()
                .by_account("refreshable", "refreshable")
                .of(verb, resource)
                .count()
                > 0,
            "{verb} {resource}"
        );
    }
    assert!(installed.stop().await.success());
}
