//! A Secret to be published, ready to be written as often as it takes.

use super::CallError;
use super::profile_batch::ProfileBatch;
use super::publish::{Place, PublishError};
use backon::{ExponentialBuilder, Retryable as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use refreshable_rules::issuer::{AccessKey, Redactor};
use refreshable_rules::render::Manifest;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::OnceLock;
use std::time::Duration;

/// Pauses between tries of a write.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A Secret's content and its place. It holds secret material and therefore has no `Debug`.
pub(super) struct Publication {
    place: Place,
    body: Body,
    /// The Secret that takes the place of the Secret that is there, once it may be deleted: later tries find no
    /// Secret to read.
    replacement: OnceLock<Manifest>,
    /// Secrets that no error may repeat.
    redactor: Redactor,
}

enum Body {
    Whole(Manifest),
    /// Profiles that failed keep what the Secret holds, so the Secret is read before it is written.
    Batch(Box<ProfileBatch>),
}

impl Publication {
    fn new(place: Place, body: Body, redactor: Redactor) -> Self {
        Self { place, body, replacement: OnceLock::new(), redactor }
    }

    /// `manifest`, which holds the session of `key`.
    pub(super) fn whole(place: Place, manifest: Manifest, key: &AccessKey) -> Self {
        let redactor = Redactor::default();
        redactor.protect_key(key);
        Self::new(place, Body::Whole(manifest), redactor)
    }

    /// The same, whose errors must not repeat these secrets either.
    pub(super) fn protecting(self, secrets: &[SecretString]) -> Self {
        secrets.iter().for_each(|secret| self.redactor.protect(secret.expose_secret()));
        self
    }

    pub(super) fn batch(place: Place, batch: ProfileBatch) -> Self {
        let redactor = Redactor::default();
        batch.keys().for_each(|key| redactor.protect_key(key));
        Self::new(place, Body::Batch(Box::new(batch)), redactor)
    }

    /// Writes it.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub(super) async fn once(&self) -> Result<ObjectMeta, PublishError> {
        self.send().await.map_err(|error| error.redacted(&self.redactor))
    }

    async fn send(&self) -> Result<ObjectMeta, PublishError> {
        if let Some(manifest) = self.replacement.get() {
            return self.replace(manifest).await;
        }
        match &self.body {
            Body::Whole(manifest) => self.apply(manifest).await,
            Body::Batch(batch) => {
                let old = if batch.keeps_any() { self.place.read_data().await? } else { None };
                self.apply(&batch.manifest(old.as_ref())?).await
            }
        }
    }

    /// Writes `manifest` over the Secret that is there. Where that is of another type, which
    /// Kubernetes lets no one change, it is deleted and another made, in one go: by then all that is
    /// to be published is at hand, and the API server has said that it would take it.
    async fn apply(&self, manifest: &Manifest) -> Result<ObjectMeta, PublishError> {
        match self.place.apply(manifest).await {
            Err(PublishError::OtherType) => {
                self.place.rehearse_beside(manifest).await?;
                self.replace(self.replacement.get_or_init(|| manifest.clone())).await
            }
            written => written,
        }
    }

    async fn replace(&self, manifest: &Manifest) -> Result<ObjectMeta, PublishError> {
        self.place.replace(manifest.uid().unwrap_or_default(), manifest).await
    }

    /// Writes it, trying again for as long as `limit` while a later try may succeed.
    ///
    /// # Errors
    /// The last try's.
    pub(super) async fn persist(self, limit: Duration) -> Result<ObjectMeta, PublishError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times();
        let tries = (|| self.once()).retry(pauses).when(PublishError::may_succeed_later);
        let gave_up = |_| Err(PublishError::Call(CallError::Timeout(limit)));
        tokio::time::timeout(limit, tries).await.unwrap_or_else(gave_up)
    }
}
