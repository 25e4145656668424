//! Leases of the AWS engine of
//! [Vault](https://developer.hashicorp.com/vault/api-docs/secret/aws#generate-credentials) and
//! [OpenBao](https://openbao.org/api-docs/secret/aws/): responses of `/v1/<mount>/creds/<role>` and
//! `/v1/<mount>/sts/<role>`.

use super::{AccessKey, IssueError, Issued, Lifetime, Session, json};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::PrincipalStatus;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// The response.
#[derive(Deserialize)]
struct Answer {
    /// In seconds.
    #[serde(default)]
    lease_duration: i64,
    data: Option<Data>,
    wrap_info: Option<Value>,
}

#[derive(Deserialize)]
struct Data {
    access_key: Option<String>,
    secret_key: Option<SecretString>,
    security_token: Option<SecretString>,
    session_token: Option<SecretString>,
    /// Lifetime in seconds; batch tokens have it instead of a lease.
    ttl: Option<i64>,
}

/// Reads a lease that was requested at `now` from a server with the clock `date`. A lease has a
/// duration and no expiration, so it counts from then.
///
/// # Errors
/// [`IssueError::InvalidAnswer`], naming the member that is missing or wrong and never its value;
/// [`IssueError::Specification`] for long-lived keys: each further attempt would make a user.
pub fn read(
    operation: &'static str,
    body: &[u8],
    date: Option<Timestamp>,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let invalid = |what: &str| IssueError::InvalidAnswer {
        operation,
        what: what.to_owned(),
        request_id: None,
    };
    let answer: Answer = json::parse(operation, body)?;
    if answer.wrap_info.is_some() {
        return Err(invalid("it is wrapped: take the header X-Vault-Wrap-TTL out"));
    }
    let data = answer.data.ok_or_else(|| invalid("data is missing"))?;
    let id = data.access_key.ok_or_else(|| invalid("data.access_key is missing"))?;
    let secret = data.secret_key.ok_or_else(|| invalid("data.secret_key is missing"))?;
    let Some(token) = data.security_token.or(data.session_token) else {
        return Err(IssueError::Specification {
            field: "spec.source.custom.http.url".to_owned(),
            what: "the role of the AWS engine makes long-lived keys, which are never published: give it the \
                   credential_type assumed_role, federation_token or session_token"
                .to_owned(),
        });
    };
    let seconds = if answer.lease_duration > 0 {
        answer.lease_duration
    } else {
        data.ttl.unwrap_or_default()
    };
    let begin = Lifetime::begin(date, now);
    let end = begin.checked_add(SignedDuration::from_secs(seconds)).ok().filter(|end| *end > begin);
    let expiration =
        end.ok_or_else(|| invalid("lease_duration is missing, or no time that can be waited for"))?;
    let session = Session::checked(AccessKey { id, secret, token: Some(token) }, expiration);
    Ok(Issued {
        lifetime: Lifetime::judge(operation, expiration, date, now)?,
        session: session.map_err(|what| invalid(&what))?,
        principal: PrincipalStatus::default(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Class;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().expect("time")
    }

    /// Response of Vault 1.21 for a role of type `assumed_role`.
    fn lease() -> Value {
        json!({
            "request_id": "d2b8a1f0-0000-0000-0000-000000000000", "lease_id": "aws/sts/reports/x", "renewable": false,
            "lease_duration": 3599, "wrap_info": null, "warnings": null, "auth": null, "mount_type": "aws",
            "data": {
                "access_key": "ASIAX", "secret_key": "s3cr3t", "security_token": "t0k3n", "session_token": "t0k3n",
                "arn": "arn:aws:sts::111122223333:assumed-role/reports/vault", "ttl": 3599,
            },
        })
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut lease = lease();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        lease.pointer_mut(parent).expect("a parent")[member] = value;
        lease
    }

    #[test]
    fn a_lease_is_read_and_ends_so_many_seconds_after_it_was_asked_for() {
        for (what, answer, seconds) in [
            ("as it is", lease(), 3599),
            ("as older ones write it", changed("/data/session_token", Value::Null), 3599),
            ("as newer ones may", changed("/data/security_token", Value::Null), 3599),
            ("for a batch token", changed("/lease_duration", json!(0)), 3599),
            ("a short one", changed("/lease_duration", json!(900)), 900),
        ] {
            let issued = read("Test", answer.to_string().as_bytes(), None, now())
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(
                issued.lifetime.expiration.duration_since(now()).as_secs(),
                seconds,
                "{what}"
            );
            let key = issued.session.key;
            let token = key.token.expect("a token");
            let parts = [key.id.as_str(), key.secret.expose_secret(), token.expose_secret()];
            assert_eq!(parts, ["ASIAX", "s3cr3t", "t0k3n"], "{what}");
        }
    }

    #[test]
    fn a_lease_of_a_server_whose_clock_differs_is_counted_by_it() {
        for (date, end) in [
            ("2026-01-01T00:00:20Z", "2026-01-01T00:59:59Z"),
            ("2026-01-01T00:10:00Z", "2026-01-01T01:09:59Z"),
        ] {
            let date = Some(date.parse().expect("time"));
            let issued =
                read("Test", lease().to_string().as_bytes(), date, now()).expect("a lease");
            assert_eq!(issued.session.expiration.to_string(), end);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_long_lived_keys_are_not_asked_for_again() {
        let user = json!({"access_key": "AKIAX", "secret_key": "s3cr3t", "security_token": null});
        for (answer, words, class) in [
            (changed("/data", user), "credential_type assumed_role", Class::Specification),
            (
                changed("/data/access_key", Value::Null),
                "data.access_key is missing",
                Class::Transient,
            ),
            (
                changed("/data/secret_key", Value::Null),
                "data.secret_key is missing",
                Class::Transient,
            ),
            (changed("/data/secret_key", json!("s3cr3t\n")), "white space", Class::Transient),
            (changed("/data", Value::Null), "data is missing", Class::Transient),
            (
                changed("/wrap_info", json!({"token": "s3cr3t"})),
                "X-Vault-Wrap-TTL",
                Class::Transient,
            ),
            (changed("/lease_duration", json!(i64::MAX)), "lease_duration", Class::Transient),
            (changed("/lease_duration", json!("3600")), "not a JSON object", Class::Transient),
            (
                json!({"data": {"access_key": "a", "secret_key": "b", "security_token": "c"}}),
                "lease_duration",
                Class::Transient,
            ),
            (json!({"AccessKeyId": "ASIAX"}), "data is missing", Class::Transient),
        ] {
            let error = read("Test", answer.to_string().as_bytes(), None, now()).expect_err(words);
            assert_eq!(error.class(), class, "{answer}: {error}");
            assert!(error.to_string().contains(words), "{answer}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
        }
    }
}
