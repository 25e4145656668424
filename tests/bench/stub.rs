//! An STS that grants every AssumeRole, and remembers nothing but how many it granted.

use crate::harness::{background, place, ports};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// As long as a session token of AWS usually is, in bytes.
const TOKEN: usize = 800;

/// A running STS. It ends when dropped.
pub(crate) struct Stub {
    url: String,
    granted: Arc<AtomicUsize>,
    server: AbortHandle,
}

impl Stub {
    /// One whose answers take so long.
    pub(crate) async fn start(latency: Duration) -> Self {
        let port = ports::free();
        let listener = TcpListener::bind((place::address(), port)).await.expect("a free port");
        let granted = Arc::<AtomicUsize>::default();
        let server = background::runtime().spawn(serve(listener, latency, granted.clone()));
        let url = format!("http://{}:{port}", place::address());
        Self { url, granted, server: server.abort_handle() }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many sessions it has granted.
    pub(crate) fn granted(&self) -> usize {
        self.granted.load(Ordering::Relaxed)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, latency: Duration, granted: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let granted = granted.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let granted = granted.clone();
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    tokio::time::sleep(latency).await;
                    let number = granted.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(session(
                        &body, number,
                    )))))
                }
            });
            // A client may end the connection at any time.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The answer to an AssumeRole, in the form of the STS API.
fn session(form: &[u8], number: usize) -> String {
    let form: BTreeMap<String, String> = form_urlencoded::parse(form).into_owned().collect();
    let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let seconds = given("DurationSeconds").parse().unwrap_or(3600);
    let expiration = Timestamp::now() + SignedDuration::from_secs(seconds);
    let expiration = Timestamp::from_second(expiration.as_second()).expect("a time");
    let (role, name) = (given("RoleArn"), given("RoleSessionName"));
    let account = role.split(':').nth(4).unwrap_or_default();
    let short = role.rsplit('/').next().unwrap_or_default();
    let token = "t".repeat(TOKEN);
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIA{number:016}</AccessKeyId><SecretAccessKey>secret-{number:033}</SecretAccessKey>\
         <SessionToken>{token}{number}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         <AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/{short}/{name}</Arn>\
         <AssumedRoleId>AROAEXAMPLE:{name}</AssumedRoleId></AssumedRoleUser></AssumeRoleResult>\
         <ResponseMetadata><RequestId>r-{number}</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}
