//! The watches that fill the view, and what their events set off.

use super::triggers::Triggers;
use super::{Context, SecretMeta, View};
use crate::api::{CredentialPolicy, RefreshableCredential, names};
use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Server-side end of one watch in seconds, so that a connection that died in silence is noticed.
const WATCH_SECONDS: u32 = 240;

/// The end of the view that watches write to.
pub(super) struct Writers {
    credentials: Writer<RefreshableCredential>,
    secrets: Writer<SecretMeta>,
    inputs: Writer<SecretMeta>,
    policies: Writer<CredentialPolicy>,
    namespaces: Writer<PartialObjectMeta<Namespace>>,
}

/// A view, and the end that writes to it.
pub(super) fn view() -> (View, Writers) {
    let (credentials, credentials_writer) = reflector::store();
    let (secrets, secrets_writer) = reflector::store();
    let (inputs, inputs_writer) = reflector::store();
    let (policies, policies_writer) = reflector::store();
    let (namespaces, namespaces_writer) = reflector::store();
    let view = View { credentials, secrets, inputs, policies, namespaces };
    let writers = Writers {
        credentials: credentials_writer,
        secrets: secrets_writer,
        inputs: inputs_writer,
        policies: policies_writer,
        namespaces: namespaces_writer,
    };
    (view, writers)
}

/// Resources that something happened to.
pub(super) type Touched = UnboundedReceiver<ObjectRef<RefreshableCredential>>;

/// Starts the watches of all `namespaces`, or of the whole cluster where none is named. They run until
/// the returned set is dropped.
pub(super) fn start(namespaces: &[String], writers: Writers, context: &Arc<Context>) -> (Touched, JoinSet<()>) {
    let client = context.calls.client();
    let (sender, touched) = mpsc::unbounded();
    let triggers = Triggers::new(context.view.credentials.clone());
    let mut watches = JoinSet::new();

    let changes = watch_all::<RefreshableCredential>(places(&client, namespaces), "").reflect(writers.credentials);
    watches.spawn(pump("refreshablecredentials", changes.touched_objects(), sender.clone(), |c| {
        vec![ObjectRef::from_obj(&c)]
    }));

    let own = format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY);
    let remembering = context.clone();
    let secrets = watch_all::<SecretMeta>(places(&client, namespaces), &own)
        .reflect(writers.secrets)
        .inspect(move |event| event.iter().for_each(|e| remembering.memory.learn(e)))
        .touched_objects();
    let find = triggers.clone();
    watches.spawn(pump("secrets", secrets, sender.clone(), move |s| find.of_own_secret(&s)));

    let input = format!("{}={}", names::WATCH_LABEL, names::WATCH);
    let inputs = watch_all::<SecretMeta>(places(&client, namespaces), &input).reflect(writers.inputs).touched_objects();
    let find = triggers.clone();
    watches.spawn(pump("input secrets", inputs, sender.clone(), move |s| find.of_input(&s)));

    if namespaces.is_empty() {
        let policies = watch_all::<CredentialPolicy>(vec![Api::all(client.clone())], "")
            .reflect(writers.policies)
            .touched_objects();
        let find = triggers.clone();
        watches.spawn(pump("credentialpolicies", policies, sender.clone(), move |_| find.of_policies()));
        let labels = watch_all::<PartialObjectMeta<Namespace>>(vec![Api::all(client)], "").reflect(writers.namespaces);
        let find = triggers;
        watches.spawn(pump("namespaces", labels.touched_objects(), sender, move |n| find.of_namespace(&n.name_any())));
    }
    (touched, watches)
}

/// Waits until every watch has had its first list.
pub(super) async fn synced(view: &View, whole_cluster: bool) {
    let own = futures::join!(
        view.credentials.wait_until_ready(),
        view.secrets.wait_until_ready(),
        view.inputs.wait_until_ready()
    );
    let ready = own.0.and(own.1).and(own.2);
    if whole_cluster {
        let theirs = futures::join!(view.policies.wait_until_ready(), view.namespaces.wait_until_ready());
        if ready.and(theirs.0).and(theirs.1).is_ok() {
            return;
        }
    } else if ready.is_ok() {
        return;
    }
    // A writer is gone: the process is ending, and nothing will be ready any more.
    std::future::pending().await
}

/// Where a namespaced kind is watched: in each of `namespaces`, or everywhere where none is named.
fn places<K>(client: &Client, namespaces: &[String]) -> Vec<Api<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespaces {
        [] => vec![Api::all(client.clone())],
        some => some.iter().map(|n| Api::namespaced(client.clone(), n)).collect(),
    }
}

/// Watches `K` in all `places` at once.
fn watch_all<K>(mut places: Vec<Api<K>>, labels: &str) -> BoxStream<'static, Result<Event<K>, watcher::Error>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let config = Config::default().labels(labels).timeout(WATCH_SECONDS);
    let one =
        |api: Api<K>| watch(api, config.clone()).default_backoff().modify(|o| o.managed_fields_mut().clear()).boxed();
    match places.len() {
        1 => one(places.remove(0)),
        _ => merged(places.into_iter().map(one).collect()),
    }
}

/// Merges watches into one that has had its first list when each of them has.
fn merged<K: Send + 'static>(
    watches: Vec<BoxStream<'static, Result<Event<K>, watcher::Error>>>,
) -> BoxStream<'static, Result<Event<K>, watcher::Error>> {
    let mut waiting = watches.len();
    let mut begun = false;
    select_all(watches)
        .filter_map(move |event| {
            let pass = match event {
                Ok(Event::Init) if begun => None,
                Ok(Event::Init) => {
                    begun = true;
                    Some(Ok(Event::Init))
                }
                // After the first lists, a list of one namespace must not replace what others hold.
                Ok(Event::InitApply(o)) if waiting == 0 => Some(Ok(Event::Apply(o))),
                Ok(Event::InitDone) if waiting > 0 => {
                    waiting -= 1;
                    (waiting == 0).then_some(Ok(Event::InitDone))
                }
                Ok(Event::InitDone) => None,
                other => Some(other),
            };
            futures::future::ready(pass)
        })
        .boxed()
}

/// Passes on which resources the changes of a watch touch. Its errors are logged and go no further: in
/// the controller's queue an error of one watch would hold up the others.
async fn pump<K: Send + 'static>(
    what: &'static str,
    changes: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
    sender: UnboundedSender<ObjectRef<RefreshableCredential>>,
    touches: impl Fn(K) -> Vec<ObjectRef<RefreshableCredential>> + Send + 'static,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        match change {
            Ok(change) => touches(change).into_iter().for_each(|t| drop(sender.unbounded_send(t))),
            Err(error) => tracing::warn!(what, error = describe(&error), "a watch failed and is begun again"),
        }
    }
}

/// A watch's error in words. Never `Debug`: some of kube's errors hold bodies.
fn describe(error: &watcher::Error) -> String {
    match error {
        watcher::Error::WatchError(status) => format!("{} ({})", status.message, status.reason),
        watcher::Error::InitialListFailed(e) | watcher::Error::WatchStartFailed(e) | watcher::Error::WatchFailed(e) => {
            super::call::describe(e)
        }
        other => other.to_string(),
    }
}
