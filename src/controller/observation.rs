//! Observation of a resource and its surroundings, made when it is reconciled.

use super::inputs::{ReadInputs, read_input};
use super::memory::{Entry, Look, Polled};
use super::secret_meta::version_of;
use super::{CallError, Context, brake, total_size};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use refreshable_api::RefreshableCredential;
use refreshable_engine::Admission;
use refreshable_issuers::source::inputs_of;
use refreshable_rules::failure::RecordedFailure;
use refreshable_rules::input_object::InputObject;
use refreshable_rules::inputs::{self, InputVersions, KnownInputs, UsedInputs};
use refreshable_rules::ownership::{Content, SecretView};
use refreshable_rules::plan::{INPUT_POLL, Observed};
use refreshable_rules::policy::{Grants, Judgement, Permission};
use refreshable_rules::report::Revocation;
use refreshable_rules::size_limit::Oversize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A resource and its surroundings, as they were observed.
pub(super) struct Observation {
    pub(super) object: Arc<RefreshableCredential>,
    /// Leave to ask the issuer; none while it is only looked at.
    pub(super) admission: Option<Admission>,
    pub(super) secret: SecretView,
    pub(super) permission: Permission,
    pub(super) grants: Grants,
    /// Since when it is denied, and when what is published is withdrawn.
    pub(super) revoked: Option<(Timestamp, Timestamp)>,
    /// Versions of inputs that are watched.
    watched: InputVersions,
    /// These, those that were looked at, and what was compared of them.
    known: KnownInputs,
    /// Inputs that the last failed attempt read.
    attempted: UsedInputs,
    /// Inputs that were read to compare them.
    pub(super) at_hand: ReadInputs,
    /// When inputs that are not watched are looked at again.
    poll_at: Option<Timestamp>,
    /// When to ask the source again, where it had nothing newer than the published credentials.
    pub(super) not_before: Option<Timestamp>,
    /// How its namespace exceeds the size that is allowed; of a resource that publishes something,
    /// nothing depends on it.
    oversize: Option<Oversize>,
}

impl Observation {
    /// Observes `object`; `None` while its namespace is not in view.
    pub(super) async fn of(
        object: Arc<RefreshableCredential>,
        written: Option<Entry>,
        admission: Option<Admission>,
        context: &Context,
    ) -> Result<Option<Self>, CallError> {
        let Some(judgement) = context.view.judgement(&object) else { return Ok(None) };
        let Judgement { permission, grants } = judgement;
        let revoked = revoked(&object, &permission, written.as_ref(), context);
        let failed =
            object.status.as_ref().and_then(RecordedFailure::from_status).and_then(|f| f.attempt);
        let attempted =
            failed.map(|attempt| inputs::from_status(&attempt.inputs)).unwrap_or_default();
        let secret = context.view.secret(&object, written.as_ref());
        let oversize = match secret.own() {
            Some(_) => None,
            None => total_size::oversize(
                object.metadata.namespace.as_deref().unwrap_or_default(),
                context,
            ),
        };
        let mut observation = Self {
            admission,
            secret,
            oversize,
            permission,
            grants,
            revoked,
            watched: context.view.watched_inputs(&object),
            known: KnownInputs::default(),
            attempted,
            at_hand: ReadInputs::new(),
            poll_at: None,
            not_before: context
                .memory
                .ledger
                .not_before(object.metadata.uid.as_deref().unwrap_or_default()),
            object,
        };
        let written = written.unwrap_or_default();
        let polled = observation.polled(written.polled, context).await?;
        let watched =
            observation.watched.iter().map(|(name, version)| (name, Some(version.clone())));
        let looked = polled.looks.iter().filter_map(|(name, look)| match look {
            Look::Version(version) => Some((name, Some(version.clone()))),
            Look::Absent => Some((name, None)),
            Look::Refused => None,
        });
        for (name, version) in watched.chain(looked) {
            let compared =
                written.compared.get(name).filter(|(at, _)| Some(at) == version.as_ref());
            observation.known.see(
                name,
                version,
                compared.map(|(_, macs)| macs.clone()).unwrap_or_default(),
            );
        }
        Ok(Some(observation))
    }

    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.object.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The record of what is published in the resource's own Secret.
    pub(super) fn content(&self) -> Option<&Content> {
        self.secret.own()?.content.as_ref()
    }

    pub(super) fn observed(&self) -> Observed<'_> {
        Observed {
            object: &self.object,
            secret: &self.secret,
            permission: &self.permission,
            withdraw_at: self.revoked.map(|(_, at)| at),
            inputs: &self.known,
            poll_at: self.poll_at,
            not_before: self.not_before,
            oversize: self.oversize,
        }
    }

    /// The revocation that the status tells of.
    pub(super) fn revocation(&self, why: String, now: Timestamp) -> Revocation {
        let (since, withdraw_at) = self.revoked.unwrap_or((now, now));
        Revocation { why, since, withdraw_at, held: None }
    }

    pub(super) fn expiration(&self) -> Option<Timestamp> {
        self.content().map(|c| c.expiration)
    }

    /// Inputs that what is published was made from, and those that the last failed attempt read.
    fn used(&self) -> impl Iterator<Item = &UsedInputs> {
        self.content().map(|c| &c.inputs).into_iter().chain([&self.attempted])
    }

    /// Inputs that matter and are not watched: looked at again after [`INPUT_POLL`], whether all is
    /// well or not.
    async fn polled(
        &mut self,
        last: Option<Polled>,
        context: &Context,
    ) -> Result<Polled, CallError> {
        let now = context.now();
        let named = inputs_of(&self.object.spec).into_iter().map(|object| object.to_string());
        let matters = |n: &String| {
            !self.watched.contains_key(n) && self.used().any(|used| used.contains_key(n))
        };
        let names: BTreeSet<String> = named.filter(matters).collect();
        if names.is_empty() {
            context.memory.no_longer_polled(self.uid());
            return Ok(Polled::at(now));
        }
        if let Some(last) = last
            && (last.at..last.at + INPUT_POLL).contains(&now)
            && names.iter().all(|n| last.looks.contains_key(n))
        {
            self.poll_at = Some(last.at + INPUT_POLL);
            return Ok(last.of(&names));
        }
        let mut polled = Polled::at(now);
        for name in names {
            let look = match look_at(&InputObject::spelled(&name), self.namespace(), context).await
            {
                Ok(Some(version)) => Look::Version(version),
                Ok(None) => Look::Absent,
                Err(error) if error.is_transient() => return Err(error),
                // What may not be read must not keep the resource from being renewed.
                Err(_) => Look::Refused,
            };
            polled.looks.insert(name, look);
        }
        context.memory.polled(self.uid(), polled.clone());
        self.poll_at = Some(now + INPUT_POLL);
        Ok(polled)
    }

    /// Reads inputs whose version changed, and compares the data that was used of them. Whether one
    /// was read.
    pub(super) async fn compare(&mut self, context: &Context) -> Result<bool, CallError> {
        if self.used().all(UsedInputs::is_empty) {
            return Ok(false);
        }
        let Some(key) = context.input_keys.get(&context.calls, context.now()).await else {
            return Ok(false);
        };
        let unread: BTreeSet<String> =
            self.used().flat_map(|used| self.known.unread(used, key)).collect();
        for name in &unread {
            let input = InputObject::spelled(name);
            let held = match read_input(&context.calls, self.namespace(), &input).await {
                Ok(held) => held,
                Err(error) if error.is_transient() => return Err(error),
                Err(_) => continue,
            };
            let digests = self.used().filter_map(|used| used.get(name)?.digest.as_ref());
            let compared = held.as_ref().map(|held| {
                let keys = |d: &refreshable_api::InputDigest| {
                    held.digest(key, self.uid(), d.keys.iter().map(String::as_str)).mac
                };
                (held.version.clone(), digests.map(keys).collect::<BTreeSet<String>>())
            });
            if let Some((version, macs)) = &compared {
                context.memory.compared(self.uid(), name, version.clone(), macs.clone());
            }
            let (version, macs) =
                compared.map_or_else(Default::default, |(version, macs)| (Some(version), macs));
            self.known.read(name, version, macs);
            self.at_hand.insert(input, held);
        }
        Ok(!unread.is_empty())
    }

    /// Takes note that an attempt has just read `used`: those that are not watched are looked at
    /// again later.
    pub(super) fn read_by_attempt(&self, used: &UsedInputs, context: &Context) {
        let unwatched = used.iter().filter(|(name, _)| !self.watched.contains_key(*name));
        let look = |version: &Option<String>| version.clone().map_or(Look::Absent, Look::Version);
        let looks: BTreeMap<_, _> =
            unwatched.map(|(name, used)| (name.clone(), look(&used.version))).collect();
        if !looks.is_empty() {
            context.memory.read_by_attempt(self.uid(), looks, context.now());
        }
    }
}

/// Since when `object` is denied, and when what is published is withdrawn.
fn revoked(
    object: &RefreshableCredential,
    permission: &Permission,
    written: Option<&Entry>,
    context: &Context,
) -> Option<(Timestamp, Timestamp)> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    if !matches!(permission, Permission::Denied(_)) {
        if written.is_some_and(|w| w.denied_since.is_some()) {
            context.memory.not_denied(uid);
        }
        return None;
    }
    let since = context.memory.denied(uid, brake::told(object), context.now());
    let at = since.checked_add(context.brake.after(object, context)).unwrap_or(Timestamp::MAX);
    Some((since, at))
}

/// The version of an input, without its data; `None` where it does not exist.
async fn look_at(
    input: &InputObject,
    namespace: &str,
    context: &Context,
) -> Result<Option<String>, CallError> {
    let (calls, client) = (&context.calls, context.calls.client());
    Ok(match input {
        InputObject::Secret(name) => {
            let api = Api::<Secret>::namespaced(client, namespace);
            calls
                .read("get secrets", api.get_metadata_opt(name))
                .await?
                .map(|meta| version_of(&meta.metadata))
        }
        InputObject::ConfigMap(name) => {
            let api = Api::<ConfigMap>::namespaced(client, namespace);
            calls
                .read("get configmaps", api.get_metadata_opt(name))
                .await?
                .map(|meta| version_of(&meta.metadata))
        }
    })
}
