//! Claims that wait for admission, and whose turn it is.
//!
//! Fair over namespaces: each is served calls, and the one that was served least goes first, in
//! steps of [`QUANTUM`] calls. Inside a step the more urgent band goes first, then the earlier
//! expiry; claims that have expired go in their order of arrival. Between namespaces a band counts
//! only while its namespace is not more than a step ahead of the one that was served least: making
//! everything urgent, or making ten thousand resources, displaces no other namespace.
//!
//! A namespace that begins to wait starts at the virtual time, which is what the least served of
//! those that wait has got: it neither saves up what it did not use, nor forgets by a pause what it
//! got in excess. One that may not be served now, because too many of its attempts are under way or
//! its administrator limits them, counts as one that does not wait. Otherwise the virtual time
//! would stand still for as long, and whoever comes would go before all that were served meanwhile.
//! For the same reason it starts no lower than those that the caller and endpoint of its claims
//! served last, whose limits may grant more than those of others.
//! (This is start-time fair queueing: Goyal, Vin, Cheng, "Start-time fair queuing",
//! 1997.)

use crate::governor::Governor;
use crate::pace::Pace;
use crate::rate_limits::RateLimits;
use crate::{Band, Claim};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Namespaces whose share differs by fewer calls than this count as served alike.
const QUANTUM: u64 = 8;

/// Order of the claims of one namespace: band, expiry in milliseconds, and order of arrival.
type Rank = (Band, i64, u64);
/// Order of the namespaces: band and step of their first claim, its expiry, and the namespace.
type Turn = (Band, u64, i64, usize);

/// Claims that wait.
#[derive(Debug)]
pub(crate) struct Waiting<K> {
    tenants: Vec<Tenant<K>>,
    by_name: BTreeMap<Arc<str>, usize>,
    lanes: Vec<Lane>,
    by_lane: BTreeMap<(Arc<str>, Arc<str>), usize>,
    /// Namespaces that have a claim.
    turns: BTreeSet<Turn>,
    /// The same without those that are held, by what they were served.
    served: BTreeSet<(u64, usize)>,
    /// Namespaces with a claim that were found to have no room, or no attempt left.
    held: BTreeSet<usize>,
    virtual_time: u64,
    count: usize,
    scan: u64,
    stuck: Option<Stuck>,
}

#[derive(Debug)]
struct Tenant<K> {
    name: Arc<str>,
    /// How far apart its attempts lie, as its last claim says.
    spacing: Duration,
    served: u64,
    turn: Option<Turn>,
    /// By lane.
    claims: BTreeMap<usize, BTreeMap<Rank, (K, u32)>>,
}

impl<K> Tenant<K> {
    /// From when on it may be served, as far as that depends on itself: its attempts a minute; `None`
    /// while one of its attempts has to end first.
    fn free_at(&self, governor: &Governor, rates: Rates<'_>, now: Duration) -> Option<Duration> {
        let granted_at = || rates.attempts.granted_at(&self.name, self.spacing, now);
        governor.tenant_has_room(&self.name).then(granted_at)
    }
}

/// Claims that are limited together: by an endpoint, and by the calls of one caller.
#[derive(Debug)]
struct Lane {
    bucket: Arc<str>,
    endpoint: Arc<str>,
    /// Calls that the namespace that was served here last had got, less a step.
    level: u64,
    /// The scan that found it blocked.
    blocked_in: u64,
}

/// Why nothing could be admitted: it is not tried again until one of these changes.
#[derive(Clone, Copy, Debug, Default)]
struct Stuck {
    /// The end of an attempt may help.
    on_an_end: bool,
    /// From then on calls are granted, or a slot is free, by the time since boot.
    until: Option<Duration>,
}

impl Stuck {
    fn by(&mut self, until: Duration) {
        self.until = Some(self.until.map_or(until, |before| before.min(until)));
    }

    /// See [`Tenant::free_at`].
    fn until(&mut self, free_at: Option<Duration>) {
        match free_at {
            Some(at) => self.by(at),
            None => self.on_an_end = true,
        }
    }
}

/// Where a claim waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    tenant: usize,
    lane: usize,
    rank: Rank,
}

/// A claim that was admitted.
#[derive(Debug)]
pub(crate) struct Taken<K> {
    pub(crate) key: K,
    pub(crate) tenant: Arc<str>,
    pub(crate) bucket: Arc<str>,
    pub(crate) endpoint: Arc<str>,
    pub(crate) calls: u32,
    pub(crate) spacing: Duration,
}

/// How many calls and attempts may start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates<'a> {
    /// Calls, for each caller.
    pub(crate) calls: &'a RateLimits,
    /// Attempts, for each namespace.
    pub(crate) attempts: &'a Pace,
}

impl<K: Clone> Waiting<K> {
    pub(crate) fn new() -> Self {
        Self {
            tenants: Vec::new(),
            by_name: BTreeMap::new(),
            lanes: Vec::new(),
            by_lane: BTreeMap::new(),
            turns: BTreeSet::new(),
            served: BTreeSet::new(),
            held: BTreeSet::new(),
            virtual_time: 0,
            count: 0,
            scan: 0,
            stuck: None,
        }
    }

    /// A claim begins to wait. `arrival` is kept where the same key waited before and was only
    /// looked at.
    pub(crate) fn push(
        &mut self,
        key: K,
        tenant: &Arc<str>,
        claim: &Claim,
        arrival: u64,
        (governor, rates): (&Governor, Rates<'_>),
        now: Duration,
    ) -> Ticket {
        let (tenant, lane) = (self.tenant(tenant), self.lane(claim));
        self.tenants[tenant].spacing = claim.spacing;
        let expires = match claim.band {
            // There is nothing left to save: who failed goes behind those that have not tried.
            Band::Expired => i64::MIN,
            _ => claim.expires.map_or(i64::MAX, jiff::Timestamp::as_millisecond),
        };
        let rank = (claim.band, expires, arrival);
        self.tenants[tenant].claims.entry(lane).or_default().insert(rank, (key, claim.calls));
        self.count += 1;
        self.index(tenant);
        if let Some(stuck) = &mut self.stuck {
            let free = governor.tenant_has_room(&self.tenants[tenant].name)
                && governor.endpoint_has_room(&claim.endpoint);
            let at = rates
                .calls
                .granted_at(&claim.bucket, claim.calls, now)
                .max(rates.attempts.granted_at(&self.tenants[tenant].name, claim.spacing, now));
            match free && at <= now {
                true => self.stuck = None,
                false if free => stuck.by(at),
                false => stuck.on_an_end = true,
            }
        }
        Ticket { tenant, lane, rank }
    }

    /// A claim no longer waits.
    pub(crate) fn remove(&mut self, ticket: Ticket) {
        let tenant = &mut self.tenants[ticket.tenant];
        let Some(claims) = tenant.claims.get_mut(&ticket.lane) else { return };
        if claims.remove(&ticket.rank).is_some() {
            self.count -= 1;
        }
        if claims.is_empty() {
            tenant.claims.remove(&ticket.lane);
        }
        self.index(ticket.tenant);
    }

    /// The claim whose turn it is at `now`, if one may go.
    pub(crate) fn admit(
        &mut self,
        governor: &mut Governor,
        rates: Rates<'_>,
        now: Duration,
    ) -> Option<Taken<K>> {
        if self.stuck.is_some_and(|stuck| stuck.until.is_none_or(|until| now < until)) {
            return None;
        }
        self.stuck = None;
        if self.count == 0 {
            return None;
        }
        if !governor.has_room(now) {
            self.stuck = Some(Stuck { on_an_end: true, until: governor.next_room() });
            return None;
        }
        let (found, stuck) = self.first(governor, rates, now);
        let Some(ticket) = found else {
            self.stuck = Some(stuck);
            return None;
        };
        let (key, calls) = self.tenants[ticket.tenant].claims[&ticket.lane][&ticket.rank].clone();
        self.remove(ticket);
        self.serve(ticket, u64::from(calls.max(1)));
        let (tenant, lane) = (&self.tenants[ticket.tenant], &self.lanes[ticket.lane]);
        Some(Taken {
            key,
            tenant: tenant.name.clone(),
            bucket: lane.bucket.clone(),
            endpoint: lane.endpoint.clone(),
            calls,
            spacing: tenant.spacing,
        })
    }

    fn first(
        &mut self,
        governor: &Governor,
        rates: Rates<'_>,
        now: Duration,
    ) -> (Option<Ticket>, Stuck) {
        self.scan += 1;
        let mut stuck = self.release(governor, rates, now);
        let mut held = Vec::new();
        let mut best: Option<((bool, Band, u64, i64), Ticket)> = None;
        for &(band, step, expires, id) in &self.turns {
            // Those that follow cannot be before this.
            if best.as_ref().is_some_and(|(order, _)| *order <= (false, band, step, expires)) {
                break;
            }
            let tenant = &self.tenants[id];
            let ahead = tenant.served > self.virtual_time + QUANTUM;
            if self.held.contains(&id) {
                continue;
            }
            let free_at = tenant.free_at(governor, rates, now);
            if free_at.is_none_or(|at| at > now) {
                stuck.until(free_at);
                held.push(id);
                continue;
            }
            for (&lane_id, claims) in &tenant.claims {
                let Some((&rank, &(_, calls))) = claims.first_key_value() else { continue };
                let lane = &mut self.lanes[lane_id];
                if lane.blocked_in == self.scan {
                    continue;
                }
                if !governor.endpoint_has_room(&lane.endpoint) {
                    stuck.on_an_end = true;
                    lane.blocked_in = self.scan;
                    continue;
                }
                let at = rates.calls.granted_at(&lane.bucket, calls, now);
                if at > now {
                    stuck.by(at);
                    // Claims of fewer calls that come later in the order would take the calls that
                    // this one waits for, again and again. One that is ahead of its share waits.
                    if !ahead {
                        lane.blocked_in = self.scan;
                    }
                    continue;
                }
                let order = (ahead, rank.0, step, rank.1);
                if best.as_ref().is_none_or(|(before, _)| order < *before) {
                    best = Some((order, Ticket { tenant: id, lane: lane_id, rank }));
                }
            }
        }
        for id in held {
            self.hold(id);
        }
        (best.map(|(_, ticket)| ticket), stuck)
    }

    /// A namespace may not be served now: until it may, it counts as one that does not wait.
    fn hold(&mut self, id: usize) {
        if self.held.insert(id) {
            self.served.remove(&(self.tenants[id].served, id));
            self.advance();
        }
    }

    /// Those that were held and may be served again begin to wait now. What the others wait for.
    fn release(&mut self, governor: &Governor, rates: Rates<'_>, now: Duration) -> Stuck {
        let (mut stuck, mut free) = (Stuck::default(), Vec::new());
        for &id in &self.held {
            match self.tenants[id].free_at(governor, rates, now) {
                Some(at) if at <= now => free.push(id),
                later => stuck.until(later),
            }
        }
        for id in free {
            self.unindex(id);
            self.index(id);
        }
        stuck
    }

    /// An attempt has ended, or a limit has changed.
    pub(crate) fn an_end(&mut self) {
        if self.stuck.is_some_and(|stuck| stuck.on_an_end) {
            self.stuck = None;
        }
    }

    /// Calls were given back.
    pub(crate) fn give_back(&mut self, tenant: &str, calls: u32) {
        self.stuck = None;
        if let Some(&tenant) = self.by_name.get(tenant) {
            let back = u64::from(calls.max(1));
            self.unindex(tenant);
            self.tenants[tenant].served = self.tenants[tenant].served.saturating_sub(back);
            self.index(tenant);
        }
    }

    /// How many claims wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many claims each namespace has, of those that have some.
    pub(crate) fn by_tenant(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let counts =
            self.tenants.iter().map(|t| (&t.name, t.claims.values().map(BTreeMap::len).sum()));
        counts.filter(|(_, count)| *count > 0)
    }

    /// When the next claim may go without anything else happening, by the time since boot.
    pub(crate) fn next(&self, now: Duration) -> Option<Duration> {
        match (self.count, self.stuck) {
            (0, _) => None,
            (_, None) => Some(now),
            (_, Some(stuck)) => stuck.until,
        }
    }

    /// Forgets namespaces and lanes without claims, once that makes no difference.
    pub(crate) fn tidy(&mut self) {
        if self.count == 0 {
            let ahead = |tenant: &Tenant<K>| tenant.served > self.virtual_time;
            if !self.tenants.iter().any(ahead) {
                let virtual_time = self.virtual_time;
                *self = Self { virtual_time, ..Self::new() };
            } else {
                // Without claims, being ahead means nothing.
                let most = self.tenants.iter().map(|t| t.served).max().unwrap_or_default();
                self.virtual_time = self.virtual_time.max(most);
            }
        }
    }

    /// The keys that wait.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.tenants
            .iter()
            .flat_map(|t| t.claims.values())
            .flat_map(BTreeMap::values)
            .map(|(k, _)| k)
    }

    fn tenant(&mut self, name: &Arc<str>) -> usize {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        let id = self.tenants.len();
        let served = self.virtual_time;
        let (spacing, claims) = (Duration::ZERO, BTreeMap::new());
        let tenant = Tenant { name: name.clone(), spacing, served, turn: None, claims };
        self.tenants.push(tenant);
        self.by_name.insert(name.clone(), id);
        id
    }

    fn lane(&mut self, claim: &Claim) -> usize {
        let lane = (claim.bucket.clone(), claim.endpoint.clone());
        *self.by_lane.entry(lane).or_insert_with_key(|(bucket, endpoint)| {
            let (bucket, endpoint) = (bucket.clone(), endpoint.clone());
            self.lanes.push(Lane { bucket, endpoint, level: 0, blocked_in: 0 });
            self.lanes.len() - 1
        })
    }

    fn serve(&mut self, Ticket { tenant, lane, .. }: Ticket, calls: u64) {
        self.unindex(tenant);
        let level = &mut self.lanes[lane].level;
        *level = (*level).max(self.tenants[tenant].served.saturating_sub(QUANTUM));
        self.tenants[tenant].served += calls;
        self.index(tenant);
        self.advance();
    }

    fn advance(&mut self) {
        if let Some((least, _)) = self.served.first() {
            self.virtual_time = self.virtual_time.max(*least);
        }
    }

    fn unindex(&mut self, id: usize) {
        if let Some(turn) = self.tenants[id].turn.take() {
            self.turns.remove(&turn);
            self.served.remove(&(self.tenants[id].served, id));
            self.held.remove(&id);
        }
    }

    /// Puts a namespace where its first claim belongs.
    fn index(&mut self, id: usize) {
        let waited = self.tenants[id].turn.is_some();
        let held = self.held.contains(&id);
        self.unindex(id);
        let tenant = &mut self.tenants[id];
        let firsts = tenant.claims.values().filter_map(|c| c.first_key_value());
        let Some((&(band, expires, _), _)) = firsts.min_by_key(|(rank, _)| **rank) else { return };
        if !waited {
            let levels = tenant.claims.keys().map(|lane| self.lanes[*lane].level);
            let start = levels.min().unwrap_or_default().max(self.virtual_time);
            tenant.served = tenant.served.max(start);
        }
        let turn = (band, tenant.served / QUANTUM, expires, id);
        tenant.turn = Some(turn);
        self.turns.insert(turn);
        match held {
            true => self.held.insert(id),
            false => self.served.insert((tenant.served, id)),
        };
    }
}
