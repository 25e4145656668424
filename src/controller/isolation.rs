//! Keeps a fault of the controller itself to the resource that it shows at: each look is a task of
//! its own, and a panic in it ends that task alone.

use super::memory::Entry;
use super::outcome::Outcome;
use super::reconcile::reconcile;
use super::{CallError, Context, Next, issuer_time};
use futures::FutureExt as _;
use jiff::SignedDuration;
use kube::ResourceExt as _;
use parking_lot::Mutex;
use refreshable_api::RefreshableCredential;
use refreshable_api::conditions::Reason;
use refreshable_engine::Admission;
use refreshable_rules::failure::Failure;
use refreshable_rules::ownership::SecretView;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::policy::Permission;
use refreshable_rules::report;
use refreshable_rules::retry::{self, Class};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// After a report of a panic that could not be written.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);
/// Panics of resources that nobody asked about for so long after their pause are forgotten.
const KEPT: Duration = Duration::from_secs(2 * 3600);

/// Message for the user after a panic. The log names the place. The panic's own words are shown
/// nowhere, as they may hold a secret.
const MESSAGE: &str = "The controller met a fault of its own while it worked on this resource, and left it as it was. Other \
     resources are not concerned. Its log names the place: report that to the controller's developers. It is tried again \
     by itself, and at once where the specification changes";

/// Looks at a resource that ended in a panic, by UID.
#[derive(Debug, Default)]
pub struct Panics(Mutex<HashMap<String, Panic>>);

#[derive(Clone, Debug)]
struct Panic {
    /// The request: generation, and `requested_at` of a refresh.
    asked: (Option<i64>, Option<String>),
    count: i32,
    /// Until then it is not tried again, by the clock's time since boot.
    until: Duration,
    reported: bool,
}

impl Panics {
    fn of(&self, uid: &str) -> Option<Panic> {
        self.lock().get(uid).cloned()
    }

    fn note(&self, uid: &str, panic: Panic) {
        self.lock().insert(uid.to_owned(), panic);
    }

    fn reported(&self, uid: &str) {
        if let Some(panic) = self.lock().get_mut(uid) {
            panic.reported = true;
        }
    }

    fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Forgets what is long past at `now`, since boot.
    pub(super) fn tidy(&self, now: Duration) {
        self.lock().retain(|_, panic| panic.until + KEPT > now);
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Panic>> {
        self.0.lock()
    }
}

/// Brings one resource forward by one step, in a task of its own: by a look, or, with an
/// `admission`, by an attempt. Where that panics, the resource is stalled and tried again slowly.
/// Dropped, it ends the task.
pub async fn step(
    object: Arc<RefreshableCredential>,
    admission: Option<Admission>,
    context: &Arc<Context>,
) -> Next {
    let uid = object.uid().unwrap_or_default();
    let asked = (object.metadata.generation, object.requested_at().map(str::to_owned));
    let before = context.panics.of(&uid).filter(|p| p.asked == asked);
    if let Some(panic) = before.as_ref().filter(|p| p.until > context.clock.boot()) {
        return wait(object, &uid, panic, context).await;
    }
    let ahead = context.issuer_ahead(&object, &uid);
    let (own, theirs) = (object.clone(), context.clone());
    let task =
        tokio::spawn(
            async move { issuer_time::by(ahead, reconcile(own, admission, &theirs)).await },
        );
    match AbortOnDropHandle::new(task).await {
        Ok((next, ahead)) => {
            // A look that ends with a claim has not come to where the attempt met the fault.
            if before.is_some() && !matches!(next, Next::Attempt(_)) {
                context.panics.forget(&uid);
            }
            next.shifted(|then| then.checked_sub(ahead).unwrap_or(then))
        }
        Err(error) if error.is_panic() => {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            tracing::error!(
                namespace,
                name,
                "a fault of the controller itself: this resource is left as it is"
            );
            context.metrics.panicked();
            let count = before.map_or(1, |p| p.count.saturating_add(1));
            let pause = retry::pause(Class::Person, count, &uid);
            let until = context.clock.boot() + Duration::try_from(pause).unwrap_or_default();
            let panic = Panic { asked, count, until, reported: false };
            context.panics.note(&uid, panic.clone());
            wait(object, &uid, &panic, context).await
        }
        // The runtime is ending.
        Err(_) => Next::Change,
    }
}

/// Reports the panic where that has not been done, and waits for the end of the pause.
async fn wait(
    object: Arc<RefreshableCredential>,
    uid: &str,
    panic: &Panic,
    context: &Arc<Context>,
) -> Next {
    let left = SignedDuration::try_from(panic.until.saturating_sub(context.clock.boot()))
        .unwrap_or_default();
    let until = Next::At(context.now() + left);
    if panic.reported {
        return until;
    }
    let ahead = context.issuer_ahead(&object, uid);
    let theirs = context.clone();
    let task = tokio::spawn(async move { issuer_time::by(ahead, report(&object, &theirs)).await });
    match AbortOnDropHandle::new(task).await {
        Ok((Err(error), _)) => {
            tracing::warn!(uid, %error, "a fault of the controller itself could not be reported");
            Next::At(context.now() + left.min(AGAIN))
        }
        // What panics here, too, is told by the log alone.
        Ok((Ok(_), _)) | Err(_) => {
            context.panics.reported(uid);
            until
        }
    }
}

async fn report(object: &RefreshableCredential, context: &Context) -> Result<Next, CallError> {
    let uid = object.uid().unwrap_or_default();
    let written: Option<Entry> = context.memory.of(&uid);
    let secret: SecretView = context.view.secret(object, written.as_ref());
    let permission = context.view.judgement(object).map_or(Permission::NotNeeded, |j| j.permission);
    let failure = Failure {
        class: Class::Person,
        reason: Reason::InternalError,
        code: None,
        request_id: None,
        message: MESSAGE.to_owned(),
        inputs: Default::default(),
    };
    let attempted = plan::attempt(object, Cause::Due);
    let finding = report::failing(object, &failure, attempted, secret.own(), context.now());
    let outcome = Outcome::told(finding, secret.own(), Next::Change);
    outcome.conclude(object, &permission, context).await
}

/// Work that the whole process stands on: a panic in it ends the process, as nothing else would
/// notice.
pub(super) async fn vital<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done,
        Err(_) => {
            tracing::error!(what, "a fault of the controller itself: this process ends");
            std::process::abort()
        }
    }
}
