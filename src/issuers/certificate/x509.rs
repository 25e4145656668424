//! Reads certificates (RFC 5280).

use super::period::ValidityPeriod;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Longest chain that is read.
const LONGEST_CHAIN: usize = 10;

/// The kind of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// A certificate and those above it.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate itself, then its chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its serial number in decimal.
    pub serial: String,
    /// When it is valid.
    pub period: ValidityPeriod,
    /// The kind of its public key.
    pub kind: KeyKind,
    /// Its public key: an RSAPublicKey (RFC 8017) or an uncompressed point (SEC 1).
    pub public_key: Vec<u8>,
}

impl Certificate {
    /// Reads PEM: the certificate first, then its chain.
    ///
    /// # Errors
    /// The fault, and a valid form.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(pem)
            .take(LONGEST_CHAIN + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| format!("this is not a certificate in PEM: {e}"))?;
        if chain.len() > LONGEST_CHAIN {
            return Err(format!("there are more than {LONGEST_CHAIN} certificates in it"));
        }
        let first = chain
            .first()
            .ok_or("it lacks a certificate: it must begin with -----BEGIN CERTIFICATE-----")?;
        let (_, read) = X509Certificate::from_der(first)
            .map_err(|_| "the certificate cannot be read".to_owned())?;
        let public = read.public_key();
        let kind =
            match public.parsed() {
                Ok(PublicKey::RSA(_)) => KeyKind::Rsa,
                Ok(PublicKey::EC(point)) if point.key_size() == 256 => KeyKind::P256,
                Ok(PublicKey::EC(point)) if point.key_size() == 384 => KeyKind::P384,
                _ => return Err(
                    "its key is none that AWS takes: use RSA, or an elliptic curve P-256 or P-384"
                        .to_owned(),
                ),
            };
        Ok(Self {
            serial: read.tbs_certificate.serial.to_string(),
            period: ValidityPeriod::of(&read),
            kind,
            public_key: public.subject_public_key.data.to_vec(),
            chain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, KeyPair) {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let mut params = CertificateParams::default();
        params.serial_number = Some(vec![0x01, 0x00, 0x00].into());
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 2, 1);
        (params.self_signed(&key).expect("a certificate").pem(), key)
    }

    #[test]
    fn serial_validity_and_key_are_read() {
        for (algorithm, kind) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, KeyKind::P256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, KeyKind::P384),
            (&rcgen::PKCS_RSA_SHA256, KeyKind::Rsa),
        ] {
            let (pem, key) = made(algorithm);
            let read = Certificate::parse(pem.as_bytes()).expect("a certificate");
            assert_eq!((read.serial.as_str(), read.kind), ("65536", kind));
            assert_eq!(read.public_key, rcgen::PublicKeyData::der_bytes(&key));
            let time = |text: &str| text.parse().expect("time");
            let period = ValidityPeriod {
                not_before: time("2026-01-01T00:00:00Z"),
                not_after: time("2026-02-01T00:00:00Z"),
            };
            assert_eq!(read.period, period);
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let (pem, _) = made(&rcgen::PKCS_ED25519);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, words) in [
            (String::new(), "it lacks a certificate"),
            ("nonsense".to_owned(), "it lacks a certificate"),
            (broken.to_owned(), "cannot be read"),
            (pem.clone(), "none that AWS takes"),
            (made(&rcgen::PKCS_ECDSA_P256_SHA256).0.repeat(11), "more than 10 certificates"),
        ] {
            let error = Certificate::parse(text.as_bytes()).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
