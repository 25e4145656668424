//! Certificates of authorities, as a specification or an object of the cluster holds them.

use pem::{EncodeConfig, LineEnding, Pem, encode_many_config};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// The certificates in `bytes` (PEM), without anything else in it, such as comments or a private
/// key.
///
/// # Errors
/// The fault, without a word of the text: it may be a Secret's.
pub fn authorities(bytes: &[u8]) -> Result<String, String> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let certificate =
            certificate.map_err(|_| "this is not a list of certificates in PEM".to_owned())?;
        let number = found.len() + 1;
        RootCertStore::empty().add(certificate.clone()).map_err(|_| {
            format!("certificate {number} in it cannot be read as one of an authority")
        })?;
        found.push(Pem::new("CERTIFICATE", certificate.as_ref()));
    }
    match found.is_empty() {
        true => {
            Err("it holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
                .to_owned())
        }
        false => {
            Ok(encode_many_config(&found, EncodeConfig::new().set_line_ending(LineEnding::LF)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    /// An authority's certificate and its key.
    fn authority() -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    #[test]
    fn certificates_alone_are_taken_from_what_surrounds_them() {
        let ((one, key), (other, _)) = (authority(), authority());
        let text = format!("# the company's\n{one}\n{key}\nand another:\n{other}");
        let read = authorities(text.as_bytes()).expect("two certificates");
        assert_eq!(read.matches("-----BEGIN ").count(), 2, "{read}");
        assert_eq!(pem::parse_many(&read).expect("PEM").len(), 2);
        assert!(!read.contains("PRIVATE KEY") && !read.contains("company"), "{read}");
        assert_eq!(
            authorities(read.as_bytes()).as_deref(),
            Ok(read.as_str()),
            "what was read is read again"
        );
    }

    #[test]
    fn what_is_no_certificate_is_said_without_a_word_of_it() {
        let (one, key) = authority();
        let broken = |inside: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n")
        };
        for (text, words) in [
            (String::new(), "it holds no certificate in PEM"),
            ("s3cr3t".to_owned(), "it holds no certificate in PEM"),
            (key, "it holds no certificate in PEM"),
            (broken("s3cr3t!"), "not a list of certificates in PEM"),
            ("-----BEGIN CERTIFICATE-----\ns3cr3t".to_owned(), "not a list of certificates in PEM"),
            ("-----BEGIN s3cr3t\n".to_owned(), "not a list of certificates in PEM"),
            (format!("{one}{}", broken("czNjcjN0")), "certificate 2 in it cannot be read"),
        ] {
            let error = authorities(text.as_bytes()).expect_err(words);
            assert!(error.contains(words), "{words}: {error}");
            assert!(!error.contains("s3cr3t") && !error.contains("czNj"), "{error}");
        }
    }
}
