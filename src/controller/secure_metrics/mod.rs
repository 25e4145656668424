//! `/metrics` over TLS, for users that Kubernetes authenticates and authorizes, as controllers built
//! with controller-runtime serve it.
//!
//! ```text
//! served       the certificate, renewed without a restart (certificate: from files, or self-signed;
//!              expiry: the warning of one that is not valid, or not for long)
//!   -> access  one request: its token (bearer), what is known of it (verdicts), or a review
//!   -> review  TokenReview, then SubjectAccessReview: get /metrics
//!   -> refusal 401, 403, 503
//! ```
//!
//! Tokens are kept by a keyed digest alone, few and for a short time. Checks are limited in number
//! and rate, so that callers without a right cost the API server little.

mod access;
mod bearer;
mod certificate;
mod expiry;
mod refusal;
mod review;
mod served;
mod verdicts;

pub use self::certificate::CertificateError;

use self::access::Access;
use self::review::Reviews;
use self::served::{CertificateMetrics, Served};
use super::Metrics;
use super::answers::{text, unless_allowed};
use super::isolation::vital;
use super::metrics_page::{METRICS, MetricsPage};
use crate::clock::{SharedClock, SystemClock};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use http::request::Parts;
use http::{Method, StatusCode};
use kube::Client;
use refreshable_agent::server::{self, Answer, Limits};
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// As for the plain port, with time for two calls of the API server besides.
const LIMITS: Limits =
    Limits { connections: 128, patience: Duration::from_secs(20), keep_alive: false };
/// Longest time for one of these calls.
const CALL: Duration = Duration::from_secs(5);

/// The secure port, with its certificate.
pub(super) struct SecurePort {
    listener: TcpListener,
    port: u16,
    served: Arc<Served>,
    tls: ServerConfig,
    key: hmac::Key,
}

/// A secure port that cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Listen(#[from] io::Error),
}

impl SecurePort {
    /// Reads the certificate in `folder`, or makes one, and listens.
    ///
    /// # Errors
    /// See [`PortError`].
    pub(super) async fn bind(
        address: SocketAddr,
        folder: Option<&Path>,
    ) -> Result<Self, PortError> {
        let served = Arc::new(Served::new(folder)?);
        let tls = configuration(Arc::clone(&served))?;
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| io::Error::other("the operating system gives no random bytes"))?;
        let listener = TcpListener::bind(address).await?;
        Ok(Self { port: listener.local_addr()?.port(), listener, served, tls, key })
    }

    /// Serves until the process ends: on this port.
    pub(super) fn serve(self, client: Client, metrics: Metrics) -> u16 {
        let port = self.port;
        let clock: SharedClock = Arc::new(SystemClock);
        metrics.collect(CertificateMetrics(Arc::clone(&self.served)));
        let reviews = Reviews::new(client, metrics.clone(), CALL);
        let access = Access::new(reviews, Arc::clone(&clock), self.key);
        let pages = Arc::new(Pages { access, page: MetricsPage::new(metrics) });
        let acceptor = TlsAcceptor::from(Arc::new(self.tls));
        let answer = move |asked: Parts| {
            let pages = Arc::clone(&pages);
            async move { pages.answer(&asked).await }
        };
        let for_ever = std::future::pending();
        let serving = server::serve_over(
            self.listener,
            LIMITS,
            move |stream| acceptor.accept(stream),
            answer,
            for_ever,
            Duration::ZERO,
        );
        tokio::spawn(vital("serve metrics", serving));
        tokio::spawn(vital("certificate", self.served.follow(clock)));
        port
    }
}

/// TLS 1.2 and 1.3 without client certificates: tokens tell who calls.
fn configuration(served: Arc<Served>) -> Result<ServerConfig, CertificateError> {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(certificate::provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CertificateError::Make(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(served);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

struct Pages {
    access: Access,
    page: MetricsPage,
}

impl Pages {
    /// Kubernetes is asked for this path and this method alone.
    async fn answer(&self, asked: &Parts) -> Answer {
        if asked.uri.path() != METRICS {
            return text(StatusCode::NOT_FOUND, format!("{METRICS} is served\n"));
        }
        if let Some(refusal) = unless_allowed(&asked.method, &[Method::GET]) {
            return refusal;
        }
        match self.access.check(&asked.headers).await {
            Ok(()) => self.page.answer(),
            Err(refusal) => refusal.answer(),
        }
    }
}
