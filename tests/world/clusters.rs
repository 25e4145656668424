//! ClusterRefreshableCredentials, and the RefreshableCredentials that the controller writes for
//! them, at the simulated API server.

use super::history::Kind;
use super::state::{Key, State};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The API server's knowledge of them.
#[derive(Debug, Default)]
pub struct Clusters {
    pub objects: BTreeMap<String, Value>,
    /// The specifications as they were applied last, by whom they were written for: members that
    /// are applied no more go.
    applied: BTreeMap<Key, Value>,
    /// Namespaces that are being deleted.
    pub terminating: BTreeSet<String>,
    /// Namespaces whose quota leaves no room.
    pub full: BTreeSet<String>,
    /// Applications of resources, and deletions, by namespace.
    pub writes: BTreeMap<String, usize>,
}

/// An answer that refuses: code, reason and message.
pub type Refusal = (u16, &'static str, String);

impl State {
    /// Writes the specification of a ClusterRefreshableCredential.
    pub fn put_cluster(&mut self, name: &str, spec: Value) {
        self.put_of_cluster(Kind::Cluster, name, spec);
    }

    /// Deletes one, and with it what it owns.
    pub fn delete_cluster(&mut self, name: &str) {
        let Some(object) = self.clusters.objects.remove(name) else { return };
        let version = self.next_version();
        self.commit(Kind::Cluster, ("", name), None, version);
        for key in self.made_by(&object["metadata"]["uid"]) {
            self.delete_credential(&key);
        }
    }

    /// The resources that the ClusterRefreshableCredential with this UID owns.
    pub fn made_by(&self, uid: &Value) -> Vec<Key> {
        let owned = |object: &Value| {
            object["metadata"]["ownerReferences"][0]["uid"] == *uid && !uid.is_null()
        };
        self.credentials.iter().filter(|(_, o)| owned(o)).map(|(key, _)| key.clone()).collect()
    }

    /// A namespace is being deleted: nothing can be made in it, and what is in it goes.
    pub fn terminate(&mut self, namespace: &str) {
        self.clusters.terminating.insert(namespace.to_owned());
        let inside: Vec<Key> =
            self.credentials.keys().filter(|key| key.0 == namespace).cloned().collect();
        inside.iter().for_each(|key| self.delete_credential(key));
    }

    /// It is gone.
    pub fn delete_namespace(&mut self, namespace: &str) {
        self.clusters.terminating.remove(namespace);
        if self.namespaces.remove(namespace) {
            let version = self.next_version();
            self.commit(Kind::Namespace, ("", namespace), None, version);
        }
    }
}

/// A server-side apply of a resource, by force.
pub fn apply(state: &mut State, key: &Key, body: &Value) -> Result<Value, Refusal> {
    *state.clusters.writes.entry(key.0.clone()).or_default() += 1;
    let there = state.credentials.get(key);
    if there.is_none() && state.clusters.terminating.contains(&key.0) {
        let message = format!(
            "unable to create new content in namespace {} because it is being terminated",
            key.0
        );
        return Err((403, "Forbidden", message));
    }
    if state.clusters.full.contains(&key.0) {
        return Err((403, "Forbidden", "exceeded quota: compute".to_owned()));
    }
    if !state.namespaces.contains(&key.0) {
        return Err((404, "NotFound", format!("namespaces {:?} not found", key.0)));
    }
    let uid = &body["metadata"]["uid"];
    // The version that no object has.
    if there.is_some() && body["metadata"]["resourceVersion"] == "1" {
        return Err((409, "Conflict", "the object has been modified".to_owned()));
    }
    match there {
        None if !uid.is_null() => return Err((409, "Conflict", "uid precondition".to_owned())),
        Some(there) if !uid.is_null() && there["metadata"]["uid"] != *uid => {
            return Err((409, "Conflict", "uid precondition".to_owned()));
        }
        _ => {}
    }
    if there.is_some_and(|there| !is_made(there)) {
        let what = format!("2, never lose: the controller wrote over {key:?}, which somebody made");
        state.auditor.check(Some(what));
    }
    let before = state.clusters.applied.insert(key.clone(), body["spec"].clone());
    let before = before.filter(|_| state.credentials.contains_key(key)).unwrap_or_default();
    state.put_credential(key, |object| {
        unset(&mut object["spec"], &before, &body["spec"]);
        set(&mut object["spec"], &body["spec"]);
        for part in ["annotations", "labels"] {
            set(&mut object["metadata"][part], &body["metadata"][part]);
        }
        object["metadata"]["ownerReferences"] = body["metadata"]["ownerReferences"].clone();
    });
    Ok(state.credentials[key].clone())
}

/// A deletion of a resource.
pub fn delete(state: &mut State, key: &Key, body: &Value) -> Result<Value, Refusal> {
    *state.clusters.writes.entry(key.0.clone()).or_default() += 1;
    let Some(object) = state.credentials.get(key) else {
        return Err((404, "NotFound", "not found".to_owned()));
    };
    if body["preconditions"]["uid"] != object["metadata"]["uid"] {
        return Err((409, "Conflict", "uid precondition".to_owned()));
    }
    if !is_made(object) {
        let what = format!("2, never lose: the controller deleted {key:?}, which somebody made");
        state.auditor.check(Some(what));
    }
    state.delete_credential(key);
    Ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
}

/// Whether a ClusterRefreshableCredential made it.
fn is_made(object: &Value) -> bool {
    object["metadata"]["ownerReferences"][0]["kind"] == "ClusterRefreshableCredential"
}

/// Takes out what was applied before and is not now.
fn unset(target: &mut Value, before: &Value, now: &Value) {
    let Value::Object(before) = before else { return };
    for (name, inner) in before {
        let Some(members) = target.as_object_mut() else { return };
        match now.get(name) {
            None => drop(members.remove(name)),
            Some(now) => {
                if let Some(target) = members.get_mut(name) {
                    unset(target, inner, now);
                }
            }
        }
    }
}

fn set(target: &mut Value, applied: &Value) {
    match applied {
        Value::Object(applied) => {
            if !target.is_object() {
                *target = json!({});
            }
            for (name, inner) in applied {
                set(&mut target[name], inner);
            }
        }
        Value::Null => {}
        other => *target = other.clone(),
    }
}
