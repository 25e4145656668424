//! Consumers of a published Secret, found in Pods and in the workloads that create them.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use refreshable_api::names::{INJECT_ANNOTATION, MOUNTS_ANNOTATION};
use serde::Serialize;
use std::collections::BTreeMap;

/// Something that uses the credentials.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Consumer {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How it uses them.
    pub uses: Vec<String>,
    /// Kind and name of what made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The Secret and resource to look for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The resource's name, as an annotation has it.
    pub resource: &'a str,
    /// The Secret's name.
    pub secret: &'a str,
}

/// The object with these Pods as a consumer; `None` if it does not use the Secret. `pod_metadata`
/// is that of its Pods.
pub fn consumer(
    kind: &'static str,
    metadata: &ObjectMeta,
    pod_metadata: Option<&ObjectMeta>,
    pod: Option<&PodSpec>,
    wanted: Wanted<'_>,
) -> Option<Consumer> {
    let uses = uses(pod_metadata, pod, wanted);
    let owner = metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    (!uses.is_empty()).then(|| Consumer {
        kind,
        name: metadata.name.clone().unwrap_or_default(),
        uses,
        owner: owner.map(|o| format!("{}/{}", o.kind, o.name)),
    })
}

fn uses(metadata: Option<&ObjectMeta>, pod: Option<&PodSpec>, wanted: Wanted<'_>) -> Vec<String> {
    let annotation =
        |name: &str| metadata.and_then(|m| m.annotations.as_ref()).and_then(|a| a.get(name));
    let mut uses = Vec::new();
    if annotation(INJECT_ANNOTATION).is_some_and(|a| a == wanted.resource) {
        uses.push(format!("annotation {INJECT_ANNOTATION}"));
    }
    if annotation(MOUNTS_ANNOTATION)
        .is_some_and(|list| list.split(',').any(|n| n.trim() == wanted.resource))
    {
        uses.push(format!("annotation {MOUNTS_ANNOTATION}"));
    }
    let Some(pod) = pod else { return uses };
    if pod.image_pull_secrets.iter().flatten().any(|reference| reference.name == wanted.secret) {
        uses.push("imagePullSecrets".to_owned());
    }
    let containers: Vec<&Container> =
        pod.init_containers.iter().flatten().chain(&pod.containers).collect();
    for volume in pod.volumes.iter().flatten().filter(|v| holds(v, wanted.secret)) {
        uses.extend(mounts(volume, &containers));
    }
    let mut variables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for container in &containers {
        if container
            .env_from
            .iter()
            .flatten()
            .any(|e| e.secret_ref.as_ref().is_some_and(|s| s.name == wanted.secret))
        {
            uses.push(format!("envFrom in container {} (read at its start alone)", container.name));
        }
        for variable in container.env.iter().flatten() {
            let reference = variable.value_from.as_ref().and_then(|v| v.secret_key_ref.as_ref());
            if reference.is_some_and(|r| r.name == wanted.secret) {
                variables.entry(&container.name).or_default().push(&variable.name);
            }
        }
    }
    for (container, names) in variables {
        uses.push(format!(
            "env {} in container {container} (read at its start alone)",
            names.join(", ")
        ));
    }
    uses
}

fn holds(volume: &Volume, secret: &str) -> bool {
    let own = volume.secret.as_ref().and_then(|s| s.secret_name.as_deref()) == Some(secret);
    let projected = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    own || projected.filter_map(|s| s.secret.as_ref()).any(|s| s.name == secret)
}

fn mounts(volume: &Volume, containers: &[&Container]) -> Vec<String> {
    let mut found = Vec::new();
    for container in containers {
        for mount in container.volume_mounts.iter().flatten().filter(|m| m.name == volume.name) {
            let never = mount.sub_path.is_some() || mount.sub_path_expr.is_some();
            let note = if never { " by subPath, which is never updated" } else { "" };
            found.push(format!(
                "mounted at {} in container {}{note}",
                mount.mount_path, container.name
            ));
        }
    }
    if found.is_empty() {
        found.push(format!("volume {}, which no container mounts", volume.name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const WANTED: Wanted<'_> = Wanted { resource: "reports", secret: "reports-aws" };

    fn seen(annotations: Value, pod: Value) -> Vec<String> {
        let metadata: ObjectMeta =
            serde_json::from_value(json!({"annotations": annotations})).expect("metadata");
        let pod: PodSpec = serde_json::from_value(pod).expect("a Pod");
        uses(Some(&metadata), Some(&pod), WANTED)
    }

    #[test]
    fn a_secret_that_images_are_pulled_with_is_seen() {
        for (name, uses) in [("reports-aws", vec!["imagePullSecrets"]), ("other", vec![])] {
            let pod =
                json!({"containers": [{"name": "app"}], "imagePullSecrets": [{"name": name}]});
            assert_eq!(seen(json!({}), pod), uses, "{name}");
        }
    }

    #[test]
    fn every_way_to_use_a_secret_is_seen() {
        let app = |more: Value| {
            let mut container = json!({"name": "app"});
            container
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            json!({"containers": [container]})
        };
        let with_volume = |mut pod: Value, volume: Value| {
            pod["volumes"] = json!([volume]);
            pod
        };
        let mount = |more: Value| {
            let mut mount = json!({"name": "aws", "mountPath": "/aws"});
            mount
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            app(json!({"volumeMounts": [mount]}))
        };
        let own = json!({"name": "aws", "secret": {"secretName": "reports-aws"}});
        let projected =
            json!({"name": "aws", "projected": {"sources": [{"secret": {"name": "reports-aws"}}]}});
        let other = json!({"name": "aws", "secret": {"secretName": "other"}});
        let variable = |secret: &str| {
            app(
                json!({"env": [{"name": "AWS_REGION", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]}),
            )
        };
        let cases = [
            (with_volume(mount(json!({})), own.clone()), vec!["mounted at /aws in container app"]),
            (with_volume(mount(json!({})), projected), vec!["mounted at /aws in container app"]),
            (
                with_volume(mount(json!({"subPath": "config"})), own.clone()),
                vec!["mounted at /aws in container app by subPath, which is never updated"],
            ),
            (with_volume(app(json!({})), own), vec!["volume aws, which no container mounts"]),
            (with_volume(mount(json!({})), other), vec![]),
            (
                app(json!({"envFrom": [{"secretRef": {"name": "reports-aws"}}]})),
                vec!["envFrom in container app (read at its start alone)"],
            ),
            (
                variable("reports-aws"),
                vec!["env AWS_REGION in container app (read at its start alone)"],
            ),
            (variable("other"), vec![]),
        ];
        for (pod, expected) in cases {
            assert_eq!(seen(json!({}), pod.clone()), expected, "{pod}");
        }
        let annotated = seen(json!({INJECT_ANNOTATION: "reports"}), app(json!({})));
        assert_eq!(annotated, ["annotation refreshable.dev/inject"]);
        assert!(seen(json!({INJECT_ANNOTATION: "reports-aws"}), app(json!({}))).is_empty());
        let mounts = seen(json!({MOUNTS_ANNOTATION: "other, reports"}), app(json!({})));
        assert_eq!(mounts, ["annotation refreshable.dev/mounts"]);
    }

    #[test]
    fn a_consumer_names_its_owner() {
        let metadata: ObjectMeta = serde_json::from_value(json!({
            "name": "reports-1", "annotations": {INJECT_ANNOTATION: "reports"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "reports", "uid": "u", "controller": true}],
        }))
        .expect("metadata");
        let found = consumer("Pod", &metadata, Some(&metadata), None, WANTED).expect("a consumer");
        assert_eq!(found.owner.as_deref(), Some("ReplicaSet/reports"));
        assert_eq!(consumer("Pod", &ObjectMeta::default(), None, None, WANTED), None);
    }
}
