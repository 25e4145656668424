//! How many resources each policy serves, kept from one look at the policies to the next: only what
//! changed meanwhile is judged again.

use super::policy::{Judgement, Permission};
use super::policy_index::PolicyIndex;
use kube::ResourceExt as _;
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The resources that policies allow, by their names.
#[derive(Debug)]
pub struct Served<K> {
    /// UID and generation of the policies that judged, in their order.
    judges: Vec<Identity>,
    places: HashMap<String, u32>,
    /// For each resource that a policy allows: which do, by their places.
    by: BTreeMap<K, Arc<[u32]>>,
    /// Most resources are allowed by the same few policies: their lists are shared.
    lists: BTreeSet<Arc<[u32]>>,
    counts: Vec<i32>,
}

type Identity = (Option<String>, Option<i64>);

impl<K: Ord> Served<K> {
    /// For `policies`, none of which has judged a resource yet.
    pub fn new(policies: &[impl AsRef<CredentialPolicy>]) -> Self {
        let names = policies.iter().map(|p| p.as_ref().name_any());
        Self {
            judges: identities(policies).collect(),
            places: names.zip(0..).collect(),
            by: BTreeMap::new(),
            lists: BTreeSet::new(),
            counts: vec![0; policies.len()],
        }
    }

    /// Whether these are the policies that judged, saying what they said then.
    pub fn is_of(&self, policies: &[impl AsRef<CredentialPolicy>]) -> bool {
        identities(policies).eq(self.judges.iter().cloned())
    }

    /// Judges a resource, whatever was judged of it before. `index` is of the same policies.
    pub fn judge(&mut self, name: K, object: &RefreshableCredential, index: &PolicyIndex<'_>) {
        self.forget(&name);
        let Some(Judgement { permission: Permission::Allowed(by), .. }) = index.judge(object)
        else {
            return;
        };
        let list: Vec<u32> = by.iter().filter_map(|p| self.places.get(p)).copied().collect();
        let list = match self.lists.get(list.as_slice()) {
            Some(shared) => shared.clone(),
            None => {
                let list: Arc<[u32]> = list.into();
                self.lists.insert(list.clone());
                list
            }
        };
        self.count(&list, 1);
        self.by.insert(name, list);
    }

    /// The resource is there no longer.
    pub fn forget(&mut self, name: &K) {
        if let Some(list) = self.by.remove(name) {
            self.count(&list, -1);
        }
    }

    /// Forgets the resources of which `gone` says so.
    pub fn forget_those(&mut self, gone: impl Fn(&K) -> bool) {
        let names = self.by.extract_if(.., |name, _| gone(name));
        for list in names.map(|(_, list)| list).collect::<Vec<_>>() {
            self.count(&list, -1);
        }
    }

    /// How many resources each policy serves, in the order of the policies.
    pub fn counts(&self) -> &[i32] {
        &self.counts
    }

    fn count(&mut self, list: &[u32], more: i32) {
        for place in list {
            if let Some(count) = self.counts.get_mut(*place as usize) {
                *count += more;
            }
        }
    }
}

fn identities(policies: &[impl AsRef<CredentialPolicy>]) -> impl Iterator<Item = Identity> {
    policies.iter().map(|p| (p.as_ref().metadata.uid.clone(), p.as_ref().metadata.generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn policy(name: &str, generation: i64, arns: &[&str]) -> Arc<CredentialPolicy> {
        let metadata = json!({"name": name, "uid": name, "generation": generation});
        let spec = json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": arns}]}});
        object("CredentialPolicy", metadata, spec)
    }

    fn resource(role: &str) -> Arc<RefreshableCredential> {
        let arn = format!("arn:aws:iam::111122223333:role/{role}");
        let metadata = json!({"namespace": "team-a", "name": "r"});
        object("RefreshableCredential", metadata, json!({"roles": [{"roleArn": arn}]}))
    }

    fn object<K: serde::de::DeserializeOwned>(kind: &str, metadata: Value, spec: Value) -> Arc<K> {
        let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
        Arc::new(serde_json::from_value(object).expect("an object"))
    }

    #[test]
    fn counts_follow_what_is_judged_and_forgotten() {
        let policies = [
            policy("one", 1, &["arn:aws:iam::*:role/one", "arn:aws:iam::*:role/two"]),
            policy("other", 1, &["arn:aws:iam::*:role/other"]),
        ];
        let labels = BTreeMap::new();
        let index = PolicyIndex::new(&policies, [("team-a", &labels)]);
        let mut served = Served::new(&policies);
        assert_eq!(served.counts(), [0, 0]);
        for (name, role, expected) in [
            ("a", "one", [1, 0]),
            ("b", "other", [1, 1]),
            ("c", "two", [2, 1]),
            // The same resource again, which asks for something else now.
            ("c", "other", [1, 2]),
            ("c", "other", [1, 2]),
            ("d", "neither", [1, 2]),
        ] {
            served.judge(name, &resource(role), &index);
            assert_eq!(served.counts(), expected, "{name} {role}");
        }
        assert_eq!(served.lists.len(), 2, "lists are shared");
        served.forget(&"b");
        served.forget(&"unknown");
        assert_eq!(served.counts(), [1, 1]);
        served.forget_those(|name| *name == "a");
        assert_eq!(served.counts(), [0, 1]);
    }

    #[test]
    fn a_resource_that_is_denied_is_served_by_none() {
        let policies = [policy("one", 1, &["arn:aws:iam::*:role/one"])];
        let labels = BTreeMap::new();
        let index = PolicyIndex::new(&policies, [("team-a", &labels)]);
        let mut served = Served::new(&policies);
        served.judge("a", &resource("one"), &index);
        served.judge("a", &resource("other"), &index);
        assert_eq!((served.counts(), served.by.len()), (&[0][..], 0));
    }

    #[test]
    fn other_policies_are_noticed() {
        let (one, other) = (policy("one", 1, &["a"]), policy("other", 1, &["a"]));
        let served = Served::<&str>::new(&[one.clone(), other.clone()]);
        assert!(served.is_of(&[one.clone(), other.clone()]));
        for now in [
            vec![one.clone()],
            vec![other.clone(), one.clone()],
            vec![one.clone(), policy("other", 2, &["a"])],
            vec![one.clone(), other.clone(), policy("third", 1, &["a"])],
        ] {
            assert!(!served.is_of(&now), "{now:?}");
        }
    }
}
