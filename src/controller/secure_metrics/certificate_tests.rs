use super::*;

/// A self-signed certificate with its key, in PEM.
pub(in super::super) struct Identity {
    pub(in super::super) certificate: String,
    pub(in super::super) key: String,
    pub(in super::super) der: Vec<u8>,
}

pub(in super::super) fn identity() -> Identity {
    identity_until(2040)
}

/// One that is valid to the begin of that year.
fn identity_until(year: i32) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(&key).expect("a certificate");
    let (pem, der) = (certificate.pem(), certificate.der().to_vec());
    Identity { certificate: pem, key: key.serialize_pem(), der }
}

pub(in super::super) fn write(folder: &Path, certificate: &str, key: &str) {
    for (file, text) in [(CERTIFICATE, certificate), (KEY, key)] {
        std::fs::write(folder.join(file), text).expect("written");
    }
}

fn fault(folder: &Path) -> String {
    read(folder).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn what_cannot_be_served_is_named_with_what_to_write_and_without_its_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (identity(), identity());
    let said = fault(folder.path());
    assert!(said.contains("tls.crt cannot be read") && said.contains("mount a Secret"), "{said}");
    std::fs::write(folder.path().join(CERTIFICATE), &one.certificate).expect("written");
    let said = fault(folder.path());
    assert!(said.contains("tls.key cannot be read"), "{said}");

    let broken = "-----BEGIN CERTIFICATE-----\nczNjcjN0\n-----END CERTIFICATE-----\n";
    let broken_above = format!("{}{broken}", one.certificate);
    let half = one.certificate.replace("-----END", "s3cr3t");
    for (certificate, key, words) in [
        ("", one.key.as_str(), "tls.crt holds no certificate"),
        (half.as_str(), one.key.as_str(), "tls.crt holds no certificate"),
        (one.key.as_str(), one.key.as_str(), "tls.crt holds no certificate"),
        (one.certificate.as_str(), "s3cr3t", "tls.key holds no private key"),
        (one.certificate.as_str(), one.certificate.as_str(), "tls.key holds no private key"),
        (one.certificate.as_str(), other.key.as_str(), "cannot be used together"),
        (broken, one.key.as_str(), "cannot be used together"),
        (broken_above.as_str(), one.key.as_str(), "tls.crt holds no certificate"),
    ] {
        write(folder.path(), certificate, key);
        let said = fault(folder.path());
        assert!(said.contains(words), "{words}: {said}");
        assert!(!said.contains("s3cr3t") && !said.contains("czNj"), "{said}");
    }
}

#[test]
fn a_chain_is_read_with_its_certificate_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, above) = (identity(), identity_until(2030));
    let chain = format!("{}# its authority\n{}", own.certificate, above.certificate);
    write(folder.path(), &chain, &own.key);
    let read = read(folder.path()).expect("a certificate");
    assert_eq!(read.period.not_after.to_string(), "2030-01-01T00:00:00Z", "the earliest end");
    let chain: Vec<_> = read.key.cert.iter().map(|c| c.to_vec()).collect();
    assert_eq!(chain, [own.der, above.der]);
}
