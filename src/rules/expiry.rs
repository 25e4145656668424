//! When credentials expire, in every form in which AWS's own programs write it.
//!
//! A time without a zone is rejected: its zone is unknown, and credentials that seem valid hours
//! longer than they are do more harm than none.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Accepted forms of a time, for messages.
pub const FORMS: &str =
    "RFC 3339 with a zone, like 2026-01-01T00:00:00Z, or seconds or milliseconds since 1970";

/// A number of seconds since 1970 of this size would be thousands of years ahead: it counts
/// milliseconds.
const MILLISECONDS: f64 = 1e11;

/// Reads a time that is written as text.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return since_1970(number);
    }
    // Python's %Z, in the caches of botocore and of the AWS CLI.
    let zone = ["UTC", "GMT"].iter().find_map(|zone| text.strip_suffix(zone));
    let instant = zone.map(|time| format!("{}Z", time.trim_end()));
    instant
        .as_deref()
        .unwrap_or(text)
        .parse()
        .ok()
        .or_else(|| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

/// Reads a time in JSON, as text or as a number.
pub fn from_json(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => number.as_f64().and_then(since_1970),
        _ => None,
    }
}

/// Reads a time as serde's fields are read.
///
/// # Errors
/// Where it is none, in words that do not repeat it.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let value = Value::deserialize(deserializer)?;
    from_json(&value).ok_or_else(|| serde::de::Error::custom("this is not a time"))
}

fn since_1970(number: f64) -> Option<Timestamp> {
    let milliseconds = if number.abs() >= MILLISECONDS { number } else { number * 1000.0 };
    // Past every time that there is, the cast ends at one that is refused.
    Some(milliseconds)
        .filter(|m| m.is_finite())
        .and_then(|m| Timestamp::from_millisecond(m as i64).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_that_aws_s_programs_write_is_read() {
        let end: Timestamp = "2026-01-01T01:00:00Z".parse().expect("time");
        for (written, by) in [
            (json!("2026-01-01T01:00:00Z"), "STS, metadata services, most SDKs' caches"),
            (json!("2026-01-01T01:00:00.000Z"), "JavaScript's toISOString"),
            (json!("2026-01-01T01:00:00.000000000Z"), "Java's Instant"),
            (
                json!("2026-01-01T01:00:00+00:00"),
                "aws configure export-credentials, Python's isoformat",
            ),
            (json!("2026-01-01T01:00:00.000000+00:00"), "Python's isoformat"),
            (json!("2026-01-01T02:00:00+01:00"), "Go's RFC3339, in another zone"),
            (json!("2026-01-01T01:00:00+0000"), "Python's %z, Java's ISO 8601 without a colon"),
            (json!("2025-12-31T21:30:00-0330"), "the same"),
            (
                json!("2026-01-01T01:00:00UTC"),
                "botocore's and the AWS CLI's caches, by Python's %Z",
            ),
            (json!("2026-01-01T01:00:00 UTC"), "the same, with a space"),
            (json!("2026-01-01 01:00:00 UTC"), "Ruby's Time#to_s"),
            (json!("2026-01-01 01:00:00+00:00"), "Python's str"),
            (json!("2026-01-01T01:00:00z"), "RFC 3339 in small letters"),
            (json!("Thu, 01 Jan 2026 01:00:00 GMT"), "HTTP dates"),
            (json!("Thu, 01 Jan 2026 01:00:00 +0000"), "RFC 2822"),
            (json!(1_767_229_200), "PHP's cache, Cognito's wire"),
            (json!(1_767_229_200.0), "AWS's JSON protocols"),
            (json!(1.767_229_2e9), "the same"),
            (json!(1_767_229_200_000_i64), "GetRoleCredentials of IAM Identity Center"),
            (json!("1767229200"), "External Secrets"),
            (json!("1767229200000"), "the same in milliseconds"),
            (json!(" 2026-01-01T01:00:00Z\n"), "an editor"),
        ] {
            assert_eq!(from_json(&written), Some(end), "{written}, as {by} writes it");
        }
    }

    #[test]
    fn fractions_of_a_second_are_kept() {
        assert_eq!(parse("1767229200.25"), parse("2026-01-01T01:00:00.25Z"));
    }

    #[test]
    fn what_is_no_time_or_nobody_s_is_refused() {
        for written in [
            json!("2026-01-01T01:00:00"),
            json!("2026-01-01 01:00:00"),
            json!("2026-01-01"),
            json!("2026-01-01T01:00:00CET"),
            json!("01/01/2026 01:00:00 UTC"),
            json!("tomorrow"),
            json!("UTC"),
            json!(""),
            json!("NaN"),
            json!("inf"),
            json!("1e300"),
            json!(1e300),
            json!(true),
            json!(null),
            json!({}),
            json!([1_767_229_200]),
        ] {
            assert_eq!(from_json(&written), None, "{written}");
        }
    }
}
