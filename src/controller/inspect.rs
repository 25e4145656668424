//! Reads a Secret that was written to since it was reported, or that is no longer seen, before
//! anything else is done.

use super::next::Next;
use super::publish::{self, Place};
use super::published::published;
use super::sight::Sight;
use super::{CallError, Context, issue, outcome, refusal, status};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_rules::ownership::{self, Record};
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::render;
use refreshable_rules::report::Finding;

/// Compares the Secret with what was published. An altered one is issued anew; labels, annotations
/// and owner are put right without the issuer; one that refuses to be written stalls the resource.
/// Then `cause` goes on, if there is one.
pub(super) async fn inspect(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Option<Cause>,
    context: &Context,
) -> Result<Next, CallError> {
    let (uid, now) = (object.uid().unwrap_or_default(), context.now());
    let Some(secret) = publish::read_data(context, object).await? else {
        return obtain(object, sight, None, cause.unwrap_or(Cause::Deleted), context).await;
    };
    let seen = ownership::view(&secret.metadata, &uid);
    let Some(record) = seen.own() else {
        return issue::issue(object, sight, cause.unwrap_or(Cause::Deleted), context).await;
    };
    if record.deleting {
        context.memory.secret_written(&uid, secret.metadata.clone(), now);
        let ends = record.content.as_ref().map(|c| c.expiration).filter(|e| *e > now);
        return await_deletion(object, sight, Some(record), ends, context).await;
    }
    if secret.immutable == Some(true) {
        let failure = refusal::immutable(object);
        return outcome::fail(object, sight, cause.unwrap_or(Cause::Due), &failure, context).await;
    }
    if published(object, &secret).is_none() {
        let cause = cause.filter(|c| *c != Cause::Deleted).unwrap_or(Cause::Altered);
        return obtain(object, sight, Some(record), cause, context).await;
    }
    if !ownership::metadata_intact(&secret.metadata, object) {
        return repair(object, sight, cause, &secret, record, context).await;
    }
    context.memory.secret_written(&uid, secret.metadata.clone(), now);
    match cause {
        None => {
            publish::prune(context, object).await?;
            status::report(context, object, &sight.permission, Some(record), &Finding::Good)
                .await?;
            Ok(outcome::next_of(object, record, &Finding::Good))
        }
        // It is there: another look plans with it.
        Some(Cause::Deleted) => Ok(Next::At(now)),
        Some(cause) => obtain(object, sight, Some(record), cause, context).await,
    }
}

/// Says that the Secret is being deleted. Its end is seen; until then the resource is looked at
/// when what the Secret holds `ends`.
pub(super) async fn await_deletion(
    object: &RefreshableCredential,
    sight: &Sight,
    record: Option<&Record>,
    ends: Option<Timestamp>,
    context: &Context,
) -> Result<Next, CallError> {
    let finding = Finding::Terminating(record.map(|r| r.finalizers.clone()).unwrap_or_default());
    status::report(context, object, &sight.permission, record, &finding).await?;
    Ok(ends.map_or(Next::Change, Next::At))
}

/// Asks the issuer, unless the last success was a moment ago.
async fn obtain(
    object: &RefreshableCredential,
    sight: &Sight,
    record: Option<&Record>,
    cause: Cause,
    context: &Context,
) -> Result<Next, CallError> {
    match plan::pause_after_success(object, record, cause, context.now()) {
        Some(until) => Ok(Next::At(until)),
        None => issue::issue(object, sight, cause, context).await,
    }
}

/// Applies labels, annotations and owner again, with the data as it is.
async fn repair(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Option<Cause>,
    secret: &Secret,
    record: &Record,
    context: &Context,
) -> Result<Next, CallError> {
    let (uid, now) = (object.uid().unwrap_or_default(), context.now());
    if let Err(until) = context.memory.may_repair(&uid, now) {
        return Ok(Next::At(until));
    }
    let manifest = render::restored(object, secret, record.adopted);
    match Place::of(context, object, true).apply(&manifest).await {
        Ok(meta) => {
            tracing::info!(
                uid,
                secret = record.name,
                "labels, annotations or owner of the Secret were put right"
            );
            let repaired = ownership::view(&meta, &uid);
            context.memory.secret_written(&uid, meta, now);
            let Some(record) = repaired.own().filter(|_| cause.is_none()) else {
                // Another look plans with the Secret as it is now.
                return Ok(Next::At(now));
            };
            publish::prune(context, object).await?;
            status::report(context, object, &sight.permission, Some(record), &Finding::Good)
                .await?;
            Ok(outcome::next_of(object, record, &Finding::Good))
        }
        Err(publish::PublishError::Call(error)) if refusal::may_pass(&error) => Err(error),
        Err(error) => {
            let failure = refusal::of(object, &error);
            outcome::fail(object, sight, cause.unwrap_or(Cause::Due), &failure, context).await
        }
    }
}
