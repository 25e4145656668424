//! Calls a second, for each caller and Region.
//!
//! AWS grants 600 STS requests a second to a calling account in a Region, shared by all its
//! operations. The limits keep the controller below that. Calls are taken when an attempt is
//! admitted, and given back when it makes none.
//!
//! Libraries for this (`governor`, tower's rate limit) take the time from a clock of their own and
//! cannot give back; here time is an argument, so that tests let a year pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A generic cell rate algorithm for each bucket. Time is that since boot, which never steps.
#[derive(Debug)]
pub struct RateLimits {
    interval: Duration,
    burst: Duration,
    /// When each bucket will have caught up with everything granted so far.
    busy_until: BTreeMap<Arc<str>, Duration>,
}

impl RateLimits {
    /// `per_second` calls in the long run, `burst` at once after a pause.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_nanos(1_000_000_000 / u64::from(per_second.max(1)));
        let burst = interval.saturating_mul(burst.max(1));
        Self { interval, burst, busy_until: BTreeMap::new() }
    }

    /// From when on `calls` calls from `bucket` are granted, asked at `now`.
    pub fn granted_at(&self, bucket: &str, calls: u32, now: Duration) -> Duration {
        let busy = self.busy_until.get(bucket).copied().unwrap_or(now).max(now);
        granted_at(busy, self.cost(calls), self.burst, now)
    }

    /// Takes `calls` calls from `bucket`.
    pub fn take(&mut self, bucket: &Arc<str>, calls: u32, now: Duration) {
        let cost = self.cost(calls);
        let busy = self.busy_until.entry(bucket.clone()).or_insert(now);
        *busy = (*busy).max(now).saturating_add(cost);
    }

    /// Gives back calls that were taken and not made.
    pub(crate) fn give_back(&mut self, bucket: &str, calls: u32) {
        let cost = self.cost(calls);
        if let Some(busy) = self.busy_until.get_mut(bucket) {
            *busy = busy.saturating_sub(cost);
        }
    }

    /// Forgets the buckets that are full again.
    pub(crate) fn tidy(&mut self, now: Duration) {
        self.busy_until.retain(|_, busy| *busy > now);
    }

    fn cost(&self, calls: u32) -> Duration {
        self.interval.saturating_mul(calls)
    }
}

/// From when on something of this cost is granted, asked at `now`, where everything granted so far
/// will have been caught up with at `busy` and so much may be ahead of that. What is larger than
/// this goes when nothing is ahead, and is paid for afterwards.
pub(crate) fn granted_at(
    busy: Duration,
    cost: Duration,
    ahead: Duration,
    now: Duration,
) -> Duration {
    busy.saturating_add(cost.min(ahead)).saturating_sub(ahead).max(now)
}

/// How many calls of a limit of `per_second` one call counts as, at an issuer that grants only so
/// many a second.
pub fn weight(per_second: u32, granted: Option<u32>) -> u32 {
    granted.map_or(1, |granted| per_second.div_ceil(granted.max(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Takes `calls` as soon as they are granted: when that is.
    fn take(limits: &mut RateLimits, bucket: &str, calls: u32, now: Duration) -> Duration {
        let granted = limits.granted_at(bucket, calls, now);
        limits.take(&Arc::from(bucket), calls, granted);
        granted
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_spread_at_the_rate() {
        let mut limits = RateLimits::new(100, 10);
        let times: Vec<_> = (0..30).map(|_| take(&mut limits, "a", 1, at(0))).collect();
        assert!(times[..10].iter().all(|t| *t == at(0)));
        assert_eq!((times[10], times[29]), (at(10), at(200)));
        assert_eq!(take(&mut limits, "b", 1, at(0)), at(0), "buckets do not share");
    }

    #[test]
    fn an_issuer_that_grants_less_is_asked_less() {
        for (per_second, granted, counts) in
            [(400, None, 1), (400, Some(10), 40), (5, Some(10), 1), (400, Some(0), 400)]
        {
            assert_eq!(weight(per_second, granted), counts, "{per_second} {granted:?}");
        }
        let mut limits = RateLimits::new(400, 400);
        let times: Vec<_> =
            (0..30).map(|_| take(&mut limits, "a", weight(400, Some(10)), at(0))).collect();
        assert_eq!((times[9], times[29]), (at(0), at(2000)), "ten a second");
    }

    #[test]
    fn what_was_not_used_is_given_back() {
        let mut limits = RateLimits::new(1, 1);
        take(&mut limits, "a", 1, at(0));
        assert_eq!(limits.granted_at("a", 1, at(0)), at(1000));
        limits.give_back("a", 1);
        assert_eq!(limits.granted_at("a", 1, at(0)), at(0));
    }

    #[test]
    fn an_attempt_larger_than_the_burst_goes_alone() {
        let mut limits = RateLimits::new(10, 5);
        assert_eq!(take(&mut limits, "a", 20, at(0)), at(0));
        assert_eq!(limits.granted_at("a", 1, at(0)), at(1600), "it is paid for afterwards");
        assert_eq!(limits.granted_at("a", 20, at(0)), at(2000), "the next one needs a full bucket");
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let mut limits = RateLimits::new(1, 1);
        take(&mut limits, "a", 1, at(0));
        limits.tidy(at(500));
        assert_eq!(limits.busy_until.len(), 1);
        limits.tidy(at(1000));
        assert!(limits.busy_until.is_empty());
    }
}
