//! TLS as reqwest configures it, except for a client's key in a token.

use super::specification;
use crate::certificate::TokenIdentity;
use refreshable_rules::issuer::IssueError;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::Arc;

/// A configuration that shows `identity` and trusts `ca_bundle` (PEM), or what the system trusts.
pub(super) fn with_token(
    identity: &TokenIdentity,
    ca_bundle: Option<&str>,
) -> Result<ClientConfig, IssueError> {
    let unusable = |_| specification("caBundle", "this is not a list of certificates in PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| specification("certificate", "TLS cannot be set up"))?;
    let builder = match ca_bundle {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots
                    .add(certificate.map_err(unusable)?)
                    .map_err(|_| specification("caBundle", "a certificate in it cannot be read"))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_platform_verifier().map_err(|_| {
            specification("caBundle", "the system's certificates cannot be read: set caBundle")
        })?,
    };
    Ok(builder.with_client_cert_resolver(Arc::new(identity.clone())))
}
