//! Keeps a RefreshableCredential in each namespace that a ClusterRefreshableCredential selects:
//! looks at all of those after something changed that they tell of.

use super::feeds::{Change, differing, specification};
use super::looks::{Looking, keep_looking};
use super::packed::Form as _;
use super::publish::is_terminating;
use super::reported::{Reported, ends_the_look};
use super::{CallError, Calls, Context, ResourceName, View, call};
use crate::clock::SharedClock;
use futures::{StreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use refreshable_api::conditions::ClusterReason;
use refreshable_api::{ClusterRefreshableCredential, RefreshableCredential, names};
use refreshable_rules::fleet::{self, Deletion, Found, Plan, Unreadable, Write};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// So many RefreshableCredentials are written at the same time.
const AT_ONCE: usize = 8;

/// Changes that a ClusterRefreshableCredential may follow. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FleetNews(Arc<Notify>);

impl FleetNews {
    /// Something changed.
    pub(super) fn tell(&self) {
        self.0.notify_one();
    }

    /// Resources that came, went, ask for something else, or became ready or ceased to be: those
    /// that a ClusterRefreshableCredential made, and those that were in its way.
    pub(super) fn of_resources(&self, changes: &[Change<RefreshableCredential>], view: &View) {
        let concerns = |change: &Change<RefreshableCredential>| {
            let made = change.sides().any(|o| fleet::owner_uid(&o.metadata).is_some());
            made || (change.gone().is_some() && !view.cluster_credentials.is_empty())
        };
        let alike = |change: &Change<RefreshableCredential>| match (&change.before, &change.after) {
            // The essence of both is the same.
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            _ => false,
        };
        if changes.iter().any(|change| !alike(change) && concerns(change)) {
            self.tell();
        }
    }

    /// ClusterRefreshableCredentials that came, went, or ask for something else.
    pub(super) fn of_clusters(&self, changes: &[Change<ClusterRefreshableCredential>]) {
        if differing(changes, specification).next().is_some() {
            self.tell();
        }
    }
}

/// Keeps them for as long as it is polled.
pub(super) async fn keep(context: Arc<Context>) {
    let (calls, view, clock) = (context.calls.clone(), context.view.clone(), context.clock.clone());
    let keeper = Keeper { calls, view, clock, reported: Reported::default() };
    keep_looking(keeper, "what a ClusterRefreshableCredential asks for could not be written").await;
}

/// Task that keeps them.
struct Keeper {
    calls: Calls,
    view: View,
    clock: SharedClock,
    reported: Reported<ClusterRefreshableCredential>,
}

/// A resource, and what is to be done for it.
type Planned = (Arc<ClusterRefreshableCredential>, Result<Plan, Unreadable>);

impl Looking for Keeper {
    async fn change(&self) {
        self.view.fleet_news.0.notified().await;
    }

    fn again(&self) {
        self.view.fleet_news.tell();
    }

    /// A refusal that concerns one namespace is told by the status, and tried again; a lease that is
    /// not held, or an API server that does not answer, ends the look.
    async fn look(&mut self) -> Result<(), CallError> {
        let there = self.view.cluster_credentials.all().collect();
        let newest = self.reported.newest(there, |o, own| o.status.clone_from(&own.status));
        let mut failed = Ok(());
        for (cluster, plan) in self.planned(newest).await {
            let carried_out = match plan {
                Ok(plan) => {
                    let (plan, tried) = self.carry_out(&cluster, plan).await;
                    if tried.as_ref().is_err_and(ends_the_look) {
                        return tried;
                    }
                    failed = failed.and(tried);
                    Ok(plan)
                }
                Err(unreadable) => Err(unreadable),
            };
            if let Err(error) = self.report(&cluster, carried_out.as_ref()).await {
                if ends_the_look(&error) {
                    return Err(error);
                }
                failed = failed.and(Err(error));
            }
        }
        failed
    }
}

impl Keeper {
    /// The plan for each. To look at very many resources takes a while: in a thread of its
    /// own that holds up no rotation.
    async fn planned(&self, clusters: Vec<Arc<ClusterRefreshableCredential>>) -> Vec<Planned> {
        let view = self.view.clone();
        let planned = tokio::task::spawn_blocking(move || planned(clusters, &view));
        planned.await.unwrap_or_else(|_| {
            tracing::error!(
                "a fault of the controller itself: what ClusterRefreshableCredentials ask for is left as it is"
            );
            Vec::new()
        })
    }

    /// Writes and deletes what the plan says. The plan then holds what the API server refused; the
    /// error is the one that weighs most.
    async fn carry_out(
        &self,
        cluster: &ClusterRefreshableCredential,
        mut plan: Plan,
    ) -> (Plan, Result<(), CallError>) {
        let manager = names::owner_field_manager(&cluster.uid().unwrap_or_default());
        let manager = manager.as_str();
        let written = std::mem::take(&mut plan.writes).into_iter().map(|write| async move {
            let result = self.write(&write, manager).await;
            (Some(write.namespace), result)
        });
        let deleted = std::mem::take(&mut plan.deletions)
            .into_iter()
            .map(|deletion| async move { (None, self.delete(&deletion).await) });
        let mut tried: Vec<_> = stream::iter(written).buffered(AT_ONCE).collect().await;
        tried.extend(stream::iter(deleted).buffered(AT_ONCE).collect::<Vec<_>>().await);
        let mut worst = Ok(());
        for (namespace, result) in tried {
            let Err(error) = result else { continue };
            if let Some(namespace) = namespace {
                // Whose the object is that the view does not show yet, the next look sees.
                if !error.is_conflict() {
                    plan.trouble(&namespace, ClusterReason::Refused, &error.to_string());
                }
            }
            if worst.is_ok() || ends_the_look(&error) {
                worst = Err(error);
            }
        }
        (plan, worst)
    }

    async fn write(&self, write: &Write, manager: &str) -> Result<(), CallError> {
        let api: Api<RefreshableCredential> =
            Api::namespaced(self.calls.client(), &write.namespace);
        let mut parameters = PatchParams::apply(manager);
        parameters.force = true;
        let patch = Patch::Apply(&write.manifest);
        let applied = api.patch_metadata(&write.name, &parameters, &patch);
        match self.calls.write("apply refreshablecredentials", applied).await {
            Ok(_) => {
                tracing::info!(
                    namespace = write.namespace,
                    name = write.name,
                    "written for a ClusterRefreshableCredential"
                );
                Ok(())
            }
            // The namespace goes, and with it what it holds; or another object has the name by now.
            Err(e) if is_terminating(&e) || e.is_not_found() => Ok(()),
            Err(e) if e.is_conflict() && write.known => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn delete(&self, deletion: &Deletion) -> Result<(), CallError> {
        let Deletion { namespace, name, uid } = deletion;
        let api: Api<RefreshableCredential> = Api::namespaced(self.calls.client(), namespace);
        let parameters = call::only(uid);
        let deletion = api.delete(name, &parameters);
        match self.calls.write("delete refreshablecredentials", deletion).await {
            Ok(_) => {
                tracing::info!(namespace, name, "deleted for a ClusterRefreshableCredential");
                Ok(())
            }
            Err(e) if e.is_not_found() || e.is_conflict() => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn report(
        &mut self,
        cluster: &ClusterRefreshableCredential,
        plan: Result<&Plan, &Unreadable>,
    ) -> Result<(), CallError> {
        let found = plan.map(|plan| Found {
            namespaces: plan.namespaces,
            ready: plan.ready,
            troubles: plan.troubles.values().collect(),
        });
        let status = fleet::status(cluster, found, self.clock.now());
        if cluster.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let what = "patch clusterrefreshablecredential status";
        self.reported.write(&self.calls, what, cluster, json!(status)).await
    }
}

/// The plan for each of `clusters`, as the view shows the cluster.
fn planned(clusters: Vec<Arc<ClusterRefreshableCredential>>, view: &View) -> Vec<Planned> {
    let mut made: HashMap<String, Vec<Arc<RefreshableCredential>>> = HashMap::new();
    for (_, kept) in view.credentials.entries() {
        if let Some(uid) = &kept.made_by
            && let Some(object) = kept.object()
        {
            made.entry(uid.to_string()).or_default().push(object);
        }
    }
    let namespaces: Vec<_> = view.namespaces.all().collect();
    // One that is being deleted leaves what it made to the garbage collector.
    let live = clusters.into_iter().filter(|c| c.metadata.deletion_timestamp.is_none());
    live.map(|cluster| {
        let uid = cluster.uid().unwrap_or_default();
        let own = made.remove(&uid).unwrap_or_default();
        let name = cluster.credential_name();
        let labelled = namespaces
            .iter()
            .filter(|n| n.metadata.deletion_timestamp.is_none())
            .map(|n| (n.metadata.name.as_deref().unwrap_or_default(), n.labels()));
        let at = |namespace: &str| {
            let name = ResourceName { namespace: namespace.into(), name: name.as_str().into() };
            view.credentials.get(&name)
        };
        let plan = fleet::plan(&cluster, labelled, &own, at);
        (cluster, plan)
    })
    .collect()
}
