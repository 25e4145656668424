//! Connections.

use super::page::Pages;
use crate::server::{self, Limits};
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;

const LIMITS: Limits =
    Limits { connections: 128, patience: Duration::from_secs(30), keep_alive: true };

/// Serves `pages` until `stop`; then requests in progress have `grace` to end.
pub(super) async fn serve(
    listener: TcpListener,
    pages: Pages,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    server::serve(listener, LIMITS, move |asked| pages.answer(asked), stop, grace).await;
}
