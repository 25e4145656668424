//! The certificate of the secure port: from files, or self-signed.

use aws_lc_rs::digest::{Context, Digest, SHA256};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use refreshable_issuers::certificate::ValidityPeriod;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret as _, SecretSlice};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names of the files, as Secrets of type `kubernetes.io/tls` have them.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Reads of files that change meanwhile.
const TRIES: u8 = 3;
/// The one name in a certificate that nothing can verify.
const NAME: &str = "refreshable-controller";

/// A certificate that cannot be served. Nothing of a file's content is in it.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error(
        "{0} cannot be read ({1}): mount a Secret with tls.crt and tls.key there, as cert-manager writes it"
    )]
    Read(PathBuf, io::Error),
    /// The file holds no certificate.
    #[error(
        "{0} holds no certificate in PEM: write the certificate first, then those that signed it, each from -----BEGIN CERTIFICATE-----"
    )]
    Certificate(PathBuf),
    /// The file holds no private key.
    #[error(
        "{0} holds no private key in PEM without a passphrase: write one from -----BEGIN PRIVATE KEY-----"
    )]
    Key(PathBuf),
    /// The two do not go together, or TLS has no use for them.
    #[error(
        "{CERTIFICATE} and {KEY} in {0} cannot be used together ({1}): write both from one source"
    )]
    Together(PathBuf, rustls::Error),
    /// A certificate could not be made.
    #[error(
        "a certificate cannot be made ({0}): name a folder with one by --metrics-certificate-dir"
    )]
    Make(String),
}

/// A certificate with its key, and a digest that tells it from others.
pub(super) struct Certificate {
    /// In the form of rustls.
    pub(super) key: Arc<CertifiedKey>,
    /// When it is valid, together with those above it in the file.
    pub(super) period: ValidityPeriod,
    /// Digest of the files.
    pub(super) digest: Vec<u8>,
}

/// Reads `tls.crt` and `tls.key` in `folder`.
///
/// # Errors
/// See [`CertificateError`].
pub(super) fn read(folder: &Path) -> Result<Certificate, CertificateError> {
    let (certificate_file, key_file) = (folder.join(CERTIFICATE), folder.join(KEY));
    let (certificates, key) = read_both(&certificate_file, &key_file)?;
    let chain = CertificateDer::pem_slice_iter(&certificates).collect::<Result<Vec<_>, _>>();
    let chain = chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::Certificate(certificate_file.clone()))?;
    let private = PrivateKeyDer::from_pem_slice(key.expose_secret())
        .map_err(|_| CertificateError::Key(key_file))?;
    let certified = CertifiedKey::from_der(chain, private, &provider())
        .map_err(|error| CertificateError::Together(folder.into(), error))?;
    let periods: Option<Vec<_>> =
        certified.cert.iter().map(|der| ValidityPeriod::read(der)).collect();
    let period = periods
        .and_then(|periods| periods.into_iter().reduce(ValidityPeriod::and))
        .ok_or(CertificateError::Certificate(certificate_file))?;
    let digest = digest(&certificates, key.expose_secret()).as_ref().to_vec();
    Ok(Certificate { key: Arc::new(certified), period, digest })
}

/// Both files as they were at one time: a kubelet replaces them together, perhaps between two reads.
fn read_both(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<u8>, SecretSlice<u8>), CertificateError> {
    let read =
        |file: &Path| std::fs::read(file).map_err(|e| CertificateError::Read(file.into(), e));
    let mut certificates = read(certificate)?;
    let mut secret = SecretSlice::from(read(key)?);
    for _ in 1..TRIES {
        let again = read(certificate)?;
        if again == certificates {
            break;
        }
        (certificates, secret) = (again, read(key)?.into());
    }
    Ok((certificates, secret))
}

fn digest(certificates: &[u8], key: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&(certificates.len() as u64).to_be_bytes());
    context.update(certificates);
    context.update(key);
    context.finish()
}

/// A certificate of this process alone, with a key that is written nowhere. Its callers cannot
/// verify it, so that its names and its end mean nothing.
///
/// # Errors
/// [`CertificateError::Make`].
pub(super) fn self_signed() -> Result<Arc<CertifiedKey>, CertificateError> {
    let failed = |error: rcgen::Error| CertificateError::Make(error.to_string());
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new([NAME.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    let certificate = params.self_signed(&key).map_err(failed)?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    CertifiedKey::from_der(vec![certificate.der().clone()], private.into(), &provider())
        .map(Arc::new)
        .map_err(|error| CertificateError::Make(error.to_string()))
}

/// The one TLS implementation.
pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
pub(super) mod tests;
