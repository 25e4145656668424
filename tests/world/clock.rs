//! Simulated time: tokio's paused clock, counted from a fixed day.

use jiff::{SignedDuration, Timestamp};
use refreshable_controller::clock::Clock;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The day that every world begins on.
pub const DAWN: &str = "2026-01-01T00:00:00Z";

/// A clock that follows tokio's, ahead or behind by a fixed time where it is broken on purpose.
#[derive(Clone, Debug)]
pub struct WorldClock {
    origin: Instant,
    off: Arc<Mutex<SignedDuration>>,
}

impl WorldClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { origin: Instant::now(), off: Arc::default() }
    }

    /// Another clock, wrong by `off`.
    pub fn off_by(&self, off: SignedDuration) -> Self {
        Self { origin: self.origin, off: Arc::new(Mutex::new(off)) }
    }

    /// How wrong it is.
    pub fn off(&self) -> SignedDuration {
        *self.off.lock().expect("a time")
    }

    /// Sets it forward by so much.
    pub fn set(&self, by: SignedDuration) {
        *self.off.lock().expect("a time") += by;
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        let dawn: Timestamp = DAWN.parse().expect("a time");
        dawn + SignedDuration::try_from(self.origin.elapsed()).expect("in range") + self.off()
    }

    fn boot(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl aws_smithy_async::time::TimeSource for WorldClock {
    fn now(&self) -> SystemTime {
        Clock::now(self).into()
    }
}
