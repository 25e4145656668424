//! The data keys of the published Secret: one table of their fields, defaults and formats.

use super::{DataKey, Format};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No two fields may name the same data key.
const DIFFERENT_KEYS: &str = "[self.credentials, self.config, self.processJson, self.accessKeyId, self.secretAccessKey, self.sessionToken, self.region, self.defaultRegion, self.expiration].all(k, [self.credentials, self.config, self.processJson, self.accessKeyId, self.secretAccessKey, self.sessionToken, self.region, self.defaultRegion, self.expiration].exists_one(o, o == k))";
const EQUAL_KEYS: &str =
    "every data key needs a name of its own: two of spec.secret.keys are equal";

/// One row for each data key: its field in `spec.secret.keys`, its default, and the format that
/// writes it.
macro_rules! data_keys {
    ($($(#[doc = $doc:literal])+ $field:ident: $default:literal, $format:ident;)+) => {
        /// Names of the Secret's data keys, where they differ from the defaults.
        #[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        #[schemars(extend("x-kubernetes-validations" = [{"message": EQUAL_KEYS, "rule": DIFFERENT_KEYS}]))]
        pub struct SecretKeys {
            $(
                $(#[doc = $doc])+
                #[schemars(with = "DataKey")]
                pub $field: String,
            )+
        }

        impl Default for SecretKeys {
            fn default() -> Self {
                Self { $($field: $default.to_owned(),)+ }
            }
        }

        impl SecretKeys {
            /// The data keys that `format` writes.
            ///
            /// ```
            /// use refreshable_api::{Format, SecretKeys};
            ///
            /// let keys = SecretKeys { config: "aws.conf".to_owned(), ..SecretKeys::default() };
            /// assert_eq!(keys.of(Format::Config), ["aws.conf"]);
            /// assert_eq!(keys.of(Format::Environment).len(), 6);
            /// ```
            pub fn of(&self, format: Format) -> Vec<&str> {
                let all = [$((Format::$format, self.$field.as_str()),)+];
                all.into_iter().filter(|(written_by, _)| *written_by == format).map(|(_, key)| key).collect()
            }
        }

        #[cfg(test)]
        const FIELDS: &[&str] = &[$(stringify!($field)),+];
    };
}

data_keys! {
    /// The shared credentials file.
    credentials: "credentials", Credentials;
    /// The shared config file.
    config: "config", Config;
    /// The process JSON.
    process_json: "credentials.json", ProcessJson;
    /// The access key id, of format Environment.
    access_key_id: "AWS_ACCESS_KEY_ID", Environment;
    /// The secret access key, of format Environment.
    secret_access_key: "AWS_SECRET_ACCESS_KEY", Environment;
    /// The session token, of format Environment.
    session_token: "AWS_SESSION_TOKEN", Environment;
    /// The Region, of format Environment.
    region: "AWS_REGION", Environment;
    /// The Region under the name that boto3 and the AWS CLI 1 read, of format Environment.
    default_region: "AWS_DEFAULT_REGION", Environment;
    /// The expiration (RFC 3339), of format Environment.
    expiration: "AWS_CREDENTIAL_EXPIRATION", Environment;
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn every_key_is_compared_with_every_other() {
        for field in FIELDS {
            let mut words = field.split('_');
            let first = words.next().unwrap_or_default().to_owned();
            let name =
                words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..]);
            let whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
            let mentioned = DIFFERENT_KEYS
                .split(&format!("self.{name}"))
                .skip(1)
                .filter(|rest| whole(rest))
                .count();
            assert_eq!(mentioned, 2, "{name}");
        }
    }
}
