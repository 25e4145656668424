//! How many attempts may be in flight.
//!
//! All together at most `slots`, of those that are young: an attempt that has not ended after
//! `slow_after` waits for an issuer that hangs or crawls, and leaves its slot to others. So that
//! these do not pile up, each namespace and each endpoint has a limit of its own. It starts at
//! `slots`, which an endpoint that answers never notices; time-outs halve it, answers raise it.

use crate::Pressure;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// At most so many times the slots are slow; beyond that they count again.
const SLOW_FOR_EACH_SLOT: usize = 8;
/// The limit of an endpoint does not fall below this share of the slots. Many namespaces may use
/// it, and one of them, with a short time limit of its own, must not stop the others.
const LEAST_SHARE: usize = 4;
/// Answers that ask to slow down, and come within this time of one another, count once.
const ONCE: Duration = Duration::from_secs(1);

/// Names an attempt in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permit(u64);

/// Counts attempts in flight.
#[derive(Debug)]
pub(crate) struct Governor {
    slots: usize,
    slow_after: Duration,
    running: BTreeMap<Permit, Running>,
    /// Those that were young when last looked at, the oldest first.
    young: VecDeque<(Duration, Permit)>,
    young_count: usize,
    next: u64,
    tenants: BTreeMap<Arc<str>, Load>,
    endpoints: BTreeMap<Arc<str>, Load>,
}

#[derive(Debug)]
struct Running {
    tenant: Arc<str>,
    endpoint: Arc<str>,
    is_young: bool,
}

/// Attempts in flight of one namespace, or at one endpoint.
#[derive(Debug)]
struct Load {
    running: usize,
    limit: usize,
    halved_at: Option<Duration>,
}

impl Load {
    fn new(slots: usize) -> Self {
        Self { running: 0, limit: slots, halved_at: None }
    }

    fn halve(&mut self, least: usize) {
        self.limit = (self.limit / 2).max(least);
    }
}

impl Governor {
    pub(crate) fn new(slots: usize, slow_after: Duration) -> Self {
        Self {
            slots: slots.max(1),
            slow_after,
            running: BTreeMap::new(),
            young: VecDeque::new(),
            young_count: 0,
            next: 0,
            tenants: BTreeMap::new(),
            endpoints: BTreeMap::new(),
        }
    }

    /// Whether another attempt may start at `now` at all.
    pub(crate) fn has_room(&mut self, now: Duration) -> bool {
        self.grow_old(now);
        let slow = self.running.len() - self.young_count;
        let excess = slow.saturating_sub(self.slots.saturating_mul(SLOW_FOR_EACH_SLOT));
        self.young_count + excess < self.slots
    }

    /// Whether `tenant` may start another.
    pub(crate) fn tenant_has_room(&self, tenant: &str) -> bool {
        self.tenants.get(tenant).is_none_or(|load| load.running < load.limit)
    }

    /// Whether another one may wait for `endpoint`.
    pub(crate) fn endpoint_has_room(&self, endpoint: &str) -> bool {
        self.endpoints.get(endpoint).is_none_or(|load| load.running < load.limit)
    }

    /// When the oldest young attempt leaves its slot, if it has not ended by then.
    pub(crate) fn next_room(&self) -> Option<Duration> {
        self.young.front().map(|(since, _)| *since + self.slow_after)
    }

    /// An attempt starts.
    pub(crate) fn start(
        &mut self,
        tenant: &Arc<str>,
        endpoint: &Arc<str>,
        now: Duration,
    ) -> Permit {
        let permit = Permit(self.next);
        self.next += 1;
        let slots = self.slots;
        self.tenants.entry(tenant.clone()).or_insert_with(|| Load::new(slots)).running += 1;
        self.endpoints.entry(endpoint.clone()).or_insert_with(|| Load::new(slots)).running += 1;
        let running =
            Running { tenant: tenant.clone(), endpoint: endpoint.clone(), is_young: true };
        self.running.insert(permit, running);
        self.young.push_back((now, permit));
        self.young_count += 1;
        permit
    }

    /// An attempt ends. `seen` says how the endpoint answered, if it was called.
    pub(crate) fn end(&mut self, permit: Permit, seen: Option<Pressure>, now: Duration) {
        let Some(ended) = self.running.remove(&permit) else { return };
        if ended.is_young {
            self.young_count -= 1;
            // Usually it is among the first.
            if let Some(at) = self.young.iter().position(|(_, one)| *one == permit) {
                self.young.remove(at);
            }
        }
        let slots = self.slots;
        let least = (slots / LEAST_SHARE).max(1);
        if let Some(load) = self.endpoints.get_mut(&ended.endpoint) {
            load.running -= 1;
            match seen {
                Some(Pressure::TimedOut) => load.halve(least),
                Some(Pressure::Throttled) if load.halved_at.is_none_or(|at| at + ONCE <= now) => {
                    load.halve(least);
                    load.halved_at = Some(now);
                }
                Some(Pressure::Answered) => load.limit = (load.limit + 1).min(slots),
                Some(Pressure::Throttled) | None => {}
            }
            if load.running == 0 && load.limit == slots {
                self.endpoints.remove(&ended.endpoint);
            }
        }
        if let Some(load) = self.tenants.get_mut(&ended.tenant) {
            load.running -= 1;
            match seen {
                Some(Pressure::TimedOut) => load.halve(1),
                Some(Pressure::Answered) => load.limit = (load.limit + 1).min(slots),
                Some(Pressure::Throttled) | None => {}
            }
            if load.running == 0 && load.limit == slots {
                self.tenants.remove(&ended.tenant);
            }
        }
    }

    /// Attempts in flight.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Namespaces and endpoints that nothing is in flight for start anew: what they were slow for
    /// is long past.
    pub(crate) fn tidy(&mut self) {
        self.tenants.retain(|_, load| load.running > 0);
        self.endpoints.retain(|_, load| load.running > 0);
    }

    fn grow_old(&mut self, now: Duration) {
        while let Some((since, permit)) = self.young.front().copied()
            && since + self.slow_after <= now
        {
            self.young.pop_front();
            if let Some(running) = self.running.get_mut(&permit) {
                running.is_young = false;
                self.young_count -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn start(governor: &mut Governor, tenant: &str, now: Duration) -> Permit {
        governor.start(&Arc::from(tenant), &Arc::from("endpoint"), now)
    }

    #[test]
    fn an_attempt_that_hangs_leaves_its_slot() {
        let mut governor = Governor::new(2, SECOND);
        let _ = (start(&mut governor, "a", at(0)), start(&mut governor, "a", at(0)));
        assert!(!governor.has_room(at(999)));
        assert_eq!(governor.next_room(), Some(at(1000)));
        assert!(governor.has_room(at(1000)));
        assert!(!governor.tenant_has_room("a"), "its namespace has as many as there are slots");
        assert!(governor.tenant_has_room("b"));
    }

    #[test]
    fn slow_attempts_are_not_without_number() {
        let mut governor = Governor::new(1, SECOND);
        for n in 0..8 {
            assert!(governor.has_room(at(n * 1000)));
            start(&mut governor, &n.to_string(), at(n * 1000));
        }
        assert!(governor.has_room(at(8000)), "eight are slow");
        start(&mut governor, "a", at(8000));
        assert!(!governor.has_room(at(9000)), "the ninth counts, slow as it is");
    }

    #[test]
    fn the_next_to_leave_its_slot_is_the_oldest_that_goes_on() {
        let mut governor = Governor::new(2, SECOND);
        let first = start(&mut governor, "a", at(0));
        start(&mut governor, "a", at(500));
        governor.end(first, None, at(600));
        assert_eq!(governor.next_room(), Some(at(1500)));
        start(&mut governor, "a", at(600));
        assert!(!governor.has_room(at(1499)));
        assert!(governor.has_room(at(1500)));
    }

    #[test]
    fn young_attempts_beside_slow_ones_count_once() {
        let mut governor = Governor::new(2, SECOND);
        for n in 0..16 {
            start(&mut governor, &n.to_string(), at(0));
        }
        start(&mut governor, "young", at(1000));
        assert!(governor.has_room(at(1000)), "eight for each slot are slow, and one is young");
        start(&mut governor, "young", at(1000));
        assert!(!governor.has_room(at(1000)));
    }

    #[test]
    fn an_endpoint_that_times_out_is_waited_for_by_fewer_whosever_they_are() {
        let mut governor = Governor::new(8, SECOND);
        for _ in 0..2 {
            let permit = start(&mut governor, "a", at(0));
            governor.end(permit, Some(Pressure::TimedOut), at(0));
        }
        assert!(governor.endpoint_has_room("endpoint"));
        let _ = (start(&mut governor, "b", at(0)), start(&mut governor, "c", at(0)));
        assert!(!governor.endpoint_has_room("endpoint"), "its limit is two");
        assert!(governor.endpoint_has_room("another"));
    }

    #[test]
    fn time_outs_halve_the_limit_and_answers_raise_it() {
        let mut governor = Governor::new(8, SECOND);
        let end = |governor: &mut Governor, seen| {
            let permit = start(governor, "a", at(0));
            governor.end(permit, Some(seen), at(0));
            let limit = |load: Option<&Load>| load.map_or(8, |load| load.limit);
            (limit(governor.tenants.get("a")), limit(governor.endpoints.get("endpoint")))
        };
        assert_eq!(end(&mut governor, Pressure::TimedOut), (4, 4));
        assert_eq!(end(&mut governor, Pressure::TimedOut), (2, 2));
        assert_eq!(end(&mut governor, Pressure::TimedOut), (1, 2), "others use the endpoint, too");
        assert_eq!(end(&mut governor, Pressure::Answered), (2, 3));
        assert_eq!(end(&mut governor, Pressure::Throttled), (2, 2), "not the namespace's fault");
        assert_eq!(end(&mut governor, Pressure::Throttled), (2, 2));
        for _ in 0..6 {
            end(&mut governor, Pressure::Answered);
        }
        assert!(governor.tenants.is_empty() && governor.endpoints.is_empty(), "as if new");
    }

    #[test]
    fn answers_that_ask_to_slow_down_count_once_a_second() {
        let mut governor = Governor::new(16, SECOND);
        for (ms, limit) in [(0, 8), (500, 8), (1000, 4), (1999, 4), (2000, 4)] {
            let permit = start(&mut governor, "a", at(ms));
            governor.end(permit, Some(Pressure::Throttled), at(ms));
            assert_eq!(governor.endpoints["endpoint"].limit, limit, "at {ms} ms");
        }
    }

    #[test]
    fn an_attempt_that_calls_nothing_teaches_nothing() {
        let mut governor = Governor::new(2, SECOND);
        let permit = start(&mut governor, "a", at(0));
        assert_eq!(governor.running(), 1);
        governor.end(permit, None, at(5000));
        assert!(governor.has_room(at(5000)) && governor.tenants.is_empty());
        assert_eq!(governor.running(), 0);
    }
}
