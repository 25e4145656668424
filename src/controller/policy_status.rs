//! Keeps the statuses of policies: looks at all of them after something changed that they tell of,
//! and writes those that say something new. What resources it judged before is kept: after a change
//! of one resource that one is judged again, and after one of a policy all are.
//!
//! Apart from the queue of resources, see [`super::looks`].

use super::feeds::{Change, differing, specification};
use super::looks::{Looking, keep_looking};
use super::packed::Form as _;
use super::reported::{Reported, ends_the_look};
use super::store::name_of;
use super::{CallError, Calls, Context, ResourceName, View};
use crate::clock::SharedClock;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use parking_lot::Mutex;
use refreshable_api::{CredentialPolicy, CredentialPolicyStatus, RefreshableCredential};
use refreshable_rules::policy_index::{PolicyIndex, labelled};
use refreshable_rules::policy_served::Served;
use refreshable_rules::policy_status::statuses;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// More changed resources than this are not remembered one by one.
const MANY: usize = 20_000;
/// Changes that the statuses of policies tell of. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PolicyNews(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    told: Notify,
    news: Mutex<News>,
}

/// Changes since the last look.
#[derive(Debug, Default)]
struct News {
    /// Every resource has to be judged again.
    everything: bool,
    /// Namespaces whose labels changed.
    namespaces: BTreeSet<String>,
    /// Resources that came, went, or ask for something else.
    resources: BTreeSet<ResourceName>,
}

impl News {
    fn bounded(&mut self) {
        if self.everything || self.resources.len() > MANY {
            *self = Self { everything: true, ..Self::default() };
        }
    }
}

impl PolicyNews {
    /// Resources that came, went, or ask for something else. Their statuses, which each rotation
    /// writes, do not count.
    pub(super) fn of_resources(&self, changes: &[Change<RefreshableCredential>]) {
        let mut different = differing(changes, specification).peekable();
        if different.peek().is_some() {
            let names = different.filter_map(|c| c.sides().next()).map(name_of);
            self.tell(|news| news.resources.extend(names));
        }
    }

    /// Policies that came, went, or say something else, and whether there are such. Their statuses
    /// do not count, or each write would cause a look.
    pub(super) fn of_policies(&self, changes: &[Change<CredentialPolicy>]) -> bool {
        let differs = differing(changes, specification).next().is_some();
        if differs {
            self.tell(|news| news.everything = true);
        }
        differs
    }

    /// Namespaces that came, went, or have other labels, and whether there are such.
    pub(super) fn of_namespaces(&self, changes: &[Change<PartialObjectMeta<Namespace>>]) -> bool {
        let mut different =
            differing(changes, |n| (n.metadata.uid.clone(), n.metadata.labels.clone())).peekable();
        let differs = different.peek().is_some();
        if differs {
            let names = different.filter_map(|c| c.sides().next()).map(|n| n.name_any());
            self.tell(|news| news.namespaces.extend(names));
        }
        differs
    }

    fn tell(&self, add: impl FnOnce(&mut News)) {
        let mut news = self.0.news.lock();
        add(&mut news);
        news.bounded();
        self.0.told.notify_one();
    }

    /// Another look, though nothing changed.
    fn again(&self) {
        self.tell(|_| ());
    }

    async fn come(&self) {
        self.0.told.notified().await;
    }

    fn take(&self) -> News {
        std::mem::take(&mut self.0.news.lock())
    }
}

/// Keeps the statuses for as long as it is polled. `everywhere` says whether every namespace is
/// watched.
pub(super) async fn keep(context: Arc<Context>, everywhere: bool) {
    let (calls, view, clock) = (context.calls.clone(), context.view.clone(), context.clock.clone());
    let keeper =
        Keeper { calls, view, clock, everywhere, reported: Reported::default(), served: None };
    keep_looking(keeper, "the status of a policy could not be written").await;
}

/// Task that keeps the statuses.
struct Keeper {
    calls: Calls,
    view: View,
    clock: SharedClock,
    /// Whether every namespace is watched.
    everywhere: bool,
    reported: Reported<CredentialPolicy>,
    /// Resources that the policies serve, as of the last look.
    served: Option<Served<ResourceName>>,
}

impl Looking for Keeper {
    async fn change(&self) {
        self.view.policy_news.come().await;
    }

    fn again(&self) {
        self.view.policy_news.again();
    }

    /// Looks at all policies and writes the statuses that say something new. What keeps one write
    /// from being made is told once the others were tried; a lease that is not held, or an API
    /// server that does not answer, ends the look.
    async fn look(&mut self) -> Result<(), CallError> {
        let there = self.view.policies.all().collect();
        let policies = self.reported.newest(there, |p, own| p.status.clone_from(&own.status));
        let mut failed = Ok(());
        for (policy, status) in self.found(policies).await {
            if policy.status.as_ref() == Some(&status) {
                continue;
            }
            match self.write(&policy, &status).await {
                Err(error) if ends_the_look(&error) => return Err(error),
                result => failed = failed.and(result),
            }
        }
        failed
    }
}

impl Keeper {
    /// Each policy with the status that it should have. To judge many resources takes a while: in a
    /// thread of its own that holds up no rotation.
    async fn found(
        &mut self,
        policies: Vec<Arc<CredentialPolicy>>,
    ) -> Vec<(Arc<CredentialPolicy>, CredentialPolicyStatus)> {
        let (view, now, everywhere) = (self.view.clone(), self.clock.now(), self.everywhere);
        let (before, news) = (self.served.take(), view.policy_news.take());
        let judged = tokio::task::spawn_blocking(move || {
            let namespaces: Vec<_> = view.namespaces.all().collect();
            let index =
                PolicyIndex::new(&policies, namespaces.iter().map(|n| labelled(n.as_ref())));
            let served = everywhere.then(|| served(before, &news, &policies, &index, &view));
            let found = statuses(&policies, &index, served.as_ref().map(Served::counts), now);
            drop(index);
            (policies.into_iter().zip(found).collect(), served)
        });
        let Ok((found, served)) = judged.await else {
            // A resource that panics at each look is stalled alone, and must not end the process
            // from here.
            tracing::error!(
                "a fault of the controller itself: the statuses of policies are left as they are"
            );
            return Vec::new();
        };
        self.served = served;
        found
    }

    async fn write(
        &mut self,
        policy: &CredentialPolicy,
        status: &CredentialPolicyStatus,
    ) -> Result<(), CallError> {
        let mut status = json!(status);
        if let Some(members) = status.as_object_mut().filter(|_| !self.everywhere) {
            // Somebody else may count them.
            members.remove("resources");
        }
        self.reported.write(&self.calls, "patch policy status", policy, status).await
    }
}

/// Resources that `policies` serve: of what they served `before`, only what changed is judged again.
fn served(
    before: Option<Served<ResourceName>>,
    news: &News,
    policies: &[Arc<CredentialPolicy>],
    index: &PolicyIndex<'_>,
    view: &View,
) -> Served<ResourceName> {
    let before = before.filter(|b| !news.everything && b.is_of(policies));
    let there = match &before {
        Some(_) => {
            let within = |namespace: &String| view.credentials.entries_within(namespace);
            news.namespaces.iter().flat_map(within).collect()
        }
        None => view.credentials.entries(),
    };
    let mut served = before.unwrap_or_else(|| Served::new(policies));
    if !news.namespaces.is_empty() {
        served.forget_those(|name| news.namespaces.contains(&*name.namespace));
    }
    for (name, kept) in there {
        if let Some(object) = kept.object() {
            served.judge(name, &object, index);
        }
    }
    for name in &news.resources {
        match view.credentials.get(name) {
            Some(object) => served.judge(name.clone(), &object, index),
            None => served.forget(name),
        }
    }
    served
}

#[cfg(test)]
#[path = "policy_status_tests.rs"]
mod tests;
