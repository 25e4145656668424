//! A device's certificate and key, read from a Secret or a PKCS#11 token, and looked at before they
//! are used.

use super::Request;
use crate::certificate::{
    Certificate, DeviceIdentity, DeviceKey, Pin, PrivateKey, TokenIdentity, TokenKey, Validity,
};
use crate::http::ClientIdentity;
use refreshable_api::Pkcs11Key;
use refreshable_rules::issuer::IssueError;
use secrecy::{ExposeSecret as _, SecretString};

/// Keys of a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";

/// Reads the certificate in Secret `name` with its key, which is beside it or in a token.
pub(super) async fn identity(
    name: &str,
    pkcs11: Option<&Pkcs11Key>,
    request: &Request<'_>,
) -> Result<DeviceIdentity, IssueError> {
    let secret = request.inputs.secret(name).await?;
    let invalid = |key: &str, what: String| IssueError::InputInvalid {
        kind: "Secret",
        name: name.to_owned(),
        key: key.to_owned(),
        what,
    };
    let certificate = Certificate::parse(secret.bytes(CERTIFICATE)?)
        .map_err(|what| invalid(CERTIFICATE, what))?;
    match certificate.period.validity(request.now) {
        Validity::Valid => {}
        Validity::Expired(end) => {
            return Err(IssueError::InputExpired {
                name: name.to_owned(),
                key: CERTIFICATE.to_owned(),
                what: format!("the certificate expired at {end}"),
            });
        }
        Validity::NotYet(start) => {
            return Err(invalid(
                CERTIFICATE,
                format!("the certificate is valid only from {start}: is the clock right?"),
            ));
        }
    }
    let key = match pkcs11 {
        Some(key) => {
            let text = request.text(&key.pin_secret_ref).await?;
            let secret = request.inputs.secret(&key.pin_secret_ref.name).await?;
            let pin = Pin { text, secret: secret.version.clone() };
            DeviceKey::Token(TokenKey::find(&request.source_context.modules, key, pin)?)
        }
        None => {
            let pem = secret.bytes(PRIVATE_KEY)?;
            let key = PrivateKey::parse(pem).map_err(|what| invalid(PRIVATE_KEY, what))?;
            if key.public_key() != certificate.public_key {
                return Err(invalid(
                    PRIVATE_KEY,
                    "the private key does not belong to the certificate in tls.crt".into(),
                ));
            }
            let text = SecretString::from(String::from_utf8_lossy(pem).into_owned());
            request.protect(&text);
            DeviceKey::Software(Box::new(key), text)
        }
    };
    Ok(DeviceIdentity { certificate, key })
}

/// The identity, as TLS shows it.
pub(super) fn for_tls(identity: &DeviceIdentity) -> ClientIdentity {
    match &identity.key {
        DeviceKey::Token(key) => {
            ClientIdentity::Token(TokenIdentity::new(&identity.certificate, key.clone()))
        }
        DeviceKey::Software(_, pem) => {
            let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
            let chain: Vec<pem::Pem> = identity
                .certificate
                .chain
                .iter()
                .map(|c| pem::Pem::new("CERTIFICATE", c.to_vec()))
                .collect();
            let chain = pem::encode_many_config(&chain, config);
            ClientIdentity::Pem(SecretString::from(format!("{chain}\n{}", pem.expose_secret())))
        }
    }
}
