//! Numbers for Prometheus. Labels are bounded: no object names among them, unless they are switched
//! on.
//!
//! Events are counted here; the present state (resources by condition, expiries) is read anew at
//! each scrape, so that it goes when the object goes. Every metric has its line in
//! `docs/operations.md`.

mod backlog;
pub(crate) mod certificate;
mod inventory;
mod labels;
mod namespaces;
mod objects;
#[cfg(test)]
mod tests;

use self::backlog::QueueMetrics;
use self::inventory::Inventory;
use self::labels::{
    Attempt, Call, IssuerCall, KubernetesCall, Operation, Restarted, RotationLabels, Watched,
};
use self::namespaces::{AttemptsByNamespace, NamespaceQueue, Namespaces};
use self::objects::Objects;
use super::{CallError, Context, ResourceName};
use jiff::SignedDuration;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use refreshable_engine::{SharedClock, SharedQueue};
use refreshable_issuers::aws::Meter;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::plan::Cause;
use refreshable_rules::retry::Class;
use refreshable_rules::version::{REVISION, VERSION};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// How a restart of a workload went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Restart {
    /// It stood still.
    Settled,
    /// Its last rollout had not ended.
    Forced,
    /// It could not be restarted.
    Hindered,
}

impl Restart {
    const ALL: [Self; 3] = [Self::Settled, Self::Forced, Self::Hindered];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Forced => "forced",
            Self::Hindered => "hindered",
        }
    }
}

/// The controller's metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    attempts: Family<Attempt, Counter>,
    by_namespace: AttemptsByNamespace,
    rotations: Family<RotationLabels, Counter>,
    withdrawals: Counter,
    panics: Counter,
    dropped_events: Counter,
    restarts: Family<Restarted, Counter>,
    lateness: Histogram,
    issuer_calls: Family<IssuerCall, Counter>,
    issuer_seconds: Family<Operation, Histogram>,
    kubernetes_calls: Family<KubernetesCall, Counter>,
    kubernetes_seconds: Family<Call, Histogram>,
    watch_failures: Family<Watched, Counter>,
    queue_wait: Histogram,
    admission_wait: Histogram,
    reconcile_seconds: Histogram,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn waits() -> Histogram {
    Histogram::new([0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0])
}

/// From 5 ms to 41 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 14))
}

impl Metrics {
    /// New metrics, all at zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::with_prefix("refreshable"))),
            attempts: Family::default(),
            by_namespace: AttemptsByNamespace::default(),
            rotations: Family::default(),
            withdrawals: Counter::default(),
            panics: Counter::default(),
            dropped_events: Counter::default(),
            restarts: Family::default(),
            lateness: Histogram::new([
                0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
            ]),
            issuer_calls: Family::default(),
            issuer_seconds: Family::new_with_constructor(seconds),
            kubernetes_calls: Family::default(),
            kubernetes_seconds: Family::new_with_constructor(seconds),
            watch_failures: Family::default(),
            queue_wait: waits(),
            admission_wait: waits(),
            reconcile_seconds: seconds(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics.begin_at_zero();
        metrics
    }

    fn register(&self) {
        let build = Info::new([("version", VERSION), ("revision", REVISION)]);
        self.add("build", "The controller's version and the commit that it was built from", build);
        self.add(
            "attempts",
            "Attempts to obtain credentials, by outcome, class of failure and cause",
            self.attempts.clone(),
        );
        self.add("rotations", "Credentials that were published, by cause", self.rotations.clone());
        self.add(
            "withdrawals",
            "Secrets deleted because a permission was taken back",
            self.withdrawals.clone(),
        );
        self.add(
            "dropped_events",
            "Events that were not published because there were too many",
            self.dropped_events.clone(),
        );
        self.add(
            "reconcile_panics",
            "Looks at a resource that ended in a fault of the controller itself",
            self.panics.clone(),
        );
        self.add(
            "restarts",
            "Restarts of workloads after rotations, by outcome",
            self.restarts.clone(),
        );
        self.timed(
            "refresh_lateness",
            "How long after its refresh point a credential was renewed",
            self.lateness.clone(),
        );
        self.add(
            "issuer_calls",
            "Calls to issuers, by operation, outcome and class of failure",
            self.issuer_calls.clone(),
        );
        self.timed(
            "issuer_call_duration",
            "How long issuers take to answer",
            self.issuer_seconds.clone(),
        );
        self.add(
            "kubernetes_calls",
            "Calls to the Kubernetes API besides watches, by call and outcome",
            self.kubernetes_calls.clone(),
        );
        self.timed(
            "kubernetes_call_duration",
            "How long the Kubernetes API takes to answer",
            self.kubernetes_seconds.clone(),
        );
        self.add(
            "watch_failures",
            "Watches that broke and were begun again",
            self.watch_failures.clone(),
        );
        self.timed(
            "workqueue_queue_duration",
            "How long resources waited for a look after they were due",
            self.queue_wait.clone(),
        );
        self.timed(
            "rate_limited_duration",
            "How long resources waited for their turn at an issuer",
            self.admission_wait.clone(),
        );
        self.timed(
            "reconcile_duration",
            "How long one reconcile takes, issuer and API calls included",
            self.reconcile_seconds.clone(),
        );
        self.add("leader", "Whether this replica leads", self.leader.clone());
    }

    fn add(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register(name, help, metric);
    }

    fn timed(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register_with_unit(name, help, Unit::Seconds, metric);
    }

    /// A counter that appears with its first event has no rate for it.
    fn begin_at_zero(&self) {
        for restart in Restart::ALL {
            drop(self.restarts.get_or_create(&Restarted { outcome: restart.as_str() }));
        }
        for cause in Cause::ALL {
            drop(self.rotations.get_or_create(&RotationLabels { cause: cause.as_str() }));
            for class in Class::ALL.iter().copied().map(Some).chain([None]) {
                drop(self.attempts.get_or_create(&attempt(cause, class)));
            }
        }
    }

    /// Adds what is read anew at each scrape: resources by condition and reason, expiries, turns at
    /// issuers. With `namespaces`, also what is said of each namespace, and with `objects` of each
    /// resource, by its name.
    pub fn observe(&self, context: &Arc<Context>, namespaces: bool, objects: bool) {
        self.collect(Inventory::new(Arc::downgrade(context)));
        if namespaces {
            self.collect(Namespaces::new(Arc::downgrade(context), self.by_namespace.clone()));
        }
        if objects {
            self.collect(Objects::new(Arc::downgrade(context)));
        }
    }

    /// Adds what is read of the queue at each scrape; of each namespace where `observe` was asked
    /// for those.
    pub(super) fn observe_queue(&self, queue: &SharedQueue<ResourceName>, clock: &SharedClock) {
        self.collect(QueueMetrics::new(queue.clone(), clock.clone()));
        if self.by_namespace.is_on() {
            self.collect(NamespaceQueue(queue.clone()));
        }
    }

    /// Adds numbers that are read at each scrape.
    pub(super) fn collect(&self, collector: impl Collector) {
        self.lock().register_collector(Box::new(collector));
    }

    /// An attempt of a resource of `namespace` came to its end.
    pub fn attempted(&self, namespace: &str, cause: Cause, error: Option<&IssueError>) {
        self.by_namespace.add(namespace, error.is_some());
        self.attempts.get_or_create(&attempt(cause, error.map(IssueError::class))).inc();
    }

    /// Credentials were published.
    pub(super) fn rotated(&self, cause: Cause) {
        self.rotations.get_or_create(&RotationLabels { cause: cause.as_str() }).inc();
    }

    /// Counts and times a call to the Kubernetes API. `call` names verb and resource.
    pub(super) async fn kubernetes<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let began = Instant::now();
        let result = work.await;
        let outcome = result.as_ref().map_or_else(CallError::outcome, |_| SUCCESS);
        self.kubernetes_calls.get_or_create(&KubernetesCall { call, outcome }).inc();
        self.kubernetes_seconds
            .get_or_create(&Call { call })
            .observe(began.elapsed().as_secs_f64());
        result
    }

    /// `resource` is watched from now on.
    pub(super) fn watches(&self, resource: &'static str) {
        drop(self.watch_failures.get_or_create(&Watched { resource }));
    }

    pub(super) fn watch_failed(&self, resource: &'static str) {
        self.watch_failures.get_or_create(&Watched { resource }).inc();
    }

    /// A workload was restarted, or could not be.
    pub(super) fn restarted(&self, restart: Restart) {
        self.restarts.get_or_create(&Restarted { outcome: restart.as_str() }).inc();
    }

    pub(super) fn withdrawn(&self) {
        self.withdrawals.inc();
    }

    pub(super) fn event_dropped(&self) {
        self.dropped_events.inc();
    }

    pub(super) fn panicked(&self) {
        self.panics.inc();
    }

    pub(super) fn late_by(&self, late: SignedDuration) {
        self.lateness.observe(late.as_secs_f64().max(0.0));
    }

    pub(super) fn waited(&self, wait: Duration) {
        self.queue_wait.observe(wait.as_secs_f64());
    }

    pub(super) fn admitted(&self, wait: Duration) {
        self.admission_wait.observe(wait.as_secs_f64());
    }

    pub(super) fn reconciled(&self, took: Duration) {
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Everything, in OpenMetrics' text.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.lock())?;
        Ok(page)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Registry> {
        self.registry.lock()
    }
}

/// Writes one metric of a collector.
pub(super) fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

fn attempt(cause: Cause, failed: Option<Class>) -> Attempt {
    let (outcome, class) = outcome(failed);
    Attempt { outcome, class, cause: cause.as_str() }
}

fn outcome(failed: Option<Class>) -> (&'static str, &'static str) {
    failed.map_or((SUCCESS, ""), |class| (FAILURE, class.as_str()))
}

impl Meter for Metrics {
    fn issuer_call(&self, operation: &'static str, failed: Option<Class>, took: Duration) {
        let (outcome, class) = outcome(failed);
        self.issuer_calls.get_or_create(&IssuerCall { operation, outcome, class }).inc();
        self.issuer_seconds.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }
}
