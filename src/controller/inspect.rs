//! Reads a Secret that was written to since it was reported, or that is no longer seen, before
//! anything else is done.

use super::attempt::Attempt;
use super::next::Next;
use super::observation::Observation;
use super::outcome::Outcome;
use super::publish::{self, Place};
use super::published::published;
use super::reconcile::LAGGING;
use super::{CallError, Context, issue, live, refusal};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use refreshable_rules::ownership::{self, Record};
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::render;
use refreshable_rules::report::Finding;

/// Compares the Secret with what was published. An altered one is issued anew; labels, annotations
/// and owner are put right without the issuer; one that refuses to be written stalls the resource.
/// Then `cause` goes on, if there is one.
pub(super) async fn inspect(
    observation: &Observation,
    cause: Option<Cause>,
    context: &Context,
) -> Result<Outcome, CallError> {
    let (object, uid, now) = (&*observation.object, observation.uid(), context.now());
    let attempt = |cause| Attempt::new(observation, cause, context);
    let Some(secret) = publish::read_data(context, object).await? else {
        if live::read(context, object).await?.is_none() {
            return Ok(Outcome::silent(Next::At(now + LAGGING)));
        }
        return obtain(attempt(cause.unwrap_or(Cause::Deleted)), None).await;
    };
    let seen = ownership::view(&secret.metadata, uid);
    let Some(record) = seen.own() else {
        return issue::issue(attempt(cause.unwrap_or(Cause::Deleted))).await;
    };
    if record.deleting {
        context.memory.secret_written(uid, secret.metadata.clone(), now);
        let ends = record.content.as_ref().map(|c| c.expiration).filter(|e| *e > now);
        return Ok(await_deletion(Some(record), ends));
    }
    if secret.immutable == Some(true) {
        let attempt = attempt(cause.unwrap_or(Cause::Due));
        return Ok(attempt.record_failure(&refusal::immutable(object)));
    }
    if published(object, &secret).is_none() {
        let cause = cause.filter(|c| *c != Cause::Deleted).unwrap_or(Cause::Altered);
        return obtain(attempt(cause), Some(record)).await;
    }
    if !ownership::metadata_intact(&secret.metadata, object) {
        return repair(observation, cause, &secret, record, context).await;
    }
    context.memory.secret_written(uid, secret.metadata.clone(), now);
    match cause {
        None => {
            publish::prune(context, object).await?;
            Ok(Outcome::published(object, record, Finding::Good))
        }
        // It is there: another look plans with it.
        Some(Cause::Deleted) => Ok(Outcome::silent(Next::At(now))),
        Some(cause) => obtain(attempt(cause), Some(record)).await,
    }
}

/// Says that the Secret is being deleted. Its end is seen; until then the resource is looked at
/// when what the Secret holds `ends`.
pub(super) fn await_deletion(record: Option<&Record>, ends: Option<Timestamp>) -> Outcome {
    let finding = Finding::Terminating(record.map(|r| r.finalizers.clone()).unwrap_or_default());
    Outcome::told(finding, record, ends.map_or(Next::Change, Next::At))
}

/// Asks the issuer, unless the last success was a moment ago.
async fn obtain(attempt: Attempt<'_>, record: Option<&Record>) -> Result<Outcome, CallError> {
    let now = attempt.context.now();
    match plan::pause_after_success(attempt.object(), record, attempt.cause, now) {
        Some(until) => Ok(Outcome::silent(Next::At(until))),
        None => issue::issue(attempt).await,
    }
}

/// Applies labels, annotations and owner again, with the data as it is.
async fn repair(
    observation: &Observation,
    cause: Option<Cause>,
    secret: &Secret,
    record: &Record,
    context: &Context,
) -> Result<Outcome, CallError> {
    let (object, uid, now) = (&*observation.object, observation.uid(), context.now());
    if let Err(until) = context.memory.may_repair(uid, now) {
        return Ok(Outcome::silent(Next::At(until)));
    }
    let manifest = render::restored(object, secret, record.adopted);
    match Place::of(context, object, true).apply(&manifest).await {
        Ok(meta) => {
            tracing::info!(
                uid,
                secret = record.name,
                "labels, annotations or owner of the Secret were put right"
            );
            let repaired = ownership::view(&meta, uid);
            context.memory.secret_written(uid, meta, now);
            let Some(record) = repaired.own().filter(|_| cause.is_none()) else {
                // Another look plans with the Secret as it is now.
                return Ok(Outcome::silent(Next::At(now)));
            };
            publish::prune(context, object).await?;
            Ok(Outcome::published(object, record, Finding::Good))
        }
        Err(publish::PublishError::Call(error)) if refusal::may_pass(&error) => Err(error),
        Err(error) => {
            let attempt = Attempt::new(observation, cause.unwrap_or(Cause::Due), context);
            Ok(attempt.record_failure(&refusal::of(object, &error)))
        }
    }
}
