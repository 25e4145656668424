//! Kubernetes events, on transitions only and off the hot path: they wait in a bounded queue, and
//! what does not fit is dropped, because the condition says the same.

use super::Metrics;
use super::call::bounded;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource as _};
use refreshable_api::conditions::Reason;
use refreshable_api::{RefreshableCredential, names};
use refreshable_rules::failure::shorten;
use std::time::Duration;
use tokio::sync::mpsc;

const QUEUE: usize = 1024;
/// Longest note that the API takes, in bytes.
const LONGEST_NOTE: usize = 1024;
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

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

    pub(super) fn warning(object: &RefreshableCredential, reason: Reason, note: String) -> Self {
        Self {
            about: object.object_ref(&()),
            warning: true,
            reason: reason.as_str().to_owned(),
            note,
            related: None,
        }
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
    while let Some(announcement) = announcements.recv().await {
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
