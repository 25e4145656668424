//! The watches whose events feed the view.

use super::feeds::{Feed, Feeds, Place};
use super::isolation::vital;
use super::packed::Kept;
use super::{Context, Metrics, ResourceName, View};
use backon::ExponentialBuilder;
use futures::StreamExt as _;
use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures::stream::{BoxStream, select_all};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::utils::ResetTimerBackoff;
use kube::runtime::watcher::{self, Config, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Resource};
use refreshable_api::names;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Server-side end of one watch in seconds, so that a connection that died in silence is noticed.
const WATCH_SECONDS: u32 = 240;
/// Most objects in one page of a list. Whoever may write in a namespace decides how large each is,
/// up to a megabyte and a half, and a page is in memory as a whole.
const PAGE: u32 = 100;

/// First pause after a watch that failed, which doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
/// Longest pause, without its jitter.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The first pause is the shortest again where the last failure is so long ago.
const WELL_AFTER: Duration = Duration::from_secs(120);

/// Resources that something happened to, as they come.
pub(super) type Touched = UnboundedReceiver<ResourceName>;

/// Which part of the cluster is watched.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The namespaces; none means all.
    pub(super) namespaces: Vec<String>,
    /// Whether policies and namespaces' labels are read.
    pub(super) policies: bool,
    /// Whether ClusterRefreshableCredentials are.
    pub(super) clusters: bool,
    /// Whether Pods are told of rotations.
    pub(super) pods: bool,
}

/// Starts the watches. They run until the returned set is dropped.
pub(super) fn start(scope: &Scope, context: &Arc<Context>) -> (Touched, JoinSet<()>) {
    let (client, metrics) = (context.calls.client(), &context.metrics);
    let (sender, touched) = mpsc::unbounded();
    let feeds = Feeds::new(context, &Place::of(&scope.namespaces));
    let mut watches = JoinSet::new();
    let credentials = watch_all(feeds.credentials.places(), |p| within(&client, p), "");
    watches.spawn(pump(
        "refreshablecredentials",
        credentials,
        feeds.credentials,
        sender.clone(),
        metrics.clone(),
    ));
    let own = format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY);
    let secrets = watch_all(feeds.secrets.places(), |p| within(&client, p), &own);
    watches.spawn(pump("secrets", secrets, feeds.secrets, sender.clone(), metrics.clone()));
    let input = format!("{}={}", names::WATCH_LABEL, names::WATCH);
    let inputs = watch_all(feeds.inputs.places(), |p| within(&client, p), &input);
    watches.spawn(pump("input secrets", inputs, feeds.inputs, sender.clone(), metrics.clone()));
    if scope.pods {
        let told = format!("{}={}", names::PROPAGATION_LABEL, names::PROPAGATION);
        let pods = watch_all(feeds.pods.places(), |p| within(&client, p), &told);
        watches.spawn(pump("pods", pods, feeds.pods, sender.clone(), metrics.clone()));
    }
    if scope.policies {
        // They hold bundles of certificates, which no resource may choose without a policy.
        let config_maps = watch_all(feeds.config_maps.places(), |p| within(&client, p), &input);
        watches.spawn(pump(
            "input configmaps",
            config_maps,
            feeds.config_maps,
            sender.clone(),
            metrics.clone(),
        ));
        let policies = watch_all(feeds.policies.places(), |_| Api::all(client.clone()), "");
        watches.spawn(pump(
            "credentialpolicies",
            policies,
            feeds.policies,
            sender.clone(),
            metrics.clone(),
        ));
        let namespaces = watch_all(feeds.namespaces.places(), |_| Api::all(client.clone()), "");
        watches.spawn(pump(
            "namespaces",
            namespaces,
            feeds.namespaces,
            sender.clone(),
            metrics.clone(),
        ));
    }
    if scope.clusters {
        let place = feeds.cluster_credentials.places();
        let clusters = watch_all(place, |_| Api::all(client.clone()), "");
        watches.spawn(pump(
            "clusterrefreshablecredentials",
            clusters,
            feeds.cluster_credentials,
            sender.clone(),
            metrics.clone(),
        ));
    }
    if let Some((namespace, name)) = context.brake.place() {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        let orders = watch_one(api, name);
        watches.spawn(pump("withdrawal orders", orders, feeds.orders, sender, metrics.clone()));
    }
    (touched, watches)
}

/// Waits until every watch has had its first list, but those of ConfigMaps, which decide when a
/// failed attempt is repeated, and of ClusterRefreshableCredentials: they never keep a healthy
/// resource from being renewed, even if RBAC of an earlier version does not let them be listed.
pub(super) async fn synced(view: &View) {
    futures::join!(view.credentials.ready(), view.secrets.ready(), view.inputs.ready());
    if view.reads_pods {
        view.pods.ready().await;
    }
    if view.reads_policies {
        futures::join!(view.policies.ready(), view.namespaces.ready());
    }
}

/// A namespaced kind in one place.
fn within<K>(client: &Client, place: &Place) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match place {
        Place::Everywhere => Api::all(client.clone()),
        Place::Namespace(name) => Api::namespaced(client.clone(), name),
    }
}

/// Events of the watches of one kind, each with the place that it is about.
type Events<K> = BoxStream<'static, (Place, Result<Event<K>, watcher::Error>)>;

/// Watches `K` in all `places` at once.
fn watch_all<K>(places: &BTreeSet<Place>, api: impl Fn(&Place) -> Api<K>, labels: &str) -> Events<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let config = Config::default().labels(labels);
    select_all(places.iter().map(|place| watch_in(place.clone(), api(place), config.clone())))
        .boxed()
}

/// Watches the object of this name alone.
fn watch_one<K>(api: Api<K>, name: &str) -> Events<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    watch_in(Place::Everywhere, api, Config::default().fields(&format!("metadata.name={name}")))
}

fn watch_in<K>(place: Place, api: Api<K>, config: Config) -> Events<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let pauses = pauses(&format!("{} {place:?}", K::plural(&())));
    watch(api, config.timeout(WATCH_SECONDS).page_size(PAGE))
        .backoff(pauses)
        .map(move |event| (place.clone(), event))
        .boxed()
}

/// Pauses after a watch that failed, as client-go's reflector makes them. Each watch has its own
/// jitter, which is the same every time.
fn pauses(what: &str) -> ResetTimerBackoff<ExponentialBackoff> {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    let pauses = ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .with_jitter_seed(hasher.finish())
        .without_max_times();
    ResetTimerBackoff::new(pauses.into(), WELL_AFTER)
}

/// Keeps a watch going. A panic ends the process: nothing else would notice that a watch is no
/// more.
async fn pump<K>(
    what: &'static str,
    events: Events<K>,
    feed: Feed<K>,
    sender: UnboundedSender<ResourceName>,
    metrics: Metrics,
) where
    K: Kept,
{
    vital(what, drive(what, events, feed, sender, metrics)).await;
}

/// Feeds the events of a kind's watches, and passes on which resources they touch. Errors are
/// logged and go no further: in the controller's queue an error of one watch would hold up the
/// others.
async fn drive<K>(
    what: &'static str,
    mut events: Events<K>,
    mut feed: Feed<K>,
    sender: UnboundedSender<ResourceName>,
    metrics: Metrics,
) where
    K: Kept,
{
    metrics.watches(what);
    while let Some((place, event)) = events.next().await {
        match event {
            Ok(event) => {
                feed.take(&place, event).into_iter().for_each(|t| drop(sender.unbounded_send(t)))
            }
            Err(error) => {
                metrics.watch_failed(what);
                tracing::warn!(what, error = describe(&error), "a watch failed and is begun again");
            }
        }
    }
}

/// A watch's error in words. Never `Debug`: some of kube's errors hold bodies.
fn describe(error: &watcher::Error) -> String {
    match error {
        watcher::Error::WatchError(status) => format!("{} ({})", status.message, status.reason),
        watcher::Error::InitialListFailed(e)
        | watcher::Error::WatchStartFailed(e)
        | watcher::Error::WatchFailed(e) => super::call::describe(e),
        other => other.to_string(),
    }
}
