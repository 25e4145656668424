//! Result of a migration: manifests, and notes for a person.

use super::super::check::{Checker, Severity};
use super::super::error::{Error, Result};
use super::super::manifest::{self, path};
use refreshable_api::{GROUP, VERSION};
use serde_json::{Map, Value, json};

/// Manifests and notes.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Objects to apply, in order.
    pub objects: Vec<Value>,
    /// Settings that could not be carried over, with advice.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Adds a note for the reader.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a RefreshableCredential.
    pub fn credential(
        &mut self,
        name: &str,
        namespace: Option<&str>,
        labels: Option<Value>,
        spec: Map<String, Value>,
    ) {
        let mut metadata = json!({"name": name});
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        if let Some(labels) = labels {
            metadata["labels"] = labels;
        }
        self.objects.push(object("RefreshableCredential", metadata, Value::Object(spec)));
    }

    /// Adds a CredentialPolicy that allows the namespace `allow`.
    pub fn policy(&mut self, name: &str, namespace: &str, allow: Value) {
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        let spec = json!({"namespaceSelector": selector, "allow": allow});
        self.objects.push(object(
            "CredentialPolicy",
            json!({"name": format!("{namespace}-{name}")}),
            spec,
        ));
    }

    /// The manifests as YAML.
    ///
    /// # Errors
    /// If a manifest is not valid: an argument was wrong, or has no counterpart.
    pub fn yaml(&self) -> Result<String> {
        let checker = Checker::new();
        let mut documents = Vec::new();
        for object in &self.objects {
            let findings = checker.object(object).unwrap_or_default();
            let errors = findings.iter().filter(|f| f.severity == Severity::Error);
            let errors: Vec<String> =
                errors.map(|f| format!("{}: {}", path(&f.pointer), f.message)).collect();
            if !errors.is_empty() {
                return Err(Error::failed(format!(
                    "what comes out of it would not be taken: {}",
                    errors.join("; ")
                )));
            }
            documents.push(manifest::write(object).map_err(Error::failed)?);
        }
        Ok(documents.join("---\n"))
    }
}

fn object(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind, "metadata": metadata, "spec": spec})
}
