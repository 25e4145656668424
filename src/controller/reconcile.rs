//! The thin hand between the rules and the network: observe, plan, carry out, report.

use super::attempt::{self, Attempt};
use super::brake::HELD_POLL;
use super::memory::{CATCH_UP, Entry, WrittenSecret};
use super::next::{Next, first};
use super::observation::Observation;
use super::outcome::Outcome;
use super::packed::Form as _;
use super::versions::older;
use super::{CallError, Context, claim, inspect, issue, live, publish};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_api::conditions::Reason;
use refreshable_engine::Admission;
use refreshable_rules::plan::{self, Action, INPUT_POLL};
use refreshable_rules::report::{self, Finding, Revocation};
use refreshable_rules::withdrawal::Decision;
use std::sync::Arc;

/// After a Kubernetes call that failed, or that was not made for want of the lease.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);
/// While the view has not caught up with the last write; the watch usually comes first.
pub(super) const LAGGING: SignedDuration = SignedDuration::from_secs(5);
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
            let retry = context.memory.ledger.status_retry(&uid).map(|retry| retry.max(again));
            next.by(retry).by(unseen_until(&uid, context))
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

/// When to look whether the Secret that was written is there still, where the view does not show it.
fn unseen_until(uid: &str, context: &Context) -> Option<Timestamp> {
    let (name, _) = context.memory.unseen(uid)?;
    // Its event may have come before the answer to the write did, and then none comes after it.
    if let Some(shown) = context.view.secrets.kept(&name) {
        context.memory.secret_seen(uid, shown.state().1);
    }
    context.memory.unseen(uid).map(|(_, until)| until)
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
    let Some(mut observation) = Observation::of(object, written, admission, context).await? else {
        return Ok(Next::At(context.now() + LAGGING));
    };
    let now = context.now();
    let mut action = plan::plan(&observation.observed(), now);
    let asks = matches!(action, Action::Issue(_) | Action::Inspect(Some(_)) | Action::Pause(_));
    // A version may differ for a label alone. What is read to see that is what the attempt uses.
    let reads = asks && (observation.admission.is_some() || matches!(action, Action::Pause(_)));
    if reads && observation.compare(context).await? {
        action = plan::plan(&observation.observed(), now);
    }
    let renews =
        asks || matches!(action, Action::Wait(_) | Action::Inspect(None) | Action::Backoff(_));
    let outcome = carry_out(action, &observation, context).await?;
    let next = outcome.conclude(&observation.object, &observation.permission, context).await?;
    let poll_at = context.memory.polled_at(uid).map(|at| at + INPUT_POLL);
    Ok(if renews { next.by(poll_at) } else { next })
}

async fn carry_out(
    action: Action,
    observation: &Observation,
    context: &Context,
) -> Result<Outcome, CallError> {
    let (record, now) = (observation.secret.own(), context.now());
    if ends_writing(&action) {
        context.memory.give_up_write(observation.uid(), now);
    } else if let Some(written) = attempt::written(observation, context).await? {
        return Ok(written);
    }
    Ok(match action {
        Action::Issue(cause) | Action::Inspect(Some(cause)) if observation.admission.is_none() => {
            claim::wait(Attempt::new(observation, cause, context))
        }
        Action::Leave => {
            context.memory.forget(observation.uid());
            Outcome::silent(Next::Change)
        }
        Action::Issue(cause) => issue::issue(Attempt::new(observation, cause, context)).await?,
        Action::Wait(until) => Outcome::told(Finding::Good, record, Next::At(until)).propagated(),
        Action::Inspect(cause) => inspect::inspect(observation, cause, context).await?,
        Action::AwaitDeletion(until) => inspect::await_deletion(record, until),
        Action::Pause(until) => Outcome::silent(Next::At(until)),
        Action::Backoff(until) => {
            let next = Next::At(first(until, observation.expiration(), now));
            match report::still_failing(&observation.object) {
                Some(finding) => Outcome::told(finding, record, next).propagated(),
                None => Outcome::silent(next),
            }
        }
        Action::Suspend(until) => {
            Outcome::told(Finding::Suspended, record, until.map_or(Next::Change, Next::At))
        }
        Action::AwaitWithdrawal(at, why) => {
            Outcome::told(Finding::Revoked(observation.revocation(why, now)), record, Next::At(at))
        }
        Action::Withdraw(why) => withdraw(observation, why, context).await?,
        Action::Stall(reason, why) => {
            let next = match reason {
                Reason::SecretConflict => Next::At(now + CONFLICT_POLL),
                _ => Next::Change,
            };
            Outcome::told(Finding::Stalled(reason, why), record, next)
        }
    })
}

/// Whether `action` leaves no room for a write that is still under way. A namespace that is too large
/// gets nothing new: what was obtained before is not.
fn ends_writing(action: &Action) -> bool {
    match action {
        Action::Leave
        | Action::AwaitWithdrawal(..)
        | Action::Withdraw(_)
        | Action::Stall(Reason::NotPermitted, _)
        | Action::Suspend(_)
        | Action::AwaitDeletion(_) => true,
        // What is in the way may be so in the view alone; where it is not, the write meets it.
        Action::Stall(..)
        | Action::Issue(_)
        | Action::Wait(_)
        | Action::Inspect(_)
        | Action::Pause(_)
        | Action::Backoff(_) => false,
    }
}

/// Withdraws what is published, if the brake lets it.
async fn withdraw(
    observation: &Observation,
    why: String,
    context: &Context,
) -> Result<Outcome, CallError> {
    let now = context.now();
    let revocation = observation.revocation(why, now);
    if let Decision::Held(held) = context.brake.ask(revocation.since, context).await {
        let finding = Finding::Revoked(Revocation { held: Some(held), ..revocation });
        return Ok(Outcome::told(finding, observation.secret.own(), Next::At(now + HELD_POLL)));
    }
    let withdrawn = delete_owned(observation, context).await?;
    let finding = if withdrawn {
        context.brake.withdrew(revocation.since, now).await;
        Finding::Withdrawn(revocation.why)
    } else {
        Finding::Stalled(Reason::NotPermitted, revocation.why)
    };
    Ok(Outcome::told(finding, None, Next::Change))
}

/// Deletes every Secret that the resource owns: the one that is seen, and those of earlier names or
/// without a label. Whether there was one.
async fn delete_owned(observation: &Observation, context: &Context) -> Result<bool, CallError> {
    let mut owned = publish::owned(context, &observation.object).await?;
    let seen = observation.secret.own().map(|r| (r.name.clone(), r.uid.clone()));
    owned.extend(seen.filter(|s| !owned.contains(s)));
    for (name, secret_uid) in &owned {
        publish::delete(context, &observation.object, name, secret_uid).await?;
        context.memory.secret_deleted(observation.uid(), secret_uid.clone(), context.now());
        context.metrics.withdrawn();
    }
    Ok(!owned.is_empty())
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
    let ledger = &context.memory.ledger;
    let object = ledger.merged(uid, object);
    let Some(written) = context.memory.of(uid) else { return Ok(Some((object, None))) };
    let version = object.metadata.resource_version.as_deref();
    let behind = written.object_version.as_deref().is_some_and(|w| older(version, w));
    let late = context.now().duration_since(written.since) > CATCH_UP;
    let secret_behind = matches!(written.secret, Some(WrittenSecret::Applied(_)));
    let read = written.write_outcome_unknown
        || (behind && attempts)
        || ((behind || secret_behind) && late);
    if !read {
        return Ok((!behind).then_some((object, Some(written))));
    }
    let Some(live) = live::read(context, &object).await? else { return Ok(None) };
    let secret = publish::read(context, &live).await?;
    let shown = context.view.secret_uid(&live);
    let version = live.metadata.resource_version.clone();
    context.memory.read_back(uid, version, (secret, shown), context.now());
    Ok(Some((ledger.merged(uid, Arc::new(live)), context.memory.of(uid))))
}
