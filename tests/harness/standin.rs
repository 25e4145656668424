//! A server that plays a service which no emulator offers, and remembers what it was asked.
//!
//! Answers of such a server prove nothing alone: each test first has a client that AWS wrote accept
//! them.

use super::certificates::Identity;
use super::{background, cluster, place, ports};
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{WantsServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::{ConfigBuilder, RootCertStore, ServerConfig};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path, with the query.
    pub what: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The certificate that the client showed.
    pub certificate: Option<Vec<u8>>,
}

impl Asked {
    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Handler = Arc<dyn Fn(Asked) -> BoxFuture<'static, (u16, Value)> + Send + Sync>;

/// A running server. It ends when dropped.
pub struct StandIn {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: AbortHandle,
}

impl StandIn {
    /// A server over plain HTTP that answers with what `handler` gives: a status and JSON.
    pub async fn start<F, A>(handler: F) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = (u16, Value)> + Send + 'static,
    {
        Self::serve(None, handler).await
    }

    /// A server over TLS.
    pub async fn over_tls<F, A>(identity: &Identity, handler: F) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = (u16, Value)> + Send + 'static,
    {
        cluster::install_crypto();
        Self::serve(
            Some(acceptor(ServerConfig::builder().with_no_client_auth(), identity)),
            handler,
        )
        .await
    }

    /// A server over TLS that lets in only clients with a certificate of `authority` (PEM).
    pub async fn demanding_certificates<F, A>(
        identity: &Identity,
        authority: &str,
        handler: F,
    ) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = (u16, Value)> + Send + 'static,
    {
        cluster::install_crypto();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate"))
            .expect("an authority");
        let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
        Self::serve(
            Some(acceptor(ServerConfig::builder().with_client_cert_verifier(clients), identity)),
            handler,
        )
        .await
    }

    async fn serve<F, A>(tls: Option<TlsAcceptor>, handler: F) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = (u16, Value)> + Send + 'static,
    {
        let port = ports::free();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener =
            TcpListener::bind((place::address(), port)).await.expect("a free port").into_std();
        let listener = listener.expect("a listener");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let handler: Handler = Arc::new(move |asked| Box::pin(handler(asked)));
        let server = background::runtime()
            .spawn(accept(listener, tls, handler, asked.clone()))
            .abort_handle();
        Self { url: format!("{scheme}://{}:{port}", place::address()), asked, server }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Requests to it so far whose method and path begin with `what`.
    pub fn asked(&self, what: &str) -> Vec<Asked> {
        let all = self.asked.lock().expect("no panic inside");
        all.iter().filter(|a| a.what.starts_with(what)).cloned().collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn acceptor(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    identity: &Identity,
) -> TlsAcceptor {
    let chain =
        CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = builder.with_single_cert(vec![chain], key).expect("a certificate with its key");
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(connection(stream, tls.clone(), handler.clone(), asked.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let Some(tls) = tls else { return converse(stream, None, handler, asked).await };
    // A client without a certificate is not let in.
    let Ok(stream) = tls.accept(stream).await else { return };
    let certificate =
        stream.get_ref().1.peer_certificates().and_then(|c| c.first()).map(|c| c.to_vec());
    converse(stream, certificate, handler, asked).await;
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    certificate: Option<Vec<u8>>,
    handler: Handler,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (handler, asked, certificate) = (handler.clone(), asked.clone(), certificate.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
            let what = format!("{} {path}", head.method);
            let one = Asked { what, headers: head.headers, body, certificate };
            asked.lock().expect("no panic inside").push(one.clone());
            let (status, body) = handler(one).await;
            let answer = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .header("x-amzn-requestid", "stand-in")
                .body(Full::new(Bytes::from(body.to_string())))
                .expect("an answer");
            Ok::<_, hyper::Error>(answer)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
