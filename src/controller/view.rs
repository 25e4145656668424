//! The cluster without asking: the watches' stores, and memory where they lag.

use super::memory::{Entry, WrittenSecret};
use super::packed::Kept;
use super::secret_meta::{ConfigMapMeta, SecretMeta, version_of};
use super::store::{Store, name_of};
use super::total_size::Crowded;
use super::versions::older;
use super::{FleetNews, PodMeta, PolicyNews, ResourceName};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};
use refreshable_api::{
    ClusterRefreshableCredential, CredentialPolicy, RefreshableCredential, names,
};
use refreshable_issuers::source::inputs_of;
use refreshable_rules::attempts_limit::AttemptsLimit;
use refreshable_rules::input_object::InputObject;
use refreshable_rules::inputs::InputVersions;
use refreshable_rules::ownership::{self, SecretView};
use refreshable_rules::policy::{self, Judgement};
use refreshable_rules::size_limit::SizeLimit;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stores that the watches fill. Clones share them.
#[derive(Clone, Debug)]
pub struct View {
    /// The resources.
    pub credentials: Store<RefreshableCredential>,
    /// Secrets with the controller's label.
    pub secrets: Store<SecretMeta>,
    /// Secrets with the label that asks for their changes to be noticed.
    pub inputs: Store<SecretMeta>,
    /// ConfigMaps with that label. They hold bundles of certificates.
    pub config_maps: Store<ConfigMapMeta>,
    /// The administrator's policies.
    pub policies: Store<CredentialPolicy>,
    /// Namespaces, for their labels.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// Pods with the label that asks for their kubelets to be told of rotations.
    pub pods: Store<PodMeta>,
    /// Whether those are watched at all.
    pub reads_pods: bool,
    /// Whether policies and namespaces are watched at all. Where not, what needs a policy is
    /// denied.
    pub reads_policies: bool,
    /// The ConfigMap with the administrator's orders on withdrawals.
    pub orders: Store<ConfigMap>,
    /// ClusterRefreshableCredentials.
    pub cluster_credentials: Store<ClusterRefreshableCredential>,
    /// Whether those are watched at all.
    pub reads_clusters: bool,
    /// Whether something changed that the statuses of policies tell of.
    pub policy_news: PolicyNews,
    /// Whether something changed that ClusterRefreshableCredentials follow.
    pub fleet_news: FleetNews,
    /// Namespaces whose resources wait until they take fewer bytes.
    pub(super) crowded: Crowded,
}

impl View {
    /// An empty view. Without `policies` those and namespaces are never fed, nor are
    /// ClusterRefreshableCredentials; without `pods` Pods are not.
    pub fn new(policies: bool, pods: bool) -> Self {
        Self {
            credentials: Store::default(),
            secrets: Store::default(),
            inputs: Store::default(),
            config_maps: Store::default(),
            policies: Store::default(),
            namespaces: Store::default(),
            pods: Store::default(),
            reads_pods: pods,
            reads_policies: policies,
            orders: Store::default(),
            cluster_credentials: Store::default(),
            reads_clusters: policies,
            policy_news: PolicyNews::default(),
            fleet_news: FleetNews::default(),
            crowded: Crowded::default(),
        }
    }

    /// The same, which ClusterRefreshableCredentials are not fed to.
    #[must_use]
    pub fn without_clusters(self) -> Self {
        Self { reads_clusters: false, ..self }
    }

    /// The Secret that `object` publishes under its name: the newer one of store and memory.
    pub(super) fn secret(
        &self,
        object: &RefreshableCredential,
        written: Option<&Entry>,
    ) -> SecretView {
        let uid = object.uid().unwrap_or_default();
        let stored = self.stored_secret(object);
        let meta = match written.and_then(|w| w.secret.as_ref()) {
            Some(WrittenSecret::Applied(meta))
                if meta.name.as_deref() == Some(&object.secret_name()) =>
            {
                let behind = stored.as_ref().is_none_or(|s| {
                    older(
                        s.resource_version.as_deref(),
                        meta.resource_version.as_deref().unwrap_or_default(),
                    )
                });
                if behind { Some(meta.as_ref().clone()) } else { stored }
            }
            Some(WrittenSecret::Deleted { uid }) => {
                stored.filter(|s| s.uid.as_deref() != Some(uid))
            }
            _ => stored,
        };
        meta.map_or(SecretView::Absent, |m| ownership::view(&m, &uid))
    }

    /// The UID of the Secret that is shown under the name that `object` publishes under.
    pub(super) fn secret_uid(&self, object: &RefreshableCredential) -> Option<String> {
        self.stored_secret(object)?.uid
    }

    /// Whether there is a Secret of the name that `object` publishes under.
    pub(super) fn shows_secret(&self, object: &RefreshableCredential) -> bool {
        self.secrets.contains(&secret_key(object))
    }

    /// The administrator's orders on withdrawals; `None` while it is not known whether there are
    /// some.
    pub(super) fn orders(&self) -> Option<Option<Arc<ConfigMap>>> {
        self.orders.is_ready().then(|| self.orders.all().next())
    }

    fn stored_secret(&self, object: &RefreshableCredential) -> Option<ObjectMeta> {
        self.secrets.get(&secret_key(object)).map(|s| s.metadata.clone())
    }

    /// How far the issuer's clock was ahead when what `object` publishes was issued, where that is
    /// told.
    pub(super) fn issuer_clock_ahead(
        &self,
        object: &RefreshableCredential,
    ) -> Option<SignedDuration> {
        let secret = self.secrets.get(&secret_key(object))?;
        secret
            .annotations()
            .get(names::CLOCK_ANNOTATION)?
            .parse()
            .ok()
            .map(SignedDuration::from_secs)
    }

    /// The policies' judgement of `object`; `None` while its namespace is not in view, because what
    /// is not known must not take a Secret away.
    pub(super) fn judgement(&self, object: &RefreshableCredential) -> Option<Judgement> {
        if !self.reads_policies || !policy::concerns(object) {
            return Some(policy::judge(object, &BTreeMap::new(), &self.all_policies()));
        }
        let key = ResourceName::of_cluster(&object.namespace().unwrap_or_default());
        let namespace = self.namespaces.get(&key)?;
        Some(policy::judge(object, namespace.labels(), &self.all_policies()))
    }

    /// How many attempts a minute the resources of `namespace` may make, where that is limited. A
    /// limit that cannot be read counts as none: admission refuses it, and [`Triggers`] logs it.
    ///
    /// [`Triggers`]: super::triggers::Triggers
    pub(super) fn attempts_limit(&self, namespace: &str) -> Option<AttemptsLimit> {
        let namespace = self.namespaces.get(&ResourceName::of_cluster(namespace))?;
        AttemptsLimit::of_namespace(namespace.annotations())?.ok()
    }

    /// How many bytes the resources of `namespace` may take, where that is limited. A limit that
    /// cannot be read counts as none, as that of attempts does.
    pub(super) fn size_limit(&self, namespace: &str) -> Option<SizeLimit> {
        let namespace = self.namespaces.get(&ResourceName::of_cluster(namespace))?;
        SizeLimit::of_namespace(namespace.annotations())?.ok()
    }

    fn all_policies(&self) -> Vec<Arc<CredentialPolicy>> {
        self.policies.all().collect()
    }

    /// Versions of those of its inputs that are watched.
    pub(super) fn watched_inputs(&self, object: &RefreshableCredential) -> InputVersions {
        let namespace = object.namespace().unwrap_or_default();
        let version = |input: &InputObject| match input {
            InputObject::Secret(name) => version_in(&self.inputs, name, &namespace),
            InputObject::ConfigMap(name) => version_in(&self.config_maps, name, &namespace),
        };
        inputs_of(&object.spec)
            .into_iter()
            .filter_map(|input| Some((input.to_string(), version(&input)?)))
            .collect()
    }
}

/// Where the Secret of `object` is in the view.
fn secret_key(object: &RefreshableCredential) -> ResourceName {
    ResourceName { name: object.secret_name().into(), ..name_of(object) }
}

fn version_in<K>(store: &Store<PartialObjectMeta<K>>, name: &str, namespace: &str) -> Option<String>
where
    PartialObjectMeta<K>: Kept,
{
    let key = ResourceName { namespace: namespace.into(), name: name.into() };
    Some(version_of(store.get(&key)?.meta()))
}
