//! Serves HTTP/1.1 to untrusted callers: whatever they send or omit, memory and file descriptors
//! stay bounded, and other callers are still served.

use http::Response;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// Least time that a connection has for its request, however many others come.
const LEAST: Duration = Duration::from_millis(250);
/// Pause after a failed accept, as when no file descriptors are left.
const PAUSE: Duration = Duration::from_millis(100);

/// A complete response.
pub type Answer = Response<Full<Bytes>>;

/// Limits for callers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time. A further one closes the oldest, so that a caller with many
    /// connections cannot keep others out.
    pub connections: usize,
    /// A connection is closed when its next request has not come in this time.
    pub patience: Duration,
    /// Whether a connection may carry more than one request. If not, the caller has to receive the
    /// one response within `patience`, too.
    pub keep_alive: bool,
}

/// Serves the responses of `answer` until `stop`; then requests in progress have `grace` to end.
pub async fn serve(
    listener: TcpListener,
    limits: Limits,
    answer: impl Fn(&Parts) -> Answer + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let answer = move |asked: Parts| ready(answer(&asked));
    serve_over(listener, limits, |stream| ready(Ok(stream)), answer, stop, grace).await;
}

/// As [`serve`], over what `handshake` makes of each connection, and with responses that take time.
/// The handshake has `patience` of the limits; where connections are not kept, so have handshake,
/// request and response together.
pub async fn serve_over<S, H, A>(
    listener: TcpListener,
    limits: Limits,
    handshake: impl Fn(TcpStream) -> H,
    answer: impl Fn(Parts) -> A + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
    grace: Duration,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Future<Output = io::Result<S>> + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let answer = Arc::new(answer);
    let connections = GracefulShutdown::new();
    let mut open = VecDeque::<Open>::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.patience);
    http.max_buf_size(LARGEST_HEAD).keep_alive(limits.keep_alive);
    let longest = if limits.keep_alive { Duration::MAX } else { limits.patience };
    let mut stop = pin!(stop);
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            () = &mut stop => break,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        make_room(&mut open, limits.connections).await;
        let answer = Arc::clone(&answer);
        let service = service_fn(move |asked: http::Request<Incoming>| {
            let answer = answer(asked.into_parts().0);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let (handshake, http, watcher) = (handshake(stream), http.clone(), connections.watcher());
        let task = tokio::spawn(async move {
            let connection = async {
                let stream = timeout(limits.patience, handshake).await??;
                watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await?;
                Ok::<_, Box<dyn Error + Send + Sync>>(())
            };
            // The caller may be gone or speak another protocol, so it cannot be told.
            if let Ok(Err(error)) = timeout(longest, connection).await {
                tracing::debug!(%error, "a connection ends");
            }
        });
        open.push_back((Instant::now(), task.abort_handle()));
    }
    drop(listener);
    if timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("requests under way have not ended in time");
    }
}

/// A connection, and since when it is open.
type Open = (Instant, AbortHandle);

/// Makes room for one more connection.
async fn make_room(open: &mut VecDeque<Open>, most: usize) {
    if open.len() >= most {
        open.retain(|(_, connection)| !connection.is_finished());
    }
    while open.len() >= most
        && let Some((since, oldest)) = open.pop_front()
    {
        tokio::time::sleep_until(since + LEAST).await;
        tracing::debug!("the oldest connection is closed: there are too many");
        oldest.abort();
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
