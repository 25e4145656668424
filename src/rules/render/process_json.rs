//! The JSON of the [credential process
//! protocol](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html),
//! version 1.

use crate::issuer::Issued;
use crate::timing::down_to_second;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

/// The object, on one line. `Expiration` is the issuer's own, in full seconds.
pub fn render(issued: &Issued) -> SecretString {
    let session = &issued.session;
    let mut object = json!({
        "Version": 1,
        "AccessKeyId": session.key.id,
        "SecretAccessKey": session.key.secret.expose_secret(),
        "Expiration": down_to_second(session.expiration).to_string(),
    });
    if let Some(token) = &session.key.token {
        object["SessionToken"] = token.expose_secret().into();
    }
    if let Some(account) = &issued.principal.account_id {
        object["AccountId"] = account.as_str().into();
    }
    SecretString::from(object.to_string())
}
