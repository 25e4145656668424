//! Writes of Secrets that go on after their attempt has released its slot.
//!
//! Credentials that could not be written cost an issuer call. They are kept by the task that writes
//! them, for at most [`KEPT`], and by nothing else.

use super::attempt::Attempt;
use super::publication::Publication;
use super::publish::PublishError;
use futures::FutureExt as _;
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
struct Write {
    stage: Stage,
    about: Written,
}

#[derive(Debug)]
enum Stage {
    Running(AbortOnDropHandle<Result<ObjectMeta, PublishError>>),
    Ended(Box<Result<ObjectMeta, PublishError>>),
}

impl Write {
    /// Takes its end in, if it has come; `None` where its task was ended with the runtime.
    fn settled(mut self) -> Option<Self> {
        if let Stage::Running(task) = &mut self.stage
            && let Some(end) = task.now_or_never()
        {
            self.stage = Stage::Ended(Box::new(end.ok()?));
        }
        Some(self)
    }
}

/// What is written, without the credentials.
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
        self.lock().insert(uid.to_owned(), Write { stage: Stage::Running(task), about });
    }

    /// The Secret that the write for the resource with this UID has left, where it has come through
    /// and its end has not been told.
    pub(super) fn landed(&self, uid: &str) -> Option<ObjectMeta> {
        let mut writes = self.lock();
        let write = writes.remove(uid)?.settled()?;
        let landed = match &write.stage {
            Stage::Ended(end) => end.as_ref().as_ref().ok().cloned(),
            Stage::Running(_) => None,
        };
        writes.insert(uid.to_owned(), write);
        landed
    }

    /// How far the write for the resource with this UID has come. One that has ended is told once.
    pub(super) fn progress(&self, uid: &str) -> Progress {
        let mut writes = self.lock();
        let Some(Write { stage, about }) = writes.remove(uid).and_then(Write::settled) else {
            return Progress::None;
        };
        match stage {
            Stage::Ended(end) => Progress::Ended(end, about),
            Stage::Running(_) => {
                let told = about.clone();
                writes.insert(uid.to_owned(), Write { stage, about });
                Progress::Running(told)
            }
        }
    }

    /// Gives up the write for the resource with this UID, and with it the credentials. Whether it
    /// was still under way, so that only the API server knows what came of it.
    pub(super) fn drop_of(&self, uid: &str) -> bool {
        let write = self.lock().remove(uid).and_then(Write::settled);
        write.is_some_and(|write| matches!(write.stage, Stage::Running(_)))
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Write>> {
        self.0.lock()
    }
}
