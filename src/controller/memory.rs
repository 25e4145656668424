//! Writes of this process that its view of the cluster may not show yet.
//!
//! A watch lags behind the writes. Planning from a view that lacks one's own last write would ask
//! the issuer twice, so what was written is remembered until the view has caught up.

use super::ResourceName;
use super::feeds::Change;
use super::ledger::Ledger;
use super::pending::Writes;
use super::secret_meta::{SecretMeta, owner_uid};
use super::versions::older;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use refreshable_rules::timing::down_to_second;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A view that has not caught up after this long is no longer waited for: the object is read
/// instead.
pub(super) const CATCH_UP: SignedDuration = SignedDuration::from_secs(30);

/// The least time between two repairs of a Secret's labels, annotations and owner.
const REPAIR_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// The last writes for each resource, by its UID.
#[derive(Debug, Default)]
pub struct Memory {
    slots: Mutex<HashMap<Box<str>, Slot>>,
    /// Writes of Secrets that go on after their attempt.
    pub(super) writes: Writes,
    /// Attempts that the statuses do not tell of.
    pub(super) ledger: Ledger,
}

/// An entry as it is kept: of nearly all resources the version and the clock are all there is.
#[derive(Debug, Default)]
struct Slot {
    object_version: Option<Box<str>>,
    since: Timestamp,
    clock: Option<SignedDuration>,
    rest: Option<Box<Entry>>,
}

impl Slot {
    /// The entry, whose place this keeps until [`Slot::close`].
    fn open(&mut self) -> Entry {
        let rest = self.rest.take().map(|rest| *rest).unwrap_or_default();
        Entry {
            object_version: self.object_version.take().map(Into::into),
            since: self.since,
            clock: self.clock,
            ..rest
        }
    }

    fn close(&mut self, mut entry: Entry) {
        self.object_version = entry.object_version.take().map(Into::into);
        (self.since, self.clock) = (entry.since, entry.clock.take());
        self.rest = (!entry.is_plain()).then(|| Box::new(entry));
    }
}

/// The last writes for one resource, and what else only this process knows of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Resource version of the resource after the last status write.
    pub(super) object_version: Option<String>,
    /// The Secret as last written, or that it was deleted.
    pub(super) secret: Option<WrittenSecret>,
    /// The answer to a write never came: only the API server knows what is there.
    pub(super) write_outcome_unknown: bool,
    /// When something was last written.
    pub(super) since: Timestamp,
    /// Inputs that are not watched.
    pub(super) polled: Option<Polled>,
    /// Digests of inputs that were read because their version changed, with the version that was
    /// read.
    pub(super) compared: BTreeMap<String, (String, BTreeSet<String>)>,
    /// How far its issuer's clock was ahead of ours as that was when the process began.
    clock: Option<SignedDuration>,
    /// When the Secret's labels, annotations and owner were last repaired.
    repaired: Option<Timestamp>,
    /// Since when policies have denied it.
    pub(super) denied_since: Option<Timestamp>,
}

impl Entry {
    /// Whether nothing is known but what a [`Slot`] holds itself.
    fn is_plain(&self) -> bool {
        // By name, so that a field that is added later is not forgotten here and lost.
        let Self {
            object_version: _,
            since: _,
            clock: _,
            secret,
            write_outcome_unknown,
            polled,
            compared,
            repaired,
            denied_since,
        } = self;
        secret.is_none()
            && !write_outcome_unknown
            && polled.is_none()
            && compared.is_empty()
            && repaired.is_none()
            && denied_since.is_none()
    }
}

/// A look at inputs that are not watched.
#[derive(Clone, Debug)]
pub(super) struct Polled {
    pub(super) at: Timestamp,
    pub(super) looks: BTreeMap<String, Look>,
}

/// Result of a look at one input.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// `<uid>/<resourceVersion>`.
    Version(String),
    /// There is no such Secret.
    Absent,
    /// It may not be read.
    Refused,
}

impl Polled {
    pub(super) fn at(at: Timestamp) -> Self {
        Self { at, looks: BTreeMap::new() }
    }

    /// The same look at `names` alone.
    pub(super) fn of(mut self, names: &BTreeSet<String>) -> Self {
        self.looks.retain(|name, _| names.contains(name));
        self
    }
}

#[derive(Clone, Debug)]
pub(super) enum WrittenSecret {
    Applied(Box<ObjectMeta>),
    Deleted { uid: String },
}

impl Memory {
    pub(super) fn of(&self, uid: &str) -> Option<Entry> {
        self.known(uid, |entry| entry.clone())
    }

    pub(super) fn status_written(&self, uid: &str, version: Option<String>, now: Timestamp) {
        self.update(uid, now, |e| e.object_version = version);
    }

    /// Whether the Secret's metadata may be repaired at `now`; where not, when it may.
    pub(super) fn may_repair(&self, uid: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.any(uid, |entry| {
            match entry.repaired.map(|last| last + REPAIR_PAUSE).filter(|until| *until > now) {
                Some(until) if entry.repaired.is_some_and(|last| last <= now) => Err(until),
                _ => {
                    entry.repaired = Some(now);
                    Ok(())
                }
            }
        })
    }

    /// Policies deny the resource with this UID, which its status may tell since when: a status
    /// that somebody rewrites puts nothing off. Since when they have.
    pub(super) fn denied(&self, uid: &str, told: Option<Timestamp>, now: Timestamp) -> Timestamp {
        self.any(uid, |entry| {
            let known = entry.denied_since.into_iter().chain(told);
            let since = known.fold(down_to_second(now), Timestamp::min);
            entry.denied_since = Some(since);
            since
        })
    }

    /// Policies do not deny the resource with this UID.
    pub(super) fn not_denied(&self, uid: &str) {
        self.known(uid, |entry| entry.denied_since = None);
    }

    pub(super) fn secret_written(&self, uid: &str, meta: ObjectMeta, now: Timestamp) {
        self.update(uid, now, |e| {
            e.secret = Some(WrittenSecret::Applied(Box::new(meta)));
            e.write_outcome_unknown = false;
        });
    }

    pub(super) fn secret_deleted(&self, uid: &str, secret_uid: String, now: Timestamp) {
        self.update(uid, now, |e| e.secret = Some(WrittenSecret::Deleted { uid: secret_uid }));
    }

    /// Whether the last write for this UID arrived is unknown: the next look reads the resource and
    /// its Secret first.
    pub(super) fn write_outcome_unknown(&self, uid: &str, now: Timestamp) {
        self.update(uid, now, |e| e.write_outcome_unknown = true);
    }

    /// A write that goes on after its attempt has to give way to something else. It may have come
    /// through, or do so all the same.
    pub(super) fn give_up_write(&self, uid: &str, now: Timestamp) {
        if self.writes.drop_of(uid) {
            self.write_outcome_unknown(uid, now);
        }
    }

    pub(super) fn polled(&self, uid: &str, polled: Polled) {
        self.any(uid, |entry| entry.polled = Some(polled));
    }

    /// An attempt read inputs that are not watched. Others of them are due as before.
    pub(super) fn read_by_attempt(&self, uid: &str, looks: BTreeMap<String, Look>, now: Timestamp) {
        self.any(uid, |entry| {
            entry.polled.get_or_insert_with(|| Polled::at(now)).looks.extend(looks);
        });
    }

    /// No input of the resource with this UID needs to be looked at.
    pub(super) fn no_longer_polled(&self, uid: &str) {
        self.known(uid, |entry| entry.polled = None);
    }

    /// When the inputs of the resource with this UID were last looked at.
    pub(super) fn polled_at(&self, uid: &str) -> Option<Timestamp> {
        self.known(uid, |entry| entry.polled.as_ref().map(|p| p.at))?
    }

    /// The input `name` was read at `version`, and what was used of it has these digests.
    pub(super) fn compared(&self, uid: &str, name: &str, version: String, macs: BTreeSet<String>) {
        self.any(uid, |entry| match entry.compared.get_mut(name) {
            Some((at, known)) if *at == version => known.extend(macs),
            _ => drop(entry.compared.insert(name.to_owned(), (version, macs))),
        });
    }

    /// The clock of the issuer of the resource with this UID is so far ahead of ours as that was
    /// when the process began.
    pub(super) fn clock_learned(&self, uid: &str, ahead: SignedDuration) {
        self.any(uid, |entry| entry.clock = Some(ahead));
    }

    /// How far that clock is ahead, if that was learned.
    pub(super) fn clock_of(&self, uid: &str) -> Option<SignedDuration> {
        self.slots.lock().get(uid)?.clock
    }

    /// The view shows the Secret of the resource with this UID at `version`: what was written is
    /// forgotten once the view is as new.
    pub(super) fn secret_seen(&self, uid: &str, version: Option<&str>) {
        self.known(uid, |entry| {
            if let Some(WrittenSecret::Applied(written)) = &entry.secret
                && !older(version, written.resource_version.as_deref().unwrap_or_default())
            {
                entry.secret = None;
            }
        });
    }

    /// The Secret that was written and that the view has not shown, and when to look whether it is
    /// there still: it may have been deleted before the answer to the write came, or in the gap before
    /// a list, and no event tells again.
    pub(super) fn unseen(&self, uid: &str) -> Option<(ResourceName, Timestamp)> {
        let slots = self.slots.lock();
        let slot = slots.get(uid)?;
        match slot.rest.as_ref()?.secret.as_ref()? {
            WrittenSecret::Applied(meta) => {
                let [namespace, name] =
                    [&meta.namespace, &meta.name].map(|n| n.as_deref().unwrap_or_default().into());
                let until = slot.since + CATCH_UP + SignedDuration::from_secs(1);
                Some((ResourceName { namespace, name }, until))
            }
            WrittenSecret::Deleted { .. } => None,
        }
    }

    /// The view saw the Secret with this UID go.
    pub(super) fn secret_gone(&self, uid: &str, secret_uid: &str) {
        self.known(uid, |entry| {
            let same = match &entry.secret {
                Some(WrittenSecret::Applied(written)) => written.uid.as_deref() == Some(secret_uid),
                Some(WrittenSecret::Deleted { uid }) => uid == secret_uid,
                None => false,
            };
            if same {
                entry.secret = None;
            }
        });
    }

    /// Takes note of what the watch of own Secrets shows.
    pub(super) fn learn(&self, change: &Change<SecretMeta>) {
        if let Some(gone) = change.gone()
            && let Some(owner) = owner_uid(&gone.metadata)
        {
            self.secret_gone(owner, gone.metadata.uid.as_deref().unwrap_or_default());
        }
        if let Some(secret) = &change.after
            && let Some(owner) = owner_uid(&secret.metadata)
        {
            self.secret_seen(owner, secret.metadata.resource_version.as_deref());
        }
    }

    /// The resource with this UID was read at `version`, and its Secret, because the view is
    /// behind: until it shows as much, it is behind still. Where there is no Secret, the one that
    /// the view shows, with the UID `shown`, is gone.
    pub(super) fn read_back(
        &self,
        uid: &str,
        version: Option<String>,
        (secret, shown): (Option<ObjectMeta>, Option<String>),
        now: Timestamp,
    ) {
        let applied = secret.map(|meta| WrittenSecret::Applied(Box::new(meta)));
        let secret = applied.or(shown.map(|uid| WrittenSecret::Deleted { uid }));
        self.update(uid, now, |entry| {
            (entry.object_version, entry.secret, entry.write_outcome_unknown) =
                (version, secret, false);
        });
    }

    pub(super) fn forget(&self, uid: &str) {
        self.writes.drop_of(uid);
        self.ledger.forget(uid);
        self.slots.lock().remove(uid);
    }

    fn update(&self, uid: &str, now: Timestamp, change: impl FnOnce(&mut Entry)) {
        self.any(uid, |entry| {
            entry.since = now;
            change(entry);
        });
    }

    /// Does something with the entry of the resource with this UID, if there is one.
    fn known<T>(&self, uid: &str, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.slots.lock().get_mut(uid).map(|slot| in_slot(slot, act))
    }

    /// The same; where there is none, one begins.
    fn any<T>(&self, uid: &str, act: impl FnOnce(&mut Entry) -> T) -> T {
        in_slot(self.slots.lock().entry(uid.into()).or_default(), act)
    }
}

fn in_slot<T>(slot: &mut Slot, act: impl FnOnce(&mut Entry) -> T) -> T {
    let mut entry = slot.open();
    let done = act(&mut entry);
    slot.close(entry);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(uid: &str, version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some(uid.into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_write_is_remembered_until_the_view_is_as_new() {
        let memory = Memory::default();
        let now = Timestamp::UNIX_EPOCH;
        memory.secret_written("me", meta("s", "10"), now);
        memory.secret_seen("me", Some("9"));
        assert!(memory.of("me").expect("entry").secret.is_some());
        memory.secret_seen("me", Some("10"));
        assert!(memory.of("me").expect("entry").secret.is_none());
    }

    #[test]
    fn a_grace_period_cannot_be_drawn_out() {
        let memory = Memory::default();
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        assert_eq!(memory.denied("me", None, at(100)), at(100));
        // Somebody takes the time out of the status, or sets it later; the clock steps.
        assert_eq!(memory.denied("me", None, at(200)), at(100));
        assert_eq!(memory.denied("me", Some(at(5000)), at(200)), at(100));
        assert_eq!(
            memory.denied("me", Some(at(90)), at(200)),
            at(90),
            "what an earlier process saw"
        );
        assert_eq!(memory.denied("me", None, at(50)), at(50));
        memory.not_denied("me");
        assert_eq!(memory.denied("me", None, at(300)), at(300));
        assert_eq!(memory.denied("other", Some(at(5000)), at(300)), at(300));
    }

    #[test]
    fn an_earlier_secret_s_end_does_not_hide_the_new_one() {
        let memory = Memory::default();
        memory.secret_written("me", meta("new", "10"), Timestamp::UNIX_EPOCH);
        memory.secret_gone("me", "old");
        assert!(memory.of("me").expect("entry").secret.is_some());
        memory.secret_gone("me", "new");
        assert!(memory.of("me").expect("entry").secret.is_none());
    }
}
