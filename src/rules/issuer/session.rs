//! Credentials on their way from the issuer to the Secret.

use super::IssueError;
use jiff::{SignedDuration, Timestamp};
use refreshable_api::PrincipalStatus;
use secrecy::{ExposeSecret as _, SecretString};

/// Prefix of AWS's [ids of long-lived
/// keys](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids);
/// ids of sessions never have it.
const LONG_LIVED: &str = "AKIA";

/// A long-lived key or a session, to sign with. `Debug` shows only the id.
#[derive(Clone)]
pub struct AccessKey {
    /// `AccessKeyId`, which is not secret.
    pub id: String,
    /// `SecretAccessKey`.
    pub secret: SecretString,
    /// `SessionToken`, of a session.
    pub token: Option<SecretString>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A session as issued. Only [`Session::checked`] makes one outside of this crate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Session {
    /// The three keys.
    pub key: AccessKey,
    /// `Expiration` of the issuer's response.
    pub expiration: Timestamp,
}

impl Session {
    /// A session of `key`, whose parts must be there and fit into a file and a header, and which is
    /// no long-lived key by the look of its id. Whoever else is asked whose the key is, and whether
    /// anybody is, this holds.
    ///
    /// # Errors
    /// The faulty part, by AWS's name for it and never with its value.
    pub fn checked(key: AccessKey, expiration: Timestamp) -> Result<Self, String> {
        let token = key
            .token
            .as_ref()
            .ok_or("SessionToken is missing: long-lived keys are never published")?;
        // A token beside it that is not checked would carry the key into a Secret all the same.
        let begin = key.id.get(..LONG_LIVED.len()).unwrap_or_default();
        if begin.eq_ignore_ascii_case(LONG_LIVED) {
            return Err(format!(
                "AccessKeyId begins with {LONG_LIVED}, as those of IAM users do: long-lived keys are never published"
            ));
        }
        for (name, value) in [
            ("AccessKeyId", key.id.as_str()),
            ("SecretAccessKey", key.secret.expose_secret()),
            ("SessionToken", token.expose_secret()),
        ] {
            if !is_word(value) {
                return Err(format!(
                    "{name} is empty, or has white space or control characters in it"
                ));
            }
        }
        Ok(Self { key, expiration })
    }
}

/// Whether a value can stand in a file and in a header.
pub(crate) fn is_word(value: &str) -> bool {
    !value.is_empty() && !value.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// A session, with its circumstances.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The session.
    pub session: Session,
    /// Its lifetime on the issuer's clock.
    pub lifetime: Lifetime,
    /// Principal of the session, as far as the issuer named it.
    pub principal: PrincipalStatus,
    /// `PackedPolicySize`, in percent.
    pub packed_policy_size: Option<i32>,
    /// The token's size, as far as the issuer told it.
    pub token: TokenSize,
    /// Warning for the user about a session that was issued.
    pub warning: Option<String>,
}

/// Size of a session token, as STS reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenSize {
    /// `SessionTokenSize`, in bytes.
    pub bytes: Option<i32>,
    /// `SessionTokenUtilization`, in percent of the largest token.
    pub utilization: Option<i32>,
}

/// From when to when a session lives, on the issuer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expiration: Timestamp,
}

/// A difference below this counts as none: `Date` headers have a resolution of a second, and
/// responses take time.
pub const CLOCKS_AGREE: SignedDuration = SignedDuration::from_secs(30);

impl Lifetime {
    /// Judges an `Expiration`. Where the issuer's `Date` shows that its clock and ours differ, the
    /// lifetime begins then, by the issuer's own clock; else `now`.
    ///
    /// # Errors
    /// [`IssueError::InvalidAnswer`] for a session that ends before it begins.
    pub fn judge(
        operation: &'static str,
        expiration: Timestamp,
        date: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, IssueError> {
        let issued_at = Self::begin(date, now);
        if expiration <= issued_at {
            return Err(IssueError::InvalidAnswer {
                operation,
                what: format!("the credentials' Expiration {expiration} is already past"),
                request_id: None,
            });
        }
        Ok(Self { issued_at, expiration })
    }

    /// Start of a session that an issuer with the clock `date` returned at `now`.
    pub fn begin(date: Option<Timestamp>, now: Timestamp) -> Timestamp {
        date.filter(|d| d.duration_since(now).abs() > CLOCKS_AGREE && is_plausible(*d))
            .unwrap_or(now)
    }
}

/// Whether a clock's time can be calculated with: times around it are representable.
fn is_plausible(date: Timestamp) -> bool {
    const FIRST: i64 = 0;
    /// The year 2500.
    const LAST: i64 = 16_725_225_600;
    (FIRST..LAST).contains(&date.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn the_expiration_counts_as_it_stands_while_clocks_agree() {
        let now = at("2026-01-01T00:00:00Z");
        let end = at("2026-01-01T01:00:00Z");
        for date in [None, Some(now), Some(at("2026-01-01T00:00:20Z"))] {
            let lifetime = Lifetime::judge("AssumeRole", end, date, now).expect("valid");
            assert_eq!(lifetime, Lifetime { issued_at: now, expiration: end });
        }
    }

    #[test]
    fn an_issuer_whose_clock_differs_is_judged_by_its_own() {
        let now = at("2026-01-01T00:00:00Z");
        for (date, expiration) in [
            ("2026-01-01T00:10:00Z", "2026-01-01T01:10:00Z"),
            ("2025-12-31T22:55:00Z", "2025-12-31T23:55:00Z"),
            ("2069-01-01T00:00:00Z", "2069-01-01T01:00:00Z"),
        ] {
            let lifetime =
                Lifetime::judge("AssumeRole", at(expiration), Some(at(date)), now).expect("valid");
            assert_eq!(
                lifetime,
                Lifetime { issued_at: at(date), expiration: at(expiration) },
                "as it was said"
            );
        }
    }

    #[test]
    fn a_date_that_cannot_be_is_none() {
        let (now, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:00Z"));
        for date in ["1969-12-31T00:00:00Z", "9999-12-30T00:00:00Z"] {
            let lifetime = Lifetime::judge("AssumeRole", end, Some(at(date)), now).expect("valid");
            assert_eq!(lifetime, Lifetime { issued_at: now, expiration: end }, "{date}");
        }
    }

    #[test]
    fn what_has_ended_is_refused() {
        let now = at("2026-01-01T00:00:00Z");
        for (end, date) in [
            ("2026-01-01T00:00:00Z", None),
            ("2020-01-01T00:00:00Z", None),
            ("2026-01-01T00:09:00Z", Some("2026-01-01T00:10:00Z")),
        ] {
            let error = Lifetime::judge("AssumeRole", at(end), date.map(at), now)
                .expect_err(end)
                .to_string();
            assert!(
                error.contains(&format!("the credentials' Expiration {end} is already past")),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = AccessKey {
            id: "AKIAEXAMPLE".into(),
            secret: "s3cr3t".into(),
            token: Some("t0k3n".into()),
        };
        let shown = format!("{key:?}");
        assert!(
            shown.contains("AKIAEXAMPLE") && !shown.contains("s3cr3t") && !shown.contains("t0k3n"),
            "{shown}"
        );
    }
}
