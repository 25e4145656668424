//! The guarded HTTP client: every call of a source that is not one of the AWS SDK's goes through
//! it.
//!
//! It guards against addresses that no administrator allowed (after resolution, and the connection
//! goes to the address that was checked), redirects, proxies on the way to hosts outside AWS,
//! compressed bodies, endless bodies and endless servers.

mod guard;
mod http_error;
mod tls;

pub use guard::{Forbidden, resolve};
pub use http_error::http_error;

use crate::certificate::TokenIdentity;
use futures::future::{BoxFuture, FutureExt as _};
use guard::GuardedResolver;
use jiff::Timestamp;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::patterns::{NetworkScope, shown_url};
use reqwest::redirect;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// Largest body that is read.
pub const LARGEST_BODY: usize = 64 * 1024;
/// Time limit where the specification sets none.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Time limit for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One call.
#[derive(Clone)]
pub struct Call<'a> {
    /// Name of the operation, for errors and metrics.
    pub operation: &'static str,
    /// Where. It was checked against the policies.
    pub url: &'a str,
    /// The way to the URL's host.
    pub way: Way,
    /// Headers.
    pub headers: Vec<(String, SecretString)>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_bundle: Option<&'a str>,
    /// The client's certificate, if it needs one.
    pub identity: Option<&'a ClientIdentity>,
    /// Time limit in seconds.
    pub timeout_seconds: Option<i32>,
}

/// Without the URL's query, which may hold a secret, and without headers.
impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("operation", &self.operation)
            .field("url", &shown_url(self.url))
            .field("way", &self.way)
            .field("timeout_seconds", &self.timeout_seconds)
            .finish_non_exhaustive()
    }
}

/// The way to a host, by whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// AWS's own: by the proxy that the controller's environment names, if it names one
    /// (`HTTPS_PROXY`, `NO_PROXY`). Its names are AWS's to point where they should, in a VPC at
    /// private addresses.
    Aws,
    /// An endpoint that a specification names. No proxy, which would resolve the name itself, and
    /// only in the network scope of the policy.
    Named(NetworkScope),
}

/// A client's certificate and its key.
#[derive(Clone, Debug)]
pub enum ClientIdentity {
    /// In PEM, one after the other.
    Pem(SecretString),
    /// With the key in a PKCS#11 token.
    Token(TokenIdentity),
}

/// A response.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, at most [`LARGEST_BODY`].
    pub body: secrecy::SecretSlice<u8>,
    /// The server's clock.
    pub date: Option<Timestamp>,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// AWS's error code, where a header names it.
    pub error_code: Option<String>,
}

/// The carrier of calls: [`Guarded`], or a server in memory.
pub trait Transport: std::fmt::Debug + Send + Sync {
    /// Makes a GET, or with `body` a POST.
    ///
    /// # Errors
    /// [`IssueError::Unreachable`] without a response, [`IssueError::InvalidAnswer`] for a body
    /// beyond the limit, [`IssueError::Specification`] for an invalid URL, certificate or header.
    fn send<'a>(
        &'a self,
        call: &'a Call<'a>,
        body: Option<String>,
    ) -> BoxFuture<'a, Result<Answer, IssueError>>;
}

/// The network, guarded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guarded;

impl Transport for Guarded {
    fn send<'a>(
        &'a self,
        call: &'a Call<'a>,
        body: Option<String>,
    ) -> BoxFuture<'a, Result<Answer, IssueError>> {
        send(call, body).boxed()
    }
}

async fn send(call: &Call<'_>, body: Option<String>) -> Result<Answer, IssueError> {
    let client = client(call)?;
    let request = match body {
        None => client.get(call.url),
        Some(body) => client.post(call.url).body(body),
    };
    let mut request =
        request.header("Accept", "application/json").header("Accept-Encoding", "identity");
    for (name, value) in &call.headers {
        let mut value = reqwest::header::HeaderValue::from_str(value.expose_secret())
            .map_err(|_| specification(name, "the value cannot stand in an HTTP header"))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let mut response = request.send().await.map_err(|e| unreachable(call, &e))?;
    let status = response.status().as_u16();
    let header =
        |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let date =
        header("date").and_then(|d| jiff::fmt::rfc2822::parse(&d).ok()).map(|z| z.timestamp());
    let request_id = header("x-amzn-requestid");
    // The code may be followed by a colon and a URL.
    let error_code =
        header("x-amzn-errortype").and_then(|c| c.split(':').next().map(str::to_owned));
    let invalid = |what: String| IssueError::InvalidAnswer {
        operation: call.operation,
        what,
        request_id: request_id.clone(),
    };
    if let Some(encoding) =
        header("content-encoding").filter(|e| !e.eq_ignore_ascii_case("identity"))
    {
        return Err(invalid(format!("it is compressed ({encoding}), which was not asked for")));
    }
    if (300..400).contains(&status) {
        return Err(invalid(format!(
            "it is a redirect (HTTP {status}), and redirects are not followed: name the final URL"
        )));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|e| unreachable(call, &e))? {
        if body.len() + part.len() > LARGEST_BODY {
            return Err(invalid(format!("it is longer than {LARGEST_BODY} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(Answer { status, body: body.into(), date, request_id, error_code })
}

fn client(call: &Call<'_>) -> Result<reqwest::Client, IssueError> {
    builder(call)?
        .build()
        .map_err(|_| specification("certificate", "the certificates cannot be used for TLS"))
}

fn builder(call: &Call<'_>) -> Result<reqwest::ClientBuilder, IssueError> {
    let seconds = call.timeout_seconds.and_then(|s| u64::try_from(s).ok());
    let whole = seconds.map_or(TIMEOUT, Duration::from_secs);
    let builder = reqwest::Client::builder();
    let (builder, reach) = match call.way {
        Way::Aws => (builder, NetworkScope::Private),
        Way::Named(reach) => (builder.no_proxy(), reach),
    };
    let mut builder = builder
        .redirect(redirect::Policy::none())
        .dns_resolver(Arc::new(GuardedResolver(reach)))
        .connect_timeout(CONNECT_TIMEOUT.min(whole))
        .timeout(whole);
    if let Some(ClientIdentity::Token(identity)) = call.identity {
        return Ok(builder.tls_backend_preconfigured(tls::with_token(identity, call.ca_bundle)?));
    }
    if let Some(pem) = call.ca_bundle {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|_| specification("caBundle", "this is not a list of certificates in PEM"))?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(ClientIdentity::Pem(pem)) = call.identity {
        let identity =
            reqwest::Identity::from_pem(pem.expose_secret().as_bytes()).map_err(|_| {
                specification("certificate", "the certificate and key are no PEM that can be read")
            })?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

fn specification(field: &str, what: &str) -> IssueError {
    IssueError::Specification { field: field.to_owned(), what: what.to_owned() }
}

/// An error as text, with its causes but without the URL, which may be confidential.
fn unreachable(call: &Call<'_>, error: &reqwest::Error) -> IssueError {
    let mut parts = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        parts.push(cause.to_string());
        next = cause.source();
    }
    let detail = match (error.is_timeout(), parts.last()) {
        (true, _) => "no answer in time".to_owned(),
        (false, Some(_)) => parts.join(": "),
        (false, None) => "the connection failed".to_owned(),
    };
    IssueError::Unreachable {
        operation: call.operation,
        endpoint: shown_url(call.url).into_owned(),
        detail,
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
pub(crate) mod tests;
