//! The outcome of an attempt: its write, the status, and when the resource is looked at again.

use super::next::{Next, first};
use super::pending::{Progress, Written};
use super::publication::Publication;
use super::publish::{self, PublishError};
use super::sight::Sight;
use super::{CallError, Context, refusal, status};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_rules::failure::{Failure, RecordedFailure};
use refreshable_rules::fingerprint;
use refreshable_rules::ownership::{self, Record};
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::profiles;
use refreshable_rules::report::{self, Finding};
use refreshable_rules::retry::Class;
use std::collections::BTreeMap;

/// While credentials that could not be written are kept, their write is looked at so often.
const WRITING: SignedDuration = SignedDuration::from_secs(1);

/// Writes what was obtained. Where that fails for now, the write goes on by itself, for as long as
/// the credentials are kept, and this attempt ends.
pub(super) async fn publish(
    object: &RefreshableCredential,
    sight: &Sight,
    publication: Publication,
    about: Written,
    context: &Context,
) -> Result<Next, CallError> {
    let uid = object.uid().unwrap_or_default();
    match publication.once().await {
        Err(error) if error.may_succeed_later() => {
            context.memory.attempt_ended(&uid);
            let (cause, until, inputs) = (about.cause, about.until, about.inputs.clone());
            context.memory.writes.start(&uid, publication, about);
            let failure = refusal::postponed(object, &error, until).after_reading(inputs);
            fail(object, sight, cause, &failure, context).await?;
            Ok(Next::At(context.now() + WRITING))
        }
        result => record_write(object, sight, result, about, context).await,
    }
}

/// The outcome of a write that went on after its attempt; `None` where there is none.
pub(super) async fn written(
    object: &RefreshableCredential,
    sight: &Sight,
    context: &Context,
) -> Result<Option<Next>, CallError> {
    let uid = object.uid().unwrap_or_default();
    match context.memory.writes.progress(&uid).await {
        Progress::None => Ok(None),
        // What is written is no longer what is asked for.
        Progress::Running(about) if about.request != fingerprint::of_request(&object.spec) => {
            context.memory.writes.drop_of(&uid);
            Ok(None)
        }
        Progress::Running(_) => Ok(Some(Next::At(context.now() + WRITING))),
        Progress::Ended(result, about) => {
            record_write(object, sight, *result, about, context).await.map(Some)
        }
    }
}

/// Takes note of what was published, and reports what is to be said of it.
async fn record_write(
    object: &RefreshableCredential,
    sight: &Sight,
    published: Result<ObjectMeta, PublishError>,
    about: Written,
    context: &Context,
) -> Result<Next, CallError> {
    let uid = object.uid().unwrap_or_default();
    let (now, cause) = (context.now(), about.cause);
    context.memory.attempt_ended(&uid);
    let meta = match published {
        Ok(meta) => meta,
        Err(PublishError::NamespaceGone) => return Ok(Next::Change),
        Err(error) => {
            if matches!(error, PublishError::Call(_)) {
                // The write may have arrived all the same: the next look reads what is there.
                context.memory.doubt(&uid, now);
            }
            let failure = refusal::of(object, &error).after_reading(about.inputs);
            // Its end may be learned long after it, where the lease had lapsed: the pause before
            // the next attempt has passed meanwhile.
            let ended = now.min(about.until);
            return fail_at(object, sight, cause, &failure, ended, context).await;
        }
    };
    let view = ownership::view(&meta, &uid);
    context.memory.secret_written(&uid, meta, now);
    sight.read_by_attempt(&uid, &about.inputs, context);
    let Some(record) = view.own() else {
        return Ok(Next::Change);
    };
    publish::prune(context, object).await?;
    tracing::info!(
        namespace = object.namespace().unwrap_or_default(),
        name = object.name_any(),
        cause = cause.as_str(),
        principal =
            record.content.as_ref().and_then(|c| c.principal.arn.as_deref()).unwrap_or_default(),
        next = record.content.as_ref().map(|c| plan::refresh_at(object, c).to_string()),
        "credentials published"
    );
    if let Some(failure) = first_failure(object, &about.failed) {
        warn(object, &failure);
    }
    context.metrics.rotated(cause);
    if let (Some(content), Cause::Due) =
        (sight.secret.own().and_then(|r| r.content.as_ref()), cause)
    {
        context.metrics.late_by(now.duration_since(plan::due_at(
            object,
            content,
            sight.rests_until,
        )));
    }
    let finding = finding(object, record, &about.failed, context);
    status::report(context, object, &sight.permission, Some(record), &finding).await?;
    Ok(next_of(object, record, &finding))
}

/// When a resource whose Secret is `record` is looked at again.
pub(super) fn next_of(object: &RefreshableCredential, record: &Record, finding: &Finding) -> Next {
    let due = record.content.as_ref().map(|c| plan::refresh_at(object, c));
    let again = match finding {
        Finding::Partial(failure, _) => Some(failure.next_try()),
        _ => None,
    };
    due.into_iter().chain(again).min().map_or(Next::Change, Next::At)
}

/// Records an attempt that failed now. What is published stays as it is.
pub(super) async fn fail(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    failure: &Failure,
    context: &Context,
) -> Result<Next, CallError> {
    fail_at(object, sight, cause, failure, context.now(), context).await
}

/// Records an attempt that failed at `failed_at`.
async fn fail_at(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    failure: &Failure,
    failed_at: Timestamp,
    context: &Context,
) -> Result<Next, CallError> {
    let now = context.now();
    context.memory.attempt_ended(&object.uid().unwrap_or_default());
    let attempt = plan::attempt(object, cause);
    sight.read_by_attempt(&object.uid().unwrap_or_default(), &failure.inputs, context);
    let attempted = match failure.class {
        Class::Secret => plan::at_secret(&attempt, sight.secret.own()),
        _ => attempt,
    };
    warn(object, failure);
    let finding = report::failing(object, failure, attempted, sight.secret.own(), failed_at);
    status::report(context, object, &sight.permission, sight.secret.own(), &finding).await?;
    let Finding::Failing(recorded) = &finding else { return Ok(Next::Change) };
    Ok(Next::At(first(recorded.next_try(), sight.expiration(), now)))
}

/// Logs a failure.
pub(super) fn warn(object: &RefreshableCredential, failure: &Failure) {
    tracing::warn!(
        namespace = object.namespace().unwrap_or_default(),
        name = object.name_any(),
        class = failure.class.as_str(),
        reason = failure.reason.as_str(),
        code = failure.code,
        request_id = failure.request_id,
        "{}",
        failure.message
    );
}

/// One failure that speaks for all.
pub(super) fn first_failure(
    object: &RefreshableCredential,
    failed: &BTreeMap<String, Failure>,
) -> Option<Failure> {
    let (name, first) = failed.first_key_value()?;
    let all = object.spec.profiles.iter().flatten().count();
    let message = format!("{} of {all} profiles failed; {name}: {}", failed.len(), first.message);
    Some(Failure { message, ..first.clone() })
}

/// The finding for a Secret whose profiles `failed` could not be obtained.
pub(super) fn finding(
    object: &RefreshableCredential,
    record: &Record,
    failed: &BTreeMap<String, Failure>,
    context: &Context,
) -> Finding {
    let Some(failure) = first_failure(object, failed) else { return Finding::Good };
    let before = object.status.as_ref().and_then(RecordedFailure::from_status);
    let attempted = plan::attempt(object, Cause::Incomplete);
    let now = context.now();
    let expiration = record.content.as_ref().and_then(|c| profiles::first_end(c, now));
    let uid = object.uid().unwrap_or_default();
    let status = failure.record(before.as_ref(), attempted, &uid, now, expiration);
    Finding::Partial(
        status,
        failed.iter().map(|(name, f)| (name.clone(), f.message.clone())).collect(),
    )
}
