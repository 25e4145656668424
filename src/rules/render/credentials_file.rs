//! The [shared credentials file](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).

use crate::issuer::Session;
use secrecy::{ExposeSecret as _, SecretString};

/// One profile with its three keys. The Region is in the config file.
pub(super) fn render(profile: &str, session: &Session) -> SecretString {
    let mut file = format!(
        "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        session.key.id,
        session.key.secret.expose_secret(),
    );
    if let Some(token) = &session.key.token {
        file.push_str(&format!("aws_session_token = {}\n", token.expose_secret()));
    }
    SecretString::from(file)
}
