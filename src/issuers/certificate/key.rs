//! A private key in PEM: PKCS#8, PKCS#1 or SEC 1.

use super::KeyKind;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use p384::pkcs8::DecodePrivateKey as _;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};

/// A private key.
pub enum PrivateKey {
    /// RSA.
    Rsa(Box<RsaKeyPair>),
    /// NIST P-256.
    P256(EcdsaKeyPair),
    /// NIST P-384. Roles Anywhere wants SHA-256 for it, which aws-lc-rs does not sign with this
    /// curve.
    P384(p384::ecdsa::SigningKey),
}

impl PrivateKey {
    /// Reads PEM.
    ///
    /// # Errors
    /// The fault, and a valid form; nothing of the key itself.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        if contains(pem, b"ENCRYPTED") {
            return Err(
                "the private key is encrypted: store it without a passphrase, or use pkcs11"
                    .to_owned(),
            );
        }
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
            "it lacks a private key in PEM, like -----BEGIN PRIVATE KEY-----".to_owned()
        })?;
        let unknown = || {
            "the private key is none that AWS takes: use RSA of 2048 to 8192 bits, P-256 or P-384"
                .to_owned()
        };
        let bytes = der.secret_der();
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes).ok(),
            PrivateKeyDer::Pkcs8(_) => RsaKeyPair::from_pkcs8(bytes).ok(),
            _ => None,
        };
        if let Some(key) = rsa {
            return Ok(Self::Rsa(Box::new(key)));
        }
        if let Ok(key) = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes)
        {
            return Ok(Self::P256(key));
        }
        let p384 = match &der {
            PrivateKeyDer::Sec1(_) => p384::SecretKey::from_sec1_der(bytes).ok(),
            _ => p384::SecretKey::from_pkcs8_der(bytes).ok(),
        };
        p384.map(|key| Self::P384(key.into())).ok_or_else(unknown)
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa(_) => KeyKind::Rsa,
            Self::P256(_) => KeyKind::P256,
            Self::P384(_) => KeyKind::P384,
        }
    }

    /// Its public key, in the form of [`super::Certificate::public_key`].
    pub fn public_key(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
            Self::P256(key) => key.public_key().as_ref().to_vec(),
            Self::P384(key) => key.verifying_key().to_encoded_point(false).as_bytes().to_vec(),
        }
    }

    /// A signature over the SHA-256 digest of `message`: PKCS#1 v1.5, or ECDSA in DER.
    ///
    /// # Errors
    /// That the library refused.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let refused = || "the private key cannot sign".to_owned();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| refused())?;
                Ok(signature)
            }
            Self::P256(key) => key
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| refused()),
            Self::P384(key) => {
                let digest: [u8; 32] = Sha256::digest(message).into();
                let signature: p384::ecdsa::DerSignature =
                    key.sign_prehash(&digest).map_err(|_| refused())?;
                Ok(signature.as_bytes().to_vec())
            }
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256,
        UnparsedPublicKey, VerificationAlgorithm,
    };
    use rcgen::KeyPair;

    #[test]
    fn each_kind_signs_what_another_implementation_verifies() {
        let cases: [(
            &'static rcgen::SignatureAlgorithm,
            KeyKind,
            &'static dyn VerificationAlgorithm,
        ); 3] = [
            (&rcgen::PKCS_RSA_SHA256, KeyKind::Rsa, &RSA_PKCS1_2048_8192_SHA256),
            (&rcgen::PKCS_ECDSA_P256_SHA256, KeyKind::P256, &ECDSA_P256_SHA256_ASN1),
            (&rcgen::PKCS_ECDSA_P384_SHA384, KeyKind::P384, &ECDSA_P384_SHA256_ASN1),
        ];
        for (algorithm, kind, verifier) in cases {
            let pair = KeyPair::generate_for(algorithm).expect("a key");
            let key = PrivateKey::parse(pair.serialize_pem().as_bytes()).expect("a key");
            assert_eq!(key.kind(), kind);
            assert_eq!(key.public_key(), rcgen::PublicKeyData::der_bytes(&pair));
            let signature = key.sign_sha256(b"message").expect("a signature");
            UnparsedPublicKey::new(verifier, key.public_key())
                .verify(b"message", &signature)
                .expect("it fits");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
        for (pem, words) in [
            ("", "lacks a private key in PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
                "lacks a private key in PEM",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\ns3cr3t\n-----END ENCRYPTED PRIVATE KEY-----",
                "encrypted",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nczNjcjN0\n-----END PRIVATE KEY-----",
                "none that AWS takes",
            ),
            (&ed25519, "none that AWS takes"),
        ] {
            let Err(error) = PrivateKey::parse(pem.as_bytes()) else { panic!("{words}: a key") };
            assert!(error.contains(words) && !error.contains("s3cr3t"), "{error}");
        }
    }
}
