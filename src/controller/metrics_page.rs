//! The page of metrics, of which few are in memory at the same time.

use super::Metrics;
use super::answers::{answer, text};
use http::StatusCode;
use hyper::body::Bytes;
use parking_lot::Mutex;
use refreshable_agent::server::Answer;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The path that Prometheus scrapes.
pub(super) const METRICS: &str = "/metrics";
/// Pages of metrics in memory at the same time: with object metrics they are long, and a caller may
/// read slowly.
const PAGES: usize = 4;

/// The page of metrics.
pub(super) struct MetricsPage {
    metrics: Metrics,
    /// The page that was made last.
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

impl MetricsPage {
    /// The page of these metrics.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, latest: Mutex::default(), room: Arc::new(Semaphore::new(PAGES)) }
    }

    /// The page as a response.
    pub(super) fn answer(&self) -> Answer {
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn pages_that_are_read_slowly_are_few_in_memory_and_others_are_still_answered() {
        let page = MetricsPage::new(Metrics::new());
        let slow: Vec<Answer> = (0..50).map(|_| page.answer()).collect();
        assert_eq!(page.room.available_permits(), 0);
        let mut texts = std::collections::BTreeSet::new();
        for answer in slow {
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            assert!(body.ends_with(b"# EOF\n"), "a whole page");
            texts.insert(body.as_ptr() as usize);
        }
        assert_eq!(texts.len(), PAGES);
        page.metrics.leads(true);
        let fresh = page.answer().into_body().collect().await.expect("a body");
        let fresh = String::from_utf8(fresh.to_bytes().to_vec()).expect("text");
        assert!(
            fresh.contains("refreshable_leader 1"),
            "a page is made anew as soon as there is room"
        );
    }
}
