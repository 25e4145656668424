//! Runs controllers: delivers to their views what the watches bring, and polls production's loop.

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
use futures::channel::mpsc::UnboundedSender;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;
use refreshable_controller::{
    Announcement, Brake, Calls, ClockWatch, Context, EventPublisher, Feeds, Fence, InputKeys,
    LeaseTimings, Memory, Metrics, Next, Panics, Place, Reconciler, ResourceName, SecretMeta,
    Settings, Touched, View,
};
use refreshable_engine::{Admission, Clock as _, Limits, Queue, SharedClock, SharedQueue, Worker};
use refreshable_issuers::aws::{Caller, Sts, TotpSteps};
use refreshable_issuers::registry::Registry;
use refreshable_issuers::source::SourceContext;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
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
    /// After how long an attempt leaves its slot to others, where that is another time.
    pub slow_after: Option<Duration>,
    /// How often it compares its clocks.
    pub tick: Duration,
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
            slow_after: None,
            tick: Duration::from_secs(60),
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

/// Work that came due while the lease could not be renewed is done within so long after.
const AFTER_A_LAPSE: SignedDuration = SignedDuration::from_secs(30);
/// How often the lease is renewed while work is under way. Where there is none, nobody asks.
const RENEWAL: SignedDuration = SignedDuration::from_secs(2);

/// One running controller.
pub struct Instance {
    pub number: usize,
    setup: Setup,
    clock: WorldClock,
    context: Arc<Context>,
    fence: Fence,
    feeds: Feeds,
    announcements: Receiver<Announcement>,
    lanes: Vec<Lane>,
    /// Its connections are gone: no watch brings anything.
    deaf: bool,
    started: bool,
    queue: SharedQueue<ResourceName>,
    touched: UnboundedSender<ResourceName>,
    looks: Looks,
    /// Production's loop. It goes on only while the world polls it, and ends with the instance.
    driver: BoxFuture<'static, ()>,
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
        let client = apiserver::client(world.clone(), number);
        let context = Arc::new(Context {
            calls: Calls::new(client, calls_fence, setup.settings.api_timeout, metrics.clone()),
            view: View::new(true, false),
            memory: Memory::default(),
            panics: Panics::default(),
            brake: Brake::beside(setup.has_home.then_some(HOME), "refreshable-controller"),
            input_keys: InputKeys::beside(setup.has_home.then_some(HOME), "refreshable-controller"),
            sts: Sts::new(&aws, metrics.clone()),
            ambient: Some(Caller::Ambient(provider)),
            totp: TotpSteps::default(),
            source_context: SourceContext::new(aws, Registry::default()),
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
        let feeds = Feeds::new(&context, &places);
        let lanes =
            std::iter::once(None).chain(places.into_iter().map(Some)).map(Lane::of).collect();
        let limits = context.settings.queue_limits(setup.concurrency);
        let limits = Limits { slow_after: setup.slow_after.unwrap_or(limits.slow_after), ..limits };
        let queue: SharedQueue<ResourceName> = Queue::shared(limits);
        let looks = Looks::default();
        let worker = SimWorker {
            inner: Reconciler(context.clone()),
            world: world.clone(),
            number,
            fence: fence.clone(),
            forgets_refused: setup.forgets_refused,
            looks: looks.clone(),
        };
        let (touched, touches) = futures::channel::mpsc::unbounded();
        let (shared, ticks) = (queue.clone(), setup.tick);
        let clock_of_driver: SharedClock = Arc::new(clock.clone());
        let driver = async move {
            let never = std::future::pending();
            refreshable_engine::run(&worker, shared, clock_of_driver, touches, ticks, never).await;
        };
        let mut instance = Self {
            number,
            setup,
            clock,
            context,
            fence,
            feeds,
            announcements,
            lanes,
            deaf: false,
            started: false,
            queue,
            touched,
            looks,
            driver: driver.boxed(),
        };
        for lane in 0..instance.lanes.len() {
            instance.begin_list(&world.lock(), lane);
            let touched = instance.end_list(lane);
            instance.touch(touched);
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
            touched.extend(state.typed.keys().map(|(namespace, name)| ResourceName {
                namespace: namespace.as_str().into(),
                name: name.as_str().into(),
            }));
        }
        self.touch(touched);
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
                self.touch(touched);
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
                let seen = ResourceName {
                    namespace: secret.namespace.as_str().into(),
                    name: secret.name.as_str().into(),
                };
                if !*gone && watched(secret) {
                    touched.extend(self.feeds.inputs.take(&place, Event::Apply(meta(secret))));
                } else if self.context.view.inputs.contains(&seen) {
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

    /// Sets its clock forward by so much.
    pub fn set_clock(&mut self, by: SignedDuration) {
        self.clock.set(by);
    }

    /// How often each resource was looked at since this was last asked.
    pub fn take_looks(&mut self) -> BTreeMap<Key, usize> {
        std::mem::take(&mut self.looks.lock().expect("looks"))
    }

    /// What Prometheus would read of it.
    pub fn metrics_page(&self) -> String {
        self.context.metrics.page().expect("metrics")
    }

    /// Tells this controller something about a Secret that is not true.
    pub fn mislead(&mut self, secret: &SimSecret) {
        let place =
            self.lanes.iter().filter(|l| l.shows(&secret.namespace)).find_map(|l| l.place.clone());
        let touched =
            self.feeds.secrets.take(&place.expect("it is watched"), Event::Delete(meta(secret)));
        self.touch(touched);
    }

    /// How many resources it knows of.
    pub fn known(&self) -> usize {
        self.context.view.credentials.len()
    }

    fn touch(&mut self, touched: Touched) {
        for object in touched {
            self.touched.unbounded_send(object).expect("the driver runs");
        }
    }

    /// When something arrives by its watches.
    fn next_event(&self) -> Option<Timestamp> {
        let arrivals =
            self.lanes.iter().flat_map(|l| [l.inbox.front().map(|(at, _)| *at), l.relist_at]);
        arrivals.flatten().min()
    }

    fn is_working(&self) -> bool {
        self.queue.lock().running() > 0
    }
}

type Looks = Arc<Mutex<BTreeMap<Key, usize>>>;

/// Production's worker, with a lease that is renewed when it is needed.
struct SimWorker {
    inner: Reconciler,
    world: Shared,
    number: usize,
    fence: Fence,
    forgets_refused: bool,
    looks: Looks,
}

impl SimWorker {
    /// The same, or what a flawed controller makes of it.
    fn flawed(&self, next: BoxFuture<'static, Next>) -> BoxFuture<'static, Next> {
        if !self.forgets_refused {
            return next;
        }
        let fence = self.fence.clone();
        next.map(move |next| if fence.check().is_err() { Next::Gone } else { next }).boxed()
    }
}

impl Worker for SimWorker {
    type Key = ResourceName;

    fn may_begin(&self) -> bool {
        let state = self.world.lock();
        if state.can_renew(self.number) {
            self.fence.renewed(state.clock.boot());
        }
        drop(state);
        self.inner.may_begin() || self.forgets_refused
    }

    fn clock_jumped(&self) -> bool {
        self.inner.clock_jumped()
    }

    fn look(&self, key: ResourceName, waited: Duration) -> BoxFuture<'static, Next> {
        let looked = (key.namespace.to_string(), key.name.to_string());
        *self.looks.lock().expect("looks").entry(looked).or_default() += 1;
        self.flawed(self.inner.look(key, waited))
    }

    fn attempt(
        &self,
        key: ResourceName,
        admission: Admission,
        waited: Duration,
    ) -> BoxFuture<'static, Next> {
        self.flawed(self.inner.attempt(key, admission, waited))
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

    /// From now on, the lease cannot be renewed for so long.
    pub fn hinder_renewals(&self, time: SignedDuration) {
        let mut state = self.shared.lock();
        state.unrenewable_until = state.now() + time;
        let opens = state.unrenewable_until;
        state.auditor.hinder_until(opens + AFTER_A_LAPSE);
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
            if self.instances.iter().any(Instance::is_working) {
                next = next.min(now + RENEWAL);
            }
            let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
            let drivers = self.instances.iter_mut().map(|i| &mut i.driver);
            tokio::select! {
                biased;
                _ = futures::future::join_all(drivers) => unreachable!("drivers do not end"),
                () = changed.notified() => {}
                () = tokio::time::sleep(wait.max(Duration::from_micros(1))) => {}
            }
        }
    }

    fn turn(&mut self) {
        let mut state = self.shared.lock();
        let now = state.now();
        let changes = std::mem::take(&mut state.changes);
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
            if self.shared.lock().can_renew(instance.number) {
                instance.fence.renewed(instance.context.clock.boot());
            }
            instance.take_in(&self.shared, now);
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
