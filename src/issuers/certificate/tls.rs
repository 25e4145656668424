//! TLS with a client certificate whose key is in a token.

use super::{Certificate, KeyKind, TokenKey};
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::sync::Arc;

/// A certificate whose key is in a token, in rustls' form.
#[derive(Clone, Debug)]
pub struct TokenIdentity(Arc<CertifiedKey>);

impl TokenIdentity {
    /// `certificate` with `key`.
    pub fn new(certificate: &Certificate, key: TokenKey) -> Self {
        let key = Key { key, kind: certificate.kind };
        Self(Arc::new(CertifiedKey::new(certificate.chain.clone(), Arc::new(key))))
    }
}

impl ResolvesClientCert for TokenIdentity {
    fn resolve(
        &self,
        _issuers: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
struct Key {
    key: TokenKey,
    kind: KeyKind,
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let able: &[SignatureScheme] = match self.kind {
            KeyKind::Rsa => &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256],
            KeyKind::P256 => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            KeyKind::P384 => &[SignatureScheme::ECDSA_NISTP384_SHA384],
        };
        let scheme = *able.iter().find(|s| offered.contains(s))?;
        Some(Box::new(Signing { key: self.clone(), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.kind {
            KeyKind::Rsa => SignatureAlgorithm::RSA,
            KeyKind::P256 | KeyKind::P384 => SignatureAlgorithm::ECDSA,
        }
    }
}

#[derive(Debug)]
struct Signing {
    key: Key,
    scheme: SignatureScheme,
}

impl Signer for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.key.sign_tls(self.key.kind, self.scheme, message).map_err(rustls::Error::General)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
