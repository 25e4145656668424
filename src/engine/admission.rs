//! Leave to ask an issuer, and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How the endpoint answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// It answered, whatever it said.
    Answered,
    /// It asked to slow down.
    Throttled,
    /// It did not answer in time.
    TimedOut,
}

/// Leave for one attempt to make the calls that its claim names. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Admission(Arc<Record>);

#[derive(Debug, Default)]
struct Record {
    called: AtomicBool,
    pressure: AtomicU8,
}

impl Admission {
    /// The issuer is about to be called: what was reserved is used.
    pub fn called(&self) {
        self.0.called.store(true, Ordering::Relaxed);
    }

    /// Records how the endpoint answered.
    pub fn saw(&self, pressure: Pressure) {
        self.0.pressure.store(pressure as u8, Ordering::Relaxed);
    }

    /// Whether the issuer was called, and how it answered.
    pub(crate) fn used(&self) -> Option<Pressure> {
        self.0.called.load(Ordering::Relaxed).then(|| {
            match self.0.pressure.load(Ordering::Relaxed) {
                1 => Pressure::Throttled,
                2 => Pressure::TimedOut,
                _ => Pressure::Answered,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_endpoint_answered_is_told_of_calls_alone() {
        for pressure in [Pressure::Answered, Pressure::Throttled, Pressure::TimedOut] {
            let admission = Admission::default();
            admission.saw(pressure);
            assert_eq!(admission.used(), None, "it was not called");
            admission.clone().called();
            assert_eq!(admission.used(), Some(pressure));
        }
    }
}
