//! When credentials are renewed.
//!
//! With L the lifetime as issued, the refresh point is when `min(L/2, max(L/3, 20 min))` remain,
//! moved earlier by up to 5 % of L by a hash of the resource's UID. 20 minutes is boto3's 15-minute
//! refresh window, 2 minutes for the kubelet to bring the file, and room to retry.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

const LEAST: SignedDuration = SignedDuration::from_mins(20);
/// The jitter is below this part of the lifetime.
const JITTER_PART: f64 = 0.05;

/// Lifetime left at the refresh point, before jitter. `before` is `spec.refresh.before`; at most
/// half the lifetime counts.
pub fn remaining_at_refresh(
    lifetime: SignedDuration,
    before: Option<SignedDuration>,
) -> SignedDuration {
    let wanted = before.unwrap_or_else(|| (lifetime / 3).max(LEAST));
    // More than half would renew new credentials soon after they were issued.
    wanted.min(lifetime / 2)
}

/// How much earlier than the refresh point this object is renewed: 0 to 5 % of the lifetime,
/// constant for one UID.
pub fn jitter(lifetime: SignedDuration, uid: &str) -> SignedDuration {
    lifetime.mul_f64(JITTER_PART * unit_hash(uid))
}

/// When credentials issued at `issued_at` and expiring at `expiration` are to be renewed.
pub fn refresh_at(
    issued_at: Timestamp,
    expiration: Timestamp,
    before: Option<SignedDuration>,
    uid: &str,
) -> Timestamp {
    let lifetime = expiration.duration_since(issued_at);
    let early = remaining_at_refresh(lifetime, before) + jitter(lifetime, uid);
    (expiration - early).max(issued_at)
}

/// The least lifetime that published credentials may ever have left while the issuer responds: the
/// refresh point less the longest jitter.
pub fn floor(lifetime: SignedDuration, before: Option<SignedDuration>) -> SignedDuration {
    remaining_at_refresh(lifetime, before) - lifetime.mul_f64(JITTER_PART)
}

/// Parses `spec.refresh.before` (`25m`, `1h30m`). Admission has checked it; an unreadable value
/// counts as absent.
pub fn parse_before(text: &str) -> Option<SignedDuration> {
    text.parse::<SignedDuration>().ok().filter(|d| d.is_positive())
}

/// The last full second at or before `t`: Kubernetes keeps times to the second.
pub fn down_to_second(t: Timestamp) -> Timestamp {
    // Before 1970 the fraction is negative, and `as_second` has rounded up.
    Timestamp::from_second(t.as_second() - i64::from(t.subsec_nanosecond() < 0)).unwrap_or(t)
}

/// The first full second at or after `t`.
pub fn up_to_second(t: Timestamp) -> Timestamp {
    let down = down_to_second(t);
    if down == t { t } else { down + SignedDuration::from_secs(1) }
}

/// A number in `[0, 1)` that depends only on `text`.
pub fn unit_hash(text: &str) -> f64 {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&digest[..4]);
    f64::from(u32::from_be_bytes(first)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(m: i64) -> SignedDuration {
        SignedDuration::from_mins(m)
    }

    #[test]
    fn the_refresh_point_follows_the_lifetime() {
        for (lifetime, left) in [
            (minutes(15), SignedDuration::from_secs(450)),
            (minutes(20), minutes(10)),
            (minutes(40), minutes(20)),
            (minutes(60), minutes(20)),
            (minutes(61), SignedDuration::from_secs(61 * 20)),
            (minutes(12 * 60), minutes(4 * 60)),
            (SignedDuration::from_secs(8), SignedDuration::from_secs(4)),
        ] {
            assert_eq!(remaining_at_refresh(lifetime, None), left, "lifetime {lifetime}");
        }
    }

    #[test]
    fn before_overrides_up_to_half_the_lifetime() {
        assert_eq!(remaining_at_refresh(minutes(60), Some(minutes(25))), minutes(25));
        assert_eq!(remaining_at_refresh(minutes(60), Some(minutes(5))), minutes(5));
        assert_eq!(remaining_at_refresh(minutes(60), Some(minutes(59))), minutes(30));
    }

    /// The SDKs' common refresh specification: a client tries to renew in an advisory window, which
    /// depends on the lifetime, and must renew in the last minute
    /// ([smithy-rs](https://github.com/smithy-lang/smithy-rs/pull/4774)).
    #[test]
    fn published_credentials_outlast_a_client_s_windows_for_these_lifetimes() {
        /// From the Secret to the mounted file.
        const KUBELET: SignedDuration = minutes(2);
        const MANDATORY: SignedDuration = minutes(1);
        for (lifetime, outlasts) in [
            (15, true),
            (20, true),
            (21, false),
            (33, false),
            (34, true),
            (60, true),
            (89, true),
            (90, false),
            (185, false),
            (186, true),
            (12 * 60, true),
            (36 * 60, true),
        ] {
            let advisory = minutes(match lifetime {
                ..=20 => 5,
                21..90 => 15,
                _ => 60,
            });
            let left = remaining_at_refresh(minutes(lifetime), None) - KUBELET;
            assert_eq!(left >= advisory, outlasts, "advisory, {lifetime} minutes: {left}");
            assert!(left > MANDATORY, "mandatory, {lifetime} minutes: {left}");
        }
        // `spec.refresh.before` closes the gap from 124 minutes on.
        let left = |lifetime| remaining_at_refresh(minutes(lifetime), Some(minutes(62))) - KUBELET;
        assert!(left(123) < minutes(60) && left(124) >= minutes(60));
    }

    #[test]
    fn jitter_draws_early_and_stays_the_same() {
        let issued = Timestamp::UNIX_EPOCH;
        let expires = issued + minutes(60);
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..1000 {
            let uid = format!("uid-{n}");
            let at = refresh_at(issued, expires, None, &uid);
            assert_eq!(at, refresh_at(issued, expires, None, &uid));
            let left = expires.duration_since(at);
            assert!(left >= minutes(20) && left < minutes(23), "{left}");
            seen.insert(at);
        }
        assert!(seen.len() > 900, "a thousand objects spread out, {} moments", seen.len());
    }

    #[test]
    fn the_floor_lies_below_every_refresh_point() {
        for secs in [8, 900, 1200, 3600, 43200, 129_600] {
            let lifetime = SignedDuration::from_secs(secs);
            assert!(floor(lifetime, None) < remaining_at_refresh(lifetime, None));
            assert!(floor(lifetime, None).is_positive());
        }
    }

    #[test]
    fn before_is_read_as_go_writes_it() {
        assert_eq!(parse_before("25m"), Some(minutes(25)));
        assert_eq!(parse_before("1h30m"), Some(minutes(90)));
        assert_eq!(parse_before("90s"), Some(SignedDuration::from_secs(90)));
        assert_eq!(parse_before("soon"), None);
        assert_eq!(parse_before("-5m"), None);
    }
}
