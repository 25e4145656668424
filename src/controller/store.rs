//! The objects of one kind, as the watches have shown them.

use super::ResourceName;
use super::packed::{Form, Kept};
use kube::Resource;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;

/// The objects of one kind, in their order. Clones share them. A feed writes, everybody else reads.
pub struct Store<K: Kept>(Arc<Shared<K::Form>>);

struct Shared<F> {
    objects: RwLock<Objects<F>>,
    /// Whether every watch of the kind has had its first list.
    ready: watch::Sender<bool>,
}

struct Objects<F> {
    by_name: BTreeMap<ResourceName, Arc<F>>,
    /// Bytes of the objects of each namespace together, of kinds that are counted.
    bytes: BTreeMap<Arc<str>, u64>,
}

impl<F> Objects<F> {
    /// In `namespace`, `more` bytes came and `less` went.
    fn count(&mut self, namespace: &Arc<str>, more: u64, less: u64) {
        if more == less {
            return;
        }
        let bytes = self.bytes.get(namespace).copied().unwrap_or_default();
        match bytes.saturating_add(more).saturating_sub(less) {
            0 => self.bytes.remove(namespace),
            bytes => self.bytes.insert(namespace.clone(), bytes),
        };
    }
}

impl<K: Kept> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Kept> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<K: Kept> Default for Store<K> {
    fn default() -> Self {
        let (ready, _) = watch::channel(false);
        let objects = Objects { by_name: BTreeMap::new(), bytes: BTreeMap::new() };
        Self(Arc::new(Shared { objects: RwLock::new(objects), ready }))
    }
}

impl<K: Kept> Store<K> {
    /// The object of this name.
    pub fn get(&self, name: &ResourceName) -> Option<Arc<K>> {
        let kept = self.kept(name)?;
        kept.object()
    }

    /// The same, in the form in which it is kept.
    pub(super) fn kept(&self, name: &ResourceName) -> Option<Arc<K::Form>> {
        self.0.objects.read().by_name.get(name).cloned()
    }

    /// Whether there is an object of this name.
    pub fn contains(&self, name: &ResourceName) -> bool {
        self.0.objects.read().by_name.contains_key(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.objects.read().by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All objects as they are now. One after the other is brought into its full form.
    pub fn all(&self) -> impl Iterator<Item = Arc<K>> + use<K> {
        self.entries().into_iter().filter_map(|(_, kept)| kept.object())
    }

    /// Those of one namespace.
    pub fn within(&self, namespace: &str) -> impl Iterator<Item = Arc<K>> + use<K> {
        self.entries_within(namespace).into_iter().filter_map(|(_, kept)| kept.object())
    }

    /// All of them in the form in which they are kept.
    pub(super) fn entries(&self) -> Vec<(ResourceName, Arc<K::Form>)> {
        let objects = self.0.objects.read();
        objects.by_name.iter().map(|(name, kept)| (name.clone(), kept.clone())).collect()
    }

    /// Those of one namespace, in that form.
    pub(super) fn entries_within(&self, namespace: &str) -> Vec<(ResourceName, Arc<K::Form>)> {
        let first = ResourceName { namespace: namespace.into(), name: "".into() };
        let objects = self.0.objects.read();
        let from = (Bound::Included(&first), Bound::Unbounded);
        objects
            .by_name
            .range::<ResourceName, _>(from)
            .take_while(|(name, _)| *name.namespace == *namespace)
            .map(|(name, kept)| (name.clone(), kept.clone()))
            .collect()
    }

    /// Bytes of those of one namespace together, as JSON that the API server returned; zero of kinds
    /// that are not counted.
    pub fn bytes_within(&self, namespace: &str) -> u64 {
        self.0.objects.read().bytes.get(namespace).copied().unwrap_or_default()
    }

    /// Whether every watch of the kind has had its first list.
    pub fn is_ready(&self) -> bool {
        *self.0.ready.borrow()
    }

    /// Waits until every watch of the kind has had its first list.
    pub async fn ready(&self) {
        let mut ready = self.0.ready.subscribe();
        // The sender is part of the store, which this holds.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Every watch of the kind has had its first list.
    pub(super) fn is_complete(&self) {
        self.0.ready.send_replace(true);
    }

    /// Takes an object in. The one of its name that was there before.
    pub(super) fn put(&self, name: ResourceName, kept: Arc<K::Form>) -> Option<Arc<K::Form>> {
        let mut objects = self.0.objects.write();
        let (namespace, more) = (name.namespace.clone(), kept.bytes());
        let before = objects.by_name.insert(name, kept);
        objects.count(&namespace, more, before.as_ref().map_or(0, |b| b.bytes()));
        before
    }

    /// Takes an object in, as a feed would.
    #[cfg(test)]
    pub(super) fn show(&self, object: K) {
        let (bytes, object) = (object.bytes(), Arc::new(object));
        self.put(name_of(object.as_ref()), Arc::new(K::Form::of(&object).of_bytes(bytes)));
    }

    /// Takes an object out.
    pub(super) fn remove(&self, name: &ResourceName) -> Option<Arc<K::Form>> {
        let mut objects = self.0.objects.write();
        let before = objects.by_name.remove(name)?;
        objects.count(&name.namespace, 0, before.bytes());
        Some(before)
    }
}

/// The name of an object in a store; kinds that belong to no namespace have the empty one.
pub(super) fn name_of<K: Resource>(object: &K) -> ResourceName {
    let meta = object.meta();
    ResourceName {
        namespace: meta.namespace.as_deref().unwrap_or_default().into(),
        name: meta.name.as_deref().unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::RefreshableCredential;
    use serde_json::json;

    fn resource(namespace: &str, name: &str, note: &str) -> RefreshableCredential {
        let annotations = json!({"example.com/note": note});
        let metadata = json!({"namespace": namespace, "name": name, "annotations": annotations});
        serde_json::from_value(json!({"apiVersion": "refreshable.dev/v1alpha1",
            "kind": "RefreshableCredential", "metadata": metadata, "spec": {}}))
        .expect("a resource")
    }

    #[test]
    fn bytes_are_those_of_the_objects_that_are_there_for_each_namespace() {
        let store = Store::<RefreshableCredential>::default();
        let bytes = |object: &RefreshableCredential| u64::from(object.bytes());
        let (one, other) = (resource("a", "one", ""), resource("b", "other", ""));
        let longer = resource("a", "one", &"x".repeat(1000));
        let second = resource("a", "second", "");
        store.show(one.clone());
        store.show(other.clone());
        assert_eq!(
            (store.bytes_within("a"), store.bytes_within("b")),
            (bytes(&one), bytes(&other))
        );
        store.show(longer.clone());
        store.show(second.clone());
        assert_eq!(bytes(&longer), bytes(&one) + 1000, "annotations that are not kept count");
        assert_eq!(store.bytes_within("a"), bytes(&longer) + bytes(&second));
        store.remove(&name_of(&longer));
        assert_eq!(store.bytes_within("a"), bytes(&second));
        store.remove(&name_of(&second));
        assert_eq!((store.bytes_within("a"), store.bytes_within("b")), (0, bytes(&other)));
        assert_eq!(store.0.objects.read().bytes.len(), 1, "a namespace without any is forgotten");
    }
}
