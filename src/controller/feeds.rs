//! Effects of a watch's events: they change the view, teach memory and touch resources.
//!
//! A list that is begun anew changes nothing before its end. Then the view takes its part of the
//! cluster over at once: what differs is a change like any other, what is no longer there included,
//! and only then are resources touched.

use super::packed::{Form as _, Kept};
use super::store::{Store, name_of};
use super::triggers::{Touched, Triggers};
use super::{ConfigMapMeta, Context, PodMeta, ResourceName, SecretMeta, total_size};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Resource;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use refreshable_api::{ClusterRefreshableCredential, CredentialPolicy, RefreshableCredential};
use refreshable_rules::input_object::InputObject;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The part of the cluster that one watch shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// All of it.
    Everywhere,
    /// One namespace.
    Namespace(String),
}

impl Place {
    /// Where namespaced kinds are watched: in `namespaces`, or everywhere where none are named.
    pub fn of(namespaces: &[String]) -> BTreeSet<Self> {
        match namespaces {
            [] => [Self::Everywhere].into(),
            some => some.iter().cloned().map(Self::Namespace).collect(),
        }
    }
}

/// One object as the view showed it before and as it shows it now; absent where there was or is
/// none. Where its essence stayed the same ([`Kept::essence`]), `before` may be what it is now.
#[derive(Clone, Debug)]
pub struct Change<K> {
    pub(super) before: Option<Arc<K>>,
    pub(super) after: Option<Arc<K>>,
}

impl<K: Resource> Change<K> {
    /// The object, before and after.
    pub(super) fn sides(&self) -> impl Iterator<Item = &K> {
        self.before.iter().chain(&self.after).map(Arc::as_ref)
    }

    /// The object that is there no longer: it went, or another one has its name.
    pub(super) fn gone(&self) -> Option<&K> {
        let uid = |one: &Option<Arc<K>>| one.as_ref().and_then(|o| o.meta().uid.clone());
        let stays = self.after.is_some() && uid(&self.before) == uid(&self.after);
        self.before.as_deref().filter(|_| !stays)
    }
}

/// The changes that make another `part` of an object.
pub(super) fn differing<K, Part: PartialEq>(
    changes: &[Change<K>],
    part: impl Fn(&K) -> Part,
) -> impl Iterator<Item = &Change<K>> {
    let side = move |side: &Option<Arc<K>>| side.as_deref().map(&part);
    changes.iter().filter(move |c| side(&c.before) != side(&c.after))
}

/// The identity of a specification: UID and generation.
pub(super) fn specification<K: Resource>(object: &K) -> (Option<String>, Option<i64>) {
    (object.meta().uid.clone(), object.meta().generation)
}

/// One feed for each kind that is watched.
pub struct Feeds {
    /// The resources.
    pub credentials: Feed<RefreshableCredential>,
    /// Secrets with the controller's label.
    pub secrets: Feed<SecretMeta>,
    /// Secrets with the label that asks for their changes to be noticed.
    pub inputs: Feed<SecretMeta>,
    /// ConfigMaps with that label.
    pub config_maps: Feed<ConfigMapMeta>,
    /// The administrator's policies.
    pub policies: Feed<CredentialPolicy>,
    /// Namespaces.
    pub namespaces: Feed<PartialObjectMeta<Namespace>>,
    /// Pods that want to be told of rotations. One that appears needs nothing: it mounts what is
    /// there.
    pub pods: Feed<PodMeta>,
    /// ClusterRefreshableCredentials.
    pub cluster_credentials: Feed<ClusterRefreshableCredential>,
    /// The ConfigMap with the administrator's orders on withdrawals.
    pub orders: Feed<ConfigMap>,
}

impl Feeds {
    /// The feeds of `context`'s view. Namespaced kinds are watched in `places`.
    pub fn new(context: &Arc<Context>, places: &BTreeSet<Place>) -> Self {
        let view = &context.view;
        let triggers = Triggers::new(view.credentials.clone(), view.namespaces.clone());
        let (own, input, config_map) = (triggers.clone(), triggers.clone(), triggers.clone());
        let (policy, namespace, order) = (triggers.clone(), triggers.clone(), triggers);
        let (remembering, forgetting) = (context.clone(), context.clone());
        let (by_policies, by_namespaces, by_orders) =
            (context.clone(), context.clone(), context.clone());
        let news = context.view.policy_news.clone();
        let (of_resource, of_policy, of_namespace) = (news.clone(), news.clone(), news);
        let (fleet, by_view) = (view.fleet_news.clone(), view.clone());
        let (by_resource, by_namespace) = (fleet.clone(), fleet.clone());
        let everywhere = BTreeSet::from([Place::Everywhere]);
        Self {
            credentials: Feed::new(&view.credentials, places, move |changes| {
                for gone in changes.iter().filter_map(Change::gone) {
                    forgetting.memory.forget(gone.metadata.uid.as_deref().unwrap_or_default());
                }
                of_resource.of_resources(changes);
                by_resource.of_resources(changes, &by_view);
                let changed = changes.iter().filter_map(|c| c.sides().next()).map(name_of);
                let mut touched: Touched = changed.collect();
                touched.extend(total_size::relieved(&touched, &forgetting));
                touched
            }),
            secrets: Feed::new(&view.secrets, places, move |changes| {
                changes.iter().for_each(|change| remembering.memory.learn(change));
                own.of_own_secrets(changes)
            }),
            inputs: Feed::new(&view.inputs, places, move |changes| {
                input.of_inputs(InputObject::Secret, changes)
            }),
            config_maps: Feed::new(&view.config_maps, places, move |changes| {
                config_map.of_inputs(InputObject::ConfigMap, changes)
            }),
            policies: Feed::new(&view.policies, &everywhere, move |changes| {
                changes
                    .iter()
                    .filter_map(Change::gone)
                    .for_each(|gone| by_policies.brake.remember(gone));
                if of_policy.of_policies(changes) {
                    by_policies.brake.changed();
                }
                policy.of_policies(changes)
            }),
            namespaces: Feed::new(&view.namespaces, &everywhere, move |changes| {
                if of_namespace.of_namespaces(changes) {
                    by_namespaces.brake.changed();
                    by_namespace.tell();
                }
                namespace.of_namespaces(changes)
            }),
            cluster_credentials: Feed::new(
                &view.cluster_credentials,
                &everywhere,
                move |changes| {
                    fleet.of_clusters(changes);
                    Touched::new()
                },
            ),
            pods: Feed::new(&view.pods, places, |_| Touched::new()),
            orders: Feed::new(&view.orders, &everywhere, move |_| {
                by_orders.brake.changed();
                order.of_orders()
            }),
        }
    }
}

/// Most changes that are brought into their full form at once.
const AT_ONCE: usize = 256;

/// Takes the events of all watches of one kind.
pub struct Feed<K: Kept> {
    store: Store<K>,
    /// Objects that the lists under way have held so far.
    lists: BTreeMap<Place, BTreeMap<ResourceName, Arc<K::Form>>>,
    places: BTreeSet<Place>,
    /// Those that have not had their first list: the view is not ready before they have.
    waiting: BTreeSet<Place>,
    touches: Touches<K>,
}

type Touches<K> = Box<dyn FnMut(&[Change<K>]) -> Touched + Send>;

/// One object before and after, as it is kept.
type KeptChange<K> = (Option<Arc<<K as Kept>::Form>>, Option<Arc<<K as Kept>::Form>>);

impl<K: Kept> Feed<K> {
    pub(super) fn new(
        store: &Store<K>,
        places: &BTreeSet<Place>,
        touches: impl FnMut(&[Change<K>]) -> Touched + Send + 'static,
    ) -> Self {
        Self {
            store: store.clone(),
            lists: BTreeMap::new(),
            places: places.clone(),
            waiting: places.clone(),
            touches: Box::new(touches),
        }
    }

    /// Where the kind is watched.
    pub fn places(&self) -> &BTreeSet<Place> {
        &self.places
    }

    /// Takes one event of the watch of `place` into the view, and tells which resources it touches.
    pub fn take(&mut self, place: &Place, event: Event<K>) -> Touched {
        match event {
            Event::Apply(object) => {
                let (name, after, kept) = keep(object);
                let before = match self.store.put(name, kept.clone()) {
                    Some(before) if before.is_alike(&kept) => Some(after.clone()),
                    before => before.and_then(|b| b.object()),
                };
                self.touch(&[Change { before, after: Some(after) }])
            }
            Event::Delete(mut object) => {
                object.trim();
                self.store.remove(&name_of(&object));
                self.touch(&[Change { before: Some(Arc::new(object)), after: None }])
            }
            Event::Init => {
                self.lists.insert(place.clone(), BTreeMap::new());
                Touched::new()
            }
            Event::InitApply(object) => {
                let (name, _, kept) = keep(object);
                self.lists.entry(place.clone()).or_default().insert(name, kept);
                Touched::new()
            }
            Event::InitDone => {
                let list = self.lists.remove(place).unwrap_or_default();
                let changes = self.swap(place, list);
                self.waiting.remove(place);
                if self.waiting.is_empty() {
                    self.store.is_complete();
                }
                self.touch_all(changes)
            }
        }
    }

    /// A list of `place` is complete: what the view shows of it becomes what the list holds.
    fn swap(
        &mut self,
        place: &Place,
        mut list: BTreeMap<ResourceName, Arc<K::Form>>,
    ) -> Vec<KeptChange<K>> {
        let shown = match place {
            Place::Everywhere => self.store.entries(),
            Place::Namespace(name) => self.store.entries_within(name),
        };
        let mut changes = Vec::new();
        for (name, before) in shown {
            match list.remove(&name) {
                Some(after) if is_same::<K>(&before, &after) => {}
                Some(after) => {
                    self.store.put(name, after.clone());
                    changes.push((Some(before), Some(after)));
                }
                None => {
                    self.store.remove(&name);
                    changes.push((Some(before), None));
                }
            }
        }
        for (name, after) in list {
            self.store.put(name, after.clone());
            changes.push((None, Some(after)));
        }
        changes
    }

    /// Touches for the changes of a list, some at a time: in their full form they may be large.
    fn touch_all(&mut self, changes: Vec<KeptChange<K>>) -> Touched {
        let mut touched = BTreeSet::new();
        for some in changes.chunks(AT_ONCE) {
            let object = |kept: &Option<Arc<K::Form>>| kept.as_ref().and_then(|k| k.object());
            let whole: Vec<Change<K>> = some
                .iter()
                .map(|(before, after)| Change { before: object(before), after: object(after) })
                .collect();
            touched.extend(self.touch(&whole));
        }
        touched.into_iter().collect()
    }

    fn touch(&mut self, changes: &[Change<K>]) -> Touched {
        let mut touched = (self.touches)(changes);
        // Where an object is named twice, it is touched once; and chance does not decide who is first.
        touched.sort();
        touched.dedup();
        touched
    }
}

/// The name of an object, the object without what the controller does not read, and its kept form.
fn keep<K: Kept>(mut object: K) -> (ResourceName, Arc<K>, Arc<K::Form>) {
    let bytes = object.bytes();
    object.trim();
    let (name, object) = (name_of(&object), Arc::new(object));
    let kept = Arc::new(K::Form::of(&object).of_bytes(bytes));
    (name, object, kept)
}

/// Whether two objects of one name are the same in every part.
fn is_same<K: Kept>(one: &K::Form, other: &K::Form) -> bool {
    let (uid, version) = other.state();
    version.is_some() && one.state() == (uid, version)
}

#[cfg(test)]
#[path = "feeds_tests.rs"]
mod tests;
