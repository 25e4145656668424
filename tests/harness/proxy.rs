//! A proxy in front of an issuer: it records each call, and does harm where it is asked to.
//!
//! The `Host` header stays as the client wrote and signed it, so that signatures hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificates::Identity;
use super::faults::{Effect, Faults, When};
use super::http as client;
use super::{answers, background, canary, cluster, place, ports};

/// How far AWS is: a round trip to the next Region.
pub const USUAL_LATENCY: Duration = Duration::from_millis(60);

/// A running proxy. It ends when dropped.
pub struct Proxy {
    url: String,
    state: Arc<State>,
    server: AbortHandle,
}

/// A proxy to be.
pub struct Builder {
    upstream: String,
    latency: Duration,
    tls: Option<TlsAcceptor>,
}

/// One recorded call.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it came in.
    pub at: Timestamp,
    /// The action that a form or a header names, else method and path.
    pub action: String,
    /// Who signed it, where it is signed.
    pub access_key_id: Option<String>,
    /// The status of the answer; nothing while there is none, or where it never came.
    pub status: Option<u16>,
    /// How long the answer took.
    pub took: Option<Duration>,
    parameters: BTreeMap<String, String>,
}

struct State {
    upstream: String,
    latency: Mutex<Duration>,
    faults: Faults,
    calls: Mutex<Vec<Call>>,
}

/// The connection ends here, without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut off on purpose")
    }
}

impl std::error::Error for Cut {}

impl Proxy {
    /// A proxy to this URL (`http://host:port`).
    pub fn to(upstream: &str) -> Builder {
        Builder {
            upstream: upstream.trim_end_matches('/').into(),
            latency: Duration::ZERO,
            tls: None,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes every call from now on take so much longer.
    pub fn set_latency(&self, latency: Duration) {
        *self.state.latency.lock().expect("no panic inside") = latency;
    }

    /// A fault for calls of one action.
    pub fn on(&self, action: &str) -> When {
        self.state.faults.when(Some(action))
    }

    /// A fault for all calls.
    pub fn on_everything(&self) -> When {
        self.state.faults.when(None)
    }

    /// Switches all faults off.
    pub fn heal(&self) {
        self.state.faults.clear();
    }

    /// All calls so far, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().expect("no panic inside").clone()
    }

    /// The access key ids that signed a call which the issuer answered with success.
    pub fn honoured_keys(&self) -> BTreeSet<String> {
        let calls = self.state.calls.lock().expect("no panic inside");
        calls
            .iter()
            .filter(|call| call.status == Some(200))
            .filter_map(|call| call.access_key_id.clone())
            .collect()
    }

    /// The calls of one action.
    pub fn calls_of(&self, action: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.action == action).collect()
    }

    /// The calls about one role.
    pub fn calls_for_role(&self, arn: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.role() == Some(arn)).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.state.calls.lock().expect("no panic inside").clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Call {
    /// The role that it asks for.
    pub fn role(&self) -> Option<&str> {
        self.parameter("RoleArn").or_else(|| self.parameter("roleArn"))
    }

    /// A parameter of the form or of the JSON body, except those that are secrets.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    fn read(request: &Request<Bytes>) -> Self {
        let mut parameters = parameters(request.body());
        for secret in
            ["WebIdentityToken", "SAMLAssertion", "token", "Token", "accessToken", "refreshToken"]
        {
            if let Some(value) = parameters.remove(secret) {
                canary::register(&value);
            }
        }
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let named =
            text("x-amz-target").and_then(|target| target.rsplit('.').next()).map(String::from);
        let action = parameters
            .get("Action")
            .cloned()
            .or(named)
            .unwrap_or_else(|| format!("{} {}", request.method(), request.uri().path()));
        let access_key_id = text("authorization")
            .and_then(|value| value.split_once("Credential="))
            .and_then(|(_, scope)| scope.split('/').next())
            .map(String::from);
        Self { at: Timestamp::now(), action, access_key_id, status: None, took: None, parameters }
    }
}

fn parameters(body: &[u8]) -> BTreeMap<String, String> {
    match serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(body) {
        Ok(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                (name, value.as_str().map_or_else(|| value.to_string(), String::from))
            })
            .collect(),
        Err(_) => form_urlencoded::parse(body).into_owned().collect(),
    }
}

impl Builder {
    /// Makes every call take so much longer.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Speaks HTTPS, as this server.
    pub fn tls(mut self, identity: &Identity) -> Self {
        cluster::install_crypto();
        let chain =
            CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a certificate with its key");
        self.tls = Some(TlsAcceptor::from(Arc::new(config)));
        self
    }

    /// Starts it. It is served in the bench's own runtime, and outlives its test's.
    pub async fn start(self) -> Proxy {
        let Self { upstream, latency, tls } = self;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = ports::free();
        let state = Arc::new(State {
            upstream,
            latency: Mutex::new(latency),
            faults: Faults::default(),
            calls: Mutex::default(),
        });
        let (listening, ready) = tokio::sync::oneshot::channel();
        let server =
            background::runtime().spawn(serve(port, tls, state.clone(), listening)).abort_handle();
        ready.await.unwrap_or_else(|_| panic!("the proxy could not listen on port {port}"));
        Proxy { url: format!("{scheme}://{}:{port}", place::address()), state, server }
    }
}

async fn serve(
    port: u16,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
    listening: tokio::sync::oneshot::Sender<()>,
) {
    let listener = TcpListener::bind((place::address(), port)).await.expect("a free port");
    let _ = listening.send(());
    // Ends with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, state) = (tls.clone(), state.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, state).await,
                // A client that does not trust the certificate hangs up.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, state).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let service = service_fn(|request| handle(request, state.clone()));
    // Connections end in errors by design here.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn handle(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let request = Request::from_parts(head, body);
    let call = Call::read(&request);
    let effects = state.faults.strike(&call);
    let record = state.record(call);

    let began = Instant::now();
    let answer = state.answer(request, effects).await?;
    let mut calls = state.calls.lock().expect("no panic inside");
    // Somebody may have made the proxy forget it meanwhile.
    if let Some(call) = calls.iter_mut().find(|call| call.at == record) {
        call.status = Some(answer.status().as_u16());
        call.took = Some(began.elapsed());
    }
    Ok(answer.map(Full::new))
}

impl State {
    /// Records a call; its time tells it from all others.
    fn record(&self, mut call: Call) -> Timestamp {
        let mut calls = self.calls.lock().expect("no panic inside");
        if let Some(last) = calls.last() {
            call.at = call.at.max(last.at + jiff::SignedDuration::from_nanos(1));
        }
        let at = call.at;
        calls.push(call);
        at
    }

    async fn answer(
        &self,
        request: Request<Bytes>,
        effects: Vec<Effect>,
    ) -> Result<Response<Bytes>, Cut> {
        let latency = *self.latency.lock().expect("no panic inside");
        tokio::time::sleep(latency).await;
        let content_type =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let json = content_type.is_some_and(|value| value.contains("json"));

        let mut changes = Vec::new();
        for effect in effects {
            match effect {
                Effect::Delay(longer) => tokio::time::sleep(longer).await,
                Effect::Hang => std::future::pending().await,
                Effect::Close => return Err(Cut),
                Effect::Answer(answer) => return Ok(answers::write(answer, json)),
                change => changes.push(change),
            }
        }
        let mut answer = self.forward(request).await;
        answers::register_secrets(answer.body());
        for change in changes {
            match change {
                Effect::LoseAnswer => return Err(Cut),
                Effect::Expiration(expiration) => answers::expire(&mut answer, &expiration),
                Effect::Date(skew) => answers::date(&mut answer, skew),
                Effect::Delay(_) | Effect::Hang | Effect::Close | Effect::Answer(_) => {}
            }
        }
        Ok(answer)
    }

    async fn forward(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() =
            format!("{}{path}", self.upstream).parse().expect("a URL and a path are a URL");
        let answer = client::send_pooled(request).await;
        match answer {
            Ok(mut answer) => {
                // The body is whole by now.
                answer.headers_mut().remove(header::TRANSFER_ENCODING);
                answer
            }
            Err(error) => Response::builder().status(502).body(error.into()).expect("an answer"),
        }
    }
}
