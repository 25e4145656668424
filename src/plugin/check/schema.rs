//! The CRDs as they are applied, and the schemas derived from them for checking.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

/// One of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RefreshableCredential.
    Credential,
    /// CredentialPolicy.
    Policy,
    /// ClusterRefreshableCredential.
    Cluster,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Credential, Self::Policy, Self::Cluster];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "RefreshableCredential",
            Self::Policy => "CredentialPolicy",
            Self::Cluster => "ClusterRefreshableCredential",
        }
    }

    /// The CRD that is applied, in YAML.
    const fn crd(self) -> &'static str {
        match self {
            Self::Credential => include_str!("../../../crds/refreshablecredentials.yaml"),
            Self::Policy => include_str!("../../../crds/credentialpolicies.yaml"),
            Self::Cluster => include_str!("../../../crds/clusterrefreshablecredentials.yaml"),
        }
    }

    /// Its CRD, as this build applies it.
    ///
    /// # Panics
    /// Never: the CRDs are a part of the program and read by a test.
    pub fn definition(self) -> Value {
        let mut crd = super::super::manifest::read(self.crd())
            .unwrap_or_else(|e| panic!("{}: {e}", self.name()));
        crd.swap_remove(0).value
    }

    /// Its structural schema, whole.
    pub fn schema(self) -> Value {
        self.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()
    }
}

/// The schema of the metadata that every object has.
pub fn metadata() -> Value {
    schemars::schema_for!(ObjectMeta).to_value()
}

/// The schema of a kind in which every object's own fields are known. Metadata is another's to
/// check.
pub fn whole(structural: &Value) -> Value {
    let mut schema = structural.clone();
    for known in ["apiVersion", "kind"] {
        schema["properties"][known] = json!({"type": "string"});
    }
    schema["properties"]["metadata"] = json!({"type": "object"});
    schema
}

/// The schema that a reference (`#/$defs/...`) leads to.
pub fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The schema node for a JSON pointer of an object.
pub fn node<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(schema, |node, part| {
        let properties = node.get("properties").and_then(|p| p.get(part));
        properties
            .or_else(|| node.get("items"))
            .or_else(|| node.get("additionalProperties").filter(|a| a.is_object()))
    })
}

/// Takes out members that are null and may not be, as the API server does before it looks any
/// further.
pub fn prune_nulls(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| {
                !value.is_null() || node(schema, &format!("/{name}")).is_none()
            });
            for (name, value) in members.iter_mut() {
                let child = schema
                    .get("properties")
                    .and_then(|p| p.get(name))
                    .or_else(|| schema.get("additionalProperties"));
                if let Some(child) = child {
                    prune_nulls(value, child);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                list.iter_mut().for_each(|item| prune_nulls(item, items));
            }
        }
        _ => {}
    }
}

/// Every field of a schema, as `(name, path)`, where the path has `[]` for the items of a list.
pub fn fields(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(schema, "", &mut found);
    found
}

fn collect(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    if let Some(items) = schema.get("items") {
        collect(items, &format!("{path}[]"), found);
    }
    let none = Map::new();
    for (name, child) in schema.get("properties").and_then(Value::as_object).unwrap_or(&none) {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{name}");
        found.push((name.clone(), path.clone()));
        collect(child, &path, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_are_those_that_are_applied() {
        for kind in Kind::ALL {
            let schema = kind.schema();
            assert!(schema["properties"]["spec"]["properties"].is_object(), "{kind:?}");
        }
        assert!(node(&metadata(), "/labels").is_some());
        let schema = Kind::Credential.schema();
        let arn = node(&schema, "/spec/roles/0/roleArn").expect("a node");
        assert_eq!(arn["minLength"], 20);
        assert!(fields(&schema).contains(&("roleArn".into(), "spec.roles[].roleArn".into())));
    }

    #[test]
    fn nulls_are_left_out() {
        let schema = Kind::Credential.schema();
        let mut value = json!({"spec": {"sts": null, "roles": [{"roleArn": "x", "policy": null}], "unknown": null}});
        prune_nulls(&mut value, &schema);
        assert_eq!(value, json!({"spec": {"roles": [{"roleArn": "x"}], "unknown": null}}));
    }
}
