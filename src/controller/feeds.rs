//! What a watch's events do: they change the view, they teach memory, and they touch resources.
//!
//! A list that is begun anew changes nothing before its end. Then the view takes its part of the
//! cluster over at once: what differs is a change like any other, what is no longer there included,
//! and only then are resources touched.

use super::triggers::{Touched, Triggers};
use super::{ConfigMapMeta, Context, PodMeta, PolicyNews, SecretMeta, View};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use refreshable_rules::input_object::InputObject;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The end of the view that feeds write to.
pub struct Writers {
    credentials: Writer<RefreshableCredential>,
    secrets: Writer<SecretMeta>,
    inputs: Writer<SecretMeta>,
    config_maps: Writer<ConfigMapMeta>,
    policies: Writer<CredentialPolicy>,
    namespaces: Writer<PartialObjectMeta<Namespace>>,
    pods: Writer<PodMeta>,
    orders: Writer<ConfigMap>,
}

/// A view, and the end that writes to it. Without `policies` those and namespaces are never fed,
/// without `pods` Pods.
pub fn view(policies: bool, pods: bool) -> (View, Writers) {
    let (credentials, credentials_writer) = reflector::store();
    let (secrets, secrets_writer) = reflector::store();
    let (inputs, inputs_writer) = reflector::store();
    let (config_maps, config_maps_writer) = reflector::store();
    let (policy_store, policies_writer) = reflector::store();
    let (namespaces, namespaces_writer) = reflector::store();
    let (pod_store, pods_writer) = reflector::store();
    let (orders, orders_writer) = reflector::store();
    let view = View {
        credentials,
        secrets,
        inputs,
        config_maps,
        policies: policy_store,
        namespaces,
        reads_policies: policies,
        pods: pod_store,
        reads_pods: pods,
        orders,
        policy_news: PolicyNews::default(),
    };
    let writers = Writers {
        credentials: credentials_writer,
        secrets: secrets_writer,
        inputs: inputs_writer,
        config_maps: config_maps_writer,
        policies: policies_writer,
        namespaces: namespaces_writer,
        pods: pods_writer,
        orders: orders_writer,
    };
    (view, writers)
}

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

    fn holds(&self, namespace: Option<&str>) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Namespace(own) => namespace == Some(own),
        }
    }
}

/// One object as the view showed it before and as it shows it now; absent where there was or is
/// none.
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
    /// The ConfigMap with the administrator's orders on withdrawals.
    pub orders: Feed<ConfigMap>,
}

impl Feeds {
    /// The feeds of `context`'s view. Namespaced kinds are watched in `places`.
    pub fn new(writers: Writers, context: &Arc<Context>, places: &BTreeSet<Place>) -> Self {
        let triggers =
            Triggers::new(context.view.credentials.clone(), context.view.namespaces.clone());
        let (own, input, config_map) = (triggers.clone(), triggers.clone(), triggers.clone());
        let (policy, namespace, order) = (triggers.clone(), triggers.clone(), triggers);
        let (remembering, forgetting) = (context.clone(), context.clone());
        let (by_policies, by_namespaces, by_orders) =
            (context.clone(), context.clone(), context.clone());
        let news = context.view.policy_news.clone();
        let (of_resource, of_policy, of_namespace) = (news.clone(), news.clone(), news);
        let everywhere = BTreeSet::from([Place::Everywhere]);
        Self {
            credentials: Feed::new(writers.credentials, places, move |changes| {
                for gone in changes.iter().filter_map(Change::gone) {
                    forgetting.memory.forget(gone.metadata.uid.as_deref().unwrap_or_default());
                }
                of_resource.of_resources(changes);
                changes.iter().filter_map(|c| c.sides().next()).map(ObjectRef::from_obj).collect()
            }),
            secrets: Feed::new(writers.secrets, places, move |changes| {
                changes.iter().for_each(|change| remembering.memory.learn(change));
                own.of_own_secrets(changes)
            }),
            inputs: Feed::new(writers.inputs, places, move |changes| {
                input.of_inputs(InputObject::Secret, changes)
            }),
            config_maps: Feed::new(writers.config_maps, places, move |changes| {
                config_map.of_inputs(InputObject::ConfigMap, changes)
            }),
            policies: Feed::new(writers.policies, &everywhere, move |changes| {
                changes
                    .iter()
                    .filter_map(Change::gone)
                    .for_each(|gone| by_policies.brake.remember(gone));
                if of_policy.of_policies(changes) {
                    by_policies.brake.changed();
                }
                policy.of_policies(changes)
            }),
            namespaces: Feed::new(writers.namespaces, &everywhere, move |changes| {
                if of_namespace.of_namespaces(changes) {
                    by_namespaces.brake.changed();
                }
                namespace.of_namespaces(changes)
            }),
            pods: Feed::new(writers.pods, places, |_| Touched::new()),
            orders: Feed::new(writers.orders, &everywhere, move |_| {
                by_orders.brake.changed();
                order.of_orders()
            }),
        }
    }
}

/// Takes the events of all watches of one kind.
pub struct Feed<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: Writer<K>,
    store: Store<K>,
    /// What the lists under way have held so far.
    lists: BTreeMap<Place, Vec<K>>,
    places: BTreeSet<Place>,
    /// Those that have not had their first list: the view is not ready before they have.
    waiting: BTreeSet<Place>,
    ready: bool,
    touches: Touches<K>,
}

type Touches<K> = Box<dyn FnMut(&[Change<K>]) -> Touched + Send>;

impl<K> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn new(
        writer: Writer<K>,
        places: &BTreeSet<Place>,
        touches: impl FnMut(&[Change<K>]) -> Touched + Send + 'static,
    ) -> Self {
        let store = writer.as_reader();
        let (places, waiting) = (places.clone(), places.clone());
        Self {
            writer,
            store,
            lists: BTreeMap::new(),
            places,
            waiting,
            ready: false,
            touches: Box::new(touches),
        }
    }

    /// Where the kind is watched.
    pub fn places(&self) -> &BTreeSet<Place> {
        &self.places
    }

    /// Takes one event of the watch of `place` into the view, and tells which resources it touches.
    pub fn take(&mut self, place: &Place, event: Event<K>) -> Touched {
        let changes = match event {
            Event::Apply(object) => vec![self.put(object)],
            Event::Delete(object) => vec![self.remove(object)],
            Event::Init => {
                self.lists.insert(place.clone(), Vec::new());
                return Touched::new();
            }
            Event::InitApply(object) => {
                self.lists.entry(place.clone()).or_default().push(object);
                return Touched::new();
            }
            Event::InitDone => {
                let list = self.lists.remove(place).unwrap_or_default();
                self.waiting.remove(place);
                match self.waiting.is_empty() && !self.ready {
                    true => self.first(list),
                    false => self.swap(place, list),
                }
            }
        };
        if changes.is_empty() {
            return Touched::new();
        }
        let mut touched = (self.touches)(&changes);
        // Stores and lists are hashed: without an order of its own, who goes first would be chance.
        touched.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        touched
    }

    fn put(&mut self, object: K) -> Change<K> {
        let which = ObjectRef::from_obj(&object);
        let before = self.store.get(&which);
        self.writer.apply_watcher_event(&Event::Apply(object));
        Change { before, after: self.store.get(&which) }
    }

    fn remove(&mut self, object: K) -> Change<K> {
        let before = Some(Arc::new(object.clone()));
        self.writer.apply_watcher_event(&Event::Delete(object));
        Change { before, after: None }
    }

    /// The last of the first lists: the view becomes ready with it.
    fn first(&mut self, list: Vec<K>) -> Vec<Change<K>> {
        let others = self.store.state();
        let listed: Vec<ObjectRef<K>> = list.iter().map(ObjectRef::from_obj).collect();
        self.writer.apply_watcher_event(&Event::Init);
        for object in others.iter().map(|o| o.as_ref().clone()).chain(list) {
            self.writer.apply_watcher_event(&Event::InitApply(object));
        }
        self.writer.apply_watcher_event(&Event::InitDone);
        self.ready = true;
        listed.iter().map(|which| Change { before: None, after: self.store.get(which) }).collect()
    }

    /// A list of `place` is complete: what the view shows of it becomes what the list holds.
    fn swap(&mut self, place: &Place, list: Vec<K>) -> Vec<Change<K>> {
        let mut listed: HashMap<ObjectRef<K>, K> =
            list.into_iter().map(|o| (ObjectRef::from_obj(&o), o)).collect();
        let mut changes = Vec::new();
        for before in self.store.state() {
            if !place.holds(before.meta().namespace.as_deref()) {
                continue;
            }
            match listed.remove(&ObjectRef::from_obj(before.as_ref())) {
                Some(after) if is_same(before.as_ref(), &after) => {}
                Some(after) => changes.push(self.put(after)),
                None => changes.push(self.remove(Arc::unwrap_or_clone(before))),
            }
        }
        changes.extend(listed.into_values().map(|object| self.put(object)));
        changes
    }
}

/// Whether two objects of one name are the same in every part.
fn is_same<K: Resource>(one: &K, other: &K) -> bool {
    let version = other.resource_version();
    version.is_some() && one.uid() == other.uid() && one.resource_version() == version
}

#[cfg(test)]
#[path = "feeds_tests.rs"]
mod tests;
