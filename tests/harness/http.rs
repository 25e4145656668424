//! A small HTTP client for loopback.

use std::sync::OnceLock;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::background;

/// Sends a request and reads the whole answer.
///
/// A `Host` header that is there stays as it is, so that what was signed stays valid.
pub async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    // Idle connections are not kept: a caller's runtime may end under them.
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    exchange(&client, request).await
}

/// As [`send`], with connections kept in the bench's own runtime: for the proxy.
pub async fn send_pooled(request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    static CLIENT: OnceLock<Client<HttpConnector, Full<Bytes>>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| {
        let _inside = background::runtime().enter();
        Client::builder(TokioExecutor::new()).build_http()
    });
    exchange(client, request).await
}

/// Gets a page: its status and its text.
pub async fn get(url: &str) -> Result<(u16, String), String> {
    let request =
        Request::get(url).body(Bytes::new()).map_err(|error| format!("{url}: {error}"))?;
    let answer = send(request).await?;
    Ok((answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned()))
}

async fn exchange(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, String> {
    let url = request.uri().clone();
    let answer = client
        .request(request.map(Full::new))
        .await
        .map_err(|error| format!("{url}: {error:?}"))?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| format!("{url}: {error}"))?.to_bytes();
    Ok(Response::from_parts(head, body))
}
