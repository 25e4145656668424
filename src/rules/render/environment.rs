//! One data key for each environment variable, for `envFrom`.

use super::Files;
use crate::issuer::Session;
use crate::timing::down_to_second;
use refreshable_api::SecretKeys;
use secrecy::SecretString;

/// The variables, under the names in `keys`.
pub(super) fn render(keys: &SecretKeys, region: &str, session: &Session) -> Files {
    let mut variables = Files::from([
        (keys.access_key_id.clone(), session.key.id.clone().into()),
        (keys.secret_access_key.clone(), session.key.secret.clone()),
        (keys.region.clone(), region.into()),
        (keys.default_region.clone(), region.into()),
        (
            keys.expiration.clone(),
            SecretString::from(down_to_second(session.expiration).to_string()),
        ),
    ]);
    if let Some(token) = &session.key.token {
        variables.insert(keys.session_token.clone(), token.clone());
    }
    variables
}
