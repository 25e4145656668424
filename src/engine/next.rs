//! When a resource is looked at again.

use crate::Claim;
use jiff::{SignedDuration, Timestamp};

/// The longest time between two looks at a resource that waits for a change: a watch that lost an
/// event, or a decision made from an outdated view, has no effect for longer than this.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// The fate of a resource after a look or an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is looked at again at that time.
    At(Timestamp),
    /// It is looked at again when something changes, and after [`LONGEST`] all the same.
    Change,
    /// Its issuer has to be asked: it waits for admission.
    Attempt(Box<Claim>),
    /// It does not exist any more.
    Gone,
}

impl Next {
    /// The same, or that time if it is earlier.
    #[must_use]
    pub fn by(self, at: Option<Timestamp>) -> Self {
        match (self, at) {
            (Self::At(next), Some(at)) => Self::At(next.min(at)),
            (Self::Change, Some(at)) => Self::At(at),
            (Self::Attempt(mut claim), Some(at)) => {
                claim.look_at = claim.look_at.min(at);
                Self::Attempt(claim)
            }
            (next, _) => next,
        }
    }

    /// The same with `shift` applied to its times.
    #[must_use]
    pub fn shifted(self, shift: impl Fn(Timestamp) -> Timestamp) -> Self {
        match self {
            Self::At(at) => Self::At(shift(at)),
            Self::Attempt(mut claim) => {
                claim.look_at = shift(claim.look_at);
                claim.expires = claim.expires.map(shift);
                Self::Attempt(claim)
            }
            next => next,
        }
    }
}
