//! Durations as flags have them.

use jiff::SignedDuration;
use std::time::Duration;

/// Reads a duration like kubectl's: `5s`, `1m30s`, `250ms`; a number alone is seconds.
///
/// # Errors
/// Advice, with an example.
pub fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed =
        text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| format!("{text:?} is not a duration: write it like 5s, 2m or 1h30m"))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn durations_are_written_as_kubectl_takes_them() {
        for (text, seconds) in [
            ("0", 0.0),
            ("5", 5.0),
            ("5s", 5.0),
            ("1m30s", 90.0),
            ("1h", 3600.0),
            ("1.5h", 5400.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "5x", "1m30", "-1s", "99999999999999999999s", "9999999999999999h"] {
            assert_eq!(
                parse(text),
                Err(format!("{text:?} is not a duration: write it like 5s, 2m or 1h30m"))
            );
        }
    }
}
