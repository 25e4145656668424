//! How long from now, or how long ago, in the form that kubectl's AGE column has.

use jiff::{SignedDuration, Timestamp};

/// A span in its largest unit, with the next one where that still matters: `45s`, `2m5s`, `42m`,
/// `3h5m`, `12h`, `2d4h`, `30d`.
pub fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |whole: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

/// A moment seen from `now`: `in 42m`, `3h5m ago`, `now`.
pub fn from(now: Timestamp, then: Timestamp) -> String {
    let apart = then.duration_since(now);
    match apart.as_secs() {
        0 => "now".to_owned(),
        1.. => format!("in {}", span(apart)),
        _ => format!("{} ago", span(apart)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        let cases = [
            (0, "0s"),
            (45, "45s"),
            (119, "119s"),
            (125, "2m5s"),
            (300, "5m"),
            (2520, "42m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (43_200, "12h"),
            (187_200, "2d4h"),
            (2_592_000, "30d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
            assert_eq!(span(SignedDuration::from_secs(-seconds)), text);
        }
    }

    #[test]
    fn moments_are_before_or_after() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| from(now, now + SignedDuration::from_secs(seconds));
        assert_eq!((at(60), at(-60), at(0)), ("in 60s".into(), "60s ago".into(), "now".into()));
    }
}
