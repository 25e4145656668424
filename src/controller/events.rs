//! Kubernetes events, on transitions only and off the hot path: they wait in a bounded queue, and
//! what does not fit is dropped, because the condition says the same. So are those beyond a rate:
//! ten thousand resources that are issued for the first time would cost a third write each, and the
//! API server has better to do.

use super::Metrics;
use super::call::bounded;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource as _};
use refreshable_api::conditions::Reason;
use refreshable_api::{RefreshableCredential, names};
use refreshable_engine::RateLimits;
use refreshable_rules::failure::shorten;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const QUEUE: usize = 1024;
/// Longest note that the API takes, in bytes.
const LONGEST_NOTE: usize = 1024;
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Events a second that tell of something good, in the long run, and at once after a pause.
const GOOD: (u32, u32) = (5, 100);
/// The same of warnings.
const WARNINGS: (u32, u32) = (20, 500);

/// Decides which events are published.
struct Pace {
    began: Instant,
    /// Limits of events that are not warnings, and of warnings.
    limits: [RateLimits; 2],
    bucket: Arc<str>,
}

impl Pace {
    fn new() -> Self {
        let limits = [GOOD, WARNINGS].map(|(per_second, burst)| RateLimits::new(per_second, burst));
        Self { began: Instant::now(), limits, bucket: "".into() }
    }

    /// Whether one more is published now.
    fn lets(&mut self, warning: bool) -> bool {
        let (now, limits) = (self.began.elapsed(), &mut self.limits[usize::from(warning)]);
        let lets = limits.granted_at(&self.bucket, 1, now) <= now;
        if lets {
            limits.take(&self.bucket, 1, now);
        }
        lets
    }
}

/// One event to be published.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The resource that it is about.
    pub about: ObjectReference,
    /// Whether it is a warning.
    pub warning: bool,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub note: String,
    /// Another object that it is about: events of one reason are counted as one where this is the
    /// same.
    pub related: Option<ObjectReference>,
}

impl Announcement {
    pub(super) fn of(object: &RefreshableCredential, ready: &Condition, warning: bool) -> Self {
        let note = shorten(&ready.message, LONGEST_NOTE);
        Self {
            about: object.object_ref(&()),
            warning,
            reason: ready.reason.clone(),
            note,
            related: None,
        }
    }

    /// One that tells of something good.
    pub(super) fn good(object: &RefreshableCredential, reason: Reason, note: String) -> Self {
        Self {
            about: object.object_ref(&()),
            warning: false,
            reason: reason.as_str().to_owned(),
            note,
            related: None,
        }
    }

    pub(super) fn warning(object: &RefreshableCredential, reason: Reason, note: String) -> Self {
        Self { warning: true, ..Self::good(object, reason, note) }
    }

    /// The same, about this object, too.
    pub(super) fn on(self, related: ObjectReference) -> Self {
        Self { related: Some(related), ..self }
    }
}

/// Takes announcements.
#[derive(Clone, Debug)]
pub struct EventPublisher(mpsc::Sender<Announcement>);

impl EventPublisher {
    /// An announcer, and the end at which announcements come out.
    pub fn new() -> (Self, mpsc::Receiver<Announcement>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    pub(super) fn announce(&self, announcement: Announcement) {
        if self.0.try_send(announcement).is_err() {
            tracing::debug!("an event was dropped: the queue is full");
        }
    }
}

/// Publishes announcements until there are no more announcers.
pub(super) async fn publish(
    client: Client,
    identity: String,
    mut announcements: mpsc::Receiver<Announcement>,
    metrics: Metrics,
) {
    let reporter =
        Reporter { controller: names::FIELD_MANAGER.to_owned(), instance: Some(identity) };
    let recorder = Recorder::new(client, reporter);
    let mut pace = Pace::new();
    while let Some(announcement) = announcements.recv().await {
        if !pace.lets(announcement.warning) {
            metrics.event_dropped();
            continue;
        }
        let event = Event {
            type_: if announcement.warning { EventType::Warning } else { EventType::Normal },
            reason: announcement.reason,
            note: Some(announcement.note),
            action: "Refresh".to_owned(),
            secondary: announcement.related,
        };
        let published = bounded(PUBLISH_TIMEOUT, recorder.publish(&event, &announcement.about));
        if let Err(error) = metrics.kubernetes("publish events", published).await {
            tracing::debug!(%error, "an event could not be published");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::json;

    fn announcement(warning: bool) -> Announcement {
        let object: RefreshableCredential = serde_json::from_value(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"namespace": "a", "name": "x", "uid": "u"}, "spec": {},
        }))
        .expect("a resource");
        let reason = if warning { "AccessDenied" } else { "Issued" };
        Announcement {
            about: object.object_ref(&()),
            warning,
            reason: reason.to_owned(),
            note: reason.to_owned(),
            related: None,
        }
    }

    /// Counts the events that reach the API server, warnings last.
    fn counted() -> (Client, Arc<Mutex<[usize; 2]>>) {
        let count = Arc::new(Mutex::new([0, 0]));
        let counts = count.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let counts = counts.clone();
            async move {
                let body = http_body_util::BodyExt::collect(request.into_body()).await?.to_bytes();
                let text = String::from_utf8_lossy(&body);
                counts.lock()[usize::from(text.contains("AccessDenied"))] += 1;
                let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}});
                Ok::<_, tower::BoxError>(Response::new(Body::from(event.to_string().into_bytes())))
            }
        });
        (Client::new(service, "default"), count)
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_events_at_once_some_are_published_and_later_ones_again() {
        let (client, count) = counted();
        let (publisher, announcements) = EventPublisher::new();
        let metrics = Metrics::new();
        let task = tokio::spawn(publish(client, "me".to_owned(), announcements, metrics.clone()));
        for _ in 0..1000 {
            publisher.announce(announcement(false));
            publisher.announce(announcement(true));
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let first = *count.lock();
        assert_eq!(first, [100, 500]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        for _ in 0..100 {
            publisher.announce(announcement(false));
            tokio::task::yield_now().await;
        }
        drop(publisher);
        task.await.expect("it ends");
        assert_eq!(count.lock()[0], 150, "five for each second");
        let page = metrics.page().expect("a page");
        assert!(page.contains("refreshable_dropped_events_total 1450"), "{page}");
    }
}
