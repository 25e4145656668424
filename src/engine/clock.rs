//! The time: by the wall clock, and since the machine was started.

use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A machine's clocks. Production reads the system's; a simulation brings its own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time, by the wall clock: it may be wrong, and step when it is set.
    fn now(&self) -> Timestamp;

    /// The time since the machine was started, the time that it was suspended for included. It
    /// never steps.
    fn boot(&self) -> Duration;
}

/// A clock shared by everything that needs one.
pub type SharedClock = Arc<dyn Clock>;

/// Both clocks, read together. Deadlines are wall-clock times, because credentials expire by them;
/// rates and ages are counted since boot, because a clock that is set must not grant calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time since the machine was started.
    pub boot: Duration,
}

impl Now {
    /// Reads both from `clock`.
    pub fn read(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), boot: clock.boot() }
    }
}
