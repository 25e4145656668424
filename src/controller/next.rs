//! When a resource is looked at again.

use jiff::{SignedDuration, Timestamp};

/// The longest time between two looks at a resource that waits for a change: a watch that says
/// nothing, or a decision made from what has changed since, leaves nothing behind for longer.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// When a resource is to be looked at again, if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At that time.
    At(Timestamp),
    /// When something changes, and after [`LONGEST`] all the same.
    Change,
}

impl Next {
    /// When that is at the latest, decided at `now`. Every resource has such a time.
    pub fn at_latest(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(then) => then,
            Self::Change => now + LONGEST,
        }
    }

    /// The same, or that time if it is earlier.
    pub(super) fn by(self, at: Option<Timestamp>) -> Self {
        match (self, at) {
            (Self::At(next), Some(at)) => Self::At(next.min(at)),
            (Self::Change, Some(at)) => Self::At(at),
            (next, None) => next,
        }
    }
}

/// The earlier of a time and an expiry that still lies ahead: the status turns with it.
pub(super) fn first(until: Timestamp, expiration: Option<Timestamp>, now: Timestamp) -> Timestamp {
    expiration.filter(|e| *e > now).map_or(until, |e| until.min(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_has_its_time() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + SignedDuration::from_hours(4);
        assert_eq!(Next::At(later).at_latest(now), later);
        assert_eq!(Next::At(now).at_latest(later), now, "what is past is due at once");
        assert_eq!(Next::Change.at_latest(now), now + LONGEST);
    }
}
