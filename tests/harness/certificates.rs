//! A certificate authority for one run, and what it signs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, SanType,
};

use super::scratch;

/// A certificate authority, its own certificate in a file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate with its key, as text and as files.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: String,
    /// The file that holds the certificate.
    pub certificate_file: PathBuf,
    /// The file that holds the key.
    pub key_file: PathBuf,
}

impl Authority {
    /// A new authority, with its files in `folder`.
    pub fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("the bench's authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key for the authority");
        let issuer =
            CertifiedIssuer::self_signed(params, key).expect("the authority's certificate");
        scratch::write(folder.join("ca.crt"), issuer.pem());
        Self { issuer, folder: folder.into() }
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// The file that holds its certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A server's certificate for these names and for loopback.
    pub fn server(&self, file: &str, names: &[&str]) -> Identity {
        self.sign(file, server(file, names))
    }

    /// The same, of which the validity ends with the begin of `year`.
    pub fn server_until(&self, file: &str, names: &[&str], year: i32) -> Identity {
        let mut params = server(file, names);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(file, params)
    }

    /// A client's certificate: to Kubernetes, a user and its groups.
    pub fn client(&self, file: &str, user: &str, groups: &[&str]) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, groups);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    /// A client's certificate with an RSA key.
    pub fn client_rsa(&self, file: &str, user: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("an RSA key");
        self.sign_with(file, params, &key)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Identity {
        self.sign_with(file, params, &KeyPair::generate().expect("a key"))
    }

    fn sign_with(&self, file: &str, mut params: CertificateParams, key: &KeyPair) -> Identity {
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        Identity {
            certificate_file: scratch::write(self.folder.join(format!("{file}.crt")), &certificate),
            key_file: scratch::write(self.folder.join(format!("{file}.key")), &key),
            certificate,
            key,
        }
    }
}

/// A file with an RSA key to sign ServiceAccount tokens with: RS256 is what kubeadm
/// chooses, and what every verifier of web identities understands.
pub fn signing_key(folder: &Path) -> PathBuf {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("an RSA key");
    scratch::write(folder.join("service-account.key"), key.serialize_pem())
}

fn server(name_of: &str, names: &[&str]) -> CertificateParams {
    let loopback = ["localhost", "127.0.0.1"];
    let mut params = CertificateParams::default();
    params.distinguished_name = name(name_of, &[]);
    params.subject_alt_names =
        names.iter().chain(&loopback).map(|name| alternative(name)).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn name(common: &str, organizations: &[&str]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    for organization in organizations {
        name.push(DnType::OrganizationName, *organization);
    }
    name
}

fn alternative(name: &str) -> SanType {
    match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("an ASCII name")),
    }
}
