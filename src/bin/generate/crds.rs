//! The CRDs, as they are applied.

use kube::CustomResourceExt as _;
use refreshable_api::{ClusterRefreshableCredential, CredentialPolicy, RefreshableCredential};
use serde_json::{Map, Value, json};

const HEADER: &str =
    "# Generated from the Rust types in src/api by `make generate`. Do not edit.\n";

/// Each CRD, with the name of its file.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    let mut credential = value(&RefreshableCredential::crd());
    // A resource that no controller has seen yet is not current (kstatus would call it so without
    // an observed generation).
    schema(&mut credential)["properties"]["status"]["default"] =
        json!({ "observedGeneration": -1 });
    let mut cluster = value(&ClusterRefreshableCredential::crd());
    schema(&mut cluster)["properties"]["status"]["default"] = json!({ "observedGeneration": -1 });
    vec![
        ("refreshablecredentials", credential),
        ("clusterrefreshablecredentials", cluster),
        ("credentialpolicies", value(&CredentialPolicy::crd())),
    ]
}

/// A CRD as YAML.
pub(crate) fn yaml(crd: &Value) -> String {
    let body = serde_saphyr::to_string(crd).unwrap_or_else(|e| panic!("a CRD is always YAML: {e}"));
    format!("{HEADER}{body}")
}

/// The annotations of a CRD in the chart: none, unless a value asks for some.
const ANNOTATIONS: &str = r#"  {{- if or .Values.crds.keep .Values.crds.annotations }}
  annotations:
    {{- if .Values.crds.keep }}
    helm.sh/resource-policy: keep
    {{- end }}
    {{- with .Values.crds.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
"#;

/// A CRD as a template of the chart: installed, upgraded and kept as `crds.enabled` and `crds.keep`
/// say.
pub(crate) fn template(crd: &Value) -> String {
    let name = crd["metadata"]["name"].as_str().unwrap_or_default();
    // What the chart's engine would take for its own is written so that it comes out as it is.
    let body = yaml(crd).replace("{{", "{{ \"{{\" }}");
    let metadata = format!("metadata:\n  name: {name}\n");
    let (before, after) = body
        .split_once(&metadata)
        .unwrap_or_else(|| panic!("the metadata of {name} holds its name and nothing else"));
    format!(
        "{{{{- if .Values.crds.enabled }}}}\n{before}{metadata}{labels}{annotations}{after}{{{{- end }}}}\n",
        labels = "  labels: {{- include \"refreshable.labels\" . | nindent 4 }}\n",
        annotations = ANNOTATIONS,
    )
}

/// The schema of the one version.
fn schema(crd: &mut Value) -> &mut Value {
    &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

fn value(crd: &impl serde::Serialize) -> Value {
    let mut crd = serde_json::to_value(crd).unwrap_or_else(|e| panic!("a CRD is always JSON: {e}"));
    for part in ["spec", "status"] {
        let properties = &mut schema(&mut crd)["properties"];
        if let Some(part) = properties.get_mut(part) {
            tidy(part);
        }
    }
    crd
}

/// Takes `nullable` out: an optional member is left out, never null.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("nullable");
            members.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The members of a schema object that are themselves schemas, in order.
pub(crate) fn properties(schema: &Value) -> Map<String, Value> {
    schema["properties"].as_object().cloned().unwrap_or_default()
}
