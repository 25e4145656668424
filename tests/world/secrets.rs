//! Secrets under server-side apply, as far as the controller relies on it.

use super::refusals;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A Secret.
#[derive(Clone, Debug, Default)]
pub struct SimSecret {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub version: u64,
    pub kind: String,
    pub owners: Vec<Value>,
    pub immutable: bool,
    pub finalizers: Vec<String>,
    /// Since when it waits for its finalizers.
    pub terminating: Option<Timestamp>,
    /// `labels/…`, `annotations/…`, `data/…`, with who set them.
    pub fields: BTreeMap<String, (String, String)>,
}

/// Why an apply is refused: status, reason, message.
pub type Refusal = (u16, &'static str, String);

impl SimSecret {
    /// The fields under `prefix`, without it.
    pub fn part(&self, prefix: &str) -> Map<String, Value> {
        let within = |(path, (value, _)): (&String, &(String, String))| {
            path.strip_prefix(prefix).map(|name| (name.to_owned(), Value::from(value.as_str())))
        };
        self.fields.iter().filter_map(within).collect()
    }

    /// One annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.fields.get(&format!("annotations/{name}")).map(|(value, _)| value.as_str())
    }

    /// The metadata, as the API writes it.
    pub fn metadata(&self) -> Value {
        let mut metadata = json!({
            "name": self.name, "namespace": self.namespace, "uid": self.uid,
            "resourceVersion": self.version.to_string(),
            "labels": self.part("labels/"), "annotations": self.part("annotations/"),
            "ownerReferences": self.owners,
        });
        if !self.finalizers.is_empty() {
            metadata["finalizers"] = json!(self.finalizers);
        }
        if let Some(since) = self.terminating {
            metadata["deletionTimestamp"] = json!(since.to_string());
            metadata["deletionGracePeriodSeconds"] = json!(0);
        }
        metadata
    }

    /// As the API shows it: whole, or its metadata alone.
    pub fn shown(&self, partial: bool) -> Value {
        let metadata = self.metadata();
        if partial {
            return json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
        }
        let mut whole = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": self.kind, "data": self.part("data/")});
        if self.immutable {
            whole["immutable"] = json!(true);
        }
        whole
    }

    /// All values together, in bytes.
    fn size(&self) -> usize {
        let values = self.fields.iter().filter(|(path, _)| path.starts_with("data/"));
        values.map(|(_, (value, _))| value.trim_end_matches('=').len() * 3 / 4).sum()
    }

    /// Applies `body` for `manager`; `existing` is what is there.
    pub fn apply(
        existing: Option<&Self>,
        body: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Self, Refusal> {
        let meta = &body["metadata"];
        let mut secret = existing.cloned().unwrap_or_default();
        if let Some(uid) = meta["uid"].as_str()
            && uid != secret.uid
        {
            return Err((
                409,
                "Conflict",
                format!("uid mismatch: the provided object specified uid {uid}"),
            ));
        }
        // Of an object that is not there yet it is not asked.
        if existing.is_some()
            && meta["resourceVersion"].as_str().is_some_and(|v| v != secret.version.to_string())
        {
            return Err((409, "Conflict", "the object has been modified".into()));
        }
        if let Some(kind) = body["type"].as_str() {
            if existing.is_some() && secret.kind != kind {
                return Err((422, "Invalid", "type: Invalid value: field is immutable".into()));
            }
            secret.kind = kind.to_owned();
        }
        let wanted = wanted(body);
        for (path, value) in &wanted {
            let held = secret.fields.get(path);
            if !force && held.is_some_and(|(old, owner)| owner != manager && old != value) {
                return Err((409, "Conflict", format!("Apply failed with 1 conflict: .{path}")));
            }
        }
        let names: BTreeSet<_> = wanted.keys().cloned().collect();
        secret.fields.retain(|path, (_, owner)| owner != manager || names.contains(path));
        for (path, value) in wanted {
            secret.fields.insert(path, (value, manager.to_owned()));
        }
        for owner in meta["ownerReferences"].as_array().into_iter().flatten() {
            secret.owners.retain(|o| o["uid"] != owner["uid"]);
            secret.owners.push(owner.clone());
        }
        if secret.owners.iter().filter(|o| o["controller"] == true).count() > 1 {
            let message =
                "metadata.ownerReferences: Only one reference can have Controller set to true";
            return Err((422, "Invalid", message.into()));
        }
        let name = meta["name"].as_str().unwrap_or_default();
        if secret.size() > refusals::LARGEST {
            return Err(refusals::too_large(name));
        }
        if existing.is_some_and(|old| old.immutable && old.part("data/") != secret.part("data/")) {
            return Err(refusals::immutable(name));
        }
        Ok(secret)
    }
}

fn wanted(body: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (prefix, members) in [
        ("labels", &body["metadata"]["labels"]),
        ("annotations", &body["metadata"]["annotations"]),
        ("data", &body["data"]),
    ] {
        for (name, value) in members.as_object().into_iter().flatten() {
            fields
                .insert(format!("{prefix}/{name}"), value.as_str().unwrap_or_default().to_owned());
        }
    }
    fields
}
