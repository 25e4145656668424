//! One running controller: production's replica over the simulated API server and issuer.

use super::clock::WorldClock;
use super::ecr::SimEcr;
use super::history::{Kind, Link};
use super::state::{Key, Shared};
use super::sts::SimSts;
use super::{apiserver, leases};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SharedTimeSource;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use refreshable_controller::{
    Brake, Calls, Candidate, ClockWatch, Context, Error, EventPublisher, Fence, Health, InputKeys,
    LeaseTimings, Memory, Metrics, Next, Panics, Reconciler, Replica, ResourceName, Settings, View,
};
use refreshable_engine::{Admission, Worker};
use refreshable_issuers::aws::{Caller, Sts, TotpSteps};
use refreshable_issuers::registry::Registry;
use refreshable_issuers::source::SourceContext;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The controller's own namespace.
pub const HOME: &str = "refreshable-system";
/// The name of its Lease; what else it keeps in its namespace begins with it.
const LEASE: &str = "refreshable-controller";
/// How long work under way may take to end.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// How a controller is set up, where a test wants it otherwise.
#[derive(Clone)]
pub struct Setup {
    pub settings: Settings,
    pub concurrency: u16,
    /// How wrong its clock is.
    pub clock_off: SignedDuration,
    /// Whether it has a namespace of its own, with the key of its digests of inputs.
    pub has_home: bool,
    /// Whether it leads without asking for the lease.
    pub forced: bool,
    pub lease: LeaseTimings,
    /// Longest delay of a watch event, and of a list.
    pub longest_delay: SignedDuration,
    /// The longest that a call takes to the API server, and its answer back.
    pub longest_answer: SignedDuration,
    /// Chance in thousandths that a watch event is lost, until the next list.
    pub loses_events: u32,
    /// Chance in thousandths that a watch event comes twice.
    pub repeats_events: u32,
    /// Whether each namespace is watched for itself.
    pub namespaced: bool,
    /// Whether ClusterRefreshableCredentials are served.
    pub serves_clusters: bool,
    /// Whether it forgets what a closed fence refused.
    pub forgets_refused: bool,
    /// Whether it is shown Secrets that have gone, when it lists anew: as if it kept them.
    pub keeps_the_gone: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            concurrency: 64,
            clock_off: SignedDuration::ZERO,
            has_home: true,
            forced: false,
            lease: LeaseTimings::default(),
            longest_delay: SignedDuration::from_millis(20),
            longest_answer: SignedDuration::from_millis(20),
            loses_events: 0,
            repeats_events: 0,
            namespaced: false,
            serves_clusters: true,
            forgets_refused: false,
            keeps_the_gone: false,
        }
    }
}

impl Setup {
    /// The time without a leader after one that ended without a word: until the lease is taken,
    /// and everything listed.
    pub fn takeover(&self) -> SignedDuration {
        let waits = self.lease.duration() + 3 * self.lease.retry_period();
        SignedDuration::try_from(waits).expect("a time")
            + 3 * self.longest_delay
            + SignedDuration::from_secs(10)
    }
}

/// One running controller.
pub struct Instance {
    pub number: usize,
    pub setup: Setup,
    clock: WorldClock,
    metrics: Metrics,
    /// Its context, once it leads.
    context: Arc<OnceLock<Arc<Context>>>,
    looks: Looks,
    stop: CancellationToken,
    /// It ends with the instance, and all that it began with it.
    task: AbortOnDropHandle<Result<(), Error>>,
}

impl Instance {
    /// A controller that begins now.
    pub fn start(world: &Shared, number: usize, setup: Setup) -> Self {
        let clock = {
            let mut state = world.lock();
            let link = Link {
                longest_delay: setup.longest_delay,
                longest_answer: setup.longest_answer,
                loses_events: setup.loses_events,
                repeats_events: setup.repeats_events,
                keeps_the_gone: setup.keeps_the_gone,
                away_until: Timestamp::MIN,
                leaseless_until: Timestamp::MIN,
            };
            state.links.insert(number, link);
            state.clock.off_by(setup.clock_off)
        };
        let metrics = Metrics::new();
        let client = apiserver::client(world.clone(), number);
        let identity = leases::identity(number);
        let fence = match setup.forced {
            true => Fence::open(),
            false => Fence::closed(Arc::new(clock.clone()), setup.lease),
        };
        let candidate = (!setup.forced).then(|| {
            let (client, fence, metrics) = (client.clone(), fence.clone(), metrics.clone());
            Candidate::new(client, HOME, LEASE, &identity, fence, metrics)
        });
        let namespaces = match setup.namespaced {
            true => super::users::NAMESPACES.map(str::to_owned).to_vec(),
            false => Vec::new(),
        };
        let replica = Replica {
            identity,
            candidate,
            namespaces,
            slots: setup.concurrency,
            shutdown: SHUTDOWN,
            health: Health::default(),
            metrics: metrics.clone(),
        };
        let calls =
            Calls::new(client.clone(), fence.clone(), setup.settings.api_timeout, metrics.clone());
        let (context, looks) = (Arc::<OnceLock<_>>::default(), Looks::default());
        let prepare = {
            let (world, clock, metrics) = (world.clone(), clock.clone(), metrics.clone());
            let (setup, context) = (setup.clone(), context.clone());
            async move |event_publisher| {
                let parts = (calls, metrics, event_publisher);
                let ready = Arc::new(prepare(world, clock, &setup, parts));
                context.set(ready.clone()).expect("it leads once");
                ready
            }
        };
        let worker = {
            let (looks, forgets_refused) = (looks.clone(), setup.forgets_refused);
            move |inner| Watched { inner, fence, forgets_refused, looks }
        };
        let (stop, alarm) = (CancellationToken::new(), world.lock().alarm.clone());
        let token = stop.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let ended = replica.run(client, prepare, worker, token).await;
            alarm.notify_one();
            ended
        }));
        Self { number, setup, clock, metrics, context, looks, stop, task }
    }

    /// The same once more, in its place: its machine, and with it the clock, stays.
    pub fn again(&self) -> Setup {
        Setup { clock_off: self.clock.off(), ..self.setup.clone() }
    }

    /// It is asked to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether it was asked to end.
    pub fn was_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Its watches bring nothing more, and nothing can be listed, until `until`.
    pub fn cut_off(&self, world: &Shared, until: Timestamp) {
        let mut state = world.lock();
        state.log.silence(self.number, until, &Kind::ALL);
        state.links.get_mut(&self.number).expect("its link").away_until = until;
        if !self.has_listed() {
            // It does nothing before it has.
            state.auditor.hinder_until(until + self.setup.takeover());
        }
        let blind = &mut state.auditor.blind_until;
        *blind = (*blind).max(Some(until));
    }

    /// It alone can neither read nor write the Lease until `until`.
    pub fn cut_off_from_lease(&self, world: &Shared, until: Timestamp) {
        let mut state = world.lock();
        state.links.get_mut(&self.number).expect("its link").leaseless_until = until;
        // Until somebody else leads.
        let done = state.now() + self.setup.takeover();
        state.auditor.hinder_until(done);
    }

    /// Whether it has listed all that it must know.
    fn has_listed(&self) -> bool {
        self.context.get().is_some_and(|context| {
            let view = &context.view;
            let listed = [
                view.credentials.ready().now_or_never(),
                view.secrets.ready().now_or_never(),
                view.inputs.ready().now_or_never(),
                view.policies.ready().now_or_never(),
                view.namespaces.ready().now_or_never(),
            ];
            listed.iter().all(Option::is_some)
        })
    }

    /// Lists everything anew, as after a watch that is too old, or an API server that was away.
    pub fn relist(&self, world: &Shared) {
        let mut state = world.lock();
        let now = state.now();
        state.log.relist(self.number, now, |_| true);
        state.changed.notify_waiters();
    }

    /// Lists one kind anew in one place, whichever that is.
    pub fn relist_some(&self, world: &Shared) {
        let mut state = world.lock();
        let (now, watches) = (state.now(), state.log.watches_of(self.number));
        if watches > 0 {
            let one = state.random.usize(0..watches);
            state.log.relist(self.number, now, |n| n == one);
            state.changed.notify_waiters();
        }
    }

    /// Sets its clock forward by so much.
    pub fn set_clock(&self, by: SignedDuration) {
        self.clock.set(by);
    }

    /// How often each resource was looked at since this was last asked.
    pub fn take_looks(&self) -> BTreeMap<Key, usize> {
        std::mem::take(&mut self.looks.lock().expect("looks"))
    }

    /// Its metrics page, as Prometheus would read it.
    pub fn metrics_page(&self) -> String {
        self.metrics.page().expect("metrics")
    }

    /// How many resources it knows of.
    pub fn known(&self) -> usize {
        self.context.get().map_or(0, |context| context.view.credentials.len())
    }
}

/// The context of a controller.
fn prepare(
    world: Shared,
    clock: WorldClock,
    setup: &Setup,
    (calls, metrics, event_publisher): (Calls, Metrics, EventPublisher),
) -> Context {
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
    let home = setup.has_home.then_some(HOME);
    let view = View::new(true, false);
    Context {
        calls,
        view: if setup.serves_clusters { view } else { view.without_clusters() },
        memory: Memory::default(),
        panics: Panics::default(),
        brake: Brake::beside(home, LEASE),
        input_keys: InputKeys::beside(home, LEASE),
        sts: Sts::new(&aws, metrics.clone()),
        ambient: Some(Caller::Ambient(provider)),
        totp: TotpSteps::default(),
        source_context: SourceContext::new(aws, Registry::default()).by(SimEcr(world)),
        clocks: ClockWatch::new(&clock),
        clock: Arc::new(clock),
        metrics,
        event_publisher,
        settings: setup.settings,
    }
}

type Looks = Arc<Mutex<BTreeMap<Key, usize>>>;

/// Production's worker, watched.
struct Watched {
    inner: Reconciler,
    fence: Fence,
    forgets_refused: bool,
    looks: Looks,
}

impl Watched {
    /// The same, or what a flawed controller makes of it.
    fn flawed(&self, next: BoxFuture<'static, Next>) -> BoxFuture<'static, Next> {
        if !self.forgets_refused {
            return next;
        }
        let fence = self.fence.clone();
        next.map(move |next| if fence.check().is_err() { Next::Gone } else { next }).boxed()
    }
}

impl Worker for Watched {
    type Key = ResourceName;

    fn may_begin(&self) -> bool {
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
