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
    objects: RwLock<BTreeMap<ResourceName, Arc<F>>>,
    /// Whether every watch of the kind has had its first list.
    ready: watch::Sender<bool>,
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
        Self(Arc::new(Shared { objects: RwLock::default(), ready }))
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
        self.0.objects.read().get(name).cloned()
    }

    /// Whether there is an object of this name.
    pub fn contains(&self, name: &ResourceName) -> bool {
        self.0.objects.read().contains_key(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.objects.read().len()
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
        objects.iter().map(|(name, kept)| (name.clone(), kept.clone())).collect()
    }

    /// Those of one namespace, in that form.
    pub(super) fn entries_within(&self, namespace: &str) -> Vec<(ResourceName, Arc<K::Form>)> {
        let first = ResourceName { namespace: namespace.into(), name: "".into() };
        let objects = self.0.objects.read();
        let from = (Bound::Included(&first), Bound::Unbounded);
        objects
            .range::<ResourceName, _>(from)
            .take_while(|(name, _)| *name.namespace == *namespace)
            .map(|(name, kept)| (name.clone(), kept.clone()))
            .collect()
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
        self.0.objects.write().insert(name, kept)
    }

    /// Takes an object in, as a feed would.
    #[cfg(test)]
    pub(super) fn show(&self, object: K) {
        let object = Arc::new(object);
        self.put(name_of(object.as_ref()), Arc::new(K::Form::of(&object)));
    }

    /// Takes an object out.
    pub(super) fn remove(&self, name: &ResourceName) -> Option<Arc<K::Form>> {
        self.0.objects.write().remove(name)
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
