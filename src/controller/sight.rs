//! What is seen of a resource's surroundings when it is reconciled.

use super::memory::Entry;
use super::secret_meta::version_of;
use super::{CallError, Context};
use crate::api::RefreshableCredential;
use crate::rules::fingerprint::InputVersions;
use crate::rules::ownership::SecretView;
use crate::rules::plan::{INPUT_POLL, Observed};
use crate::rules::policy::{Judgement, Permission, Terms};
use crate::source::names_of_inputs;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::Api;
use std::collections::BTreeSet;

/// What was seen of a resource's surroundings.
pub(super) struct Sight {
    pub(super) secret: SecretView,
    pub(super) permission: Permission,
    pub(super) terms: Terms,
    /// Inputs that are watched.
    pub(super) watched: InputVersions,
    /// These, and those that were looked at.
    pub(super) known: InputVersions,
    pub(super) polls: bool,
    /// The source had nothing newer, and is asked again then.
    pub(super) rests_until: Option<Timestamp>,
}

impl Sight {
    /// What is to be seen of `object`'s surroundings; `None` while its namespace is not in view.
    pub(super) async fn of(
        object: &RefreshableCredential,
        uid: &str,
        written: Option<Entry>,
        context: &Context,
    ) -> Result<Option<Self>, CallError> {
        let Some(judgement) = context.view.judgement(object) else { return Ok(None) };
        let Judgement { permission, terms } = judgement;
        let secret = context.view.secret(object, written.as_ref());
        let watched = context.view.watched_inputs(object);
        let unwatched: BTreeSet<String> =
            names_of_inputs(&object.spec).into_iter().filter(|n| !watched.contains_key(n)).collect();
        let rests_until = written.as_ref().and_then(|w| w.rests_until);
        let mut known = watched.clone();
        if secret.own().is_some() && !unwatched.is_empty() {
            known.extend(polled(object, uid, &unwatched, written, context).await?);
        }
        Ok(Some(Self { permission, terms, polls: !unwatched.is_empty(), secret, watched, known, rests_until }))
    }

    pub(super) fn observed<'a>(&'a self, object: &'a RefreshableCredential) -> Observed<'a> {
        Observed {
            object,
            secret: &self.secret,
            permission: &self.permission,
            inputs: &self.known,
            watched: &self.watched,
            polls_inputs: self.polls,
            rests_until: self.rests_until,
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
