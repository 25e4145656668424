//! `/metrics`, `/healthz` and `/readyz`.

use super::Metrics;
use super::health::Health;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Pages {
    metrics: Metrics,
    health: Health,
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, metrics: Metrics, health: Health) {
    let pages = Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(|State(p): State<Pages>| async move { verdict(p.health.ailment()) }))
        .route("/readyz", get(|State(p): State<Pages>| async move { verdict(p.health.unready()) }))
        .with_state(Pages { metrics, health });
    if let Err(error) = axum::serve(listener, pages).await {
        tracing::error!(%error, "metrics and health are no longer served");
    }
}

fn verdict(wrong: Option<String>) -> Response {
    match wrong {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics_page(State(pages): State<Pages>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match pages.metrics.page() {
        Ok(page) => ([(header::CONTENT_TYPE, TEXT)], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
