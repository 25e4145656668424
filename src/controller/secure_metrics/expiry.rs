//! Whether those that verify the certificate of the secure port accept it, and for how long.
//!
//! `charts/refreshable/files/alerts.yaml` has the same rule.

use jiff::{SignedDuration, Timestamp};
use refreshable_issuers::certificate::{Validity, ValidityPeriod};
use std::fmt;

/// A certificate with less than this part of its time left was to be renewed: cert-manager does it
/// with a third left.
const LAST_PART: i32 = 6;
/// The same for those that are valid for long.
const LAST_DAYS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whether those that verify the certificate accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// They do.
    Valid,
    /// Not before that time.
    NotYet(Timestamp),
    /// They do until that time, which is so near that it was to be renewed.
    ExpiresSoon(Timestamp),
    /// Not since that time.
    Expired(Timestamp),
}

impl State {
    /// The state at `now` of a certificate that is valid for `period`.
    pub(super) fn new(period: ValidityPeriod, now: Timestamp) -> Self {
        let end = period.not_after;
        let whole = period.not_before.duration_until(end);
        match period.validity(now) {
            Validity::NotYet(start) => Self::NotYet(start),
            Validity::Expired(end) => Self::Expired(end),
            Validity::Valid if now.duration_until(end) < (whole / LAST_PART).min(LAST_DAYS) => {
                Self::ExpiresSoon(end)
            }
            Validity::Valid => Self::Valid,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WRITE: &str = "write a new one into its Secret, which is served without a restart";
        match self {
            Self::Valid => write!(f, "the certificate for /metrics is valid"),
            Self::NotYet(start) => write!(
                f,
                "the certificate for /metrics is valid only from {start}: is the clock right? Scrapers that verify it \
                 get no metrics until then"
            ),
            Self::ExpiresSoon(end) => write!(
                f,
                "the certificate for /metrics expires at {end} and has not been renewed: {WRITE}"
            ),
            Self::Expired(end) => write!(
                f,
                "the certificate for /metrics expired at {end}, and scrapers that verify it get no metrics: {WRITE}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn a_certificate_expires_soon_when_it_was_to_be_renewed() {
        let (quarter, day) = (
            ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        );
        let without_end = ("2026-01-01T00:00:00Z", "9999-12-30T22:00:00Z");
        for ((from, until), now, state) in [
            // As cert-manager makes it: of 90 days, renewed with 30 left.
            (quarter, "2025-12-31T00:00:00Z", State::NotYet(at(quarter.0))),
            (quarter, "2025-12-31T23:59:00Z", State::Valid),
            (quarter, "2026-03-10T00:00:00Z", State::Valid),
            (quarter, "2026-03-25T00:00:00Z", State::Valid),
            (quarter, "2026-03-25T00:00:01Z", State::ExpiresSoon(at(quarter.1))),
            (quarter, "2026-04-01T00:00:00Z", State::ExpiresSoon(at(quarter.1))),
            (quarter, "2026-04-01T00:00:01Z", State::Expired(at(quarter.1))),
            // Of a day, renewed with eight hours left.
            (day, "2026-01-01T16:00:00Z", State::Valid),
            (day, "2026-01-01T20:00:00Z", State::Valid),
            (day, "2026-01-01T20:00:01Z", State::ExpiresSoon(at(day.1))),
            (day, "2027-01-01T00:00:00Z", State::Expired(at(day.1))),
            (without_end, "2026-01-01T00:00:00Z", State::Valid),
            // One that never is valid.
            ((day.1, day.0), "2026-01-03T00:00:00Z", State::Expired(at(day.0))),
        ] {
            let period = ValidityPeriod { not_before: at(from), not_after: at(until) };
            assert_eq!(State::new(period, at(now)), state, "{from} to {until} at {now}");
        }
    }

    #[test]
    fn a_warning_says_when_and_what_to_do() {
        let end = at("2026-04-01T00:00:00Z");
        for (state, words) in [
            (State::NotYet(end), "is the clock right?"),
            (State::ExpiresSoon(end), "write a new one into its Secret"),
            (State::Expired(end), "write a new one into its Secret"),
        ] {
            let said = state.to_string();
            assert!(said.contains(words) && said.contains("2026-04-01T00:00:00Z"), "{said}");
        }
    }
}
