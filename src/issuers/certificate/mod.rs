//! A device's X.509 certificate and the private key that belongs to it: in PEM, or in a PKCS#11
//! token.

mod authorities;
mod blocking;
mod key;
mod module;
mod period;
mod pin;
mod tls;
mod token;
mod x509;

pub use authorities::authorities;
pub use key::PrivateKey;
pub use module::Modules;
pub use period::{Validity, ValidityPeriod};
pub use pin::Pin;
pub use tls::TokenIdentity;
pub use token::TokenKey;
pub use x509::{Certificate, KeyKind};

use secrecy::SecretString;

/// A certificate with its private key.
pub struct DeviceIdentity {
    /// The certificate and its chain.
    pub certificate: Certificate,
    /// The key.
    pub key: DeviceKey,
}

/// The private key, or access to it.
pub enum DeviceKey {
    /// In memory, for the time of one attempt. With it its PEM, as the Secret holds it.
    Software(Box<PrivateKey>, SecretString),
    /// In a token that it never leaves.
    Token(TokenKey),
}

impl DeviceIdentity {
    /// A signature over the SHA-256 digest of `message`: PKCS#1 v1.5, or ECDSA in DER.
    ///
    /// # Errors
    /// The error of the key or its token.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match &self.key {
            DeviceKey::Software(key, _) => key.sign_sha256(message),
            DeviceKey::Token(key) => key.sign_sha256(self.certificate.kind, message),
        }
    }
}
