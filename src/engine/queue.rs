//! Which key is where, and what happens next.

use crate::governor::{Governor, Permit};
use crate::pace::Pace;
use crate::rate_limits::RateLimits;
use crate::waiting::{Rates, Taken, Ticket, Waiting};
use crate::{Admission, LONGEST, Next, Now, SharedQueue};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Names a resource.
pub trait Key: Ord + Clone + Debug + Send + Sync + 'static {
    /// Its namespace: turns are shared out fairly between these.
    fn tenant(&self) -> &Arc<str>;
}

/// Limits that an administrator may set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Looks, and attempts that do not hang, at the same time: so many of each.
    pub slots: usize,
    /// An attempt that has not ended after so long leaves its slot to others.
    pub slow_after: Duration,
    /// Issuer calls a second for one caller in one Region, in the long run.
    pub calls_per_second: u32,
    /// Issuer calls that may be made at once after a pause.
    pub burst: u32,
}

/// Keys that wait for a look or for admission, and looks and attempts under way.
#[derive(Debug)]
pub struct Queue<K: Key> {
    entries: BTreeMap<K, Entry>,
    /// Keys that wait for a time; those that wait for admission have one, too.
    timed: BTreeSet<(Timestamp, K)>,
    ready: Ready<K>,
    waiting: Waiting<K>,
    governor: Governor,
    rate_limits: RateLimits,
    pace: Pace,
    looks: usize,
    slots: usize,
    arrivals: u64,
}

/// One key.
#[derive(Debug)]
struct Entry {
    place: Place,
    /// Since when it waits for a look or for admission, by the time since boot.
    since: Duration,
    /// Its place in the order of arrival, kept from its first claim to the end of its attempt.
    claimed: Option<u64>,
}

#[derive(Debug)]
enum Place {
    Timed(Timestamp),
    Ready,
    Looking { again: bool },
    Waiting(Ticket, Timestamp),
    Attempting { again: bool, taken: Box<Reserved> },
}

/// Slot and calls that an attempt in flight has reserved.
#[derive(Debug)]
struct Reserved {
    permit: Permit,
    admission: Admission,
    tenant: Arc<str>,
    bucket: Arc<str>,
    calls: u32,
}

/// A key that is to be looked at.
#[derive(Debug)]
pub struct Due<K> {
    /// The key.
    pub key: K,
    /// How long it has waited for the look.
    pub waited: Duration,
}

/// A key whose issuer may be asked.
#[derive(Debug)]
pub struct Admitted<K> {
    /// The key.
    pub key: K,
    /// Records what becomes of it.
    pub admission: Admission,
    /// How long it has waited for admission.
    pub waited: Duration,
}

/// Lengths and waits, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Keys that are due and wait for a look.
    pub looks: usize,
    /// How long the first of them has waited.
    pub longest_look: Duration,
    /// Keys that wait for admission.
    pub claims: usize,
    /// How long the first of them has waited.
    pub longest_claim: Duration,
    /// Looks and attempts under way.
    pub running: usize,
}

/// A key that is in no place, or in two.
#[derive(Debug, PartialEq, Eq)]
pub struct Misplaced(pub String);

impl<K: Key> Queue<K> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            timed: BTreeSet::new(),
            ready: Ready::default(),
            waiting: Waiting::new(),
            governor: Governor::new(limits.slots, limits.slow_after),
            rate_limits: RateLimits::new(limits.calls_per_second, limits.burst),
            pace: Pace::default(),
            looks: 0,
            slots: limits.slots.max(1),
            arrivals: 0,
        }
    }

    /// An empty queue that metrics may read while [`run`](crate::run) works with it.
    pub fn shared(limits: Limits) -> SharedQueue<K> {
        Arc::new(Mutex::new(Self::new(limits)))
    }

    /// Something happened to `key`: it is looked at now, or after what is under way for it.
    pub fn touch(&mut self, key: K, now: Now) {
        match self.entries.get_mut(&key).map(|entry| &mut entry.place) {
            Some(Place::Looking { again } | Place::Attempting { again, .. }) => *again = true,
            Some(Place::Ready) => {}
            None | Some(Place::Timed(_) | Place::Waiting(..)) => self.make_ready(key, now),
        }
    }

    /// Every key is looked at: the clock was set, or the machine was suspended.
    pub fn touch_all(&mut self, now: Now) {
        let keys: Vec<K> = self.entries.keys().cloned().collect();
        keys.into_iter().for_each(|key| self.touch(key, now));
    }

    /// The next key to look at. Its look ends with [`looked`](Self::looked).
    pub fn due(&mut self, now: Now) -> Option<Due<K>> {
        while let Some((_, key)) = self.timed.first().filter(|(at, _)| *at <= now.wall).cloned() {
            let at = self.timed.first().map_or(now.wall, |(at, _)| *at);
            self.make_ready(key.clone(), now);
            let late = Duration::try_from(now.wall.duration_since(at)).unwrap_or_default();
            if let Some(entry) = self.entries.get_mut(&key).filter(|e| e.since == now.boot) {
                entry.since = now.boot.saturating_sub(late);
            }
        }
        if self.looks >= self.slots {
            return None;
        }
        let key = self.ready.pop()?;
        self.looks += 1;
        let entry = self.entries.get_mut(&key)?;
        entry.place = Place::Looking { again: false };
        Some(Due { waited: now.boot.saturating_sub(entry.since), key })
    }

    /// The next key whose issuer may be asked. Its attempt ends with
    /// [`attempted`](Self::attempted).
    pub fn admit(&mut self, now: Now) -> Option<Admitted<K>> {
        let Self { waiting, governor, rate_limits, pace, .. } = self;
        let rates = Rates { calls: rate_limits, attempts: pace };
        let Taken { key, tenant, bucket, endpoint, calls, spacing } =
            waiting.admit(governor, rates, now.boot)?;
        rate_limits.take(&bucket, calls, now.boot);
        pace.take(&tenant, spacing, now.boot);
        let permit = governor.start(&tenant, &endpoint, now.boot);
        let admission = Admission::default();
        let taken =
            Box::new(Reserved { permit, admission: admission.clone(), tenant, bucket, calls });
        let entry = self.entries.get_mut(&key)?;
        if let Place::Waiting(_, look_at) = entry.place {
            self.timed.remove(&(look_at, key.clone()));
        }
        entry.place = Place::Attempting { again: false, taken };
        Some(Admitted { waited: now.boot.saturating_sub(entry.since), key, admission })
    }

    /// A look has ended.
    pub fn looked(&mut self, key: &K, next: Next, now: Now) {
        let Some(Place::Looking { again }) = self.entries.get(key).map(|entry| &entry.place) else {
            return;
        };
        let again = *again;
        self.looks -= 1;
        self.settle(key, next, again, now);
    }

    /// An attempt has ended.
    pub fn attempted(&mut self, key: &K, next: Next, now: Now) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Place::Attempting { again, taken } = &entry.place else { return };
        let (again, used) = (*again, taken.admission.used());
        self.governor.end(taken.permit, used, now.boot);
        if used.is_none() {
            self.rate_limits.give_back(&taken.bucket, taken.calls);
            self.pace.give_back(&taken.tenant);
            self.waiting.give_back(&taken.tenant, taken.calls);
        }
        self.waiting.an_end();
        entry.claimed = None;
        self.settle(key, next, again, now);
    }

    /// How long nothing will happen if nothing else does; zero where something may start now.
    pub fn idle_for(&self, now: Now) -> Option<Duration> {
        if self.looks < self.slots && !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let timed = self.timed.first().map(|(at, _)| {
            Duration::try_from(at.duration_since(now.wall)).unwrap_or(Duration::ZERO)
        });
        let admission = self.waiting.next(now.boot).map(|at| at.saturating_sub(now.boot));
        timed.into_iter().chain(admission).min()
    }

    /// Whether something waits that is due.
    pub fn has_due(&self, now: Now) -> bool {
        !self.ready.is_empty()
            || self.waiting.len() > 0
            || self.timed.first().is_some_and(|(at, _)| *at <= now.wall)
    }

    /// Looks and attempts under way.
    pub fn running(&self) -> usize {
        self.looks + self.governor.running()
    }

    /// Lengths and waits at `now`.
    pub fn backlog(&self, now: Now) -> Backlog {
        let mut backlog = Backlog { running: self.running(), ..Backlog::default() };
        for entry in self.entries.values() {
            let waited = now.boot.saturating_sub(entry.since);
            match entry.place {
                Place::Ready => {
                    backlog.looks += 1;
                    backlog.longest_look = backlog.longest_look.max(waited);
                }
                Place::Waiting(..) => {
                    backlog.claims += 1;
                    backlog.longest_claim = backlog.longest_claim.max(waited);
                }
                Place::Timed(_) | Place::Looking { .. } | Place::Attempting { .. } => {}
            }
        }
        backlog
    }

    /// How many keys of each namespace wait for admission, of those that have some.
    pub fn waiting_by_tenant(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.waiting.by_tenant()
    }

    /// Forgets limits that are back at their start.
    pub fn tidy(&mut self, now: Now) {
        self.rate_limits.tidy(now.boot);
        self.pace.tidy(now.boot);
        self.governor.tidy();
        self.waiting.an_end();
        self.waiting.tidy();
    }

    /// Whether each key is in exactly one place.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), Misplaced> {
        let mut places: BTreeMap<&K, Vec<&'static str>> = BTreeMap::new();
        self.timed.iter().for_each(|(_, key)| places.entry(key).or_default().push("timed"));
        self.ready.keys().for_each(|key| places.entry(key).or_default().push("ready"));
        self.waiting.keys().for_each(|key| places.entry(key).or_default().push("waiting"));
        for (key, entry) in &self.entries {
            let expected: &[&str] = match entry.place {
                Place::Timed(_) => &["timed"],
                Place::Ready => &["ready"],
                Place::Waiting(..) => &["timed", "waiting"],
                Place::Looking { .. } | Place::Attempting { .. } => &[],
            };
            let found = places.remove(key).unwrap_or_default();
            if found != expected {
                return Err(Misplaced(format!("{key:?} is {:?}, but in {found:?}", entry.place)));
            }
        }
        match places.into_iter().next() {
            Some((key, found)) => Err(Misplaced(format!("{key:?} is unknown, but in {found:?}"))),
            None => Ok(()),
        }
    }

    /// Puts `key` where `next` says, unless something happened to it meanwhile.
    fn settle(&mut self, key: &K, next: Next, again: bool, now: Now) {
        if again {
            return self.make_ready(key.clone(), now);
        }
        let at = match next {
            Next::At(at) => at,
            Next::Change => now.wall.checked_add(LONGEST).unwrap_or(Timestamp::MAX),
            Next::Attempt(claim) => {
                let Some(entry) = self.entries.get_mut(key) else { return };
                if entry.claimed.is_none() {
                    entry.since = now.boot;
                }
                let arrival = *entry.claimed.get_or_insert(self.arrivals);
                self.arrivals += 1;
                let rates = Rates { calls: &self.rate_limits, attempts: &self.pace };
                let with = (&self.governor, rates);
                let ticket =
                    self.waiting.push(key.clone(), key.tenant(), &claim, arrival, with, now.boot);
                entry.place = Place::Waiting(ticket, claim.look_at);
                self.timed.insert((claim.look_at, key.clone()));
                return;
            }
            Next::Gone => {
                self.entries.remove(key);
                return;
            }
        };
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.claimed = None;
        if at <= now.wall {
            return self.make_ready(key.clone(), now);
        }
        entry.place = Place::Timed(at);
        self.timed.insert((at, key.clone()));
    }

    /// Has `key` wait for a look, and no longer for anything else.
    fn make_ready(&mut self, key: K, now: Now) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            place: Place::Ready,
            since: now.boot,
            claimed: None,
        });
        match entry.place {
            Place::Timed(at) => {
                self.timed.remove(&(at, key.clone()));
                entry.since = now.boot;
            }
            // It goes on waiting, as far as anyone can tell from outside.
            Place::Waiting(ticket, look_at) => {
                self.timed.remove(&(look_at, key.clone()));
                self.waiting.remove(ticket);
            }
            Place::Ready | Place::Looking { .. } | Place::Attempting { .. } => {
                entry.since = now.boot;
            }
        }
        entry.place = Place::Ready;
        self.ready.push(arrival, key);
    }
}

/// Keys that wait for a look: in turn over the namespaces, and in their order inside one.
#[derive(Debug)]
struct Ready<K> {
    turns: VecDeque<Arc<str>>,
    keys: BTreeMap<Arc<str>, BTreeMap<u64, K>>,
}

impl<K> Default for Ready<K> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), keys: BTreeMap::new() }
    }
}

impl<K: Key> Ready<K> {
    fn push(&mut self, arrival: u64, key: K) {
        let tenant = key.tenant().clone();
        let keys = self.keys.entry(tenant.clone()).or_insert_with(|| {
            self.turns.push_back(tenant);
            BTreeMap::new()
        });
        keys.insert(arrival, key);
    }

    fn pop(&mut self) -> Option<K> {
        let tenant = self.turns.pop_front()?;
        let keys = self.keys.get_mut(&tenant)?;
        let (_, key) = keys.pop_first()?;
        if keys.is_empty() {
            self.keys.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        Some(key)
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        self.keys.values().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
