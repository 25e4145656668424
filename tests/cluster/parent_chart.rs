//! The chart as a part of another chart, rendered by both versions of helm. No cluster is needed
//! for it.

use super::typist;
use crate::harness::helm::{self, CHART, Version};
use crate::harness::scratch;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// A chart that has this one as a dependency, under another name where `alias` gives one:
/// `Chart.yaml` as the chart's page shows it, this chart as a folder in `charts/`, and one object
/// of its own.
fn parent(alias: Option<&str>) -> PathBuf {
    let folder = scratch::subfolder("parent").join("platform");
    for part in ["templates", "charts"] {
        std::fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    let shown = typist::fenced("charts/refreshable/README.md", "yaml,parent").remove(0);
    let mut chart: Value = serde_saphyr::from_str(&shown).expect("YAML");
    for (key, value) in [("apiVersion", "v2"), ("name", "platform"), ("version", "1.0.0")] {
        chart[key] = value.into();
    }
    if let Some(alias) = alias {
        chart["dependencies"][0]["alias"] = alias.into();
        chart["dependencies"][0]["condition"] = format!("{alias}.enabled").into();
    }
    scratch::write(folder.join("Chart.yaml"), chart.to_string());
    let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}});
    scratch::write(folder.join("templates/own.yaml"), own.to_string());
    let copied = Command::new("cp")
        .args(["-R", CHART])
        .arg(folder.join("charts"))
        .status()
        .expect("cp starts");
    assert!(copied.success());
    folder
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|o| o["kind"].as_str()).collect()
}

#[tokio::test]
async fn a_parent_s_condition_decides_whether_it_is_rendered() {
    let global = json!({"imageRegistry": "registry.example.com", "nested": {"any": [1]}});
    for version in Version::ALL {
        for (name, alias) in [("refreshable", None), ("credentials", Some("credentials"))] {
            let chart = parent(alias);
            for (enabled, rendered) in
                [(Value::Null, true), (json!(true), true), (json!(false), false)]
            {
                let mut own = json!({"replicas": 1});
                if !enabled.is_null() {
                    own["enabled"] = enabled.clone();
                }
                let values = json!({"global": global, name: own});
                let objects = helm::rendered_by(version, &chart, &values).await;
                let objects = objects.unwrap_or_else(|said| panic!("{version:?} {values}: {said}"));
                let found = kinds(&objects);
                assert!(
                    found.contains(&"ConfigMap"),
                    "{version:?} {values}: the parent's own: {found:?}"
                );
                assert_eq!(
                    found.contains(&"Deployment"),
                    rendered,
                    "{version:?} {values}: {found:?}"
                );
                assert_eq!(
                    found.contains(&"CustomResourceDefinition"),
                    rendered,
                    "{version:?} {values}: {found:?}"
                );
                if rendered {
                    let deployment =
                        objects.iter().find(|o| o["kind"] == "Deployment").expect("it is there");
                    assert_eq!(
                        deployment["spec"]["replicas"], 1,
                        "{version:?} {values}: its values reach it"
                    );
                }
            }
            // A value that is none is still refused, and names the chart.
            let wrong = json!({name: {"enabled": true, "unknown": 1}});
            let said =
                helm::rendered_by(version, &chart, &wrong).await.expect_err("an unknown value");
            assert!(said.contains("unknown"), "{version:?}: {said}");
        }
        // What nobody's condition reads leaves nothing out, and that is said.
        let alone = helm::rendered_by(version, CHART.as_ref(), &json!({"enabled": false})).await;
        let said = alone.expect_err("a release without its chart");
        assert!(said.contains("condition: refreshable.enabled"), "{version:?}: {said}");
    }
}
