//! Drives the real reconciler: delivers what the watches bring, and takes resources from a queue
//! with kube-runtime's semantics (one reconcile for each resource at a time, the earliest wish
//! wins).

use super::apiserver;
use super::clock::WorldClock;
use super::logs::Logs;
use super::secrets::SimSecret;
use super::state::{Change, Key, Shared, State};
use super::sts::SimSts;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SharedTimeSource;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use refreshable_controller::{
    Announcement, Brake, Calls, ClockWatch, Context, EventPublisher, Feeds, Fence, InputKeys,
    LeaseTimings, Memory, Metrics, Next, Panics, Place, RateLimiter, SecretMeta, Settings, Touched,
    look, view,
};
use refreshable_issuers::aws::{Caller, Sts, TotpSteps};
use refreshable_issuers::registry::Registry;
use refreshable_issuers::source::SourceContext;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

/// The controller's own namespace.
pub const HOME: &str = "refreshable-system";

/// How a controller is set up, where a test wants it otherwise.
#[derive(Clone)]
pub struct Setup {
    pub settings: Settings,
    pub concurrency: usize,
    /// How wrong its clock is.
    pub clock_off: SignedDuration,
    /// Whether it has a namespace of its own, with the key of its digests of inputs.
    pub has_home: bool,
    /// Whether its fence is open without the lease.
    pub forced: bool,
    /// Longest delay of a watch event.
    pub longest_delay: SignedDuration,
    /// Chance in thousandths that a watch event is lost, until the next relist.
    pub loses_events: u32,
    /// Whether it forgets what a closed fence refused.
    pub forgets_refused: bool,
    /// Whether each namespace is watched for itself.
    pub namespaced: bool,
    /// What is wrong with how it takes a list that is begun anew.
    pub flaw: Option<Flaw>,
}

/// Mistakes that a controller can make with lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It looks at what a list holds before the list is complete.
    TouchesEarly,
    /// It takes what a list holds for changes, and what is no longer in it for nothing.
    KeepsTheGone,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            concurrency: 64,
            clock_off: SignedDuration::ZERO,
            has_home: true,
            forced: false,
            longest_delay: SignedDuration::from_millis(20),
            loses_events: 0,
            forgets_refused: false,
            namespaced: false,
            flaw: None,
        }
    }
}

/// What watches of one part of the cluster bring, in their order.
struct Lane {
    /// The part; none for kinds that belong to no namespace.
    place: Option<Place>,
    inbox: VecDeque<(Timestamp, Delivery)>,
    relist_at: Option<Timestamp>,
}

/// What a watch brings.
enum Delivery {
    Change(Change),
    /// The list under way is complete.
    Listed,
}

impl Lane {
    fn of(place: Option<Place>) -> Self {
        Self { place, inbox: VecDeque::new(), relist_at: None }
    }

    fn brings(&self, change: &Change) -> bool {
        let namespace = match change {
            Change::Credential { object, .. } => object.metadata.namespace.as_deref(),
            Change::Secret { secret, .. } => Some(secret.namespace.as_str()),
            Change::Policy { .. } | Change::Namespace { .. } | Change::Orders { .. } => {
                return self.place.is_none();
            }
        };
        self.shows(namespace.unwrap_or_default())
    }

    fn shows(&self, namespace: &str) -> bool {
        match &self.place {
            None => false,
            Some(Place::Everywhere) => true,
            Some(Place::Namespace(own)) => own == namespace,
        }
    }
}

/// How often the lease is renewed while work is under way. Where there is none, nobody asks.
const RENEWAL: SignedDuration = SignedDuration::from_secs(2);

/// One running controller.
pub struct Instance {
    pub number: usize,
    setup: Setup,
    clock: WorldClock,
    /// When it next looks whether its clock was set.
    clock_look: Option<Timestamp>,
    context: Arc<Context>,
    fence: Fence,
    feeds: Feeds,
    announcements: Receiver<Announcement>,
    lanes: Vec<Lane>,
    /// Its connections are gone: no watch brings anything.
    deaf: bool,
    started: bool,
    queue: BTreeMap<(Timestamp, Key), ()>,
    wishes: BTreeMap<Key, Timestamp>,
    running: BTreeSet<Key>,
    /// How often each resource was looked at.
    pub looks: BTreeMap<Key, usize>,
    work: FuturesUnordered<BoxFuture<'static, (Key, Next)>>,
}

impl Instance {
    /// A controller that has just started and listed everything.
    pub fn start(world: &Shared, number: usize, setup: Setup) -> Self {
        let clock = world.lock().clock.off_by(setup.clock_off);
        let metrics = Metrics::new();
        let fence = Fence::closed(Arc::new(clock.clone()), LeaseTimings::default());
        let calls_fence = if setup.forced { Fence::open() } else { fence.clone() };
        let keys = Credentials::new("AKIACONTROLLER00000", "own", None, None, "world");
        let provider = SharedCredentialsProvider::new(keys);
        let aws = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(provider.clone())
            .http_client(SimSts(world.clone()))
            .time_source(SharedTimeSource::new(clock.clone()))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        let (event_publisher, announcements) = EventPublisher::new();
        let (view, writers) = view(true, false);
        let client = apiserver::client(world.clone(), number);
        let context = Arc::new(Context {
            calls: Calls::new(client, calls_fence, setup.settings.api_timeout, metrics.clone()),
            view,
            memory: Memory::default(),
            panics: Panics::default(),
            brake: Brake::beside(setup.has_home.then_some(HOME), "refreshable-controller"),
            input_keys: InputKeys::beside(setup.has_home.then_some(HOME), "refreshable-controller"),
            sts: Sts::new(&aws, metrics.clone()),
            ambient: Some(Caller::Ambient(provider)),
            totp: TotpSteps::default(),
            source_context: SourceContext::new(aws, Registry::default()),
            rate_limiter: RateLimiter::new(&setup.settings),
            clocks: ClockWatch::new(&clock),
            clock: Arc::new(clock.clone()),
            metrics,
            event_publisher,
            settings: setup.settings,
        });
        let namespaces = if setup.namespaced {
            super::users::NAMESPACES.map(str::to_owned).to_vec()
        } else {
            Vec::new()
        };
        let places = Place::of(&namespaces);
        let feeds = Feeds::new(writers, &context, &places);
        let lanes =
            std::iter::once(None).chain(places.into_iter().map(Some)).map(Lane::of).collect();
        let mut instance = Self {
            number,
            setup,
            clock,
            clock_look: None,
            context,
            fence,
            feeds,
            announcements,
            lanes,
            deaf: false,
            started: false,
            queue: BTreeMap::new(),
            wishes: BTreeMap::new(),
            running: BTreeSet::new(),
            looks: BTreeMap::new(),
            work: FuturesUnordered::new(),
        };
        for lane in 0..instance.lanes.len() {
            instance.begin_list(&world.lock(), lane);
            let touched = instance.end_list(lane);
            let now = world.lock().now();
            instance.touch(touched, now);
        }
        instance.started = true;
        instance
    }

    /// First lists are taken as they should be, whatever is wrong otherwise.
    fn has(&self, flaw: Flaw) -> bool {
        self.started && self.setup.flaw == Some(flaw)
    }

    /// Its watches bring nothing more, until everything is listed anew at `until`.
    pub fn cut_off(&mut self, until: Timestamp) {
        self.deaf = true;
        self.lanes.iter_mut().for_each(|lane| lane.relist_at = Some(until));
    }

    /// Lists everything anew, as after a watch that is too old, or an API server that was away.
    pub fn relist(&mut self, world: &Shared) {
        let mut state = world.lock();
        for lane in 0..self.lanes.len() {
            self.relist_lane(&mut state, lane);
        }
    }

    /// Lists one part of the cluster anew, whichever that is.
    pub fn relist_some(&mut self, world: &Shared) {
        let mut state = world.lock();
        let lane = state.random.usize(0..self.lanes.len());
        self.relist_lane(&mut state, lane);
    }

    /// Begins a list. It is complete a while later; what changes meanwhile comes after it.
    fn relist_lane(&mut self, state: &mut State, lane: usize) {
        self.deaf = false;
        self.begin_list(state, lane);
        let at = state.now() + self.delay(state);
        self.lanes[lane].inbox.push_back((at, Delivery::Listed));
    }

    fn delay(&self, state: &mut State) -> SignedDuration {
        let longest = u64::try_from(self.setup.longest_delay.as_millis()).expect("a delay");
        SignedDuration::from_millis(i64::try_from(state.random.u64(0..=longest)).expect("a delay"))
    }

    /// All that is there now, up to the end of the list. A list under way is given up.
    fn begin_list(&mut self, state: &State, lane: usize) {
        self.lanes[lane].inbox.clear();
        self.lanes[lane].relist_at = None;
        let place = self.lanes[lane].place.clone();
        let mut touched = Touched::new();
        let Some(place) = place else {
            let everywhere = &Place::Everywhere;
            touched.extend(self.feeds.namespaces.take(everywhere, Event::Init));
            for name in &state.namespaces {
                touched.extend(
                    self.feeds.namespaces.take(everywhere, Event::InitApply(namespace(name))),
                );
            }
            touched.extend(self.feeds.policies.take(everywhere, Event::Init));
            for policy in state.policies.values() {
                let policy = serde_json::from_value(policy.clone()).expect("a policy");
                touched.extend(self.feeds.policies.take(everywhere, Event::InitApply(policy)));
            }
            touched.extend(self.feeds.orders.take(everywhere, Event::Init));
            if let Some(data) = &state.orders {
                touched.extend(self.feeds.orders.take(everywhere, Event::InitApply(orders(data))));
            }
            assert!(touched.is_empty(), "nothing is touched before a list is complete");
            return;
        };
        let lane = &self.lanes[lane];
        let secrets = state.secrets.values().filter(|s| labelled(s) && lane.shows(&s.namespace));
        let credentials =
            state.typed.iter().filter(|(key, _)| lane.shows(&key.0)).map(|(_, object)| object);
        let keeps_the_gone = self.has(Flaw::KeepsTheGone);
        if !keeps_the_gone {
            touched.extend(self.feeds.secrets.take(&place, Event::Init));
            touched.extend(self.feeds.inputs.take(&place, Event::Init));
            touched.extend(self.feeds.credentials.take(&place, Event::Init));
        }
        for secret in secrets {
            let event = if keeps_the_gone {
                Event::Apply(meta(secret))
            } else {
                Event::InitApply(meta(secret))
            };
            touched.extend(self.feeds.secrets.take(&place, event));
        }
        for object in credentials {
            let object = object.as_ref().clone();
            let event =
                if keeps_the_gone { Event::Apply(object) } else { Event::InitApply(object) };
            touched.extend(self.feeds.credentials.take(&place, event));
        }
        for secret in state.secrets.values().filter(|s| watched(s) && lane.shows(&s.namespace)) {
            let event = if keeps_the_gone {
                Event::Apply(meta(secret))
            } else {
                Event::InitApply(meta(secret))
            };
            touched.extend(self.feeds.inputs.take(&place, event));
        }
        assert!(
            touched.is_empty() || keeps_the_gone,
            "nothing is touched before a list is complete"
        );
        if self.has(Flaw::TouchesEarly) {
            touched.extend(
                self.context
                    .view
                    .credentials
                    .state()
                    .iter()
                    .map(|c| ObjectRef::from_obj(c.as_ref())),
            );
        }
        self.touch(touched, state.now());
    }

    /// The list under way is complete.
    fn end_list(&mut self, lane: usize) -> Touched {
        let mut touched = Touched::new();
        let Some(place) = self.lanes[lane].place.clone() else {
            touched.extend(self.feeds.namespaces.take(&Place::Everywhere, Event::InitDone));
            touched.extend(self.feeds.policies.take(&Place::Everywhere, Event::InitDone));
            touched.extend(self.feeds.orders.take(&Place::Everywhere, Event::InitDone));
            return touched;
        };
        if self.has(Flaw::KeepsTheGone) {
            return touched;
        }
        touched.extend(self.feeds.secrets.take(&place, Event::InitDone));
        touched.extend(self.feeds.inputs.take(&place, Event::InitDone));
        touched.extend(self.feeds.credentials.take(&place, Event::InitDone));
        if self.has(Flaw::TouchesEarly) {
            touched.clear();
        }
        touched
    }

    /// Takes the changes of the world on their way here.
    fn receive(&mut self, state: &mut State, changes: &[Change]) {
        let now = state.now();
        for change in changes.iter().filter(|_| !self.deaf) {
            let Some(lane) = self.lanes.iter().position(|lane| lane.brings(change)) else {
                continue;
            };
            if state.happens(self.setup.loses_events) {
                self.lanes[lane].relist_at.get_or_insert(now + SignedDuration::from_mins(5));
                continue;
            }
            let at = now + self.delay(state);
            let inbox = &mut self.lanes[lane].inbox;
            // One watch keeps its order.
            let at = inbox.back().map_or(at, |(last, _)| at.max(*last));
            inbox.push_back((at, Delivery::Change(change.clone())));
        }
    }

    /// Takes what has arrived by now.
    fn take_in(&mut self, world: &Shared, now: Timestamp) {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].relist_at.is_some_and(|at| at <= now) {
                self.relist_lane(&mut world.lock(), lane);
            }
            while self.lanes[lane].inbox.front().is_some_and(|(at, _)| *at <= now) {
                let (_, delivery) = self.lanes[lane].inbox.pop_front().expect("there is one");
                let touched = match delivery {
                    Delivery::Change(change) => self.deliver(lane, &change),
                    Delivery::Listed => self.end_list(lane),
                };
                self.touch(touched, now);
            }
        }
    }

    fn deliver(&mut self, lane: usize, change: &Change) -> Touched {
        let place = self.lanes[lane].place.clone().unwrap_or(Place::Everywhere);
        match change {
            Change::Credential { object, gone: false } => {
                self.feeds.credentials.take(&place, Event::Apply(object.as_ref().clone()))
            }
            Change::Credential { object, gone: true } => {
                self.feeds.credentials.take(&place, Event::Delete(object.as_ref().clone()))
            }
            // A Secret without the label has left the watch.
            Change::Secret { secret, gone } => {
                let own = if *gone || !labelled(secret) { Event::Delete } else { Event::Apply };
                let mut touched = self.feeds.secrets.take(&place, own(meta(secret)));
                let seen = kube::runtime::reflector::ObjectRef::from_obj(&meta(secret));
                if !*gone && watched(secret) {
                    touched.extend(self.feeds.inputs.take(&place, Event::Apply(meta(secret))));
                } else if self.context.view.inputs.get(&seen).is_some() {
                    touched.extend(self.feeds.inputs.take(&place, Event::Delete(meta(secret))));
                }
                touched
            }
            Change::Policy { object, gone } => {
                let policy = serde_json::from_value(object.clone()).expect("a policy");
                self.feeds
                    .policies
                    .take(&place, if *gone { Event::Delete(policy) } else { Event::Apply(policy) })
            }
            Change::Namespace { name } => {
                self.feeds.namespaces.take(&place, Event::Apply(namespace(name)))
            }
            Change::Orders { data } => self.feeds.orders.take(&place, Event::Apply(orders(data))),
        }
    }

    /// Sets its clock forward by so much. It looks at its clocks every five seconds.
    pub fn set_clock(&mut self, by: SignedDuration, now: Timestamp) {
        self.clock.set(by);
        self.clock_look.get_or_insert(now + SignedDuration::from_secs(5));
    }

    fn look_at_clocks(&mut self, now: Timestamp) {
        self.clock_look = None;
        if self.context.clocks.jump(&self.clock).is_some() {
            for object in self.context.view.credentials.state() {
                let metadata = &object.metadata;
                let key = (
                    metadata.namespace.clone().unwrap_or_default(),
                    metadata.name.clone().unwrap_or_default(),
                );
                self.wish(key, now);
            }
        }
    }

    /// What Prometheus would read of it.
    pub fn metrics_page(&self) -> String {
        self.context.metrics.page().expect("metrics")
    }

    /// Tells this controller something about a Secret that is not true.
    pub fn mislead(&mut self, secret: &SimSecret, now: Timestamp) {
        let place =
            self.lanes.iter().filter(|l| l.shows(&secret.namespace)).find_map(|l| l.place.clone());
        let touched =
            self.feeds.secrets.take(&place.expect("it is watched"), Event::Delete(meta(secret)));
        self.touch(touched, now);
    }

    /// How many resources it knows of.
    pub fn known(&self) -> usize {
        self.context.view.credentials.len()
    }

    fn touch(&mut self, touched: Touched, now: Timestamp) {
        for object in touched {
            self.wish((object.namespace.unwrap_or_default(), object.name), now);
        }
    }

    /// The earliest wish wins.
    fn wish(&mut self, key: Key, at: Timestamp) {
        match self.wishes.get(&key) {
            Some(earlier) if *earlier <= at => {}
            before => {
                if let Some(before) = before {
                    self.queue.remove(&(*before, key.clone()));
                }
                self.queue.insert((at, key.clone()), ());
                self.wishes.insert(key, at);
            }
        }
    }

    /// Starts what is due and not running.
    fn begin(&mut self, now: Timestamp) {
        let due: Vec<(Timestamp, Key)> = self
            .queue
            .keys()
            .take_while(|(at, _)| *at <= now)
            .filter(|(_, key)| !self.running.contains(key))
            .take(self.setup.concurrency.saturating_sub(self.running.len()))
            .cloned()
            .collect();
        for (at, key) in due {
            self.queue.remove(&(at, key.clone()));
            self.wishes.remove(&key);
            let reference = ObjectRef::new(&key.1).within(&key.0);
            let Some(object) = self.context.view.credentials.get(&reference) else { continue };
            self.running.insert(key.clone());
            *self.looks.entry(key.clone()).or_default() += 1;
            let context = self.context.clone();
            self.work.push(Box::pin(async move { (key, look(object, &context).await) }));
        }
    }

    fn ended(&mut self, key: Key, next: Next) {
        self.running.remove(&key);
        if self.setup.forgets_refused && self.context.calls.fence().check().is_err() {
            return;
        }
        // The controller's clock may be wrong; what it waits is a time span.
        let at = next.at_latest(self.context.now()) - self.clock.off();
        self.wish(key, at);
    }

    fn next_event(&self) -> Option<Timestamp> {
        let waiting =
            self.queue.keys().find(|(_, key)| !self.running.contains(key)).map(|(at, _)| *at);
        let room = self.running.len() < self.setup.concurrency;
        let arrivals =
            self.lanes.iter().flat_map(|l| [l.inbox.front().map(|(at, _)| *at), l.relist_at]);
        arrivals.chain([self.clock_look, waiting.filter(|_| room)]).flatten().min()
    }
}

fn labelled(secret: &SimSecret) -> bool {
    secret.fields.contains_key("labels/app.kubernetes.io/managed-by")
}

fn watched(secret: &SimSecret) -> bool {
    secret.fields.get("labels/refreshable.dev/watch").is_some_and(|(value, _)| value == "true")
}

fn meta(secret: &SimSecret) -> SecretMeta {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": secret.metadata()});
    serde_json::from_value(object).expect("metadata")
}

fn orders(data: &BTreeMap<String, String>) -> ConfigMap {
    let metadata = ObjectMeta {
        namespace: Some(HOME.to_owned()),
        name: Some("refreshable-controller-withdrawals".to_owned()),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: Some(data.clone()), ..ConfigMap::default() }
}

fn namespace(name: &str) -> kube::core::PartialObjectMeta<k8s_openapi::api::core::v1::Namespace> {
    let labels = json!({"kubernetes.io/metadata.name": name});
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    serde_json::from_value(object).expect("a namespace")
}

/// A world with its controllers.
pub struct World {
    pub shared: Shared,
    pub instances: Vec<Instance>,
    /// Where a violation is what a test waits for, it does not end the run.
    pub tolerant: bool,
    /// Until then nobody can renew the lease.
    pub unrenewable_until: Timestamp,
    started: usize,
    logs: Logs,
}

impl World {
    /// An empty world with one controller.
    pub fn new(seed: u64, setup: Setup) -> Self {
        let shared = Shared::new(seed);
        super::users::NAMESPACES.iter().for_each(|name| shared.lock().put_namespace(name));
        shared.lock().put_policy(
            "all",
            json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]}}),
        );
        let mut world = Self {
            shared,
            instances: Vec::new(),
            tolerant: false,
            unrenewable_until: Timestamp::MIN,
            started: 0,
            logs: Logs::listen(),
        };
        world.add_instance(setup);
        world
    }

    /// Starts another controller; the first one leads.
    pub fn add_instance(&mut self, setup: Setup) {
        let instance = Instance::start(&self.shared, self.started, setup);
        self.started += 1;
        self.instances.push(instance);
    }

    /// The first controller crashes, and another one takes its place.
    pub fn crash(&mut self) {
        let gone = self.instances.remove(0);
        // Its machine, and with it the clock, stays.
        let setup = Setup { clock_off: gone.clock.off(), ..gone.setup.clone() };
        let instance = Instance::start(&self.shared, self.started, setup);
        self.shared.lock().leader = self.started;
        self.started += 1;
        self.instances.insert(0, instance);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().now()
    }

    /// Runs for this long.
    pub async fn run(&mut self, time: SignedDuration) {
        let end = self.now() + time;
        let changed = self.shared.lock().changed.clone();
        loop {
            if std::mem::take(&mut self.shared.lock().died) {
                self.crash();
            }
            self.turn();
            let now = self.now();
            if now >= end {
                super::auditor::sweep(&mut self.shared.lock());
                self.search_output();
                self.object_to_violations();
                return;
            }
            let mut next = self
                .instances
                .iter()
                .filter_map(Instance::next_event)
                .min()
                .map_or(end, |n| n.min(end));
            if self.instances.iter().any(|i| !i.work.is_empty()) {
                next = next.min(now + RENEWAL);
            }
            let wait = std::time::Duration::try_from(next.duration_since(now)).unwrap_or_default();
            let mut working: FuturesUnordered<_> = self
                .instances
                .iter_mut()
                .enumerate()
                .filter(|(_, i)| !i.work.is_empty())
                .map(|(n, i)| async move { (n, i.work.next().await) })
                .collect();
            let done = tokio::select! {
                biased;
                Some(done) = working.next(), if !working.is_empty() => Some(done),
                () = changed.notified() => None,
                () = tokio::time::sleep(wait.max(std::time::Duration::from_micros(1))) => None,
            };
            drop(working);
            if let Some((instance, Some((key, next)))) = done {
                self.instances[instance].ended(key, next);
            }
        }
    }

    fn turn(&mut self) {
        let mut state = self.shared.lock();
        let now = state.now();
        let changes = std::mem::take(&mut state.changes);
        let leader = state.leader;
        for instance in &mut self.instances {
            instance.receive(&mut state, &changes);
            while let Ok(announcement) = instance.announcements.try_recv() {
                if announcement.note.contains(super::sts::CANARY) {
                    state
                        .auditor
                        .check(Some("5, never leaked: a secret stands in an event".to_owned()));
                }
            }
        }
        drop(state);
        for instance in &mut self.instances {
            if instance.number == leader && self.unrenewable_until <= now {
                instance.fence.renewed(instance.context.clock.boot());
            }
            if instance.clock_look.is_some_and(|at| at <= now) {
                instance.look_at_clocks(now);
            }
            instance.take_in(&self.shared, now);
            instance.begin(now);
        }
        self.object_to_violations();
    }

    /// No secret stands in the log or the metrics.
    fn search_output(&self) {
        let leaked = self.logs.take_leaks().into_iter().map(|line| format!("the log: {line}"));
        let pages = self.instances.iter().map(Instance::metrics_page);
        let leaked = leaked.chain(
            pages.filter(|p| p.contains(super::sts::CANARY)).map(|_| "the metrics".to_owned()),
        );
        let mut state = self.shared.lock();
        for place in leaked {
            state.auditor.check(Some(format!("5, never leaked: a secret stands in {place}")));
        }
    }

    fn object_to_violations(&self) {
        let now = self.now();
        let violations = std::mem::take(&mut self.shared.lock().auditor.violations);
        assert!(self.tolerant || violations.is_empty(), "at {now}: {}", violations.join("\n"));
        self.shared.lock().auditor.violations = violations;
    }
}
