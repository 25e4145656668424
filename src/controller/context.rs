//! Context of a reconcile: API calls, view, memory, issuers, clock and metrics.

use super::{Brake, Calls, ClockWatch, EventPublisher, InputKeys, Memory, Metrics, Panics, View};
use crate::clock::SharedClock;
use refreshable_issuers::aws::{Caller, Sts, TotpSteps};
use refreshable_issuers::source::SourceContext;
use refreshable_rules::attempts_limit::AttemptsLimit;
use refreshable_rules::size_limit::SizeLimit;
use refreshable_rules::withdrawal::Limits;
use std::time::Duration;

/// An attempt that has not ended after so long waits for an issuer that hangs or crawls.
pub(super) const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Limits that an administrator may set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time limit for one Kubernetes API call.
    pub api_timeout: Duration,
    /// Time limit for obtaining one set of credentials, all calls together.
    pub issue_timeout: Duration,
    /// Issuer calls a second for one caller in one Region, in the long run.
    pub calls_per_second: u32,
    /// Issuer calls that may be made at once after a pause.
    pub burst: u32,
    /// Limits of withdrawals.
    pub withdrawal: Limits,
    /// Attempts a minute of each namespace that sets no limit of its own.
    pub attempts_limit: Option<AttemptsLimit>,
    /// Bytes that the resources of each namespace may take that sets no limit of its own.
    pub size_limit: Option<SizeLimit>,
    /// After how long an attempt leaves its slot to others.
    pub slow_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_timeout: Duration::from_secs(5),
            issue_timeout: Duration::from_secs(75),
            calls_per_second: 400,
            burst: 400,
            withdrawal: Limits::default(),
            attempts_limit: None,
            size_limit: None,
            slow_after: SLOW_AFTER,
        }
    }
}

impl Settings {
    /// The engine's limits, with `slots` resources worked on at the same time.
    pub fn queue_limits(&self, slots: usize) -> refreshable_engine::Limits {
        let Self { calls_per_second, burst, slow_after, .. } = *self;
        refreshable_engine::Limits { slots, slow_after, calls_per_second, burst }
    }
}

/// Context of all reconciles. A running controller has one.
#[derive(Debug)]
pub struct Context {
    /// The Kubernetes API, with a time limit and the lease's fence around each call.
    pub calls: Calls,
    /// The cluster as the watches show it.
    pub view: View,
    /// Writes of this process that its view may not show yet.
    pub memory: Memory,
    /// Which resources the controller met a fault of its own at.
    pub panics: Panics,
    /// The brake on withdrawals.
    pub brake: Brake,
    /// The key of the digests of inputs.
    pub input_keys: InputKeys,
    /// STS.
    pub sts: Sts,
    /// The controller's own AWS identity.
    pub ambient: Option<Caller>,
    /// Which MFA codes were used.
    pub totp: TotpSteps,
    /// The controller's own resources that sources use, besides STS.
    pub source_context: SourceContext,
    /// The time.
    pub clock: SharedClock,
    /// Notices when that is set.
    pub clocks: ClockWatch,
    /// Numbers for Prometheus.
    pub metrics: Metrics,
    /// Where events go.
    pub event_publisher: EventPublisher,
    /// Limits.
    pub settings: Settings,
}
