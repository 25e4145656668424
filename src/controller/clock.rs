//! Where the time comes from. Rules get it as an argument; only the controller asks a clock.

use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A machine's clocks. Production uses [`SystemClock`]; a simulation brings its own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time, by the wall clock: it may be wrong, and step when it is set.
    fn now(&self) -> Timestamp;

    /// The time since the machine was started, the time that it was suspended for included. It
    /// never steps.
    fn boot(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn boot(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        #[cfg(target_os = "linux")]
        const CLOCK: ClockId = ClockId::Boottime;
        // Elsewhere only the plugin runs, which waits for nothing.
        #[cfg(not(target_os = "linux"))]
        const CLOCK: ClockId = ClockId::Monotonic;
        clock_gettime(CLOCK).try_into().unwrap_or_default()
    }
}

/// A clock shared by everything that needs one.
pub type SharedClock = Arc<dyn Clock>;
