//! How many attempts a namespace may make, where its administrator limits them.

use crate::rate_limits::RateLimits;
use std::sync::Arc;
use std::time::Duration;

/// The unit of what an attempt costs.
const UNIT: Duration = Duration::from_millis(1);
/// Share that may be used at once after a pause: a tenth of what a minute grants, whatever the limit. Any
/// minute so sees at most eleven tenths of the limit.
const AT_ONCE: Duration = Duration::from_secs(6);

/// Attempts of each namespace. Time is that since boot.
#[derive(Debug)]
pub(crate) struct Pace(RateLimits);

impl Pace {
    pub(crate) fn new() -> Self {
        let units = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Self(RateLimits::new(units(Duration::from_secs(1)), units(AT_ONCE)))
    }

    /// From when on an attempt of `tenant` may start, asked at `now`, where its attempts lie
    /// `spacing` apart in the long run.
    pub(crate) fn granted_at(&self, tenant: &str, spacing: Duration, now: Duration) -> Duration {
        match cost(spacing) {
            0 => now,
            cost => self.0.granted_at(tenant, cost, now),
        }
    }

    /// An attempt starts.
    pub(crate) fn take(&mut self, tenant: &Arc<str>, spacing: Duration, now: Duration) {
        if cost(spacing) > 0 {
            self.0.take(tenant, cost(spacing), now);
        }
    }

    /// An attempt that was counted asked no issuer.
    pub(crate) fn give_back(&mut self, tenant: &str, spacing: Duration) {
        self.0.give_back(tenant, cost(spacing));
    }

    /// Forgets namespaces that may start as many at once as any.
    pub(crate) fn tidy(&mut self, now: Duration) {
        self.0.tidy(now);
    }
}

fn cost(spacing: Duration) -> u32 {
    u32::try_from(spacing.as_nanos().div_ceil(UNIT.as_nanos())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts `a` starts in the second minute, of as many as it likes; and in the first
    /// second.
    fn started(spacing: Duration) -> (usize, usize) {
        let (mut pace, tenant) = (Pace::new(), Arc::<str>::from("a"));
        let mut times = Vec::new();
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(120) && times.len() < 100_000 {
            now = pace.granted_at(&tenant, spacing, now);
            pace.take(&tenant, spacing, now);
            times.push(now);
        }
        let within = |from: u64, to: u64| {
            let range = Duration::from_secs(from)..Duration::from_secs(to);
            times.iter().filter(|t| range.contains(t)).count()
        };
        (within(60, 120), within(0, 1))
    }

    #[test]
    fn a_minute_grants_what_the_limit_says_and_a_tenth_of_it_at_once() {
        for (spacing, minute, at_once) in [
            (Duration::from_secs(60), 1, 1),
            (Duration::from_secs(1), 60, 6),
            (Duration::from_millis(100), 600, 69),
        ] {
            assert_eq!(started(spacing), (minute, at_once), "{spacing:?}");
        }
    }

    #[test]
    fn who_is_not_limited_waits_for_nothing() {
        assert_eq!(started(Duration::ZERO).1, 100_000);
    }

    #[test]
    fn what_asked_nobody_is_given_back() {
        let (mut pace, tenant) = (Pace::new(), Arc::<str>::from("a"));
        let minute = Duration::from_secs(60);
        pace.take(&tenant, minute, Duration::ZERO);
        assert_eq!(pace.granted_at(&tenant, minute, Duration::ZERO), minute);
        assert_eq!(pace.granted_at("b", minute, Duration::ZERO), Duration::ZERO);
        pace.give_back(&tenant, minute);
        assert_eq!(pace.granted_at(&tenant, minute, Duration::ZERO), Duration::ZERO);
    }
}
