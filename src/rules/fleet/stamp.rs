//! The RefreshableCredential that a template makes for one namespace.

use crate::fingerprint;
use crate::render::NO_VERSION;
use kube::{Resource as _, ResourceExt as _};
use refreshable_api::{
    ClusterRefreshableCredential, NAMESPACE_PLACEHOLDER, RefreshableCredential,
    RefreshableCredentialSpec, names,
};
use serde_json::{Value, json};

/// The template makes nothing that is a specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.template.spec is not a specification with this namespace in it: {0}")]
pub struct Unstampable(String);

/// The RefreshableCredential that one namespace should have, as it is applied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamped {
    manifest: Value,
    digest: String,
}

/// The RefreshableCredential of `cluster` for `namespace`.
///
/// # Errors
/// Where the text of the namespace's name makes something else of the template than a specification.
pub(super) fn stamp(
    cluster: &ClusterRefreshableCredential,
    namespace: &str,
) -> Result<Stamped, Unstampable> {
    let template = &cluster.spec.template;
    let mut spec = serde_json::to_value(&template.spec).map_err(unstampable)?;
    fill(&mut spec, namespace);
    // An enum's text is one that the schema names, so this shows that none held the placeholder.
    serde_json::from_value::<RefreshableCredentialSpec>(spec.clone()).map_err(unstampable)?;
    let labels = template.metadata.as_ref().map(|m| &m.labels).filter(|l| !l.is_empty());
    let digest = fingerprint::of_template(&json!([labels, spec]));
    let mut owner = json!(cluster.controller_owner_ref(&()));
    // The garbage collector removes it with its owner, whose deletion does not wait for that.
    owner["blockOwnerDeletion"] = false.into();
    let mut metadata = json!({
        "namespace": namespace,
        "name": cluster.credential_name(),
        "annotations": { names::TEMPLATE_ANNOTATION: digest },
        "ownerReferences": [owner],
    });
    if let Some(labels) = labels {
        metadata["labels"] = json!(labels);
    }
    let (version, kind) =
        (RefreshableCredential::api_version(&()), RefreshableCredential::kind(&()));
    let manifest =
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec });
    Ok(Stamped { manifest, digest })
}

/// The RefreshableCredential that `cluster` makes in `namespace`, as JSON.
///
/// # Errors
/// As [`stamp`].
pub fn made_in(
    cluster: &ClusterRefreshableCredential,
    namespace: &str,
) -> Result<Value, Unstampable> {
    stamp(cluster, namespace).map(|stamped| stamped.manifest)
}

fn unstampable(error: serde_json::Error) -> Unstampable {
    Unstampable(error.to_string())
}

impl Stamped {
    /// As it is applied over the object with this UID, or where there is none: then it makes one and
    /// changes none.
    pub(super) fn into_manifest(mut self, uid: Option<&str>) -> Value {
        let metadata = &mut self.manifest["metadata"];
        match uid {
            Some(uid) => metadata["uid"] = uid.into(),
            None => metadata["resourceVersion"] = NO_VERSION.into(),
        }
        self.manifest
    }

    /// Whether `object` has everything that it should have. What others set beside it may stay.
    pub(super) fn is_met_by(&self, object: &RefreshableCredential) -> bool {
        let made_so = object.annotations().get(names::TEMPLATE_ANNOTATION) == Some(&self.digest);
        // A specification that was read from JSON is JSON again.
        let there = serde_json::to_value(&object.spec).unwrap_or_default();
        let labels = &self.manifest["metadata"]["labels"];
        let labelled = labels.is_null() || is_within(labels, &json!(object.labels()));
        made_so && labelled && is_within(&self.manifest["spec"], &there)
    }
}

/// Lists of a specification into which others may put members of their own: server-side apply merges
/// those by their keys. Other lists belong as a whole to whoever wrote them last.
const MERGED: [&str; 10] = [
    "audiences",
    "formats",
    "headers",
    "hosts",
    "logins",
    "profiles",
    "registries",
    "repositories",
    "restart",
    "tags",
];

/// Whether every member of `part` is a member of `whole`.
fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().all(|(name, inner)| {
            whole.get(name).is_some_and(|there| match (inner, there) {
                (Value::Array(inner), Value::Array(there)) if MERGED.contains(&name.as_str()) => {
                    inner.iter().all(|one| there.iter().any(|other| is_within(one, other)))
                }
                _ => is_within(inner, there),
            })
        }),
        (part, whole) => part == whole,
    }
}

/// Writes the namespace's name in place of each placeholder. In doubled braces it is none: those
/// belong to the templates of data keys.
fn fill(value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) if text.contains(NAMESPACE_PLACEHOLDER) => {
            *text = filled(text, namespace);
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| fill(inner, namespace)),
        Value::Object(members) => members.values_mut().for_each(|inner| fill(inner, namespace)),
        _ => {}
    }
}

fn filled(text: &str, namespace: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(NAMESPACE_PLACEHOLDER) {
        let doubled = before.ends_with('{') || after.starts_with('}');
        written.push_str(before);
        written.push_str(if doubled { NAMESPACE_PLACEHOLDER } else { namespace });
        rest = after;
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::super::tests::cluster;
    use super::*;
    use kube::CustomResourceExt as _;

    #[test]
    fn the_placeholder_is_filled_in_texts_and_not_in_doubled_braces() {
        for (text, expected) in [
            ("{namespace}", "team-a"),
            ("arn:aws:iam::1:role/{namespace}-x", "arn:aws:iam::1:role/team-a-x"),
            ("{namespace}/{namespace}", "team-a/team-a"),
            ("{{namespace}}", "{{namespace}}"),
            ("{{ namespace }} {namespace}", "{{ namespace }} team-a"),
            ("{name}", "{name}"),
            ("", ""),
        ] {
            assert_eq!(filled(text, "team-a"), expected, "{text}");
        }
    }

    fn push(list: &mut Value, one: Value) {
        list.as_array_mut().expect("a list").push(one);
    }

    /// The names of the lists that are merged, but for those in a list that is not.
    fn merged(schema: &Value, found: &mut std::collections::BTreeSet<String>) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            match member["x-kubernetes-list-type"].as_str() {
                Some("map" | "set") => {
                    found.insert(name.clone());
                    merged(&member["items"], found);
                }
                _ => merged(member, found),
            }
        }
    }

    #[test]
    fn the_lists_that_are_merged_are_those_of_the_crd() {
        let crd = serde_json::to_value(RefreshableCredential::crd()).expect("JSON");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut found = std::collections::BTreeSet::new();
        merged(schema, &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), MERGED);
    }

    #[test]
    fn each_namespace_gets_the_template_with_its_name_in_it() {
        let spec = json!({
            "roles": [{
                "roleArn": "arn:aws:iam::111122223333:role/{namespace}",
                "roleSessionName": "{namespace}.x",
                "tags": [{"key": "{namespace}", "value": "of {namespace}"}],
                "policy": r#"{"Resource": "arn:aws:s3:::logs/{namespace}/*"}"#,
                "durationSeconds": 900,
            }],
            "secret": {"name": "{namespace}-aws", "template": {"x": "{{accessKeyId}} {namespace}"}},
        });
        let mut cluster = cluster(json!({"namespaceSelector": {}, "credentialName": "aws",
            "template": {"metadata": {"labels": {"team": "x"}}, "spec": spec}}));
        cluster.metadata.uid = Some("cluster-uid".to_owned());
        let manifest = stamp(&cluster, "team-a").expect("a specification").into_manifest(None);
        assert_eq!(
            manifest["spec"],
            json!({
                "roles": [{
                    "roleArn": "arn:aws:iam::111122223333:role/team-a",
                    "roleSessionName": "team-a.x",
                    "tags": [{"key": "team-a", "value": "of team-a"}],
                    "policy": r#"{"Resource": "arn:aws:s3:::logs/team-a/*"}"#,
                    "durationSeconds": 900,
                }],
                "secret": {"name": "team-a-aws", "template": {"x": "{{accessKeyId}} team-a"}},
            })
        );
        let metadata = &manifest["metadata"];
        assert_eq!(
            (&metadata["namespace"], &metadata["name"], &metadata["labels"]),
            (&json!("team-a"), &json!("aws"), &json!({"team": "x"}))
        );
        assert_eq!(
            metadata["ownerReferences"],
            json!([{"apiVersion": "refreshable.dev/v1alpha1", "kind": "ClusterRefreshableCredential",
                "name": "metrics", "uid": "cluster-uid", "controller": true, "blockOwnerDeletion": false}])
        );
    }

    #[test]
    fn what_others_add_stays_and_what_they_change_is_put_back() {
        let cluster = cluster(json!({"namespaceSelector": {}, "template":
            {"metadata": {"labels": {"team": "x"}}, "spec": {"roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}], "suspend": false,
                "restart": [{"kind": "Deployment", "name": "x"}]}}}));
        let stamped = || stamp(&cluster, "team-a").expect("a specification");
        let object = |change: fn(&mut Value)| {
            let mut manifest = stamped().into_manifest(Some("uid"));
            change(&mut manifest);
            serde_json::from_value::<RefreshableCredential>(manifest).expect("a resource")
        };
        for (what, change, met) in [
            ("nothing", (|_| ()) as fn(&mut Value), true),
            ("another member", |m| m["spec"]["refresh"] = json!({"before": "20m"}), true),
            ("another label", |m| m["metadata"]["labels"]["a"] = "b".into(), true),
            ("a label's value", |m| m["metadata"]["labels"]["team"] = "y".into(), false),
            ("no labels", |m| m["metadata"]["labels"] = Value::Null, false),
            ("a value", |m| m["spec"]["suspend"] = true.into(), false),
            ("a member that went", |m| m["spec"]["suspend"] = Value::Null, false),
            (
                "a workload more",
                |m| push(&mut m["spec"]["restart"], json!({"kind": "DaemonSet", "name": "x"})),
                true,
            ),
            ("another workload", |m| m["spec"]["restart"][0]["name"] = "y".into(), false),
            (
                "one role more",
                |m| push(&mut m["spec"]["roles"], json!({"roleArn": "arn:aws:iam::1:role/y"})),
                false,
            ),
            ("the digest", |m| m["metadata"]["annotations"] = json!({}), false),
        ] {
            assert_eq!(stamped().is_met_by(&object(change)), met, "{what}");
        }
    }
}
