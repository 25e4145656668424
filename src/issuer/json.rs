//! Credentials in JSON, as the [container credentials
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html), the
//! [credential process
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html) and the
//! instance metadata service write them.

use super::{AccessKey, AwsError, IssueError, Issued, Lifetime, Session};
use crate::api::PrincipalStatus;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// The object. Where a protocol uses other names, they are aliases.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    version: Option<i64>,
    access_key_id: Option<String>,
    secret_access_key: Option<SecretString>,
    #[serde(alias = "Token")]
    session_token: Option<SecretString>,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// An error, in the forms that servers write it.
#[derive(Deserialize)]
struct Complaint {
    #[serde(alias = "Code", alias = "__type", alias = "error")]
    code: Option<String>,
    #[serde(alias = "Message", alias = "error_description")]
    message: Option<String>,
}

/// Longest part of a server's own words that is passed on.
const LONGEST_WORDS: usize = 300;

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
    let invalid = |what: String| IssueError::InvalidAnswer { operation, what, request_id: None };
    // serde's own words could quote the document.
    let wire: Wire = serde_json::from_slice(body).map_err(|e| {
        invalid(format!("it is no JSON object with credentials (line {}, column {})", e.line(), e.column()))
    })?;
    if wire.version.is_some_and(|v| v != 1) {
        return Err(invalid("Version is not 1".to_owned()));
    }
    let id = wire.access_key_id.ok_or_else(|| invalid("AccessKeyId is missing".to_owned()))?;
    let secret = wire.secret_access_key.ok_or_else(|| invalid("SecretAccessKey is missing".to_owned()))?;
    let token = wire
        .session_token
        .ok_or_else(|| invalid("SessionToken (or Token) is missing: long-lived keys are never published".to_owned()))?;
    for (name, value) in [
        ("AccessKeyId", id.as_str()),
        ("SecretAccessKey", secret.expose_secret()),
        ("SessionToken", token.expose_secret()),
    ] {
        if value.is_empty() || value.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(invalid(format!("{name} is empty, or has white space or control characters in it")));
        }
    }
    let text = wire
        .expiration
        .ok_or_else(|| invalid("Expiration is missing: credentials without an end cannot be kept fresh".to_owned()))?;
    let expiration = text
        .parse::<Timestamp>()
        .map_err(|_| invalid("Expiration is no time in RFC 3339 with a zone, like 2026-01-01T00:00:00Z".to_owned()))?;
    Ok(Issued {
        lifetime: Lifetime::judge(operation, expiration, date, now)?,
        session: Session { key: AccessKey { id, secret, token: Some(token) }, expiration },
        principal: PrincipalStatus { account_id: wire.account_id, ..PrincipalStatus::default() },
        packed_policy_size: None,
    })
}

/// What a server that answered `status` complains of.
pub fn complaint(operation: &'static str, subject: &str, status: u16, body: &[u8]) -> IssueError {
    let said = serde_json::from_slice::<Complaint>(body).ok();
    let code =
        said.as_ref().and_then(|s| s.code.clone()).filter(|c| c.len() <= 100 && !c.contains(char::is_whitespace));
    let message = said.and_then(|s| s.message).unwrap_or_else(|| "the server gave no reason".to_owned());
    IssueError::Refused {
        operation,
        subject: subject.to_owned(),
        error: AwsError {
            code: code.unwrap_or_else(|| format!("HTTP {status}")),
            message: message.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect(),
            request_id: None,
            status,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::retry::Class;

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

    #[test]
    fn complaints_keep_code_and_words() {
        let said = complaint("Get", "u", 403, br#"{"code":"AccessDenied","message":"no\nway"}"#);
        assert_eq!((said.code(), said.class()), (Some("AccessDenied"), Class::Denied));
        assert!(said.to_string().contains("noway"));
        let page = complaint("Get", "u", 502, b"<html>");
        assert_eq!((page.code(), page.class()), (Some("HTTP 502"), Class::Transient));
    }
}
