//! When a resource is looked at again: what the controller adds to the engine's [`Next`].

use jiff::Timestamp;
pub use refreshable_engine::Next;

/// The earlier of a time and an expiry that still lies ahead: the status turns with it.
pub(super) fn first(until: Timestamp, expiration: Option<Timestamp>, now: Timestamp) -> Timestamp {
    expiration.filter(|e| *e > now).map_or(until, |e| until.min(e))
}
