//! Numbers for Prometheus. Labels are bounded: no object names among them.

use super::View;
use crate::api::conditions::READY;
use crate::api::{RefreshableCredential, time_of};
use crate::aws::Meter;
use crate::clock::SharedClock;
use crate::issuer::IssueError;
use crate::rules::plan::Cause;
use jiff::SignedDuration;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct IssueLabels {
    outcome: &'static str,
    class: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct IssuerLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    condition: &'static str,
}

/// The controller's metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    issues: Family<IssueLabels, Counter>,
    issuer_calls: Family<IssuerLabels, Counter>,
    issuer_seconds: Family<OperationLabels, Histogram>,
    kubernetes_calls: Family<CallLabels, Counter>,
    withdrawals: Counter,
    lateness: Histogram,
    reconcile_seconds: Histogram,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// New metrics, all at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.0, 14));
        let metrics = Self {
            registry: Arc::default(),
            issues: Family::default(),
            issuer_calls: Family::default(),
            issuer_seconds: Family::new_with_constructor(seconds),
            kubernetes_calls: Family::default(),
            withdrawals: Counter::default(),
            lateness: Histogram::new([0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]),
            reconcile_seconds: seconds(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = Registry::with_prefix("refreshable");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The controller's version", build);
        registry.register(
            "issues",
            "Attempts to obtain and publish credentials, by outcome, class of failure and cause",
            self.issues.clone(),
        );
        registry.register("issuer_calls", "Calls to issuers, by operation and outcome", self.issuer_calls.clone());
        registry.register_with_unit(
            "issuer_call_duration",
            "How long issuers take to answer",
            Unit::Seconds,
            self.issuer_seconds.clone(),
        );
        registry.register(
            "kubernetes_calls",
            "Calls to the Kubernetes API besides watches, by call and outcome",
            self.kubernetes_calls.clone(),
        );
        registry.register(
            "withdrawals",
            "Secrets deleted because a permission was taken back",
            self.withdrawals.clone(),
        );
        registry.register_with_unit(
            "lateness",
            "How long after its refresh point a credential was renewed",
            Unit::Seconds,
            self.lateness.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long one reconcile takes, issuer and API calls included",
            Unit::Seconds,
            self.reconcile_seconds.clone(),
        );
        registry.register("leader", "Whether this replica leads", self.leader.clone());
        *self.lock() = registry;
    }

    /// Adds what is counted anew at each scrape: resources by condition, the earliest expiry.
    pub fn observe(&self, view: View, clock: SharedClock) {
        self.lock().register_collector(Box::new(Inventory { view, clock }));
    }

    /// An attempt came to its end.
    pub fn issued(&self, cause: Cause, error: Option<&IssueError>) {
        let labels = IssueLabels {
            outcome: if error.is_none() { "success" } else { "failure" },
            class: error.map_or("", |e| e.class().as_str()),
            cause: cause.as_str(),
        };
        self.issues.get_or_create(&labels).inc();
    }

    pub(super) fn kubernetes_call(&self, call: &'static str, outcome: &'static str) {
        self.kubernetes_calls.get_or_create(&CallLabels { call, outcome }).inc();
    }

    pub(super) fn withdrawn(&self) {
        self.withdrawals.inc();
    }

    pub(super) fn late_by(&self, late: SignedDuration) {
        self.lateness.observe(late.as_secs_f64().max(0.0));
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for Metrics {
    fn issuer_call(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.issuer_calls.get_or_create(&IssuerLabels { operation, outcome }).inc();
        self.issuer_seconds.get_or_create(&OperationLabels { operation }).observe(took.as_secs_f64());
    }
}

/// Counts the resources at each scrape.
#[derive(Debug)]
struct Inventory {
    view: View,
    clock: SharedClock,
}

impl Collector for Inventory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let credentials = self.view.credentials.state();
        let count = |holds: &dyn Fn(&RefreshableCredential) -> bool| {
            i64::try_from(credentials.iter().filter(|c| holds(c)).count()).unwrap_or(i64::MAX)
        };
        let condition = |c: &RefreshableCredential, kind: &str, status: &str| {
            c.status.iter().flat_map(|s| &s.conditions).any(|k| k.type_ == kind && k.status == status)
        };
        let gauge = Family::<ConditionLabels, Gauge>::default();
        for (name, number) in [
            ("ready", count(&|c| condition(c, READY, "True"))),
            ("not_ready", count(&|c| !condition(c, READY, "True"))),
            ("failing", count(&|c| c.status.as_ref().is_some_and(|s| s.failures.is_some()))),
            ("stalled", count(&|c| condition(c, crate::api::conditions::STALLED, "True"))),
            ("suspended", count(&|c| c.spec.suspended())),
        ] {
            gauge.get_or_create(&ConditionLabels { condition: name }).set(number);
        }
        let descriptor =
            encoder.encode_descriptor("credentials", "Resources, by condition", None, gauge.metric_type())?;
        gauge.encode(descriptor)?;
        let ends = |c: &RefreshableCredential| c.status.as_ref().and_then(|s| time_of(&s.expiration));
        if let Some(first) = credentials.iter().filter_map(|c| ends(c)).min() {
            let left = ConstGauge::new(first.duration_since(self.clock.now()).as_secs_f64());
            let descriptor = encoder.encode_descriptor(
                "earliest_expiry",
                "Time until the first of the published credentials expires",
                Some(&Unit::Seconds),
                left.metric_type(),
            )?;
            left.encode(descriptor)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_units_and_help_and_no_names() {
        let metrics = Metrics::new();
        metrics.issued(Cause::Due, None);
        metrics.issuer_call("AssumeRole", "success", Duration::from_millis(60));
        metrics.kubernetes_call("apply secrets", "success");
        let page = metrics.page().expect("page");
        for line in [
            "refreshable_issues_total{outcome=\"success\",class=\"\",cause=\"due\"} 1",
            "refreshable_issuer_calls_total{operation=\"AssumeRole\",outcome=\"success\"} 1",
            "# UNIT refreshable_issuer_call_duration_seconds seconds",
            "refreshable_build_info{version=",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
