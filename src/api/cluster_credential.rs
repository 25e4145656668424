//! ClusterRefreshableCredential: one RefreshableCredential in each of many namespaces.

use super::{ObjectName, RefreshableCredentialSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Text in a template that stands for the name of the namespace.
pub const NAMESPACE_PLACEHOLDER: &str = "{namespace}";
/// Most namespaces whose trouble a status tells.
pub const MOST_TROUBLES: usize = 20;

/// A RefreshableCredential in every namespace that a selector selects.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[kube(
    group = "refreshable.dev",
    version = "v1alpha1",
    kind = "ClusterRefreshableCredential",
    plural = "clusterrefreshablecredentials",
    shortname = "crcred",
    category = "refreshable",
    doc = "A RefreshableCredential in every namespace that a selector selects, each with a session of its own.",
    status = "ClusterRefreshableCredentialStatus",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Ready of all", type_ = "string", json_path = ".status.readyOfAll"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].message"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRefreshableCredentialSpec {
    /// The namespaces that get a RefreshableCredential, by their labels. `{}` selects every
    /// namespace. One that ceases to be selected loses its RefreshableCredential, and with it the
    /// Secret.
    pub namespace_selector: LabelSelector,
    /// Name of the RefreshableCredentials. Defaults to the name of this resource.
    #[schemars(with = "Option<ObjectName>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_name: Option<String>,
    /// The RefreshableCredentials.
    pub template: CredentialTemplate,
}

/// The RefreshableCredentials that namespaces get.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialTemplate {
    /// Metadata of the RefreshableCredentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
    /// The specification of the RefreshableCredentials. In every text of it `{namespace}` stands for
    /// the name of the namespace. CredentialPolicies decide about the result as about any other
    /// RefreshableCredential of that namespace.
    #[schemars(transform = let_placeholders_through)]
    pub spec: RefreshableCredentialSpec,
}

/// Metadata of the RefreshableCredentials that a template makes.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.labels) || self.labels.all(k, k != 'app.kubernetes.io/managed-by' && !k.startsWith('refreshable.dev/'))").message("labels app.kubernetes.io/managed-by and refreshable.dev/* belong to the controller: choose other names")
)]
pub struct TemplateMetadata {
    /// Their labels.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How many of the selected namespaces have valid credentials, and why the others have none. Absent
/// where no controller serves ClusterRefreshableCredentials (`--no-cluster-credentials`,
/// `--no-policies` and `--watch-namespace`).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterRefreshableCredentialStatus {
    /// Ready and Stalled, in the sense of kstatus. Ready is True where the RefreshableCredential of
    /// every selected namespace is ready.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the specification that the rest refers to.
    pub observed_generation: Option<i64>,
    /// How many namespaces the selector selects.
    #[schemars(range(min = 0))]
    pub namespaces: Option<i32>,
    /// How many of them have a RefreshableCredential that is ready.
    #[schemars(range(min = 0))]
    pub ready: Option<i32>,
    /// Both as one text, for example `1998/2000`.
    #[schemars(length(max = 32))]
    pub ready_of_all: Option<String>,
    /// The first of the namespaces whose RefreshableCredential is not ready, by name.
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["namespace"]))]
    pub not_ready: Option<Vec<NamespaceTrouble>>,
}

/// Why one namespace has no valid credentials.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceTrouble {
    /// The namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The reason of the RefreshableCredential's condition Ready, or why it cannot be made.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The same in words.
    #[schemars(length(max = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ClusterRefreshableCredential {
    /// Name of the RefreshableCredentials: `spec.credentialName`, else the resource's own.
    ///
    /// ```
    /// use refreshable_api::ClusterRefreshableCredential;
    /// use serde_json::json;
    ///
    /// # fn main() -> Result<(), serde_json::Error> {
    /// let object: ClusterRefreshableCredential = serde_json::from_value(json!({
    ///     "apiVersion": "refreshable.dev/v1alpha1",
    ///     "kind": "ClusterRefreshableCredential",
    ///     "metadata": {"name": "metrics"},
    ///     "spec": {
    ///         "namespaceSelector": {"matchLabels": {"metrics": "true"}},
    ///         "template": {"spec": {"roles": [{"roleArn": "arn:aws:iam::111122223333:role/{namespace}"}]}},
    ///     },
    /// }))?;
    /// assert_eq!(object.credential_name(), "metrics");
    /// # Ok(())
    /// # }
    /// ```
    pub fn credential_name(&self) -> String {
        self.spec.credential_name.clone().unwrap_or_else(|| self.name_any())
    }
}

/// Lets every text hold the placeholder that its pattern, or its rule, would refuse: the API server
/// judges the result when it is written.
fn let_placeholders_through(schema: &mut Schema) {
    if let Some(members) = schema.as_object_mut() {
        widen(members);
    }
}

fn widen(schema: &mut Map<String, Value>) {
    if schema.get("type").is_some_and(names_text) {
        if let Some(Value::String(pattern)) = schema.get_mut("pattern") {
            *pattern = format!(r"(?:{pattern})|\{{namespace\}}");
        }
        for rule in schema
            .get_mut("x-kubernetes-validations")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(Value::String(rule)) = rule.get_mut("rule") {
                *rule = format!("self.contains('{NAMESPACE_PLACEHOLDER}') || ({rule})");
            }
        }
    }
    for inner in schema.values_mut() {
        match inner {
            Value::Object(inner) => widen(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(widen),
            _ => {}
        }
    }
}

/// Whether the `type` of a schema is that of texts. An optional one is a list of two.
fn names_text(kind: &Value) -> bool {
    kind == "string" || kind.as_array().is_some_and(|kinds| kinds.contains(&"string".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::CustomResourceExt as _;

    /// The schema at a path of properties.
    fn schema(path: &[&str]) -> Value {
        let crd = serde_json::to_value(ClusterRefreshableCredential::crd()).expect("JSON");
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        path.iter().fold(root.clone(), |schema, name| schema["properties"][*name].clone())
    }

    #[test]
    fn texts_of_the_template_may_hold_the_placeholder_and_others_may_not() {
        let within = schema(&["spec", "template", "spec", "secret", "name"]);
        assert!(
            within["pattern"].as_str().is_some_and(|p| p.ends_with(r")|\{namespace\}")),
            "{within}"
        );
        let rule = within["x-kubernetes-validations"][0]["rule"].as_str().unwrap_or_default();
        assert!(rule.starts_with("self.contains('{namespace}') || (self.matches("), "{rule}");
        let role = schema(&["spec", "template", "spec", "roles"]);
        let name = &role["items"]["properties"]["roleSessionName"];
        assert!(
            name["pattern"].as_str().is_some_and(|p| p.ends_with(r")|\{namespace\}")),
            "{name}"
        );
        let outside = schema(&["spec", "credentialName"]);
        assert!(!outside.to_string().contains("{namespace"), "{outside}");
    }
}
