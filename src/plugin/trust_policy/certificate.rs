//! The subject of a certificate, as IAM Roles Anywhere presents it to a trust policy.

use super::facts::Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The subject's parts that tell one certificate from another, by what Roles Anywhere calls them.
const SUBJECT: [(&str, &str); 3] = [("2.5.4.3", "CN"), ("2.5.4.10", "O"), ("2.5.4.11", "OU")];

/// Reads the first certificate of a PEM file.
///
/// # Errors
/// The fault.
pub fn read(pem: &[u8]) -> Result<Certificate, String> {
    let chain = refreshable_issuers::certificate::Certificate::parse(pem)?.chain;
    let first = chain.first().ok_or("it lacks a certificate")?;
    let (_, certificate) = X509Certificate::from_der(first)
        .map_err(|_| "the certificate cannot be read".to_owned())?;
    let mut tags = subject(certificate.subject());
    if tags.is_empty() {
        tags = alternative(&certificate);
    }
    if tags.is_empty() {
        return Err(
            "the certificate has neither a subject (CN, O or OU) nor a DNS name or URI that would tell it from others"
                .to_owned(),
        );
    }
    Ok(Certificate { tags })
}

/// Parts that occur more than once are left out: Roles Anywhere makes one tag of them.
fn subject(name: &X509Name<'_>) -> Vec<(String, String)> {
    let of = |oid: &str| {
        let mut values = name.iter_attributes().filter(|a| a.attr_type().to_id_string() == oid);
        values.next().filter(|_| values.next().is_none()).and_then(text)
    };
    SUBJECT
        .iter()
        .filter_map(|(oid, short)| Some((format!("x509Subject/{short}"), of(oid)?)))
        .collect()
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    attribute.as_str().ok().map(str::to_owned)
}

/// For certificates without a subject, such as SPIFFE's.
fn alternative(certificate: &X509Certificate<'_>) -> Vec<(String, String)> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|n| n.value.general_names.as_slice()).unwrap_or_default();
    let first = |of: fn(&GeneralName<'_>) -> Option<String>| names.iter().find_map(of);
    let uri = first(|n| if let GeneralName::URI(uri) = n { Some((*uri).to_owned()) } else { None });
    let dns =
        first(|n| if let GeneralName::DNSName(dns) = n { Some((*dns).to_owned()) } else { None });
    let tags = [("x509SAN/URI", uri), ("x509SAN/DNS", dns)];
    tags.into_iter().filter_map(|(tag, value)| Some((tag.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn pem(change: impl FnOnce(&mut CertificateParams)) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn the_subject_or_the_first_other_name_is_read() {
        let named = pem(|p| {
            p.distinguished_name.push(DnType::CommonName, "sensor-17");
            p.distinguished_name.push(DnType::OrganizationalUnitName, "edge");
        });
        let tags = read(named.as_bytes()).expect("a certificate").tags;
        assert_eq!(
            tags,
            [
                ("x509Subject/CN".into(), "sensor-17".into()),
                ("x509Subject/OU".into(), "edge".into())
            ]
        );
        let spiffe = pem(|p| {
            p.subject_alt_names
                .push(SanType::URI("spiffe://example.com/reports".try_into().expect("ASCII")));
        });
        let tags = read(spiffe.as_bytes()).expect("a certificate").tags;
        assert_eq!(tags, [("x509SAN/URI".into(), "spiffe://example.com/reports".into())]);
        let error = |pem: &[u8]| read(pem).map(drop).expect_err("refused");
        let nameless = error(pem(|_| {}).as_bytes());
        assert!(nameless.contains("neither a subject"), "{nameless}");
        let nonsense = error(b"nonsense");
        assert!(nonsense.contains("certificate"), "{nonsense}");
    }
}
