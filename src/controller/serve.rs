//! The plain port: `/healthz` and `/readyz`, and `/metrics` unless it is served over TLS.

use super::answers::{text, unless_allowed};
use super::health::Health;
use super::metrics_page::{METRICS, MetricsPage};
use http::request::Parts;
use http::{Method, StatusCode};
use refreshable_agent::health::{HEALTHZ, READYZ};
use refreshable_agent::server::{self, Answer, Limits};
use std::time::Duration;
use tokio::net::TcpListener;

/// Whoever reaches the Pod can call: neither a kubelet nor a Prometheus needs more.
const LIMITS: Limits =
    Limits { connections: 128, patience: Duration::from_secs(10), keep_alive: false };

/// The port that serves the metrics.
pub(super) enum Place {
    /// The plain one.
    Here(Box<MetricsPage>),
    /// Another one, over TLS.
    Secure(u16),
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, metrics: Place, health: Health) {
    let pages = Pages { metrics, health };
    let for_ever = std::future::pending();
    server::serve(listener, LIMITS, move |asked| pages.answer(asked), for_ever, Duration::ZERO)
        .await;
}

struct Pages {
    metrics: Place,
    health: Health,
}

impl Pages {
    fn answer(&self, asked: &Parts) -> Answer {
        if let Some(refusal) = unless_allowed(&asked.method, &[Method::GET, Method::HEAD]) {
            return refusal;
        }
        match (asked.uri.path(), &self.metrics) {
            (METRICS, Place::Here(page)) => page.answer(),
            (METRICS, Place::Secure(port)) => text(
                StatusCode::NOT_FOUND,
                format!("{METRICS} is served over TLS on port {port}, to tokens of Kubernetes\n"),
            ),
            (HEALTHZ, _) => verdict(self.health.ailment()),
            (READYZ, _) => verdict(self.health.unready()),
            (_, Place::Here(_)) => text(
                StatusCode::NOT_FOUND,
                format!("{METRICS}, {HEALTHZ} and {READYZ} are served\n"),
            ),
            (_, Place::Secure(_)) => {
                text(StatusCode::NOT_FOUND, format!("{HEALTHZ} and {READYZ} are served\n"))
            }
        }
    }
}

fn verdict(wrong: Option<String>) -> Answer {
    match wrong {
        None => text(StatusCode::OK, "ok\n"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;
    use http_body_util::BodyExt as _;

    fn asked(method: Method, path: &str) -> Parts {
        let request = http::Request::builder().method(method).uri(path);
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn three_pages_are_served_and_nothing_else() {
        let here = Place::Here(Box::new(MetricsPage::new(Metrics::new())));
        let pages = Pages { metrics: here, health: Health::default() };
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
    async fn beside_a_secure_port_probes_alone_are_served() {
        let pages = Pages { metrics: Place::Secure(8443), health: Health::default() };
        for (path, status, words) in [
            ("/metrics", 404, "over TLS on port 8443"),
            ("/metrics?x=1", 404, "over TLS on port 8443"),
            ("/healthz", 200, "ok"),
            ("/readyz", 503, "has not answered yet"),
            ("/", 404, "/healthz and /readyz are served"),
        ] {
            let answer = pages.answer(&asked(Method::GET, path));
            assert_eq!(answer.status(), status, "{path}");
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            let body = String::from_utf8_lossy(&body);
            assert!(body.contains(words) && !body.contains("refreshable_"), "{path}: {body}");
        }
    }
}
