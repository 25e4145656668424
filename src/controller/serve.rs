//! `/metrics`, `/healthz` and `/readyz`.

use super::Metrics;
use super::health::Health;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use parking_lot::Mutex;
use refreshable_agent::health::{HEALTHZ, READYZ};
use refreshable_agent::server::{self, Answer, Limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What Prometheus scrapes.
const METRICS: &str = "/metrics";
/// Whoever reaches the Pod can call: neither a kubelet nor a Prometheus needs more.
const LIMITS: Limits =
    Limits { connections: 128, patience: Duration::from_secs(10), keep_alive: false };
/// Pages of metrics in memory at the same time: with object metrics they are long, and a caller may
/// read slowly.
const PAGES: usize = 4;

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, metrics: Metrics, health: Health) {
    let pages =
        Pages { metrics, health, latest: Mutex::default(), room: Arc::new(Semaphore::new(PAGES)) };
    let for_ever = std::future::pending();
    server::serve(listener, LIMITS, move |asked| pages.answer(asked), for_ever, Duration::ZERO)
        .await;
}

struct Pages {
    metrics: Metrics,
    health: Health,
    /// The page of metrics that was made last.
    latest: Mutex<Bytes>,
    room: Arc<Semaphore>,
}

/// A page of metrics, in its place among those in memory.
struct Page {
    text: String,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Pages {
    fn answer(&self, asked: &Parts) -> Answer {
        if asked.method != Method::GET && asked.method != Method::HEAD {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET is served\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            return refusal;
        }
        match asked.uri.path() {
            METRICS => self.metrics(),
            HEALTHZ => verdict(self.health.ailment()),
            READYZ => verdict(self.health.unready()),
            _ => text(
                StatusCode::NOT_FOUND,
                format!("{METRICS}, {HEALTHZ} and {READYZ} are served\n"),
            ),
        }
    }

    fn metrics(&self) -> Answer {
        const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        match self.page() {
            Ok(page) => answer(StatusCode::OK, TEXT, page),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        }
    }

    /// A page made now, or the latest one while as many as may be are still being read.
    fn page(&self) -> Result<Bytes, std::fmt::Error> {
        let mut latest = self.latest.lock();
        if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
            *latest = Bytes::from_owner(Page { text: self.metrics.page()?, _place: place });
        }
        Ok(latest.clone())
    }
}

fn verdict(wrong: Option<String>) -> Answer {
    match wrong {
        None => text(StatusCode::OK, "ok\n"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", text.into())
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn pages() -> Pages {
        let room = Arc::new(Semaphore::new(PAGES));
        Pages { metrics: Metrics::new(), health: Health::new(), latest: Mutex::default(), room }
    }

    fn asked(method: Method, path: &str) -> Parts {
        http::Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .expect("a request")
            .into_parts()
            .0
    }

    #[test]
    fn three_pages_are_served_and_nothing_else() {
        let pages = pages();
        for (method, path, status) in [
            (Method::GET, "/metrics", 200),
            (Method::HEAD, "/metrics", 200),
            (Method::GET, "/healthz", 200),
            (Method::GET, "/readyz", 503),
            (Method::GET, "/", 404),
            (Method::GET, "/metrics/", 404),
            (Method::POST, "/metrics", 405),
        ] {
            assert_eq!(
                pages.answer(&asked(method.clone(), path)).status(),
                status,
                "{method} {path}"
            );
        }
    }

    #[tokio::test]
    async fn pages_that_are_read_slowly_are_few_in_memory_and_others_are_still_answered() {
        let pages = pages();
        let slow: Vec<Answer> =
            (0..50).map(|_| pages.answer(&asked(Method::GET, "/metrics"))).collect();
        assert_eq!(pages.room.available_permits(), 0);
        let mut texts = std::collections::BTreeSet::new();
        for answer in slow {
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            assert!(body.ends_with(b"# EOF\n"), "a whole page");
            texts.insert(body.as_ptr() as usize);
        }
        assert_eq!(texts.len(), PAGES);
        pages.metrics.leads(true);
        let fresh = pages
            .answer(&asked(Method::GET, "/metrics"))
            .into_body()
            .collect()
            .await
            .expect("a body");
        let fresh = String::from_utf8(fresh.to_bytes().to_vec()).expect("text");
        assert!(
            fresh.contains("refreshable_leader 1"),
            "a page is made anew as soon as there is room"
        );
    }
}
