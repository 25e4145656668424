//! The claim with which a resource waits until its issuer may be asked.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// How urgent an attempt is, by the share of its margin that is left. The margin is the time
/// between the refresh point and the expiry of what is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// The published credentials have expired: programs fail now.
    Expired,
    /// Less than a fifth of the margin is left.
    Endangered,
    /// Less than half of the margin is left.
    Pressing,
    /// Renewals in time, first issues, and what users asked for.
    Normal,
}

impl Band {
    /// The band at `now` of a renewal that was due at `due`, of what expires at `expires`.
    pub fn of(due: Timestamp, expires: Timestamp, now: Timestamp) -> Self {
        let (margin, left) = (expires.duration_since(due), expires.duration_since(now));
        if left <= SignedDuration::ZERO {
            Self::Expired
        } else if left < margin / 5 {
            Self::Endangered
        } else if left < margin / 2 {
            Self::Pressing
        } else {
            Self::Normal
        }
    }

    /// When a renewal that waits moves on to the next band after `now`.
    pub fn ends(due: Timestamp, expires: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let margin = expires.duration_since(due);
        let ends = [expires - margin / 2, expires - margin / 5, expires];
        ends.into_iter().find(|at| *at > now)
    }
}

/// An attempt that waits for admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The endpoint whose answer the attempt waits for. Attempts in flight are limited for each.
    pub endpoint: Arc<str>,
    /// The caller and Region that the issuer counts the calls to. Calls a second are limited for
    /// each.
    pub bucket: Arc<str>,
    /// How many issuer calls the attempt makes at most.
    pub calls: u32,
    /// How far apart the attempts of its namespace lie in the long run; zero where they are not
    /// limited.
    pub spacing: Duration,
    /// How urgent it is.
    pub band: Band,
    /// When what is published expires. Of two claims in one band and namespace, the earlier goes
    /// first; without anything published, last. Of those that have expired the first that came goes
    /// first, so that one whose attempts fail keeps no other from trying.
    pub expires: Option<Timestamp>,
    /// If it still waits then, it is looked at again.
    pub look_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn band_follows_the_share_of_the_margin_that_is_left() {
        let due = Timestamp::UNIX_EPOCH;
        let at = |minutes| due + SignedDuration::from_mins(minutes);
        let bands = [(0, Band::Normal), (10, Band::Normal), (11, Band::Pressing)];
        for (minutes, band) in bands.into_iter().chain([
            (16, Band::Pressing),
            (17, Band::Endangered),
            (19, Band::Endangered),
            (20, Band::Expired),
            (90, Band::Expired),
        ]) {
            assert_eq!(Band::of(due, at(20), at(minutes)), band, "{minutes}");
        }
        assert_eq!(Band::ends(due, at(20), at(0)), Some(at(10)));
        assert_eq!(Band::ends(due, at(20), at(10)), Some(at(16)));
        assert_eq!(Band::ends(due, at(20), at(17)), Some(at(20)));
        assert_eq!(Band::ends(due, at(20), at(20)), None);
    }
}
