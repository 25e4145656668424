//! Where the time comes from. Rules get it as an argument; only the controller asks a clock.

use jiff::Timestamp;
use std::sync::Arc;

/// A wall clock. Production uses [`SystemClock`]; a simulation brings its own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock shared by everything that needs one.
pub type SharedClock = Arc<dyn Clock>;
