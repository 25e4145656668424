//! The mounted file, and the response made from it.
//!
//! The kubelet replaces a mounted Secret by switching a link: an open file stays the old one. So it
//! is opened anew for each request.

use super::refusal::Refusal;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest file that is read, in bytes. A session token has at most a few thousand.
const LONGEST: u64 = 64 * 1024;

/// The process JSON, as the controller writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessJson {
    version: Option<i64>,
    access_key_id: Option<String>,
    secret_access_key: Option<SecretString>,
    session_token: Option<SecretString>,
    expiration: Option<serde_json::Value>,
    account_id: Option<String>,
    role_arn: Option<String>,
}

/// The container credentials protocol's JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerJson<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

/// Credentials that can be served. They have no `Debug`.
pub(super) struct Served {
    /// The response's body.
    pub(super) body: Zeroizing<Vec<u8>>,
    /// `AccessKeyId`, which is not secret.
    pub(super) access_key_id: String,
    /// When they expire.
    pub(super) expiration: Timestamp,
}

/// The file of a profile: `<profile>.json` beside the file of the credentials, which belongs to no
/// profile.
///
/// # Errors
/// [`Refusal::Page`] for a name that no profile can have.
pub(super) fn of_profile(credentials: &Path, profile: Option<&str>) -> Result<PathBuf, Refusal> {
    let Some(profile) = profile else { return Ok(credentials.into()) };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if profile.is_empty() || profile.starts_with('.') || !profile.chars().all(plain) {
        return Err(Refusal::Page);
    }
    Ok(credentials.with_file_name(format!("{profile}.json")))
}

/// Reads the credentials in `path`, to be served at `now`.
///
/// # Errors
/// [`Refusal::Unreadable`] (or, with `profile`, [`Refusal::Profile`]), and the errors of
/// [`answer`].
pub(super) fn load(path: &Path, profile: bool, now: Timestamp) -> Result<Served, Refusal> {
    let text = read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if profile => Refusal::Profile { path: path.into() },
        _ => Refusal::Unreadable { path: path.into(), why: error.to_string() },
    })?;
    answer(path, &text, now)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Reading a pipe could block without end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(8 * 1024));
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is longer than 64 KiB"));
    }
    Ok(text)
}

/// The response for the file's `text` at `now`.
///
/// # Errors
/// [`Refusal::Malformed`], naming the member and never its value; [`Refusal::Expired`].
fn answer(path: &Path, text: &[u8], now: Timestamp) -> Result<Served, Refusal> {
    let malformed = |what: String| Refusal::Malformed { path: path.into(), what };
    let missing = |name: &str| malformed(format!("{name} is missing"));
    // serde's message could quote a value.
    let json: ProcessJson = serde_json::from_slice(text).map_err(|e| {
        malformed(format!("it cannot be parsed at line {}, column {}", e.line(), e.column()))
    })?;
    if json.version.is_some_and(|v| v != 1) {
        return Err(malformed("Version is not 1".to_owned()));
    }
    let access_key_id =
        json.access_key_id.filter(|v| !v.is_empty()).ok_or_else(|| missing("AccessKeyId"))?;
    let secret =
        json.secret_access_key.as_ref().map(ExposeSecret::expose_secret).filter(|v| !v.is_empty());
    let expiration = json.expiration.as_ref().ok_or_else(|| missing("Expiration"))?;
    let expiration: Timestamp =
        expiration.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
            malformed("Expiration is not a time in RFC 3339, like 2026-01-01T00:00:00Z".to_owned())
        })?;
    let served = ContainerJson {
        access_key_id: &access_key_id,
        secret_access_key: secret.ok_or_else(|| missing("SecretAccessKey"))?,
        token: json.session_token.as_ref().map(ExposeSecret::expose_secret),
        // Not every SDK reads fractions of a second.
        expiration: jiff::fmt::temporal::DateTimePrinter::new()
            .precision(Some(0))
            .timestamp_to_string(&expiration),
        account_id: json.account_id.as_deref(),
        role_arn: json.role_arn.as_deref(),
    };
    if expiration <= now {
        return Err(Refusal::Expired { path: path.into(), at: expiration });
    }
    // Grown from a small one, it would leave parts of itself in memory.
    let mut body = Zeroizing::new(Vec::with_capacity(2 * text.len() + 256));
    serde_json::to_writer(&mut *body, &served)
        .map_err(|_| malformed("it cannot be written anew".to_owned()))?;
    Ok(Served { body, access_key_id, expiration })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const GOOD: &str = r#"{"Version":1,"AccessKeyId":"ASIAX","SecretAccessKey":"s3cr3t","SessionToken":"t0k3n","Expiration":"2026-01-01T01:00:00Z","AccountId":"111122223333"}"#;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    fn answered(text: &str, now: &str) -> Result<Value, Refusal> {
        let served = answer(Path::new("/c.json"), text.as_bytes(), at(now))?;
        Ok(serde_json::from_slice(&served.body).expect("JSON"))
    }

    #[test]
    fn the_process_json_becomes_the_container_json() {
        let expected = json!({
            "AccessKeyId": "ASIAX", "SecretAccessKey": "s3cr3t", "Token": "t0k3n",
            "Expiration": "2026-01-01T01:00:00Z", "AccountId": "111122223333",
        });
        assert_eq!(answered(GOOD, "2026-01-01T00:00:00Z"), Ok(expected.clone()));
        let fraction = GOOD.replace("01:00:00Z", "02:00:00.999+01:00");
        assert_eq!(
            answered(&fraction, "2026-01-01T00:00:00Z"),
            Ok(expected),
            "in UTC, rounded down"
        );
        let role =
            GOOD.replace("\"AccountId\":\"111122223333\"", "\"RoleArn\":\"arn:aws:iam::1:role/r\"");
        let role = answered(&role, "2026-01-01T00:00:00Z").expect("served");
        assert_eq!(
            (&role["RoleArn"], role.get("AccountId")),
            (&json!("arn:aws:iam::1:role/r"), None)
        );
        let bare =
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"2026-01-01T01:00:00Z"}"#;
        assert_eq!(answered(bare, "2026-01-01T00:00:00Z").expect("served").get("Token"), None);
    }

    #[test]
    fn a_long_session_token_is_served_whole() {
        for size in [4096, 8192] {
            let token = "t".repeat(size);
            let served = answered(&GOOD.replace("t0k3n", &token), "2026-01-01T00:00:00Z");
            assert_eq!(served.expect("served")["Token"], token);
        }
    }

    #[test]
    fn what_has_expired_is_not_served() {
        assert!(answered(GOOD, "2026-01-01T00:59:59.999Z").is_ok());
        for late in ["2026-01-01T01:00:00Z", "2026-01-01T01:00:01Z", "2027-01-01T00:00:00Z"] {
            let refusal = answered(GOOD, late).expect_err(late);
            assert_eq!((refusal.status().as_u16(), refusal.code()), (503, "ExpiredCredentials"));
            assert!(refusal.to_string().contains("2026-01-01T01:00:00Z"), "{refusal}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_with_it() {
        for (from, to, hint) in [
            ("\"AccessKeyId\"", "\"Other\"", "AccessKeyId is missing"),
            ("ASIAX", "", "AccessKeyId is missing"),
            ("\"SecretAccessKey\"", "\"Other\"", "SecretAccessKey is missing"),
            ("s3cr3t", "", "SecretAccessKey is missing"),
            ("\"Expiration\"", "\"Other\"", "Expiration is missing"),
            ("2026-01-01T01:00:00Z", "tomorrow", "RFC 3339"),
            ("\"2026-01-01T01:00:00Z\"", "true", "Expiration is not a time"),
            ("\"Version\":1", "\"Version\":2", "Version is not 1"),
            ("}", "", "cannot be parsed"),
            ("\"s3cr3t\"", "[\"s3cr3t\"]", "cannot be parsed"),
        ] {
            let refusal =
                answered(&GOOD.replace(from, to), "2026-01-01T00:00:00Z").expect_err(hint);
            assert!(refusal.to_string().contains(hint), "{refusal}");
            assert_eq!((refusal.status().as_u16(), refusal.code()), (503, "CredentialsMalformed"));
            let shown = format!("{refusal} {refusal:?}");
            assert!(!shown.contains("s3cr3t") && !shown.contains("t0k3n"), "{shown}");
        }
    }

    #[test]
    fn profiles_are_files_beside_and_nothing_else() {
        let credentials = Path::new("/mnt/credentials.json");
        assert_eq!(of_profile(credentials, None), Ok("/mnt/credentials.json".into()));
        assert_eq!(of_profile(credentials, Some("prod-1.eu")), Ok("/mnt/prod-1.eu.json".into()));
        for wrong in ["", ".", "..", "..data", "a/b", "../x", "%2e%2e", "a%2Fb", "a b", "a\0"] {
            assert_eq!(of_profile(credentials, Some(wrong)), Err(Refusal::Page), "{wrong:?}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = at("2026-01-01T00:00:00Z");
        let path = folder.path().join("credentials.json");
        let code = |profile| load(&path, profile, now).map(|_| ()).expect_err("refused").code();
        assert_eq!((code(false), code(true)), ("CredentialsUnavailable", "ProfileNotFound"));
        std::fs::write(&path, vec![b' '; 70_000]).expect("written");
        assert_eq!(code(false), "CredentialsUnavailable");
        std::fs::write(&path, GOOD).expect("written");
        assert_eq!(load(&path, false, now).map(|s| s.access_key_id).ok().as_deref(), Some("ASIAX"));
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("a folder");
        assert_eq!(code(false), "CredentialsUnavailable");
    }
}
