//! Which resources a change touches.

use super::SecretMeta;
use super::secret_meta::owner_name;
use crate::api::{CredentialPolicy, CredentialPolicySpec, RefreshableCredential};
use crate::rules::policy;
use crate::source::names_of_inputs;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, HashMap};

/// Resources that something happened to.
pub type Touched = Vec<ObjectRef<RefreshableCredential>>;

type Labels = BTreeMap<String, String>;

/// Finds the resources that a change touches.
#[derive(Clone, Debug)]
pub(super) struct Triggers {
    credentials: Store<RefreshableCredential>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
}

impl Triggers {
    pub(super) fn new(
        credentials: Store<RefreshableCredential>,
        namespaces: Store<PartialObjectMeta<Namespace>>,
    ) -> Self {
        Self { credentials, namespaces }
    }

    /// A published Secret: the resource that it names as its owner.
    pub(super) fn of_own_secret(&self, secret: &SecretMeta) -> Touched {
        let namespace = secret.namespace().unwrap_or_default();
        owner_name(&secret.metadata).map(|name| ObjectRef::new(name).within(&namespace)).into_iter().collect()
    }

    /// An input Secret: the resources that read it.
    pub(super) fn of_input(&self, secret: &SecretMeta) -> Touched {
        let (namespace, name) = (secret.namespace(), secret.name_any());
        self.those(|c| c.namespace() == namespace && names_of_inputs(&c.spec).contains(&name))
    }

    /// Changed policies: every resource of which one of them says something else than before.
    pub(super) fn of_policies(&self, changes: &[Change<CredentialPolicySpec>]) -> Touched {
        if changes.is_empty() {
            return Touched::new();
        }
        self.those(|c| policy::concerns(c) && self.says_otherwise(c, changes))
    }

    fn says_otherwise(&self, object: &RefreshableCredential, changes: &[Change<CredentialPolicySpec>]) -> bool {
        let key = ObjectRef::new(&object.namespace().unwrap_or_default());
        // Of a namespace that is not in view nothing is known: the resource has to look.
        let Some(namespace) = self.namespaces.get(&key) else { return true };
        let bearing = |spec: &Option<CredentialPolicySpec>| {
            spec.as_ref().map(|s| policy::bearing(object, namespace.labels(), s)).unwrap_or_default()
        };
        changes.iter().any(|change| bearing(&change.before) != bearing(&change.after))
    }

    /// Namespaces with changed labels: every resource in them that policies bear on.
    pub(super) fn of_namespaces(&self, changes: &[Change<Labels>]) -> Touched {
        if changes.is_empty() {
            return Touched::new();
        }
        let changed = |namespace: &str| changes.iter().any(|c| c.name == namespace);
        self.those(|c| c.namespace().is_some_and(|n| changed(&n)) && policy::concerns(c))
    }

    fn those(&self, touched: impl Fn(&RefreshableCredential) -> bool) -> Touched {
        self.credentials.state().iter().filter(|c| touched(c)).map(|c| ObjectRef::from_obj(c.as_ref())).collect()
    }
}

/// What matters of one object, before and after; absent where there was or is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change<T> {
    name: String,
    before: Option<T>,
    after: Option<T>,
}

/// Remembers what matters of the objects of one watch, to tell which events change it. A list that is begun anew
/// changes only what differs, and what is no longer in it is gone.
#[derive(Debug)]
pub(super) struct Differences<T> {
    known: HashMap<String, T>,
    /// What the list under way has held so far.
    listed: Option<HashMap<String, T>>,
}

impl<T> Default for Differences<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), listed: None }
    }
}

impl<T: Clone + PartialEq> Differences<T> {
    /// Takes an event whose object is `name` and `matters`.
    pub(super) fn take<K>(&mut self, event: &Event<K>, part: impl Fn(&K) -> (String, T)) -> Vec<Change<T>> {
        match event {
            Event::Apply(object) => {
                let (name, after) = part(object);
                let before = self.known.insert(name.clone(), after.clone());
                changed(name, before, Some(after)).into_iter().collect()
            }
            Event::Delete(object) => {
                let (name, _) = part(object);
                let before = self.known.remove(&name);
                changed(name, before, None).into_iter().collect()
            }
            Event::Init => {
                self.listed = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.get_or_insert_default().extend([part(object)]);
                Vec::new()
            }
            Event::InitDone => {
                let mut before = std::mem::replace(&mut self.known, self.listed.take().unwrap_or_default());
                let came = self
                    .known
                    .iter()
                    .filter_map(|(name, after)| changed(name.clone(), before.remove(name), Some(after.clone())));
                let mut changes: Vec<Change<T>> = came.collect();
                changes.extend(before.into_iter().filter_map(|(name, gone)| changed(name, Some(gone), None)));
                changes
            }
        }
    }
}

fn changed<T: PartialEq>(name: String, before: Option<T>, after: Option<T>) -> Option<Change<T>> {
    (before != after).then_some(Change { name, before, after })
}

/// What matters of a policy.
pub(super) fn of_policy(policy: &CredentialPolicy) -> (String, CredentialPolicySpec) {
    (policy.name_any(), policy.spec.clone())
}

/// What matters of a namespace.
pub(super) fn of_namespace(namespace: &PartialObjectMeta<Namespace>) -> (String, Labels) {
    (namespace.name_any(), namespace.labels().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(changes: Vec<Change<u8>>) -> Vec<(String, Option<u8>, Option<u8>)> {
        let mut seen: Vec<_> = changes.into_iter().map(|c| (c.name, c.before, c.after)).collect();
        seen.sort();
        seen
    }

    #[test]
    fn only_what_differs_is_a_change_also_after_a_new_list() {
        let mut known = Differences::<u8>::default();
        let mut take =
            |event: Event<(&'static str, u8)>| seen(known.take(&event, |(name, value)| ((*name).to_owned(), *value)));
        let change = |name: &str, before, after| (name.to_owned(), before, after);
        assert!(take(Event::Init).is_empty());
        assert!(take(Event::InitApply(("a", 1))).is_empty());
        assert!(take(Event::InitApply(("b", 1))).is_empty());
        assert_eq!(take(Event::InitDone), [change("a", None, Some(1)), change("b", None, Some(1))]);
        assert!(take(Event::Apply(("a", 1))).is_empty(), "only its metadata changed");
        assert_eq!(take(Event::Apply(("a", 2))), [change("a", Some(1), Some(2))]);
        assert_eq!(take(Event::Delete(("b", 1))), [change("b", Some(1), None)]);
        assert!(take(Event::Delete(("b", 1))).is_empty());
        assert_eq!(take(Event::Apply(("c", 1))), [change("c", None, Some(1))]);
        // While the watch was down, a was changed and c was deleted.
        assert!(take(Event::Init).is_empty());
        assert!(take(Event::InitApply(("a", 3))).is_empty());
        assert_eq!(take(Event::InitDone), [change("a", Some(2), Some(3)), change("c", Some(1), None)]);
        assert!(take(Event::Init).is_empty() && take(Event::InitApply(("a", 3))).is_empty());
        assert!(take(Event::InitDone).is_empty(), "a list of the same is no change");
    }
}
