//! Argo CD, Flux and kustomize: manifests that are taken, statuses that kstatus reads, and names
//! that kustomize changes.

use super::argo_cd::customization;
use super::stage::{SOON, Stage};
use crate::harness::helm::{Helm, Version};
use crate::harness::{Cluster, background, eventually, helm, programs, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn deploy(path: &str) -> PathBuf {
    Path::new(ROOT).join("deploy").join(path)
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
            assert_eq!(
                data["resource.customizations.health.refreshable.dev_RefreshableCredential"],
                json!(customization("health.lua"))
            );
            assert_eq!(
                data["resource.customizations.health.refreshable.dev_ClusterRefreshableCredential"],
                json!(customization("../ClusterRefreshableCredential/health.lua"))
            );
            let actions = "resource.customizations.actions.refreshable.dev_RefreshableCredential";
            let actions = helm::documents(data[actions].as_str().expect("actions"));
            let expected = json!({
                "discovery.lua": customization("actions/discovery.lua"),
                "definitions": [
                    {"name": "refresh", "action.lua": customization("actions/refresh/action.lua")},
                ],
            });
            assert_eq!(actions, [expected]);
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

/// A kustomization of everything in this list, with the component `names` and a prefix.
async fn prefixed(cluster: &Cluster, objects: &[Value]) -> Vec<Value> {
    let user = scratch::subfolder("names");
    let component = Command::new("cp")
        .arg("-R")
        .arg(deploy("components/names"))
        .arg(user.join("names"))
        .status()
        .expect("cp starts");
    assert!(component.success());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    scratch::write(user.join("all.yaml"), list.to_string());
    let root = json!({
        "namePrefix": "dev-",
        "resources": ["all.yaml"],
        "components": ["names"],
        "secretGenerator": [{"name": "key", "literals": ["AWS_ACCESS_KEY_ID=x"]}],
        "configMapGenerator": [{"name": "authority", "literals": ["ca.crt=x"]}],
    });
    scratch::write(user.join("kustomization.yaml"), root.to_string());
    helm::documents(&cluster.kubectl(&["kustomize", &user.display().to_string()]).await)
}

#[tokio::test]
async fn names_that_kustomize_changes_are_changed_in_resources_and_in_what_mounts_them() {
    let cluster = Cluster::shared().await;
    let role = "arn:aws:iam::111122223333:role/team-a/reports";
    let template = json!({
        "metadata": {
            "labels": {"app": "reader"},
            "annotations": {
                "refreshable.dev/inject": "reports", "refreshable.dev/mounts": "reports",
            },
        },
        "spec": {
            "imagePullSecrets": [{"name": "images"}],
            "containers": [{"name": "reader", "image": "example.com/reader"}],
            "volumes": [
                {"name": "aws", "secret": {"secretName": "reports"}},
                {"name": "other", "secret": {"secretName": "foreign"}},
            ],
        },
    });
    let objects = [
        json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "reports"},
            "spec": {
                "source": {"accessKey": {"secretRef": {"name": "key"}}},
                "roles": [{"roleArn": role, "externalIdSecretRef": {"name": "foreign", "key": "id"}}],
                "sts": {"caBundleRef": {"kind": "ConfigMap", "name": "authority", "key": "ca.crt"}},
                "restart": [{"kind": "Deployment", "name": "reader"}],
            },
        }),
        json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "images"},
            "spec": {
                "source": {"webIdentity": {"roleArn": role, "serviceAccountRef": {"name": "puller"}}},
                "token": {"ecr": {"public": true, "mergeFrom": {"name": "key"}}},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "puller"},
            "imagePullSecrets": [{"name": "images"}],
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reader"},
            "spec": {"selector": {"matchLabels": {"app": "reader"}}, "template": template},
        }),
    ];
    let rendered = prefixed(cluster, &objects).await;
    let of = |kind: &str, start: &str| {
        let found = rendered.iter().find(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            object["kind"] == kind && name.starts_with(start)
        });
        found.unwrap_or_else(|| panic!("{kind} {start}: {rendered:#?}"))
    };
    let (key, authority) = (
        &of("Secret", "dev-key-")["metadata"]["name"],
        &of("ConfigMap", "dev-authority-")["metadata"]["name"],
    );
    let reports = &of("RefreshableCredential", "dev-reports")["spec"];
    let images = &of("RefreshableCredential", "dev-images")["spec"];
    let template = &of("Deployment", "dev-reader")["spec"]["template"];
    for (found, expected) in [
        (&reports["source"]["accessKey"]["secretRef"]["name"], key),
        (&reports["sts"]["caBundleRef"]["name"], authority),
        (&reports["restart"][0]["name"], &json!("dev-reader")),
        (&reports["roles"][0]["externalIdSecretRef"]["name"], &json!("foreign")),
        (&images["source"]["webIdentity"]["serviceAccountRef"]["name"], &json!("dev-puller")),
        (&images["token"]["ecr"]["mergeFrom"]["name"], key),
        (&of("ServiceAccount", "dev-puller")["imagePullSecrets"][0]["name"], &json!("dev-images")),
        (&template["metadata"]["annotations"]["refreshable.dev/inject"], &json!("dev-reports")),
        (&template["metadata"]["annotations"]["refreshable.dev/mounts"], &json!("dev-reports")),
        (&template["spec"]["imagePullSecrets"][0]["name"], &json!("dev-images")),
        (&template["spec"]["volumes"][0]["secret"]["secretName"], &json!("dev-reports")),
        (&template["spec"]["volumes"][1]["secret"]["secretName"], &json!("foreign")),
    ] {
        assert_eq!(found, expected, "{rendered:#?}");
    }
}

/// Paths of the names of other objects in a schema, as kustomize writes them.
fn references(schema: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(items) = schema.get("items") {
        references(items, path, found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        if name.ends_with("Ref") || name == "mergeFrom" {
            found.push(format!("{path}/name"));
        } else {
            references(member, &path, found);
        }
    }
}

#[test]
fn kustomize_is_told_of_every_reference_that_the_crd_has() {
    let crd = serde_json::to_value(
        <refreshable_api::RefreshableCredential as kube::CustomResourceExt>::crd(),
    );
    let crd = crd.expect("JSON");
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec");
    let mut expected = Vec::new();
    references(spec.expect("a schema"), "spec", &mut expected);
    assert!(expected.len() >= 25, "{expected:?}");
    expected.push("spec/restart/name".to_owned());
    let file = std::fs::read_to_string(deploy("components/names/name-reference.yaml"));
    let rules = helm::documents(&file.expect("the rules"));
    let rules = rules[0]["nameReference"].as_array().expect("rules");
    let mut told: Vec<String> = rules
        .iter()
        .flat_map(|rule| rule["fieldSpecs"].as_array().expect("fields"))
        .filter(|field| field["kind"] == "RefreshableCredential")
        .map(|field| field["path"].as_str().expect("a path").to_owned())
        .collect();
    told.sort();
    told.dedup();
    expected.sort();
    assert_eq!(told, expected);
}
