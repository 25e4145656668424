//! Leader election by a Lease, and the fence that keeps a former leader from writing.
//!
//! The holder counts its lease as valid from the moment it *sent* a renewal that succeeded, and for
//! less long than others wait before they take it: every write it began before the end of that time
//! has returned, or timed out, before somebody else can lead. The holder's clock goes on while its
//! machine is suspended, as the others' do; who waits counts only the time that it was awake for.
//! Clocks of different machines are never compared, only how long a lease has been seen unchanged
//! (as client-go does).
//!
//! A version of the Lease that is lower than one seen before tells that the API server's data were
//! replaced by older ones (etcd restored from a snapshot). A watch that goes on from a version that
//! is still to come shows nothing until then, for hours (kubernetes/kubernetes#107457): the lease
//! counts as lost, and the process that begins anew lists everything.
//!
//! It is our own because the libraries for this (`kube-leader-election`, `kubert`) tell who leads,
//! and leave it to the caller to stop in time. The fence needs the moment at which a renewal was
//! sent, on a clock that goes on in suspension.

use super::Metrics;
use super::call::{CallError, bounded};
use super::lease_timings::LeaseTimings;
use super::versions::older;
use crate::clock::{SharedClock, SystemClock};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the lease is read and written in one attempt, where others write it in between.
const TRIES: u32 = 3;

/// The calls as metrics name them.
const GET: &str = "get leases";
const CREATE: &str = "create leases";
const UPDATE: &str = "update leases";

/// The proof that this process leads, asked before every write. Clones share it.
#[derive(Clone, Debug)]
pub struct Fence {
    proof: Arc<Mutex<Proof>>,
    clock: SharedClock,
    timings: LeaseTimings,
}

#[derive(Clone, Copy, Debug)]
enum Proof {
    Always,
    /// By [`Clock::boot`](crate::clock::Clock::boot): others wait on while this machine is
    /// suspended.
    Until(Duration),
    Never,
}

/// This process cannot prove that it leads.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("this process does not hold the lease, or cannot prove that it does")]
pub struct NotLeading;

impl Fence {
    /// A fence that is always open, for a controller without leader election.
    pub fn open() -> Self {
        Self {
            proof: Arc::new(Mutex::new(Proof::Always)),
            clock: Arc::new(SystemClock),
            timings: LeaseTimings::default(),
        }
    }

    /// A fence that is closed until a lease is held. By `clock`, it is relied on as long as
    /// `timings` say.
    pub fn closed(clock: SharedClock, timings: LeaseTimings) -> Self {
        Self { proof: Arc::new(Mutex::new(Proof::Never)), clock, timings }
    }

    /// How long writes may still take.
    ///
    /// # Errors
    /// [`NotLeading`] where the lease has been lost or its renewal is overdue.
    pub fn check(&self) -> Result<Duration, NotLeading> {
        match *self.lock() {
            Proof::Always => Ok(Duration::MAX),
            Proof::Never => Err(NotLeading),
            Proof::Until(end) => {
                let relied = end.saturating_sub(self.clock.boot());
                if relied.is_zero() { Err(NotLeading) } else { Ok(relied + self.timings.margin()) }
            }
        }
    }

    /// Opens the fence for as long as a renewal may be relied on that was sent at `sent`, by the
    /// clock's [`boot`](crate::clock::Clock::boot).
    pub fn renewed(&self, sent: Duration) {
        *self.lock() = Proof::Until(sent + self.timings.renew_deadline());
    }

    /// Closes the fence.
    pub fn close(&self) {
        *self.lock() = Proof::Never;
    }

    /// Whether it was open, and lapsed for want of a renewal.
    fn has_lapsed(&self) -> bool {
        let proof = *self.lock();
        matches!(proof, Proof::Until(_)) && self.check().is_err()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Proof> {
        self.proof.lock()
    }
}

/// One candidate for a Lease.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    fence: Fence,
    metrics: Metrics,
    /// The version last seen in somebody else's hand, and since when.
    seen: Option<(String, Instant)>,
    /// The lease's count of holders since this process holds it.
    term: Option<i32>,
    /// The version last seen, in whosever hand.
    newest: Option<String>,
    /// As this process last wrote it: a renewal needs no read, as the version goes with the write.
    written: Option<Lease>,
}

impl Candidate {
    /// A candidate with the name `identity` for the Lease `name`, which opens and closes `fence`.
    pub fn new(
        client: kube::Client,
        namespace: &str,
        name: &str,
        identity: &str,
        fence: Fence,
        metrics: Metrics,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            fence,
            metrics,
            seen: None,
            term: None,
            newest: None,
            written: None,
        }
    }

    fn timings(&self) -> LeaseTimings {
        self.fence.timings
    }

    /// Waits until the lease is held. `heard` is called after every answer of the API server.
    pub(super) async fn acquire(&mut self, heard: impl Fn()) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => heard(),
                Err(error) => {
                    tracing::warn!(%error, lease = self.name, "the lease cannot be read or written")
                }
            }
            tokio::time::sleep(self.timings().retry_period()).await;
        }
    }

    /// Renews the lease until somebody else has it. `heard` is called after every renewal. While
    /// nothing can be learned of the lease it is not lost: the fence closes by itself, and opens
    /// with the next renewal.
    pub(super) async fn hold(&mut self, heard: impl Fn()) {
        let mut begun = Instant::now();
        loop {
            // From one renewal to the next: a slow answer does not put it off.
            tokio::time::sleep_until(begun + self.timings().retry_period()).await;
            begun = Instant::now();
            match self.attempt().await {
                Ok(true) => heard(),
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, lease = self.name, "the lease cannot be renewed")
                }
            }
            self.metrics.leads(self.fence.check().is_ok());
        }
        self.fence.close();
    }

    /// Gives the lease back, so that another candidate need not wait for its end.
    pub(super) async fn release(&mut self) {
        self.fence.close();
        let mut released = self.give_back().await;
        for _ in 1..TRIES {
            if !released.as_ref().is_err_and(CallError::is_conflict) {
                break;
            }
            released = self.give_back().await;
        }
        if let Err(error) = released {
            tracing::warn!(%error, lease = self.name, "the lease could not be given back; it ends by itself");
        }
    }

    async fn give_back(&self) -> Result<(), CallError> {
        let mut lease = self.call(GET, self.api.get(&self.name)).await?;
        if holder(&lease) == Some(&self.identity) {
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            self.call(UPDATE, self.api.replace(&self.name, &PostParams::default(), &lease)).await?;
        }
        Ok(())
    }

    /// Takes or renews the lease; `false` where it is in somebody else's hand.
    async fn attempt(&mut self) -> Result<bool, CallError> {
        let mut outcome = self.one_try().await;
        for _ in 1..TRIES {
            // Somebody wrote in between, or deleted it: who holds it now decides, and a label that
            // was put on it does not.
            if !outcome.as_ref().is_err_and(|e| e.is_conflict() || e.is_not_found()) {
                break;
            }
            outcome = self.one_try().await;
        }
        outcome
    }

    async fn one_try(&mut self) -> Result<bool, CallError> {
        let sent = self.fence.clock.boot();
        let read = match self.written.take() {
            Some(lease) => Some(lease),
            None => self.call(GET, self.api.get_opt(&self.name)).await?,
        };
        if read.as_ref().is_some_and(|lease| self.goes_back(lease)) {
            return Ok(false);
        }
        let written = match read {
            None => {
                let metadata =
                    ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(self.spec(None)) };
                self.call(CREATE, self.api.create(&PostParams::default(), &lease)).await?
            }
            Some(lease) if !self.may_take(&lease) => return Ok(false),
            Some(lease) => {
                // The resource version that was read goes with the write: of two candidates one
                // gets a conflict.
                let lease = Lease { spec: Some(self.spec(lease.spec.as_ref())), ..lease };
                self.call(UPDATE, self.api.replace(&self.name, &PostParams::default(), &lease))
                    .await?
            }
        };
        if self.goes_back(&written) {
            return Ok(false);
        }
        if self.fence.has_lapsed() {
            tracing::warn!(
                lease = self.name,
                "the lease is renewed, late: what was put off meanwhile is done now"
            );
        }
        self.term = Some(term(&written));
        self.written = Some(written);
        self.fence.renewed(sent);
        Ok(true)
    }

    /// Whether `lease` is of an older version than one seen before.
    fn goes_back(&mut self, lease: &Lease) -> bool {
        let version = lease.metadata.resource_version.clone();
        let before = std::mem::replace(&mut self.newest, version);
        let back = before.is_some_and(|before| older(self.newest.as_deref(), &before));
        if back {
            tracing::error!(
                lease = self.name,
                "the API server's data were replaced by older ones: all that is known of them is void"
            );
        }
        back
    }

    async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        self.metrics.kubernetes(what, bounded(self.timings().call(), call)).await
    }

    fn may_take(&mut self, lease: &Lease) -> bool {
        // Who held it since may have written what this process does not know of.
        if self.term.is_some_and(|t| t != term(lease)) {
            return false;
        }
        let held = holder(lease).is_some_and(|h| *h != self.identity);
        if !held {
            self.seen = None;
            return true;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let ours = self.timings().duration();
        let seconds = lease
            .spec
            .as_ref()
            .and_then(|s| s.lease_duration_seconds)
            .and_then(|s| u64::try_from(s).ok());
        let respected = seconds.map_or(ours, Duration::from_secs).max(ours);
        match &self.seen {
            Some((seen, since)) if *seen == version => since.elapsed() > respected,
            _ => {
                self.seen = Some((version, Instant::now()));
                false
            }
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let mine = before.is_some_and(|b| b.holder_identity.as_deref() == Some(&self.identity));
        let now = MicroTime(self.fence.clock.now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timings().duration().as_secs()).ok(),
            acquire_time: before
                .filter(|_| mine)
                .and_then(|b| b.acquire_time.clone())
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(
                before.and_then(|b| b.lease_transitions).unwrap_or_default() + i32::from(!mine),
            ),
            ..LeaseSpec::default()
        }
    }
}

/// How many holders it has had.
fn term(lease: &Lease) -> i32 {
    lease.spec.as_ref().and_then(|s| s.lease_transitions).unwrap_or_default()
}

fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|h| !h.is_empty())
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
