//! Connections.

use super::page::Pages;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A connection is closed when its next request has not come in this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// Connections that are served at the same time; further ones wait.
const CONNECTIONS: usize = 128;
/// Pause where a connection cannot be taken, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `pages` until `stop`, and then what is under way, for `grace` at most.
pub(super) async fn serve(listener: TcpListener, pages: Pages, stop: impl Future<Output = ()>, grace: Duration) {
    let pages = Arc::new(pages);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(LARGEST_HEAD);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            next = next => next,
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
        let pages = Arc::clone(&pages);
        let service = service_fn(move |asked: hyper::Request<Incoming>| {
            let answer = pages.answer(&asked.into_parts().0);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _place = place;
            // Whoever called may be gone or speak something else: nobody is left to be told.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ends");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("requests under way have not ended in time");
    }
}
