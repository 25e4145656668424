//! What a reconcile works with.

use super::{Brake, Calls, ClockWatch, EventPublisher, InputKeys, Memory, Metrics, Panics, View};
use crate::clock::SharedClock;
use jiff::SignedDuration;
use parking_lot::Mutex;
use refreshable_issuers::aws::{Caller, Sts, TotpSteps};
use refreshable_issuers::source::SourceContext;
use refreshable_rules::budget::Budget;
use refreshable_rules::withdrawal::Limits;
use std::time::Duration;

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_timeout: Duration::from_secs(5),
            issue_timeout: Duration::from_secs(75),
            calls_per_second: 400,
            burst: 400,
            withdrawal: Limits::default(),
        }
    }
}

/// What a reconcile works with. One for a running controller.
#[derive(Debug)]
pub struct Context {
    /// The Kubernetes API, with a time limit and the lease's fence around each call.
    pub calls: Calls,
    /// What is known of the cluster without asking.
    pub view: View,
    /// What this process wrote that its view may not show yet.
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
    /// What else belongs to the controller and sources draw on.
    pub source_context: SourceContext,
    /// Turns at the issuers.
    pub rate_limiter: RateLimiter,
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

/// Turns at the issuers, handed out by the [`Budget`].
#[derive(Debug)]
pub struct RateLimiter(Mutex<Budget>);

impl RateLimiter {
    /// Turns at the rate that `settings` name.
    pub fn new(settings: &Settings) -> Self {
        Self(Mutex::new(Budget::new(settings.calls_per_second, settings.burst)))
    }

    /// Asks for `calls` calls of `object` in `lane`, at `boot` since the machine was started.
    ///
    /// # Errors
    /// How long to wait: the turn is kept, however the wall clock is set meanwhile.
    pub fn take(
        &self,
        lane: &str,
        object: &str,
        calls: u32,
        boot: Duration,
    ) -> Result<(), SignedDuration> {
        let turn = self.lock().take(lane, object, calls, boot);
        turn.map_err(|turn| SignedDuration::try_from(turn.saturating_sub(boot)).unwrap_or_default())
    }

    /// How many resources wait for their turn.
    pub fn waiting(&self, boot: Duration) -> usize {
        self.lock().waiting(boot)
    }

    /// Forgets what is long past.
    pub fn tidy(&self, boot: Duration) {
        const KEPT: Duration = Duration::from_secs(600);
        self.lock().forget_before(boot.saturating_sub(KEPT));
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Budget> {
        self.0.lock()
    }
}
