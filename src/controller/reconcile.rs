//! The thin hand between the rules and the network: observe, plan, carry out, report.

use super::memory::{CATCH_UP, Entry, WrittenSecret, older};
use super::next::{Next, first};
use super::sight::Sight;
use super::{CallError, Context, issue, propagation, publish, restart, status};
use crate::api::RefreshableCredential;
use crate::api::conditions::Reason;
use crate::rules::fingerprint;
use crate::rules::ownership::{self, Record};
use crate::rules::plan::{self, Action, Cause};
use crate::rules::report::{self, Finding};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::api::Api;
use std::sync::Arc;

/// After a Kubernetes call that failed, or that was not made for want of the lease.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);
/// While the view has not caught up with the last write; the watch usually comes first.
const LAGGING: SignedDuration = SignedDuration::from_secs(5);
/// While a foreign Secret holds the name: those are not watched.
const CONFLICT_POLL: SignedDuration = SignedDuration::from_mins(2);

/// Brings one resource forward by one step.
pub async fn reconcile(object: Arc<RefreshableCredential>, context: &Context) -> Next {
    let uid = object.uid().unwrap_or_default();
    match advance(object, &uid, context).await {
        Ok(next) => next,
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

async fn advance(object: Arc<RefreshableCredential>, uid: &str, context: &Context) -> Result<Next, CallError> {
    let Some((object, written)) = freshest(object, uid, context).await? else {
        return Ok(Next::At(context.now() + LAGGING));
    };
    let Some(sight) = Sight::of(&object, uid, written, context).await? else {
        return Ok(Next::At(context.now() + LAGGING));
    };
    let now = context.now();
    let action = plan::plan(&sight.observed(&object), now);
    let (record, permission) = (sight.secret.own(), &sight.permission);
    match action {
        Action::Leave => {
            context.memory.forget(uid);
            Ok(Next::Change)
        }
        Action::Issue(cause) => issue::issue(&object, &sight, cause, context).await,
        Action::Wait(until) => {
            status::report(context, &object, permission, record, &Finding::Good).await?;
            let again = spread(&object, record, context).await?;
            Ok(Next::At(again.map_or(until, |a| a.min(until))))
        }
        Action::Inspect => inspect(&object, &sight, context).await,
        Action::Backoff(until) => {
            if let Some(finding) = report::still_failing(&object) {
                status::report(context, &object, permission, record, &finding).await?;
            }
            let again = spread(&object, record, context).await?;
            Ok(Next::At(first(again.map_or(until, |a| a.min(until)), sight.expiration(), now)))
        }
        Action::Suspend(until) => {
            status::report(context, &object, permission, record, &Finding::Suspended).await?;
            Ok(until.map_or(Next::Change, Next::At))
        }
        Action::Withdraw(why) => {
            if let Some(own) = record {
                publish::delete(context, &object, &own.name, &own.uid).await?;
                context.memory.secret_deleted(uid, own.uid.clone(), now);
                context.metrics.withdrawn();
            }
            status::report(context, &object, permission, None, &Finding::Stalled(Reason::NotPermitted, why)).await?;
            Ok(Next::Change)
        }
        Action::Stall(reason, why) => {
            status::report(context, &object, permission, record, &Finding::Stalled(reason, why)).await?;
            Ok(match reason {
                Reason::SecretConflict => Next::At(now + CONFLICT_POLL),
                _ => Next::Change,
            })
        }
    }
}

/// Brings what is published to the programs that use it. When to look again, if something is left to do.
async fn spread(
    object: &RefreshableCredential,
    record: Option<&Record>,
    context: &Context,
) -> Result<Option<Timestamp>, CallError> {
    let Some(content) = record.and_then(|r| r.content.as_ref()) else { return Ok(None) };
    propagation::hasten(object, content, context).await?;
    restart::follow(object, content, context).await
}

/// The resource, if the view of it is as new as the last status write. Where the view does not catch
/// up, the resource and its Secret are read.
async fn freshest(
    object: Arc<RefreshableCredential>,
    uid: &str,
    context: &Context,
) -> Result<Option<(Arc<RefreshableCredential>, Option<Entry>)>, CallError> {
    let Some(written) = context.memory.of(uid) else { return Ok(Some((object, None))) };
    let version = object.metadata.resource_version.as_deref();
    let behind = written.object_version.as_deref().is_some_and(|w| older(version, w));
    let late = context.now().duration_since(written.since) > CATCH_UP;
    let secret_behind = matches!(written.secret, Some(WrittenSecret::Applied(_)));
    if !written.doubt && !((behind || secret_behind) && late) {
        return Ok((!behind).then_some((object, Some(written))));
    }
    let api = Api::<RefreshableCredential>::namespaced(context.calls.client(), &object.namespace().unwrap_or_default());
    let name = object.name_any();
    let live = context.calls.read("get refreshablecredentials", api.get_opt(&name)).await?;
    let Some(live) = live.filter(|l| l.metadata.uid.as_deref() == Some(uid)) else {
        context.memory.forget(uid);
        return Ok(None);
    };
    let secret = publish::read(context, &live).await?;
    let now = context.now();
    context.memory.settled(uid);
    if let Some(meta) = secret {
        context.memory.secret_written(uid, meta, now);
    }
    Ok(Some((Arc::new(live), context.memory.of(uid))))
}

/// The Secret was written to since it was reported: are its data and what the controller keeps in its
/// metadata still as published?
async fn inspect(object: &RefreshableCredential, sight: &Sight, context: &Context) -> Result<Next, CallError> {
    let secret = publish::read_data(context, object).await?;
    let uid = object.uid().unwrap_or_default();
    let Some(secret) = secret else {
        return issue::issue(object, sight, Cause::Deleted, context).await;
    };
    let seen = ownership::view(&secret.metadata, &uid);
    let Some(record) = seen.own() else {
        return Ok(Next::At(context.now() + AGAIN));
    };
    let keys = object.spec.data_keys();
    let data = secret.data.unwrap_or_default();
    let published = data.iter().filter(|(k, _)| keys.contains(k)).map(|(k, v)| (k, v.0.as_slice()));
    let checksum = fingerprint::of_data(published);
    let intact = record.content.as_ref().is_some_and(|c| c.checksum == checksum)
        && ownership::metadata_intact(&secret.metadata, object);
    if !intact {
        return issue::issue(object, sight, Cause::Altered, context).await;
    }
    context.memory.secret_written(&uid, secret.metadata.clone(), context.now());
    status::report(context, object, &sight.permission, Some(record), &Finding::Good).await?;
    let due = record.content.as_ref().map(|c| plan::refresh_at(object, c));
    Ok(due.map_or(Next::Change, Next::At))
}
