//! Credentials in JSON, as the [container credentials
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html), the
//! [credential process
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html) and the
//! instance metadata service write them.

use super::{AccessKey, IssueError, Issued, Lifetime, Session};
use crate::api::PrincipalStatus;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The object. Where a protocol uses other names, they are aliases: AWS IoT and Roles Anywhere begin them
/// with small letters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Wire {
    version: Option<i64>,
    #[serde(alias = "accessKeyId")]
    access_key_id: Option<String>,
    #[serde(alias = "secretAccessKey")]
    secret_access_key: Option<SecretString>,
    #[serde(alias = "Token", alias = "sessionToken")]
    session_token: Option<SecretString>,
    #[serde(alias = "expiration")]
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Reads the credentials out of `body`, which a server with the clock `date` gave at `now`.
///
/// # Errors
/// [`IssueError::InvalidAnswer`], naming the member that is missing or wrong and never its value.
pub fn read(
    operation: &'static str,
    body: &[u8],
    date: Option<Timestamp>,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    parse::<Wire>(operation, body)?.issued(operation, date, now)
}

/// Reads a JSON document; serde's own words are left out, because they could quote it.
///
/// # Errors
/// [`IssueError::InvalidAnswer`].
pub fn parse<T: DeserializeOwned>(operation: &'static str, body: &[u8]) -> Result<T, IssueError> {
    serde_json::from_slice(body).map_err(|e| IssueError::InvalidAnswer {
        operation,
        what: format!("it is no JSON object with credentials (line {}, column {})", e.line(), e.column()),
        request_id: None,
    })
}

impl Wire {
    /// The credentials, which a server with the clock `date` gave at `now`.
    ///
    /// # Errors
    /// As [`read`].
    pub fn issued(
        self,
        operation: &'static str,
        date: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let invalid = |what: String| IssueError::InvalidAnswer { operation, what, request_id: None };
        if self.version.is_some_and(|v| v != 1) {
            return Err(invalid("Version is not 1".to_owned()));
        }
        let id = self.access_key_id.ok_or_else(|| invalid("AccessKeyId is missing".to_owned()))?;
        let secret = self.secret_access_key.ok_or_else(|| invalid("SecretAccessKey is missing".to_owned()))?;
        let text = self.expiration.ok_or_else(|| {
            invalid("Expiration is missing: credentials without an end cannot be kept fresh".to_owned())
        })?;
        let expiration = text.parse::<Timestamp>().map_err(|_| {
            invalid("Expiration is no time in RFC 3339 with a zone, like 2026-01-01T00:00:00Z".to_owned())
        })?;
        let session =
            Session::checked(AccessKey { id, secret, token: self.session_token }, expiration).map_err(invalid)?;
        Ok(Issued {
            lifetime: Lifetime::judge(operation, expiration, date, now)?,
            session,
            principal: PrincipalStatus { account_id: self.account_id, ..PrincipalStatus::default() },
            packed_policy_size: None,
            warning: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().expect("time")
    }

    fn read_text(text: &str) -> Result<Issued, String> {
        read("Test", text.as_bytes(), None, now()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_protocols_are_read() {
        for text in [
            r#"{"AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T01:00:00Z","RoleArn":"r"}"#,
            r#"{"Version":1,"AccessKeyId":"ASIAX","SecretAccessKey":"s","SessionToken":"t","Expiration":"2026-01-01T02:00:00+01:00"}"#,
            r#"{"Code":"Success","AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T01:00:00.000Z"}"#,
        ] {
            let issued = read_text(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(issued.session.key.id, "ASIAX");
            assert_eq!(issued.lifetime.expiration.duration_since(now()).as_secs(), 3600, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_with_it() {
        let good =
            r#"{"AccessKeyId":"ASIAX","SecretAccessKey":"s3cr3t","Token":"t0k3n","Expiration":"2026-01-01T01:00:00Z"}"#;
        for (from, to, hint) in [
            ("\"AccessKeyId\"", "\"Other\"", "AccessKeyId is missing"),
            ("\"SecretAccessKey\"", "\"Other\"", "SecretAccessKey is missing"),
            ("\"Token\"", "\"Other\"", "never published"),
            ("\"t0k3n\"", "null", "never published"),
            ("\"t0k3n\"", "\"\"", "SessionToken is empty"),
            // A token that nobody checks, beside a user's key.
            ("ASIAX", "AKIAIOSFODNN7EXAMPLE", "never published"),
            ("\"Expiration\"", "\"Other\"", "Expiration is missing"),
            ("2026-01-01T01:00:00Z", "2026-01-01T01:00:00", "with a zone"),
            ("\"2026-01-01T01:00:00Z\"", "1767229200", "no JSON object"),
            ("2026-01-01T01:00:00Z", "2020-01-01T01:00:00Z", "already past"),
            ("t0k3n", "t0k3n\\n", "white space"),
            ("{\"A", "{\"Version\":2,\"A", "Version is not 1"),
            ("}", "", "no JSON object"),
        ] {
            let text = good.replace(from, to);
            let error = read_text(&text).expect_err(&text);
            assert!(error.contains(hint), "{text}: {error}");
            assert!(!error.contains("s3cr3t") && !error.contains("t0k3n"), "{error}");
        }
        for text in ["", "<html>", "[]", "null", "\"s3cr3t\"", "\u{feff}{}"] {
            assert!(read_text(text).is_err_and(|e| !e.contains("s3cr3t")), "{text}");
        }
    }
}
