//! The administrator's policies for a resource, judged as the controller judges them.

use super::cluster::Cluster;
use super::error::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use refreshable_rules::policy::{self, Judgement};
use std::sync::Arc;

/// The judgement of all policies of the cluster.
///
/// # Errors
/// Where this user may not read the namespace or the policies, among others.
pub(super) async fn judged(cluster: &Cluster, object: &RefreshableCredential) -> Result<Judgement> {
    let namespaces = cluster.everywhere::<Namespace>();
    let namespace = cluster.ask(namespaces.get(cluster.namespace())).await?;
    let policies = cluster.list(&cluster.everywhere::<CredentialPolicy>(), None).await?;
    let policies: Vec<Arc<CredentialPolicy>> = policies.items.into_iter().map(Arc::new).collect();
    Ok(policy::judge(object, namespace.labels(), &policies))
}
