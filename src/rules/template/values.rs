//! The values that templates can name.

use crate::issuer::Issued;
use crate::timing::down_to_second;
use jiff::Timestamp;
use refreshable_api::Arn;
use secrecy::SecretString;
use std::collections::BTreeMap;

/// The names, with what each stands for.
pub(super) const NAMES: [(&str, &str); 10] = [
    ("accessKeyId", "AccessKeyId"),
    ("secretAccessKey", "SecretAccessKey"),
    ("sessionToken", "SessionToken"),
    ("expiration", "the end, like 2026-01-01T00:00:00Z"),
    ("expirationSeconds", "the end in seconds since 1970"),
    ("issuedAt", "when they were issued, like 2026-01-01T00:00:00Z"),
    ("region", "the Region"),
    ("profile", "the profile's name"),
    ("principalArn", "the principal's ARN"),
    ("accountId", "the principal's account"),
];

/// Values of one set of credentials, or those that many have in common. They hold secret material
/// and therefore have no `Debug`.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<&'static str, SecretString>);

impl Values {
    /// Those of `issued`, as the profile of this name and in this Region.
    pub fn of(issued: &Issued, profile: &str, region: &str) -> Self {
        let (key, lifetime, principal) = (&issued.session.key, &issued.lifetime, &issued.principal);
        let time = |at: Timestamp| down_to_second(at).to_string();
        let account =
            principal.account_id.clone().or_else(|| Arn::account_of(principal.arn.as_deref()?));
        let given = [
            ("accessKeyId", Some(key.id.as_str().into())),
            ("secretAccessKey", Some(key.secret.clone())),
            ("sessionToken", key.token.clone()),
            ("expiration", Some(time(lifetime.expiration).into())),
            ("expirationSeconds", Some(lifetime.expiration.as_second().to_string().into())),
            ("issuedAt", Some(time(lifetime.issued_at).into())),
            ("principalArn", principal.arn.as_deref().map(SecretString::from)),
            ("accountId", account.map(SecretString::from)),
            ("region", Some(region.into())),
            ("profile", Some(profile.into())),
        ];
        Self(given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// The values that all profiles have in common.
    pub fn shared(region: &str) -> Self {
        Self(BTreeMap::from([("region", region.into())]))
    }

    pub(super) fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }
}
