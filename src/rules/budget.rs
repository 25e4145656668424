//! A budget of issuer calls for each caller and Region.
//!
//! AWS grants 600 STS requests a second to a calling account in a Region, shared by all its
//! operations. The budget keeps the controller below that and hands out turns in the order they
//! were asked for: who comes too early is told when to come again, and that turn is kept.
//!
//! Time is that since the machine was started, which never steps: a wall clock that is set back
//! must not move a turn away, nor one that is set forward grant them all.
//!
//! It is our own because the libraries for this (`governor`, tower's rate limit) decide whether a
//! call may go now. Here a caller that is early is given a place that holds, is told when it comes,
//! and need not wait as a task; and time is an argument, so that the tests let a year pass.

use std::collections::HashMap;
use std::time::Duration;

/// Turns for one caller in one Region: a generic cell rate algorithm whose reservations hold.
#[derive(Debug)]
struct Lane {
    /// When the lane will have caught up with everything granted so far.
    busy_until: Duration,
    /// Turns granted for later, by object.
    reserved: HashMap<String, Duration>,
}

/// The budgets of all callers.
#[derive(Debug)]
pub struct Budget {
    interval: Duration,
    burst: Duration,
    lanes: HashMap<String, Lane>,
}

impl Budget {
    /// `per_second` calls in the long run, `burst` at once after a pause.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_nanos(1_000_000_000 / u64::from(per_second.max(1)));
        Self { interval, burst: interval.saturating_mul(burst), lanes: HashMap::new() }
    }

    /// Asks for `calls` calls by `object` in `lane` at `now`. `Ok` means go; `Err` is when to come
    /// again. Coming again at that time (or later) is always granted.
    pub fn take(
        &mut self,
        lane: &str,
        object: &str,
        calls: u32,
        now: Duration,
    ) -> Result<(), Duration> {
        let lane = self
            .lanes
            .entry(lane.to_owned())
            .or_insert_with(|| Lane { busy_until: now, reserved: HashMap::new() });
        if let Some(&turn) = lane.reserved.get(object) {
            if now < turn {
                return Err(turn);
            }
            lane.reserved.remove(object);
            return Ok(());
        }
        let cost = self.interval.saturating_mul(calls);
        lane.busy_until = lane.busy_until.max(now).saturating_add(cost);
        let turn = lane.busy_until.saturating_sub(self.burst);
        if turn <= now {
            return Ok(());
        }
        lane.reserved.insert(object.to_owned(), turn);
        Err(turn)
    }

    /// Objects whose turn comes after `now`.
    pub fn waiting(&self, now: Duration) -> usize {
        self.lanes
            .values()
            .map(|lane| lane.reserved.values().filter(|turn| **turn > now).count())
            .sum()
    }

    /// Forgets lanes and reservations that are long past, so that the map does not grow with every
    /// key that was ever used.
    pub fn forget_before(&mut self, then: Duration) {
        self.lanes.retain(|_, lane| {
            lane.reserved.retain(|_, turn| *turn >= then);
            lane.busy_until >= then || !lane.reserved.is_empty()
        });
    }
}

/// How many calls of the budget one call counts as, at an issuer that grants only so many a second.
pub fn weight(per_second: u32, granted: Option<u32>) -> u32 {
    granted.map_or(1, |granted| per_second.div_ceil(granted.max(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_issuer_that_grants_less_is_asked_less() {
        for (per_second, granted, counts) in
            [(400, None, 1), (400, Some(10), 40), (5, Some(10), 1), (400, Some(0), 400)]
        {
            assert_eq!(weight(per_second, granted), counts, "{per_second} {granted:?}");
        }
        let mut budget = Budget::new(400, 400);
        let rate_limiter: Vec<_> = (0..30)
            .map(|n| budget.take("rolesanywhere", &n.to_string(), weight(400, Some(10)), at(0)))
            .collect();
        assert_eq!(rate_limiter.iter().filter(|t| t.is_ok()).count(), 10);
        assert_eq!(rate_limiter[29], Err(at(2000)), "ten a second");
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_spread_at_the_rate() {
        let mut budget = Budget::new(100, 10);
        let mut later = Vec::new();
        for n in 0..30 {
            if let Err(turn) = budget.take("ambient/eu-west-1", &n.to_string(), 1, at(0)) {
                later.push((n, turn));
            }
        }
        assert_eq!(later.len(), 20);
        assert_eq!(later[0].1, at(10));
        assert_eq!(later[19].1, at(200));
        assert_eq!(
            (budget.waiting(at(0)), budget.waiting(at(100)), budget.waiting(at(200))),
            (20, 10, 0)
        );
        for (n, turn) in later {
            assert_eq!(budget.take("ambient/eu-west-1", &n.to_string(), 1, turn), Ok(()));
        }
    }

    #[test]
    fn a_turn_is_kept_for_who_comes_early_again() {
        let mut budget = Budget::new(1, 1);
        assert_eq!(budget.take("a", "x", 1, at(0)), Ok(()));
        assert_eq!(budget.take("a", "y", 1, at(0)), Err(at(1000)));
        assert_eq!(budget.take("a", "y", 1, at(500)), Err(at(1000)));
        assert_eq!(budget.take("a", "z", 1, at(500)), Err(at(2000)));
        assert_eq!(budget.take("a", "y", 1, at(1000)), Ok(()));
    }

    #[test]
    fn callers_do_not_share() {
        let mut budget = Budget::new(1, 1);
        assert_eq!(budget.take("a", "x", 1, at(0)), Ok(()));
        assert_eq!(budget.take("b", "y", 1, at(0)), Ok(()));
    }

    #[test]
    fn a_chain_costs_its_calls() {
        let mut budget = Budget::new(10, 10);
        assert_eq!(budget.take("a", "x", 5, at(0)), Ok(()));
        assert_eq!(budget.take("a", "y", 5, at(0)), Ok(()));
        assert_eq!(budget.take("a", "z", 5, at(0)), Err(at(500)));
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut budget = Budget::new(1, 1);
        let _ = budget.take("a", "x", 1, at(0));
        let _ = budget.take("a", "y", 1, at(0));
        budget.forget_before(at(10_000));
        assert!(budget.lanes.is_empty());
    }
}
