//! Keeps the statuses of policies: looks at all of them after something changed that they tell of,
//! and writes those that say something new.
//!
//! Apart from the queue of resources: a rotation neither waits for this nor causes it.

use super::feeds::Change;
use super::memory::older;
use super::{CallError, Calls, Context, View, call};
use crate::clock::SharedClock;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};
use refreshable_api::{CredentialPolicy, CredentialPolicyStatus, RefreshableCredential};
use refreshable_rules::policy_index::labelled;
use refreshable_rules::policy_status::statuses;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Between the first change and the look at it: what is applied together is counted together.
const SETTLE: Duration = Duration::from_secs(1);
/// Least pause after a look, so that many changes cost few writes.
const PAUSE: Duration = Duration::from_secs(10);
/// A look at very many resources is followed by a pause that is so many times as long.
const REST: u32 = 10;
/// Longest pause after looks whose writes failed, which doubles.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Whether something changed that the statuses of policies tell of. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PolicyNews(Arc<Notify>);

impl PolicyNews {
    /// Resources that came, went, or ask for something else. Their statuses, which each rotation
    /// writes, do not count.
    pub(super) fn of_resources(&self, changes: &[Change<RefreshableCredential>]) {
        self.where_differs(changes, specification);
    }

    /// Policies that came, went, or say something else, and whether there are such. Their statuses
    /// do not count, or each write would cause a look.
    pub(super) fn of_policies(&self, changes: &[Change<CredentialPolicy>]) -> bool {
        self.where_differs(changes, specification)
    }

    /// Namespaces that came, went, or have other labels, and whether there are such.
    pub(super) fn of_namespaces(&self, changes: &[Change<PartialObjectMeta<Namespace>>]) -> bool {
        self.where_differs(changes, |n| (n.metadata.uid.clone(), n.metadata.labels.clone()))
    }

    fn where_differs<K, Part: PartialEq>(
        &self,
        changes: &[Change<K>],
        part: impl Fn(&K) -> Part,
    ) -> bool {
        let side = |side: &Option<Arc<K>>| side.as_deref().map(&part);
        let differs = changes.iter().any(|c| side(&c.before) != side(&c.after));
        if differs {
            self.tell();
        }
        differs
    }

    fn tell(&self) {
        self.0.notify_one();
    }

    async fn come(&self) {
        self.0.notified().await;
    }
}

/// The identity of a specification: UID and generation.
fn specification<K: Resource>(object: &K) -> (Option<String>, Option<i64>) {
    (object.meta().uid.clone(), object.meta().generation)
}

/// Keeps the statuses for as long as it is polled. `everywhere` says whether every namespace is
/// watched.
pub(super) async fn keep(context: Arc<Context>, everywhere: bool) {
    let (calls, view, clock) = (context.calls.clone(), context.view.clone(), context.clock.clone());
    Keeper { calls, view, clock, everywhere, written: HashMap::new() }.run().await;
}

/// Task that keeps the statuses.
struct Keeper {
    calls: Calls,
    view: View,
    clock: SharedClock,
    /// Whether every namespace is watched.
    everywhere: bool,
    /// The policies as this process wrote them last, by UID: the view may not show it yet.
    written: HashMap<String, CredentialPolicy>,
}

impl Keeper {
    async fn run(mut self) {
        let news = self.view.policy_news.clone();
        let mut pause = PAUSE;
        loop {
            news.come().await;
            tokio::time::sleep(SETTLE).await;
            let began = Instant::now();
            match self.look().await {
                Ok(()) => {
                    pause = PAUSE;
                    tokio::time::sleep(PAUSE.max(began.elapsed() * REST)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, again_in = ?pause, "the status of a policy could not be written");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    news.tell();
                }
            }
        }
    }

    /// Looks at all policies and writes the statuses that say something new. What keeps one write
    /// from being made is told once the others were tried; a lease that is not held, or an API
    /// server that does not answer, ends the look.
    async fn look(&mut self) -> Result<(), CallError> {
        let policies: Vec<_> = self.view.policies.all().collect();
        self.written.retain(|uid, _| policies.iter().any(|p| p.metadata.uid.as_ref() == Some(uid)));
        let policies = policies.into_iter().map(|p| self.newest(p)).collect();
        let mut failed = Ok(());
        for (policy, status) in self.found(policies).await {
            if policy.status.as_ref() == Some(&status) {
                continue;
            }
            match self.write(&policy, &status).await {
                Ok(Some(new)) => drop(self.written.insert(new.uid().unwrap_or_default(), new)),
                Ok(None) => {}
                Err(error) if error.is_transient() || matches!(error, CallError::NotLeading(_)) => {
                    return Err(error);
                }
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }

    /// The policy with the status that this process wrote last, where the view does not show that
    /// yet.
    fn newest(&self, policy: Arc<CredentialPolicy>) -> Arc<CredentialPolicy> {
        let own = policy.metadata.uid.as_ref().and_then(|uid| self.written.get(uid));
        let version =
            own.and_then(|own| own.metadata.resource_version.as_deref()).unwrap_or_default();
        match own {
            Some(own) if older(policy.metadata.resource_version.as_deref(), version) => {
                let mut policy = Arc::unwrap_or_clone(policy);
                policy.status.clone_from(&own.status);
                Arc::new(policy)
            }
            _ => policy,
        }
    }

    /// Each policy with the status that it should have. To judge many resources takes a while: in a
    /// thread of its own that holds up no rotation.
    async fn found(
        &self,
        policies: Vec<Arc<CredentialPolicy>>,
    ) -> Vec<(Arc<CredentialPolicy>, CredentialPolicyStatus)> {
        let (view, now, everywhere) = (self.view.clone(), self.clock.now(), self.everywhere);
        let judged = tokio::task::spawn_blocking(move || {
            let namespaces: Vec<_> = view.namespaces.all().collect();
            let labels = namespaces.iter().map(|n| labelled(n.as_ref()));
            let resources = everywhere.then(|| view.credentials.all());
            let found = statuses(&policies, labels, resources, now);
            policies.into_iter().zip(found).collect()
        });
        judged.await.unwrap_or_else(|_| {
            // A resource that panics at each look is stalled alone, and must not end the process
            // from here.
            tracing::error!(
                "a fault of the controller itself: the statuses of policies are left as they are"
            );
            Vec::new()
        })
    }

    /// Writes a status. The policy as it then is, or nothing where it is gone.
    async fn write(
        &self,
        policy: &CredentialPolicy,
        status: &CredentialPolicyStatus,
    ) -> Result<Option<CredentialPolicy>, CallError> {
        let mut status = json!(status);
        if let Some(members) = status.as_object_mut().filter(|_| !self.everywhere) {
            // Somebody else may count them.
            members.remove("resources");
        }
        // The UID keeps the status of a deleted policy from a new one of the same name.
        let patch = Patch::Merge(json!({ "metadata": { "uid": policy.uid() }, "status": status }));
        let api = Api::<CredentialPolicy>::all(self.calls.client());
        let name = policy.name_any();
        match self
            .calls
            .write("patch policy status", api.patch_status(&name, &call::merge(), &patch))
            .await
        {
            Ok(new) => Ok(Some(new)),
            Err(e) if e.is_not_found() || e.is_conflict() => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
#[path = "policy_status_tests.rs"]
mod tests;
