//! The policies that select each namespace, for judging many resources: each selector is parsed
//! once, and each namespace compared with each of them once.

use super::policy::{Judgement, concerns, judge_among};
use super::selector::{self, Unreadable};
use kube::core::{Selector, SelectorExt as _};
use kube::{Resource, ResourceExt as _};
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use std::collections::{BTreeMap, HashMap};

/// A namespace as [`PolicyIndex::new`] takes it: its name and its labels.
pub fn labelled<K: Resource>(namespace: &K) -> (&str, &BTreeMap<String, String>) {
    (namespace.meta().name.as_deref().unwrap_or_default(), namespace.labels())
}

/// Policies, by the namespaces that they select.
#[derive(Debug)]
pub struct PolicyIndex<'a> {
    selectors: Vec<Result<Selector, Unreadable>>,
    selecting: HashMap<&'a str, Vec<&'a CredentialPolicy>>,
    /// How many namespaces each policy selects.
    selected: Vec<i32>,
}

impl<'a> PolicyIndex<'a> {
    /// The index of `policies` over all `namespaces` with their labels.
    pub fn new(
        policies: &'a [impl AsRef<CredentialPolicy>],
        namespaces: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    ) -> Self {
        let policies: Vec<&CredentialPolicy> = policies.iter().map(AsRef::as_ref).collect();
        let selectors: Vec<_> =
            policies.iter().map(|p| selector::read(&p.spec.namespace_selector)).collect();
        let mut selected = vec![0; policies.len()];
        let mut selecting: HashMap<&str, Vec<&CredentialPolicy>> = HashMap::new();
        for (name, labels) in namespaces {
            let here = selecting.entry(name).or_default();
            for (at, policy) in policies.iter().enumerate() {
                if selectors[at].as_ref().is_ok_and(|s| s.matches(labels)) {
                    selected[at] += 1;
                    here.push(policy);
                }
            }
        }
        Self { selectors, selecting, selected }
    }

    /// The policies' judgement of `object`. `None` if they affect it and its namespace is unknown:
    /// a gap in the view must not withdraw a Secret.
    pub fn judge(&self, object: &RefreshableCredential) -> Option<Judgement> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        match self.selecting.get(namespace) {
            Some(here) => Some(judge_among(object, here)),
            None if concerns(object) => None,
            None => Some(judge_among(object, &[])),
        }
    }

    /// Of the policy at this place: how many namespaces it selects, or why its selector cannot be
    /// read.
    pub(super) fn selected(&self, at: usize) -> Result<i32, &Unreadable> {
        self.selectors[at].as_ref().map(|_| self.selected[at])
    }
}
