//! The thin hand between the rules and the network: observe, plan, carry out, report.

use super::memory::{CATCH_UP, Entry, WrittenSecret, older};
use super::view::version_of;
use super::{CallError, Context, issue, publish, status};
use crate::api::RefreshableCredential;
use crate::api::conditions::Reason;
use crate::rules::fingerprint::{self, InputVersions};
use crate::rules::ownership::{self, SecretView};
use crate::rules::plan::{self, Action, Cause, INPUT_POLL, Observed};
use crate::rules::policy::Permission;
use crate::rules::report::{self, Finding};
use crate::source::names_of_inputs;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::Api;
use std::collections::BTreeSet;
use std::sync::Arc;

/// When a resource is to be looked at again, if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At that time.
    At(Timestamp),
    /// When something changes.
    Change,
}

/// After a Kubernetes call that failed.
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
        Err(CallError::NotLeading(_)) => Next::Change,
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
    let record = sight.secret.own();
    match action {
        Action::Leave => {
            context.memory.forget(uid);
            Ok(Next::Change)
        }
        Action::Issue(cause) => issue::issue(&object, &sight, cause, context).await,
        Action::Wait(until) => {
            status::report(context, &object, record, &Finding::Good).await?;
            Ok(Next::At(until))
        }
        Action::Inspect => inspect(&object, &sight, context).await,
        Action::Backoff(until) => {
            if let Some(finding) = report::still_failing(&object) {
                status::report(context, &object, record, &finding).await?;
            }
            Ok(Next::At(first(until, sight.expiration(), now)))
        }
        Action::Suspend(until) => {
            status::report(context, &object, record, &Finding::Suspended).await?;
            Ok(until.map_or(Next::Change, Next::At))
        }
        Action::Withdraw(why) => {
            if let Some(own) = record {
                publish::delete(context, &object, &own.name, &own.uid).await?;
                context.memory.secret_deleted(uid, own.uid.clone(), now);
                context.metrics.withdrawn();
            }
            status::report(context, &object, None, &Finding::Stalled(Reason::NotPermitted, why)).await?;
            Ok(Next::Change)
        }
        Action::Stall(reason, why) => {
            status::report(context, &object, record, &Finding::Stalled(reason, why)).await?;
            Ok(match reason {
                Reason::SecretConflict => Next::At(now + CONFLICT_POLL),
                _ => Next::Change,
            })
        }
    }
}

/// The earlier of a time and an expiry that still lies ahead: the status turns with it.
pub(super) fn first(until: Timestamp, expiration: Option<Timestamp>, now: Timestamp) -> Timestamp {
    expiration.filter(|e| *e > now).map_or(until, |e| until.min(e))
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

/// What was seen of a resource's surroundings.
pub(super) struct Sight {
    pub(super) secret: SecretView,
    pub(super) permission: Permission,
    /// Inputs that are watched.
    pub(super) watched: InputVersions,
    /// These, and those that were looked at.
    pub(super) known: InputVersions,
    pub(super) polls: bool,
}

impl Sight {
    /// What is to be seen of `object`'s surroundings; `None` while its namespace is not in view.
    async fn of(
        object: &RefreshableCredential,
        uid: &str,
        written: Option<Entry>,
        context: &Context,
    ) -> Result<Option<Self>, CallError> {
        let Some(permission) = context.view.permission(object) else { return Ok(None) };
        let secret = context.view.secret(object, written.as_ref());
        let watched = context.view.watched_inputs(object);
        let unwatched: BTreeSet<String> =
            names_of_inputs(&object.spec).into_iter().filter(|n| !watched.contains_key(n)).collect();
        let mut known = watched.clone();
        if secret.own().is_some() && !unwatched.is_empty() {
            known.extend(polled(object, uid, &unwatched, written, context).await?);
        }
        Ok(Some(Self { permission, polls: !unwatched.is_empty(), secret, watched, known }))
    }

    pub(super) fn observed<'a>(&'a self, object: &'a RefreshableCredential) -> Observed<'a> {
        Observed {
            object,
            secret: &self.secret,
            permission: &self.permission,
            inputs: &self.known,
            watched: &self.watched,
            polls_inputs: self.polls,
        }
    }

    pub(super) fn expiration(&self) -> Option<Timestamp> {
        self.secret.own().and_then(|r| r.content.as_ref()).map(|c| c.expiration)
    }
}

/// Versions of inputs that are not watched: looked at again after [`INPUT_POLL`].
async fn polled(
    object: &RefreshableCredential,
    uid: &str,
    names: &BTreeSet<String>,
    written: Option<Entry>,
    context: &Context,
) -> Result<InputVersions, CallError> {
    let now = context.now();
    if let Some((when, versions)) = written.and_then(|w| w.polled)
        && now.duration_since(when) < INPUT_POLL
        && names.iter().all(|n| versions.contains_key(n))
    {
        return Ok(versions);
    }
    let api = Api::<Secret>::namespaced(context.calls.client(), &object.namespace().unwrap_or_default());
    let mut versions = InputVersions::new();
    for name in names {
        let meta = context.calls.read("get secrets", api.get_metadata_opt(name)).await?;
        // An input that is gone is no reason to ask the issuer: what was made from it is still valid.
        if let Some(meta) = meta {
            versions.insert(name.clone(), version_of(&meta.metadata));
        }
    }
    context.memory.polled(uid, versions.clone(), now);
    Ok(versions)
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
    let keys = object.spec.secret().data_keys();
    let data = secret.data.unwrap_or_default();
    let published = data.iter().filter(|(k, _)| keys.contains(k)).map(|(k, v)| (k, v.0.as_slice()));
    let checksum = fingerprint::of_data(published);
    let intact = record.content.as_ref().is_some_and(|c| c.checksum == checksum)
        && ownership::metadata_intact(&secret.metadata, object);
    if !intact {
        return issue::issue(object, sight, Cause::Altered, context).await;
    }
    context.memory.secret_written(&uid, secret.metadata.clone(), context.now());
    status::report(context, object, Some(record), &Finding::Good).await?;
    let due = record.content.as_ref().map(|c| plan::refresh_at(object, c));
    Ok(due.map_or(Next::Change, Next::At))
}
