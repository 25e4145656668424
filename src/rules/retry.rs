//! Retries of failed attempts: by class of error, with jitter, and early enough to renew before the
//! published credentials expire.

use super::timing::unit_hash;
use jiff::{SignedDuration, Timestamp};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// Class of a failure. The class decides the retry; the error's own text informs the user.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(ascii_case_insensitive)]
pub enum Class {
    /// The issuer throttles.
    Throttled,
    /// Likely to work in a moment: timeouts, 5xx, connection errors.
    Transient,
    /// The issuer refused. IAM is eventually consistent and people correct policies, so retry, but
    /// slowly.
    Denied,
    /// The request itself is wrong; only a change of the specification or at the issuer helps.
    Specification,
    /// An input of the source is missing, wrong or out of date.
    Input,
    /// A person has to act.
    Person,
    /// The Secret cannot be written in its present state or the cluster's. A retry costs a trial
    /// write, and no issuer call.
    Secret,
}

impl Class {
    /// Every class, for metrics that exist before the first failure.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The class as the status and the metrics name it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The class in a status, which any version may have written. An unknown one counts as
    /// transient.
    pub fn from_status(class: &str) -> Self {
        class.parse().unwrap_or(Self::Transient)
    }

    /// Whether a person has to change something before an attempt can succeed (kstatus' `Stalled`).
    pub const fn stalls(self) -> bool {
        matches!(self, Self::Specification | Self::Person | Self::Secret)
    }

    /// First and longest pause between attempts, in seconds.
    const fn pauses(self) -> (i64, i64) {
        match self {
            Self::Throttled => (5, 300),
            Self::Transient => (1, 60),
            Self::Denied => (10, 600),
            Self::Specification => (60, 3600),
            Self::Input | Self::Secret => (5, 120),
            Self::Person => (300, 3600),
        }
    }
}

/// Attempts that must still fit before the published credentials expire.
const TRIES_BEFORE_EXPIRY: i32 = 4;

/// The pause after the `count`-th failure in a row (counted from 1): doubling from the class's
/// first to its longest, then shortened by up to half by a hash of the UID and the count, so that
/// objects that failed together do not retry together.
pub fn pause(class: Class, count: i32, uid: &str) -> SignedDuration {
    let (first, longest) = class.pauses();
    // The limit of 30 keeps the shift below the width of an i64.
    let doublings = u32::try_from(count.max(1) - 1).unwrap_or(0).min(30);
    let full = first.saturating_mul(1_i64 << doublings).min(longest);
    let part = 0.5 + 0.5 * unit_hash(&format!("{uid}/{count}"));
    SignedDuration::from_secs(full).mul_f64(part)
}

/// When to retry after the `count`-th failure at `now`. `expiration` is that of the published
/// credentials: while they are valid, the pause shrinks so that more attempts fit before they
/// expire, but never below the class's first pause.
pub fn next_try(
    class: Class,
    count: i32,
    uid: &str,
    now: Timestamp,
    expiration: Option<Timestamp>,
) -> Timestamp {
    let mut wait = pause(class, count, uid);
    // After the expiry there is nothing left to save, so the plain pause applies.
    if let Some(left) = expiration.map(|e| e.duration_since(now)).filter(|l| l.is_positive()) {
        let least = pause(class, 1, uid);
        wait = wait.min((left / TRIES_BEFORE_EXPIRY).max(least));
    }
    now + wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_read_from_what_a_status_says() {
        let names: Vec<&str> = Class::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(
            names,
            ["Throttled", "Transient", "Denied", "Specification", "Input", "Person", "Secret"]
        );
        assert_eq!(Class::from_status("denied"), Class::Denied, "as earlier versions wrote it");
        assert!(Class::ALL.iter().all(|c| Class::from_status(c.as_str()) == *c));
        assert_eq!(Class::from_status("later"), Class::Transient);
    }

    #[test]
    fn pauses_double_up_to_the_class_s_longest() {
        for &class in Class::ALL {
            let (first, longest) = class.pauses();
            let mut last = SignedDuration::ZERO;
            for count in 1..40 {
                let p = pause(class, count, "uid");
                assert!(p.as_secs_f64() >= first as f64 / 2.0, "{class:?} {count}: {p}");
                assert!(p <= SignedDuration::from_secs(longest), "{class:?} {count}: {p}");
                last = p;
            }
            assert!(last.as_secs_f64() >= longest as f64 / 2.0, "{class:?} ends at {last}");
        }
    }

    #[test]
    fn objects_that_fail_together_do_not_return_together() {
        let pauses: std::collections::BTreeSet<_> =
            (0..100).map(|n| pause(Class::Transient, 5, &format!("uid-{n}"))).collect();
        assert!(pauses.len() > 90);
    }

    #[test]
    fn tries_fit_before_the_expiry() {
        let now = Timestamp::UNIX_EPOCH;
        let soon = now + SignedDuration::from_secs(120);
        let at = next_try(Class::Denied, 9, "uid", now, Some(soon));
        assert!(at.duration_since(now) <= SignedDuration::from_secs(30), "{at}");
        let past = now - SignedDuration::from_secs(1);
        let at = next_try(Class::Denied, 9, "uid", now, Some(past));
        assert!(at.duration_since(now) >= SignedDuration::from_secs(300), "{at}");
    }

    #[test]
    fn counts_outside_the_expected_do_no_harm() {
        for count in [i32::MIN, -1, 0, 1, i32::MAX] {
            assert!(pause(Class::Transient, count, "uid").is_positive());
        }
    }
}
