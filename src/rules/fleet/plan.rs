//! RefreshableCredentials to write and to delete.

use super::stamp::{Stamped, stamp};
use crate::selector::{self, Unreadable};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::SelectorExt as _;
use kube::{Resource as _, ResourceExt as _};
use refreshable_api::conditions::{ClusterReason, READY, Reason};
use refreshable_api::{ClusterRefreshableCredential, NamespaceTrouble, RefreshableCredential};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most characters of a message about one namespace.
const SHOWN: usize = 300;

/// The work for one resource, and the state of its namespaces before that is done.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// RefreshableCredentials to apply.
    pub writes: Vec<Write>,
    /// RefreshableCredentials to delete.
    pub deletions: Vec<Deletion>,
    /// How many namespaces the selector selects.
    pub namespaces: usize,
    /// How many of them have a RefreshableCredential that is ready.
    pub ready: usize,
    /// Why others have none, by namespace.
    pub troubles: BTreeMap<String, NamespaceTrouble>,
}

/// A RefreshableCredential to apply.
#[derive(Debug, PartialEq)]
pub struct Write {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is there already: fields that others changed are then taken back.
    pub known: bool,
    /// As it is applied. Where it is known, the manifest names its UID.
    pub manifest: Value,
}

/// A RefreshableCredential to delete.
#[derive(Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// The UID of the ClusterRefreshableCredential that made the object with this metadata.
pub fn owner_uid(meta: &ObjectMeta) -> Option<&str> {
    let kind = ClusterRefreshableCredential::kind(&());
    let group = format!("{}/", ClusterRefreshableCredential::group(&()));
    let owner = meta.owner_references.iter().flatten().find(|o| o.controller == Some(true))?;
    (owner.kind == kind && owner.api_version.starts_with(&group)).then_some(owner.uid.as_str())
}

/// Plans for `cluster`. `namespaces` are all that are in view, with their labels. `own` are the
/// RefreshableCredentials that it made, and `at` gives the one of its name in a namespace, whoever
/// made it.
///
/// # Errors
/// Where its selector cannot be read.
pub fn plan<'a>(
    cluster: &ClusterRefreshableCredential,
    namespaces: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    own: &[Arc<RefreshableCredential>],
    at: impl Fn(&str) -> Option<Arc<RefreshableCredential>>,
) -> Result<Plan, Unreadable> {
    let selector = selector::read(&cluster.spec.namespace_selector)?;
    let mut plan = Plan::default();
    let mut selected = BTreeMap::new();
    for (namespace, labels) in namespaces {
        let matches = selector.matches(labels);
        selected.insert(namespace, matches);
        if matches {
            plan.namespaces += 1;
            plan.of_namespace(cluster, namespace, at(namespace).as_deref());
        }
    }
    let name = cluster.credential_name();
    for object in own.iter().filter(|o| o.metadata.deletion_timestamp.is_none()) {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let goes = match selected.get(namespace) {
            // Nothing is known of the namespace.
            None => false,
            Some(false) => true,
            Some(true) => object.name_any() != name && plan.is_replaced(namespace),
        };
        if goes {
            plan.deletions.push(Deletion {
                namespace: namespace.to_owned(),
                name: object.name_any(),
                uid: object.uid().unwrap_or_default(),
            });
        }
    }
    Ok(plan)
}

impl Plan {
    /// Compares the one that the namespace should have with the one that is there.
    fn of_namespace(
        &mut self,
        cluster: &ClusterRefreshableCredential,
        namespace: &str,
        there: Option<&RefreshableCredential>,
    ) {
        let stamped = match stamp(cluster, namespace) {
            Ok(stamped) => stamped,
            Err(error) => {
                return self.trouble(namespace, ClusterReason::Refused, &error.to_string());
            }
        };
        let name = cluster.credential_name();
        let Some(object) = there else {
            self.write(namespace, &name, stamped, None);
            return self.trouble(namespace, ClusterReason::Pending, "it is being made");
        };
        if owner_uid(&object.metadata) != cluster.metadata.uid.as_deref() {
            let message = format!(
                "a RefreshableCredential {name} that somebody else made is there: delete it, or choose another spec.credentialName"
            );
            return self.trouble(namespace, ClusterReason::NameTaken, &message);
        }
        if object.metadata.deletion_timestamp.is_some() {
            return self.trouble(namespace, ClusterReason::Pending, "it is being deleted");
        }
        if !stamped.is_met_by(object) {
            self.write(namespace, &name, stamped, object.metadata.uid.as_deref());
            return self.trouble(namespace, ClusterReason::Pending, "it is being changed");
        }
        let conditions = object.status.iter().flat_map(|s| &s.conditions);
        match conditions.into_iter().find(|c| c.type_ == READY) {
            Some(ready) if ready.status == "True" => self.ready += 1,
            Some(ready) => self.tell(namespace, &ready.reason, &ready.message),
            None => {
                self.trouble(
                    namespace,
                    ClusterReason::Pending,
                    "the controller has not looked at it yet",
                );
            }
        }
    }

    fn write(&mut self, namespace: &str, name: &str, stamped: Stamped, uid: Option<&str>) {
        self.writes.push(Write {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            known: uid.is_some(),
            manifest: stamped.into_manifest(uid),
        });
    }

    /// Whether the RefreshableCredential of the present name makes one of an earlier name needless:
    /// it is ready, or the earlier one is in its way.
    fn is_replaced(&self, namespace: &str) -> bool {
        self.troubles.get(namespace).is_none_or(|t| t.reason == Reason::SecretConflict.as_str())
    }

    /// The namespace has nothing for this reason of the resource's own.
    pub fn trouble(&mut self, namespace: &str, reason: ClusterReason, message: &str) {
        self.tell(namespace, reason.as_str(), message);
    }

    fn tell(&mut self, namespace: &str, reason: &str, message: &str) {
        let shown: String = message.chars().take(SHOWN).collect();
        let trouble = NamespaceTrouble {
            namespace: namespace.to_owned(),
            reason: reason.to_owned(),
            message: (!shown.is_empty()).then_some(shown),
        };
        self.troubles.insert(namespace.to_owned(), trouble);
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
