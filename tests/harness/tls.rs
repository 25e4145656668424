//! A client of HTTPS pages, which may verify the certificate or take any, and says which it was.

use super::cluster::install_crypto;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longer than a page takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Certificates that are taken.
#[derive(Clone, Copy)]
pub enum Trust<'a> {
    /// Every one.
    Any,
    /// Those of this authority (PEM).
    Authority(&'a str),
}

/// A page.
pub struct Page {
    /// The status.
    pub status: u16,
    /// The text.
    pub text: String,
    /// The certificate of the server (DER).
    pub certificate: Vec<u8>,
}

/// Gets a page of `address` (host and port), with a bearer token or without.
pub async fn get(
    address: &str,
    path: &str,
    token: Option<&str>,
    trust: Trust<'_>,
) -> Result<Page, String> {
    timeout(PATIENCE, exchange(address, path, token, trust))
        .await
        .unwrap_or_else(|_| Err(format!("{path}: no answer within {PATIENCE:?}")))
}

async fn exchange(
    address: &str,
    path: &str,
    token: Option<&str>,
    trust: Trust<'_>,
) -> Result<Page, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| format!("{address}: {e}"))?;
    let (host, _) = address.rsplit_once(':').ok_or("an address with a port")?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    let connector = TlsConnector::from(Arc::new(configuration(trust)?));
    let stream = connector.connect(name, stream).await.map_err(|e| format!("TLS: {e}"))?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(|c| c.first()).map(|c| c.to_vec()).unwrap_or_default();

    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(path).header("host", address);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
    connection.abort();
    Ok(Page { status, text: String::from_utf8_lossy(&body).into_owned(), certificate })
}

fn configuration(trust: Trust<'_>) -> Result<ClientConfig, String> {
    install_crypto();
    let Trust::Authority(pem) = trust else {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let verifier = Arc::new(AnyCertificate(provider));
        return Ok(ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| e.to_string())?;
    roots.add(authority).map_err(|e| e.to_string())?;
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// Takes every certificate whose key the server has.
#[derive(Debug)]
struct AnyCertificate(CryptoProvider);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
