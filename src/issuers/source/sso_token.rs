//! The token of a person who signed in to IAM Identity Center, in the JSON of the AWS CLI's token
//! cache (`~/.aws/sso/cache`).

use jiff::{SignedDuration, Timestamp};
use refreshable_rules::expiry;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A token with less left is renewed.
const FRESH: SignedDuration = SignedDuration::from_mins(15);

/// The token. Members that are not known are kept as they are.
pub struct SsoToken {
    /// Address of the access portal.
    pub start_url: String,
    /// Region of IAM Identity Center.
    pub region: String,
    pub(super) access_token: SecretString,
    expires_at: Timestamp,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    registration_expires_at: Option<Timestamp>,
    refresh_token: Option<SecretString>,
    other: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    start_url: Option<String>,
    region: Option<String>,
    access_token: Option<SecretString>,
    expires_at: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    registration_expires_at: Option<String>,
    refresh_token: Option<SecretString>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// Parts of a token that its renewal needs.
pub(super) struct Grant<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a SecretString,
    pub(super) refresh_token: &'a SecretString,
}

impl SsoToken {
    /// Reads the JSON.
    ///
    /// # Errors
    /// The missing or wrong member, without any value.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(text).map_err(|e| {
            format!(
                "this is not a token in the JSON of the AWS CLI's cache (line {}, column {}): run `aws sso login`",
                e.line(),
                e.column()
            )
        })?;
        let missing =
            |name: &str| format!("{name} is missing: this is not a token of `aws sso login`");
        let time = |name: &str, text: &str| {
            expiry::parse(text).ok_or_else(|| format!("{name} is not a time in {}", expiry::FORMS))
        };
        let expires_at = wire.expires_at.ok_or_else(|| missing("expiresAt"))?;
        let registration =
            wire.registration_expires_at.map(|t| time("registrationExpiresAt", &t)).transpose()?;
        let region = wire.region.ok_or_else(|| missing("region"))?;
        if !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || region.is_empty() {
            return Err("region is not a name of a Region".to_owned());
        }
        Ok(Self {
            start_url: wire.start_url.unwrap_or_default(),
            region,
            access_token: wire.access_token.ok_or_else(|| missing("accessToken"))?,
            expires_at: time("expiresAt", &expires_at)?,
            client_id: wire.client_id,
            client_secret: wire.client_secret,
            registration_expires_at: registration,
            refresh_token: wire.refresh_token,
            other: wire.other,
        })
    }

    /// The token after a sign-in, valid for so many seconds.
    pub fn signed_in(
        start_url: &str,
        region: &str,
        access: &str,
        expires_in: i32,
        now: Timestamp,
    ) -> Self {
        Self {
            start_url: start_url.to_owned(),
            region: region.to_owned(),
            access_token: SecretString::from(access),
            expires_at: now + SignedDuration::from_secs(expires_in.into()),
            client_id: None,
            client_secret: None,
            registration_expires_at: None,
            refresh_token: None,
            other: Map::new(),
        }
    }

    /// The same, with the registration of the client that signed in.
    pub fn registered(
        self,
        id: &str,
        secret: &SecretString,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            client_id: Some(id.to_owned()),
            client_secret: Some(secret.clone()),
            registration_expires_at: expires_at,
            ..self
        }
    }

    /// The same, with a refresh token.
    pub fn refreshed_by(self, refresh: &str) -> Self {
        Self { refresh_token: Some(SecretString::from(refresh)), ..self }
    }

    /// When its renewal ends, according to the client's registration; `None` if it cannot be
    /// renewed.
    pub fn renewable_until(&self) -> Option<Timestamp> {
        self.refresh_token.as_ref()?;
        self.registration_expires_at
    }

    /// Whether it is good for the next while.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires_at.duration_since(now) > FRESH
    }

    /// Whether it is good for this moment.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at > now
    }

    /// Whether this token is renewed with the same refresh token as `other`.
    pub(super) fn has_refresh_token_of(&self, other: &Self) -> bool {
        let text =
            |token: &Self| token.refresh_token.as_ref().map(|t| t.expose_secret().to_owned());
        text(self) == text(other)
    }

    /// The parts that a renewal needs, or why it is impossible.
    pub(super) fn grant(&self, now: Timestamp) -> Result<Grant<'_>, &'static str> {
        let ended = self.registration_expires_at.is_some_and(|end| end <= now);
        match (&self.client_id, &self.client_secret, &self.refresh_token) {
            _ if ended => Err("the registration of the client has expired"),
            (Some(client_id), Some(client_secret), Some(refresh_token)) => {
                Ok(Grant { client_id, client_secret, refresh_token })
            }
            _ => Err(
                "the token has expired and a refresh token is missing (sign in with an sso-session of scope sso:account:access)",
            ),
        }
    }

    /// This token after a renewal. A refresh token that is not replaced stays.
    pub(super) fn renewed(
        &self,
        access: &str,
        expires_in: i32,
        refresh: Option<&str>,
        now: Timestamp,
    ) -> Self {
        Self {
            start_url: self.start_url.clone(),
            region: self.region.clone(),
            access_token: SecretString::from(access),
            expires_at: now + SignedDuration::from_secs(expires_in.into()),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            registration_expires_at: self.registration_expires_at,
            refresh_token: refresh.map(SecretString::from).or_else(|| self.refresh_token.clone()),
            other: self.other.clone(),
        }
    }

    /// The JSON, as the AWS CLI writes it.
    pub fn to_json(&self) -> SecretString {
        let second =
            |t: Timestamp| Value::from(refreshable_rules::timing::down_to_second(t).to_string());
        let text = |s: &SecretString| Value::from(s.expose_secret());
        let mut members = self.other.clone();
        let own = [
            ("startUrl", Some(Value::from(self.start_url.as_str()))),
            ("region", Some(Value::from(self.region.as_str()))),
            ("accessToken", Some(text(&self.access_token))),
            ("expiresAt", Some(second(self.expires_at))),
            ("clientId", self.client_id.as_deref().map(Value::from)),
            ("clientSecret", self.client_secret.as_ref().map(text)),
            ("registrationExpiresAt", self.registration_expires_at.map(second)),
            ("refreshToken", self.refresh_token.as_ref().map(text)),
        ];
        members.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        SecretString::from(Value::Object(members).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = r#"{"startUrl":"https://d.awsapps.com/start","region":"eu-west-1","accessToken":"s3cr3t-a",
        "expiresAt":"2026-01-01T01:00:00Z","clientId":"c","clientSecret":"s3cr3t-c",
        "registrationExpiresAt":"2026-03-01T00:00:00Z","refreshToken":"s3cr3t-r","scopes":["sso:account:access"]}"#;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn a_renewed_token_keeps_what_was_not_replaced() {
        let token = SsoToken::parse(TOKEN.as_bytes()).expect("a token");
        let now = at("2026-01-01T00:50:00Z");
        assert!(!token.is_fresh(now) && token.is_valid(now));
        assert!(token.is_fresh(at("2026-01-01T00:40:00Z")));
        assert!(token.grant(now).is_ok());
        for (refresh, expected) in [(None, "s3cr3t-r"), (Some("s3cr3t-n"), "s3cr3t-n")] {
            let json = token.renewed("s3cr3t-b", 3600, refresh, now).to_json();
            let json: Value = serde_json::from_str(json.expose_secret()).expect("JSON");
            assert_eq!(json["accessToken"], "s3cr3t-b");
            assert_eq!(json["refreshToken"], expected);
            assert_eq!(json["expiresAt"], "2026-01-01T01:50:00Z");
            assert_eq!(json["scopes"][0], "sso:account:access");
        }
    }

    #[test]
    fn a_token_of_a_sign_in_is_read_back() {
        let now = at("2026-01-01T00:00:00Z");
        let ends = at("2026-03-01T00:00:00Z");
        let token =
            SsoToken::signed_in("https://d.awsapps.com/start", "eu-west-1", "s3cr3t-a", 3600, now)
                .registered("c", &"s3cr3t-c".into(), Some(ends));
        assert_eq!(token.renewable_until(), None);
        let token = token.refreshed_by("s3cr3t-r");
        assert_eq!(token.renewable_until(), Some(ends));
        let json = token.to_json();
        let mut expected: Value = serde_json::from_str(TOKEN).expect("JSON");
        expected.as_object_mut().expect("an object").remove("scopes");
        assert_eq!(serde_json::from_str::<Value>(json.expose_secret()).expect("JSON"), expected);
        assert!(
            SsoToken::parse(json.expose_secret().as_bytes()).expect("a token").grant(now).is_ok()
        );
    }

    #[test]
    fn what_ends_a_session_is_said() {
        let token = SsoToken::parse(TOKEN.as_bytes()).expect("a token");
        assert!(token.grant(at("2026-03-01T00:00:00Z")).is_err_and(|e| e.contains("registration")));
        let old = TOKEN.replace("refreshToken", "other");
        let token = SsoToken::parse(old.as_bytes()).expect("a token");
        assert!(
            token
                .grant(at("2026-01-02T00:00:00Z"))
                .is_err_and(|e| e.contains("refresh token is missing"))
        );
    }

    #[test]
    fn what_is_no_token_is_named_and_not_shown() {
        for (from, to, words) in [
            ("{", "", "not a token"),
            ("accessToken", "other", "accessToken is missing"),
            ("expiresAt\":\"2026", "expiresAt\":\"x", "expiresAt is not a time"),
            ("\"region\"", "\"other\"", "region is missing"),
            ("eu-west-1", "evil.example.com/", "not a name of a Region"),
        ] {
            let Err(error) = SsoToken::parse(TOKEN.replacen(from, to, 1).as_bytes()) else {
                panic!("{words}")
            };
            assert!(error.contains(words) && !error.contains("s3cr3t"), "{error}");
        }
    }
}
