//! Credentials in JSON, as the [container credentials
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html),
//! the [credential process
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html) and
//! the instance metadata service write them.

use super::{AccessKey, AwsError, IssueError, Issued, Issuer, Lifetime, Session, is_of_iam};
use crate::expiry;
use jiff::Timestamp;
use refreshable_api::PrincipalStatus;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The object. Where a protocol uses other names, they are aliases: AWS IoT and Roles Anywhere
/// begin them with small letters.
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
    expiration: Option<Value>,
    account_id: Option<String>,
    /// `Success`, or the error: metadata services report errors with status 200.
    #[serde(alias = "code")]
    code: Option<Value>,
    #[serde(alias = "message")]
    message: Option<Value>,
}

/// Reads the credentials in `body`, which a server with the clock `date` sent at `now`.
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

/// Reads a JSON document. serde's messages are dropped, because they could quote it.
///
/// # Errors
/// [`IssueError::InvalidAnswer`].
pub fn parse<T: DeserializeOwned>(operation: &'static str, body: &[u8]) -> Result<T, IssueError> {
    serde_json::from_slice(body).map_err(|e| IssueError::InvalidAnswer {
        operation,
        what: format!(
            "it is not a JSON object with credentials (line {}, column {})",
            e.line(),
            e.column()
        ),
        request_id: None,
    })
}

/// Reads a response whose credentials are nested; a refusal instead of them is returned as that
/// error.
///
/// # Errors
/// [`IssueError::Refused`], or as [`parse`].
pub fn within<T: DeserializeOwned>(operation: &'static str, body: &[u8]) -> Result<T, IssueError> {
    let refusal = || parse::<Wire>(operation, body).ok()?.refusal(operation);
    parse(operation, body).map_err(|error| refusal().unwrap_or(error))
}

/// Whether a code beside credentials is none of a refusal: EC2's word for success, or one that
/// other servers use.
fn says_success(code: &str) -> bool {
    let number = code.bytes().all(|b| b.is_ascii_digit());
    number || ["success", "ok"].iter().any(|word| code.eq_ignore_ascii_case(word))
}

/// Status of a refusal in a successful response.
const ANSWERED: u16 = 200;

impl Wire {
    /// The refusal instead of credentials, if there is one: a code, and mostly a message.
    fn refusal(&self, operation: &'static str) -> Option<IssueError> {
        let text =
            |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let code = text(&self.code).filter(|code| !says_success(code))?;
        let issuer = if is_of_iam(operation) { Issuer::Aws } else { Issuer::Server };
        let error = AwsError {
            code,
            message: text(&self.message).unwrap_or_default(),
            request_id: None,
            status: ANSWERED,
            issuer,
        };
        Some(IssueError::Refused { operation, subject: String::new(), error })
    }

    /// The credentials, which a server with the clock `date` sent at `now`.
    ///
    /// # Errors
    /// As [`read`].
    pub fn issued(
        self,
        operation: &'static str,
        date: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        if let Some(refusal) = self.refusal(operation) {
            return Err(refusal);
        }
        let invalid =
            |what: String| IssueError::InvalidAnswer { operation, what, request_id: None };
        if self.version.is_some_and(|v| v != 1) {
            return Err(invalid("Version is not 1".to_owned()));
        }
        let id = self.access_key_id.ok_or_else(|| invalid("AccessKeyId is missing".to_owned()))?;
        let secret = self
            .secret_access_key
            .ok_or_else(|| invalid("SecretAccessKey is missing".to_owned()))?;
        let written = self.expiration.ok_or_else(|| {
            invalid(
                "Expiration is missing: credentials without an end cannot be kept fresh".to_owned(),
            )
        })?;
        let expiration = expiry::from_json(&written).ok_or_else(|| {
            invalid(format!("Expiration is not a time: it must be in {}", expiry::FORMS))
        })?;
        let session =
            Session::checked(AccessKey { id, secret, token: self.session_token }, expiration)
                .map_err(invalid)?;
        Ok(Issued {
            lifetime: Lifetime::judge(operation, expiration, date, now)?,
            session,
            principal: PrincipalStatus {
                account_id: self.account_id,
                ..PrincipalStatus::default()
            },
            packed_policy_size: None,
            token: Default::default(),
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
            r#"{"code":0,"message":"ok","AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t","Expiration":1767229200}"#,
            r#"{"AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T01:00:00UTC"}"#,
        ] {
            let issued = read_text(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(issued.session.key.id, "ASIAX");
            assert_eq!(issued.lifetime.expiration.duration_since(now()).as_secs(), 3600, "{text}");
        }
    }

    #[test]
    fn a_refusal_that_comes_as_an_answer_keeps_its_code_and_words() {
        use crate::retry::Class;
        for (text, code, class) in [
            // Response of EC2's metadata service, as documented.
            (
                r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role app.","LastUpdated":"2026-01-01T00:00:00Z"}"#,
                "AssumeRoleUnauthorizedAccess",
                Class::Denied,
            ),
            (r#"{"Code":"InstanceProfileNotFound"}"#, "InstanceProfileNotFound", Class::Denied),
            (r#"{"Code":"Failed","Message":"no"}"#, "Failed", Class::Denied),
            // What container endpoints and their stand-ins write.
            (r#"{"code":"AccessDenied","message":"no"}"#, "AccessDenied", Class::Denied),
            (
                r#"{"Code":"ThrottlingException","Message":"slowly"}"#,
                "ThrottlingException",
                Class::Throttled,
            ),
            (
                r#"{"code":"InternalServerError","message":"later"}"#,
                "InternalServerError",
                Class::Transient,
            ),
            (
                r#"{"Code":"ExpiredToken","Message":"old","AccessKeyId":"ASIAX"}"#,
                "ExpiredToken",
                Class::Transient,
            ),
            // With the keys of an earlier session beside it.
            (
                r#"{"Code":"AssumeRoleUnauthorizedAccess","AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t"}"#,
                "AssumeRoleUnauthorizedAccess",
                Class::Denied,
            ),
        ] {
            let error = read("Test", text.as_bytes(), None, now()).expect_err(text);
            assert_eq!((error.code(), error.class()), (Some(code), class), "{text}: {error}");
            assert!(!error.advice().contains("an STS"), "{}", error.advice());
        }
        for text in [
            r#"{"Code":"Success"}"#,
            r#"{"Code":""}"#,
            r#"{"message":"Forbidden"}"#,
            r#"{"code":7}"#,
        ] {
            assert!(read_text(text).is_err_and(|e| e.contains("AccessKeyId is missing")), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_with_it() {
        let good = r#"{"AccessKeyId":"ASIAX","SecretAccessKey":"s3cr3t","Token":"t0k3n","Expiration":"2026-01-01T01:00:00Z"}"#;
        for (from, to, hint) in [
            ("\"AccessKeyId\"", "\"Other\"", "AccessKeyId is missing"),
            ("\"SecretAccessKey\"", "\"Other\"", "SecretAccessKey is missing"),
            ("\"Token\"", "\"Other\"", "never published"),
            ("\"t0k3n\"", "null", "never published"),
            ("\"t0k3n\"", "\"\"", "SessionToken is empty"),
            // A made-up token beside a user's key.
            ("ASIAX", "AKIAIOSFODNN7EXAMPLE", "never published"),
            ("\"Expiration\"", "\"Other\"", "Expiration is missing"),
            ("2026-01-01T01:00:00Z", "2026-01-01T01:00:00", "with a zone"),
            ("\"2026-01-01T01:00:00Z\"", "true", "Expiration is not a time"),
            ("2026-01-01T01:00:00Z", "2020-01-01T01:00:00Z", "already past"),
            ("t0k3n", "t0k3n\\n", "white space"),
            ("{\"A", "{\"Version\":2,\"A", "Version is not 1"),
            ("}", "", "not a JSON object"),
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
