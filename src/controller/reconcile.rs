//! The thin hand between the rules and the network: observe, plan, carry out, report.

use super::brake::HELD_POLL;
use super::memory::{CATCH_UP, Entry, WrittenSecret, older};
use super::next::{Next, first};
use super::sight::Sight;
use super::{
    CallError, Context, claim, inspect, issue, outcome, propagation, publish, restart, status,
};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::api::Api;
use refreshable_api::RefreshableCredential;
use refreshable_api::conditions::Reason;
use refreshable_engine::Admission;
use refreshable_rules::ownership::Record;
use refreshable_rules::plan::{self, Action, INPUT_POLL};
use refreshable_rules::report::{self, Finding, Revocation};
use refreshable_rules::withdrawal::Decision;
use std::sync::Arc;

/// After a Kubernetes call that failed, or that was not made for want of the lease.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);
/// While the view has not caught up with the last write; the watch usually comes first.
const LAGGING: SignedDuration = SignedDuration::from_secs(5);
/// While a foreign Secret holds the name: those are not watched.
const CONFLICT_POLL: SignedDuration = SignedDuration::from_mins(2);

/// Brings one resource forward by one step. Its issuer is asked only with an `admission`; without,
/// a resource that needs it waits for one.
pub async fn reconcile(
    object: Arc<RefreshableCredential>,
    admission: Option<Admission>,
    context: &Context,
) -> Next {
    let uid = object.uid().unwrap_or_default();
    match advance(object, &uid, admission, context).await {
        Ok(next) => {
            // Never at once: not every look comes to the status, and one that does not must not be
            // repeated for it.
            let again = context.now() + AGAIN;
            next.by(context.memory.status_retry(&uid).map(|retry| retry.max(again)))
        }
        // What a closed fence refuses is done when it opens.
        Err(CallError::NotLeading(_)) => {
            tracing::debug!(uid, "put off until the lease is renewed");
            Next::At(context.now() + AGAIN)
        }
        Err(error) => {
            tracing::warn!(uid, %error, "the resource could not be brought forward");
            Next::At(context.now() + AGAIN)
        }
    }
}

async fn advance(
    object: Arc<RefreshableCredential>,
    uid: &str,
    admission: Option<Admission>,
    context: &Context,
) -> Result<Next, CallError> {
    let Some((object, written)) = freshest(object, uid, admission.is_some(), context).await? else {
        return Ok(Next::At(context.now() + LAGGING));
    };
    let Some(mut sight) = Sight::of(&object, uid, written, admission, context).await? else {
        return Ok(Next::At(context.now() + LAGGING));
    };
    let now = context.now();
    let mut action = plan::plan(&sight.observed(&object), now);
    let asks = matches!(action, Action::Issue(_) | Action::Inspect(Some(_)) | Action::Pause(_));
    // A version may differ for a label alone. What is read to see that is what the attempt uses.
    let reads = asks && (sight.admission.is_some() || matches!(action, Action::Pause(_)));
    if reads && sight.compare(&object, uid, context).await? {
        action = plan::plan(&sight.observed(&object), now);
    }
    let renews =
        asks || matches!(action, Action::Wait(_) | Action::Inspect(None) | Action::Backoff(_));
    let next = carry_out(action, &object, uid, &sight, context).await?;
    let poll_at = context.memory.polled_at(uid).map(|at| at + INPUT_POLL);
    Ok(if renews { next.by(poll_at) } else { next })
}

async fn carry_out(
    action: Action,
    object: &Arc<RefreshableCredential>,
    uid: &str,
    sight: &Sight,
    context: &Context,
) -> Result<Next, CallError> {
    let now = context.now();
    let (record, permission) = (sight.secret.own(), &sight.permission);
    if ends_writing(&action) {
        context.memory.writes.drop_of(uid);
    } else if let Some(next) = outcome::written(object, sight, context).await? {
        return Ok(next);
    }
    match action {
        Action::Issue(cause) | Action::Inspect(Some(cause)) if sight.admission.is_none() => {
            claim::wait(object, sight, cause, context).await
        }
        Action::Leave => {
            context.memory.forget(uid);
            Ok(Next::Change)
        }
        Action::Issue(cause) => issue::issue(object, sight, cause, context).await,
        Action::Wait(until) => {
            status::report(context, object, permission, record, &Finding::Good).await?;
            let again = spread(object, record, context).await?;
            Ok(Next::At(again.map_or(until, |a| a.min(until))))
        }
        Action::Inspect(cause) => inspect::inspect(object, sight, cause, context).await,
        Action::AwaitDeletion(until) => {
            inspect::await_deletion(object, sight, record, until, context).await
        }
        Action::Pause(until) => Ok(Next::At(until)),
        Action::Backoff(until) => {
            if let Some(finding) = report::still_failing(object) {
                status::report(context, object, permission, record, &finding).await?;
            }
            let again = spread(object, record, context).await?;
            Ok(Next::At(first(again.map_or(until, |a| a.min(until)), sight.expiration(), now)))
        }
        Action::Suspend(until) => {
            status::report(context, object, permission, record, &Finding::Suspended).await?;
            Ok(until.map_or(Next::Change, Next::At))
        }
        Action::AwaitWithdrawal(at, why) => {
            let finding = Finding::Revoked(sight.revocation(why, now));
            status::report(context, object, permission, record, &finding).await?;
            Ok(Next::At(at))
        }
        Action::Withdraw(why) => withdraw(object, uid, sight, why, context).await,
        Action::Stall(reason, why) => {
            status::report(context, object, permission, record, &Finding::Stalled(reason, why))
                .await?;
            Ok(match reason {
                Reason::SecretConflict => Next::At(now + CONFLICT_POLL),
                _ => Next::Change,
            })
        }
    }
}

/// Whether `action` leaves no room for a write that is still under way.
fn ends_writing(action: &Action) -> bool {
    match action {
        Action::Leave
        | Action::AwaitWithdrawal(..)
        | Action::Withdraw(_)
        | Action::Stall(..)
        | Action::Suspend(_)
        | Action::AwaitDeletion(_) => true,
        Action::Issue(_)
        | Action::Wait(_)
        | Action::Inspect(_)
        | Action::Pause(_)
        | Action::Backoff(_) => false,
    }
}

/// Withdraws what is published, if the brake lets it.
async fn withdraw(
    object: &Arc<RefreshableCredential>,
    uid: &str,
    sight: &Sight,
    why: String,
    context: &Context,
) -> Result<Next, CallError> {
    let (record, now) = (sight.secret.own(), context.now());
    let revocation = sight.revocation(why, now);
    if let Decision::Held(held) = context.brake.ask(revocation.since, context).await {
        let finding = Finding::Revoked(Revocation { held: Some(held), ..revocation });
        status::report(context, object, &sight.permission, record, &finding).await?;
        return Ok(Next::At(now + HELD_POLL));
    }
    let withdrawn = delete_owned(object, uid, record, context).await?;
    let finding = if withdrawn {
        context.brake.withdrew(revocation.since, now).await;
        Finding::Withdrawn(revocation.why)
    } else {
        Finding::Stalled(Reason::NotPermitted, revocation.why)
    };
    status::report(context, object, &sight.permission, None, &finding).await?;
    Ok(Next::Change)
}

/// Deletes every Secret that the resource owns: the one that is seen, and those of earlier names or
/// without a label. Whether there was one.
async fn delete_owned(
    object: &RefreshableCredential,
    uid: &str,
    record: Option<&Record>,
    context: &Context,
) -> Result<bool, CallError> {
    let mut owned = publish::owned(context, object).await?;
    let seen = record.map(|r| (r.name.clone(), r.uid.clone()));
    owned.extend(seen.filter(|s| !owned.contains(s)));
    for (name, secret_uid) in &owned {
        publish::delete(context, object, name, secret_uid).await?;
        context.memory.secret_deleted(uid, secret_uid.clone(), context.now());
        context.metrics.withdrawn();
    }
    Ok(!owned.is_empty())
}

/// Brings what is published to the programs that use it. When to look again, if something is left
/// to do.
async fn spread(
    object: &RefreshableCredential,
    record: Option<&Record>,
    context: &Context,
) -> Result<Option<Timestamp>, CallError> {
    let Some(content) = record.and_then(|r| r.content.as_ref()) else { return Ok(None) };
    propagation::hasten(object, content, context).await?;
    restart::follow(object, content, context).await
}

/// The resource, if the view of it is as new as the last status write. Where the view does not
/// catch up, the resource and its Secret are read; before an attempt at once, as the look that led
/// to it may have read them, too.
async fn freshest(
    object: Arc<RefreshableCredential>,
    uid: &str,
    attempts: bool,
    context: &Context,
) -> Result<Option<(Arc<RefreshableCredential>, Option<Entry>)>, CallError> {
    let Some(written) = context.memory.of(uid) else { return Ok(Some((object, None))) };
    let object = written.onto(object);
    let version = object.metadata.resource_version.as_deref();
    let behind = written.object_version.as_deref().is_some_and(|w| older(version, w));
    let late = context.now().duration_since(written.since) > CATCH_UP;
    let secret_behind = matches!(written.secret, Some(WrittenSecret::Applied(_)));
    let read = written.doubt || (behind && attempts) || ((behind || secret_behind) && late);
    if !read {
        return Ok((!behind).then_some((object, Some(written))));
    }
    let api = Api::<RefreshableCredential>::namespaced(
        context.calls.client(),
        &object.namespace().unwrap_or_default(),
    );
    let name = object.name_any();
    let live = context.calls.read("get refreshablecredentials", api.get_opt(&name)).await?;
    let Some(live) = live.filter(|l| l.metadata.uid.as_deref() == Some(uid)) else {
        context.memory.forget(uid);
        return Ok(None);
    };
    let secret = publish::read(context, &live).await?;
    let shown = context.view.secret_uid(&live);
    let version = live.metadata.resource_version.clone();
    context.memory.read_back(uid, version, (secret, shown), context.now());
    let known = context.memory.of(uid);
    let live = Arc::new(live);
    Ok(Some((known.as_ref().map_or(live.clone(), |k| k.onto(live)), known)))
}
