//! The attempts of each resource, as far as its status does not tell of them: the one under way, how
//! long its source rests, and a status that the API server does not take.
//!
//! An attempt is entered before its issuer is asked, as the failure that it is if it never comes to
//! its end: whatever happens in between, the next look finds a pause and a count. The rules see the
//! status [merged](Ledger::merged) with what stands here.

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use refreshable_api::{RefreshableCredential, RefreshableCredentialStatus};
use refreshable_rules::failure::RecordedFailure;
use std::collections::HashMap;
use std::sync::Arc;

/// Pause after the first status write that failed; it doubles up to [`LONGEST_STATUS_PAUSE`].
const STATUS_PAUSE: SignedDuration = SignedDuration::from_secs(2);
const LONGEST_STATUS_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// Attempts by the UID of their resource. A resource whose status tells all takes no room.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<HashMap<Box<str>, Account>>);

/// One resource's attempts that its status does not tell of.
#[derive(Debug, Default, PartialEq)]
struct Account {
    /// The failure that the attempt under way is, should it never come to its end.
    under_way: Option<Box<RecordedFailure>>,
    /// The source had nothing newer than what is published; it is asked again at that time.
    not_before: Option<Timestamp>,
    /// A status that the API server does not take.
    unsaved: Option<Box<Unsaved>>,
}

#[derive(Debug, PartialEq)]
struct Unsaved {
    status: RefreshableCredentialStatus,
    tries: u32,
    next_try: Timestamp,
}

impl Ledger {
    /// An attempt begins: should it never come to its end, it counts as `failure`.
    pub(super) fn began(&self, uid: &str, failure: RecordedFailure) {
        self.any(uid, |account| account.under_way = Some(Box::new(failure)));
    }

    /// The attempt failed; the status is told of that.
    pub(super) fn failed(&self, uid: &str) {
        self.known(uid, |account| account.under_way = None);
    }

    /// The attempt ended with what it obtained published.
    pub(super) fn published(&self, uid: &str, now: Timestamp) {
        self.known(uid, |account| {
            account.under_way = None;
            account.not_before = account.not_before.filter(|until| *until > now);
        });
    }

    /// The source had nothing newer than what is published: it rests until then.
    pub(super) fn rests(&self, uid: &str, until: Timestamp) {
        self.any(uid, |account| {
            account.under_way = None;
            account.not_before = Some(until);
        });
    }

    /// When a source is asked again that had nothing newer.
    pub(super) fn not_before(&self, uid: &str) -> Option<Timestamp> {
        self.lock().get(uid)?.not_before
    }

    /// The API server does not take `status`: it is kept here, and tried again at the time that is
    /// returned.
    pub(super) fn status_refused(
        &self,
        uid: &str,
        status: RefreshableCredentialStatus,
        now: Timestamp,
    ) -> Timestamp {
        self.any(uid, |account| {
            let tries = account.unsaved.as_ref().map_or(0, |u| u.tries);
            let pause = STATUS_PAUSE.saturating_mul(1 << tries.min(5)).min(LONGEST_STATUS_PAUSE);
            let (tries, next_try) = (tries.saturating_add(1), now + pause);
            account.unsaved = Some(Box::new(Unsaved { status, tries, next_try }));
            next_try
        })
    }

    /// `status` waits for the lease: it is written as soon as that is renewed.
    pub(super) fn status_put_off(
        &self,
        uid: &str,
        status: RefreshableCredentialStatus,
        now: Timestamp,
    ) {
        let unsaved = Unsaved { status, tries: 0, next_try: now };
        self.any(uid, |account| account.unsaved = Some(Box::new(unsaved)));
    }

    /// The API server has the status.
    pub(super) fn status_written(&self, uid: &str) {
        self.known(uid, |account| account.unsaved = None);
    }

    /// When a status that could not be written is tried again.
    pub(super) fn status_retry(&self, uid: &str) -> Option<Timestamp> {
        self.lock().get(uid)?.unsaved.as_ref().map(|u| u.next_try)
    }

    /// `object` with the status that this process knows, where that is another than the API
    /// server's.
    pub(super) fn merged(
        &self,
        uid: &str,
        object: Arc<RefreshableCredential>,
    ) -> Arc<RefreshableCredential> {
        let accounts = self.lock();
        let Some(account) = accounts.get(uid) else { return object };
        if account.unsaved.is_none() && account.under_way.is_none() {
            return object;
        }
        let mut object = Arc::unwrap_or_clone(object);
        if let Some(unsaved) = &account.unsaved {
            object.status = Some(unsaved.status.clone());
        }
        if let Some(failure) = &account.under_way {
            failure.as_ref().clone().put_into(object.status.get_or_insert_default());
        }
        Arc::new(object)
    }

    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Does something with the account of the resource with this UID, if there is one.
    fn known(&self, uid: &str, act: impl FnOnce(&mut Account)) {
        let mut accounts = self.lock();
        let Some(account) = accounts.get_mut(uid) else { return };
        act(account);
        if *account == Account::default() {
            accounts.remove(uid);
        }
    }

    /// The same; where there is none, one begins.
    fn any<T>(&self, uid: &str, act: impl FnOnce(&mut Account) -> T) -> T {
        act(self.lock().entry(uid.into()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Account>> {
        self.0.lock()
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
