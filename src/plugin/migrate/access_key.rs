//! From a Secret with the long-lived key of an IAM user.

use super::outcome::Outcome;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Names that keys of access key ids have, without their case and separators.
const IDS: [&str; 6] =
    ["awsaccesskeyid", "accesskeyid", "awsaccesskey", "accesskey", "keyid", "awskeyid"];
/// Names that keys of secret access keys have.
const SECRETS: [&str; 6] = [
    "awssecretaccesskey",
    "secretaccesskey",
    "awssecretkey",
    "secretkey",
    "secretkeyid",
    "awssecret",
];
/// Names that keys of session tokens have.
const TOKENS: [&str; 4] = ["awssessiontoken", "sessiontoken", "awssecuritytoken", "securitytoken"];

/// A Secret. Only its access key ids are read, which are not secret.
pub struct Keys {
    /// Its name.
    pub name: String,
    /// The names of its data keys; the value only of the access key id, if it can be read.
    pub data: BTreeMap<String, Option<String>>,
}

impl Keys {
    /// Reads a Secret's manifest.
    ///
    /// # Errors
    /// Where it is none.
    pub fn of(object: &Value) -> Result<Self, String> {
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .ok_or("the Secret has no metadata.name")?;
        let mut data = BTreeMap::new();
        for (field, encoded) in [("data", true), ("stringData", false)] {
            for (key, value) in object.get(field).and_then(Value::as_object).into_iter().flatten() {
                let id = value.as_str().filter(|_| IDS.contains(&plain(key).as_str()));
                let id = id.and_then(|v| if encoded { decoded(v) } else { Some(v.to_owned()) });
                data.insert(key.clone(), id);
            }
        }
        Ok(Self { name: name.to_owned(), data })
    }

    fn key_of(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.data.keys().find(|k| plain(k) == *name))
            .map(String::as_str)
    }
}

/// A name without its case and separators.
pub(super) fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn decoded(text: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok().map(|t| t.trim().to_owned())
}

/// A resource that starts from the key in place of using it, for the role `role_arn`; left out, one
/// is suggested.
///
/// # Errors
/// Where the Secret holds no such key, or no role can be suggested.
pub fn migrate(
    keys: &Keys,
    namespace: Option<&str>,
    role_arn: Option<&str>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let name = &keys.name;
    let (Some(id), Some(secret)) = (keys.key_of(&IDS), keys.key_of(&SECRETS)) else {
        let found: Vec<&str> = keys.data.keys().map(String::as_str).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        return Err(format!(
            "Secret {name} has no keys for an access key id and a secret access key (it has: {found}): put them into two, like AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ));
    };
    if keys.key_of(&TOKENS).is_some() {
        return Err(format!(
            "Secret {name} holds a session token, so its key is none that lasts: if something else renews it, write a RefreshableCredential with source custom.secret"
        ));
    }
    let account = keys.data.get(id).and_then(Option::as_deref).and_then(account_of);
    let role_arn = match (role_arn, account) {
        (Some(arn), _) => arn.to_owned(),
        (None, Some(account)) => {
            let arn = format!("arn:aws:iam::{account:012}:role/{name}");
            outcome.note(format!(
                "{arn} is a suggestion, in the account that the access key id names: another is chosen by --role-arn"
            ));
            arn
        }
        (None, None) => {
            return Err(
                "the access key id does not say which account it belongs to: give --role-arn <ARN>"
                    .to_owned(),
            );
        }
    };
    let mut reference = json!({"secretRef": {"name": name}});
    let mut written = Map::new();
    for (field, output, default, own) in [
        ("accessKeyIdKey", "accessKeyId", "AWS_ACCESS_KEY_ID", id),
        ("secretAccessKeyKey", "secretAccessKey", "AWS_SECRET_ACCESS_KEY", secret),
    ] {
        if own != default {
            reference[field] = own.into();
            written.insert(output.to_owned(), own.into());
        }
    }
    let new_name = format!(
        "{}-session",
        name.chars().take(240).collect::<String>().trim_end_matches(['-', '.'])
    );
    let mut shape = json!({"formats": ["Credentials", "Config", "ProcessJson", "Environment"]});
    if !written.is_empty() {
        shape["keys"] = Value::Object(written);
    }
    let spec = json!({"source": {"accessKey": reference}, "roles": [{"roleArn": role_arn}], "secret": shape});
    let Value::Object(spec) = spec else { return Ok(()) };
    outcome.credential(&new_name, namespace, None, spec);

    outcome.note(
        "make the role, with the permissions that the user has now: kubectl refreshable trust-policy -f <this file> --base-identity <ARN of the user> prints whom it must let in, and what alone the user must then be allowed",
    );
    outcome.note(format!(
        "let Pods use Secret {new_name} instead of {name}: by its files, or by the same variables ({id}, {secret}) and AWS_SESSION_TOKEN, for programs that start anew at least once an hour"
    ));
    outcome.note("when nothing uses the user's key itself any more: take the user's other permissions away, make a new key, put it into the Secret, and delete the old one");
    Ok(())
}

/// The account of an access key id. AWS encodes it in ids since 2019;
/// [GetAccessKeyInfo](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html)
/// knows it for all.
fn account_of(id: &str) -> Option<u64> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let rest = id.strip_prefix("AKIA").filter(|r| r.len() == 16)?;
    // Ids that begin with I or J are older.
    let value = |b: u8| ALPHABET.iter().position(|a| *a == b).and_then(|p| u64::try_from(p).ok());
    let digits: Vec<u64> = rest.bytes().map(value).collect::<Option<_>>()?;
    if digits[0] < 16 {
        return None;
    }
    // The first 48 bits are the first 9 characters and 3 bits of the tenth: a mark, the account in
    // 40 bits, and 7 others.
    let whole = digits[..10].iter().fold(0_u64, |whole, d| (whole << 5) | d) >> 2;
    let account = (whole & 0x7fff_ffff_ff80) >> 7;
    (account > 0 && account < 1_000_000_000_000).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(data: &[(&str, &str)]) -> Keys {
        let data: Map<String, Value> =
            data.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        Keys::of(&json!({"metadata": {"name": "legacy"}, "stringData": data})).expect("a Secret")
    }

    #[test]
    fn a_key_becomes_the_start_of_a_chain() {
        let mut outcome = Outcome::default();
        let keys = keys(&[
            ("aws-access-key-id", "AKIAQYLPMN5HHHFPZAM2"),
            ("aws-secret-access-key", "very-secret"),
        ]);
        migrate(&keys, Some("team-a"), None, &mut outcome).expect("a migration");
        let yaml = outcome.yaml().expect("valid");
        for part in [
            "accessKeyIdKey: aws-access-key-id",
            "roleArn: arn:aws:iam::052310077262:role/legacy",
            "name: legacy-session",
            "accessKeyId: aws-access-key-id",
        ] {
            assert!(yaml.contains(part), "{part}\n{yaml}");
        }
        assert!(!format!("{yaml}{:?}", outcome.notes).contains("very-secret"));
    }

    #[test]
    fn what_is_no_long_lived_key_is_refused() {
        let migrate =
            |k: Keys, arn| migrate(&k, None, arn, &mut Outcome::default()).expect_err("refused");
        assert!(migrate(keys(&[("credentials", "x")]), None).contains("it has: credentials"));
        let session = keys(&[
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_SESSION_TOKEN", "c"),
        ]);
        assert!(
            migrate(session, Some("arn:aws:iam::111122223333:role/x")).contains("custom.secret")
        );
        let old =
            keys(&[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "b")]);
        assert!(migrate(old, None).contains("--role-arn"));
    }
}
