//! Writes of Secrets that go on after their attempt has released its slot.
//!
//! Credentials that could not be written cost an issuer call. They are kept by the task that writes
//! them, for at most [`KEPT`], and by nothing else.

use super::attempt::Attempt;
use super::publication::Publication;
use super::publish::PublishError;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use refreshable_rules::failure::Failure;
use refreshable_rules::fingerprint;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::plan::Cause;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// How long credentials that could not be written are kept.
pub(super) const KEPT: Duration = Duration::from_secs(60);

/// Writes under way, by the UID of their resource.
#[derive(Debug, Default)]
pub(super) struct Writes(Mutex<HashMap<String, Write>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Write {
    task: AbortOnDropHandle<Result<ObjectMeta, PublishError>>,
    pub(super) about: Written,
}

/// A write of credentials, described without them.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// Why they were obtained.
    pub(super) cause: Cause,
    /// Digest of what was asked for.
    pub(super) request: String,
    /// The inputs that they were made from.
    pub(super) inputs: UsedInputs,
    /// The profiles that could not be had.
    pub(super) failed: BTreeMap<String, Failure>,
    /// Until when they are kept.
    pub(super) until: Timestamp,
}

impl Written {
    /// Credentials that `attempt` has just obtained.
    pub(super) fn new(
        attempt: Attempt<'_>,
        inputs: UsedInputs,
        failed: BTreeMap<String, Failure>,
    ) -> Self {
        let request = fingerprint::of_request(&attempt.object().spec);
        let until = attempt.context.now() + SignedDuration::try_from(KEPT).unwrap_or_default();
        Self { cause: attempt.cause, request, inputs, failed, until }
    }
}

/// How far a write has come.
pub(super) enum Progress {
    /// There is none.
    None,
    /// It is still tried.
    Running(Written),
    /// It has ended.
    Ended(Box<Result<ObjectMeta, PublishError>>, Written),
}

impl Writes {
    /// Goes on writing `publication` for the resource with this UID.
    pub(super) fn start(&self, uid: &str, publication: Publication, about: Written) {
        let task = AbortOnDropHandle::new(tokio::spawn(publication.persist(KEPT)));
        self.lock().insert(uid.to_owned(), Write { task, about });
    }

    /// How far the write for the resource with this UID has come. One that has ended is told once.
    pub(super) async fn progress(&self, uid: &str) -> Progress {
        let ended = {
            let mut writes = self.lock();
            match writes.get(uid) {
                None => return Progress::None,
                Some(write) if !write.task.is_finished() => {
                    return Progress::Running(write.about.clone());
                }
                Some(_) => writes.remove(uid),
            }
        };
        let Some(Write { task, about }) = ended else { return Progress::None };
        // A task that ended without a result was ended with the runtime.
        match task.await {
            Ok(result) => Progress::Ended(Box::new(result), about),
            Err(_) => Progress::None,
        }
    }

    /// Gives up the write for the resource with this UID, and with it the credentials. Whether there
    /// was one: what came of it only the API server knows.
    pub(super) fn drop_of(&self, uid: &str) -> bool {
        self.lock().remove(uid).is_some()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Write>> {
        self.0.lock()
    }
}
