//! What a watch's events do: they change the view, they teach memory, and they touch resources.

use super::triggers::{self, Differences, Touched, Triggers};
use super::{Context, PodMeta, SecretMeta, View};
use crate::api::{CredentialPolicy, RefreshableCredential};
use k8s_openapi::api::core::v1::Namespace;
use kube::Resource;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Lookup, ObjectRef};
use kube::runtime::watcher::Event;
use std::sync::Arc;

/// The end of the view that feeds write to.
pub struct Writers {
    credentials: Writer<RefreshableCredential>,
    secrets: Writer<SecretMeta>,
    inputs: Writer<SecretMeta>,
    policies: Writer<CredentialPolicy>,
    namespaces: Writer<PartialObjectMeta<Namespace>>,
    pods: Writer<PodMeta>,
}

/// A view, and the end that writes to it. Without `policies` those and namespaces are never fed, without `pods` Pods.
pub fn view(policies: bool, pods: bool) -> (View, Writers) {
    let (credentials, credentials_writer) = reflector::store();
    let (secrets, secrets_writer) = reflector::store();
    let (inputs, inputs_writer) = reflector::store();
    let (policy_store, policies_writer) = reflector::store();
    let (namespaces, namespaces_writer) = reflector::store();
    let (pod_store, pods_writer) = reflector::store();
    let view = View {
        credentials,
        secrets,
        inputs,
        policies: policy_store,
        namespaces,
        reads_policies: policies,
        pods: pod_store,
        reads_pods: pods,
    };
    let writers = Writers {
        credentials: credentials_writer,
        secrets: secrets_writer,
        inputs: inputs_writer,
        policies: policies_writer,
        namespaces: namespaces_writer,
        pods: pods_writer,
    };
    (view, writers)
}

/// One feed for each watch.
pub struct Feeds {
    /// The resources.
    pub credentials: Feed<RefreshableCredential>,
    /// Secrets with the controller's label.
    pub secrets: Feed<SecretMeta>,
    /// Secrets with the label that asks for their changes to be noticed.
    pub inputs: Feed<SecretMeta>,
    /// The administrator's policies.
    pub policies: Feed<CredentialPolicy>,
    /// Namespaces.
    pub namespaces: Feed<PartialObjectMeta<Namespace>>,
    /// Pods that want to be told of rotations. One that appears needs nothing: it mounts what is there.
    pub pods: Feed<PodMeta>,
}

impl Feeds {
    /// The feeds of `context`'s view.
    pub fn new(writers: Writers, context: &Arc<Context>) -> Self {
        let triggers = Triggers::new(context.view.credentials.clone(), context.view.namespaces.clone());
        let (own, input, policy, namespace) = (triggers.clone(), triggers.clone(), triggers.clone(), triggers);
        let (mut policies, mut namespaces) = (Differences::default(), Differences::default());
        let (remembering, forgetting) = (context.clone(), context.clone());
        Self {
            credentials: Feed::new(writers.credentials, move |event| {
                if let Event::Delete(gone) = event {
                    forgetting.memory.forget(gone.metadata.uid.as_deref().unwrap_or_default());
                }
                object_of(event).map(ObjectRef::from_obj).into_iter().collect()
            }),
            secrets: Feed::new(writers.secrets, move |event| {
                remembering.memory.learn(event);
                object_of(event).map(|s| own.of_own_secret(s)).unwrap_or_default()
            }),
            inputs: Feed::new(writers.inputs, move |event| {
                object_of(event).map(|s| input.of_input(s)).unwrap_or_default()
            }),
            policies: Feed::new(writers.policies, move |event| {
                policy.of_policies(&policies.take(event, triggers::of_policy))
            }),
            namespaces: Feed::new(writers.namespaces, move |event| {
                namespace.of_namespaces(&namespaces.take(event, triggers::of_namespace))
            }),
            pods: Feed::new(writers.pods, |_| Touched::new()),
        }
    }
}

/// Takes the events of one watch.
pub struct Feed<K: Lookup + Clone + 'static>
where
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    writer: Writer<K>,
    touches: Touches<K>,
}

type Touches<K> = Box<dyn FnMut(&Event<K>) -> Touched + Send>;

impl<K> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn new(writer: Writer<K>, touches: impl FnMut(&Event<K>) -> Touched + Send + 'static) -> Self {
        Self { writer, touches: Box::new(touches) }
    }

    /// Takes one event into the view, and tells which resources it touches.
    pub fn take(&mut self, event: &Event<K>) -> Touched {
        self.writer.apply_watcher_event(event);
        (self.touches)(event)
    }
}

fn object_of<K>(event: &Event<K>) -> Option<&K> {
    match event {
        Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => Some(object),
        Event::Init | Event::InitDone => None,
    }
}
