//! When a resource is looked at again.

use jiff::Timestamp;

/// When a resource is to be looked at again, if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At that time.
    At(Timestamp),
    /// When something changes.
    Change,
}

/// The earlier of a time and an expiry that still lies ahead: the status turns with it.
pub(super) fn first(until: Timestamp, expiration: Option<Timestamp>, now: Timestamp) -> Timestamp {
    expiration.filter(|e| *e > now).map_or(until, |e| until.min(e))
}
