//! Which resources a change touches.

use super::feeds::Change;
use super::secret_meta::owner_name;
use super::store::{Store, name_of};
use super::{ResourceName, SecretMeta};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};
use refreshable_api::{CredentialPolicy, CredentialPolicySpec, RefreshableCredential, names};
use refreshable_issuers::source::inputs_of;
use refreshable_rules::attempts_limit::AttemptsLimit;
use refreshable_rules::input_object::InputObject;
use refreshable_rules::policy;
use refreshable_rules::size_limit::SizeLimit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Resources that something happened to.
pub type Touched = Vec<ResourceName>;

/// A policy's specification before a change and after it; `None` where it is absent.
type Otherwise = (Option<CredentialPolicySpec>, Option<CredentialPolicySpec>);

/// Finds the resources that a change touches.
#[derive(Clone, Debug)]
pub(super) struct Triggers {
    credentials: Store<RefreshableCredential>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
}

impl Triggers {
    pub(super) fn new(
        credentials: Store<RefreshableCredential>,
        namespaces: Store<PartialObjectMeta<Namespace>>,
    ) -> Self {
        Self { credentials, namespaces }
    }

    /// Published Secrets: the resources that they name as their owners, or named before.
    pub(super) fn of_own_secrets(&self, changes: &[Change<SecretMeta>]) -> Touched {
        let owner = |secret: &SecretMeta| {
            let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
            let name = owner_name(&secret.metadata)?;
            Some(ResourceName { namespace: namespace.into(), name: name.into() })
        };
        let mut owners: Touched =
            changes.iter().flat_map(Change::sides).filter_map(owner).collect();
        owners.dedup();
        owners
    }

    /// Inputs, of the kind that `input` says: the resources that read them.
    pub(super) fn of_inputs<K>(
        &self,
        input: impl Fn(String) -> InputObject,
        changes: &[Change<PartialObjectMeta<K>>],
    ) -> Touched
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let mut changed: BTreeMap<&str, BTreeSet<InputObject>> = BTreeMap::new();
        for side in changes.iter().flat_map(Change::sides) {
            let namespace = side.metadata.namespace.as_deref().unwrap_or_default();
            changed.entry(namespace).or_default().insert(input(side.name_any()));
        }
        changed
            .iter()
            .flat_map(|(namespace, here)| {
                self.credentials
                    .within(namespace)
                    .filter(|c| inputs_of(&c.spec).iter().any(|one| here.contains(one)))
            })
            .map(|c| name_of(c.as_ref()))
            .collect()
    }

    /// Policies: every resource of which one of them says something else than before.
    pub(super) fn of_policies(&self, changes: &[Change<CredentialPolicy>]) -> Touched {
        let spec = |policy: &Option<Arc<CredentialPolicy>>| policy.as_ref().map(|p| p.spec.clone());
        let both = changes.iter().map(|c| (spec(&c.before), spec(&c.after)));
        let changes: Vec<Otherwise> = both.filter(|(before, after)| before != after).collect();
        if changes.is_empty() {
            return Touched::new();
        }
        // How soon it is withdrawn what they denied before may be another.
        let after = |spec: &Option<CredentialPolicySpec>| {
            spec.as_ref().and_then(|s| s.withdraw_after.clone())
        };
        let otherwise_soon = changes.iter().any(|(before, now)| after(before) != after(now));
        self.those(|c| {
            policy::concerns(c)
                && (otherwise_soon && is_denied(c) || self.says_otherwise(c, &changes))
        })
    }

    /// The administrator's orders on withdrawals: every resource that may have one ahead.
    pub(super) fn of_orders(&self) -> Touched {
        self.those(is_denied)
    }

    fn says_otherwise(&self, object: &RefreshableCredential, changes: &[Otherwise]) -> bool {
        let key = ResourceName::of_cluster(&object.namespace().unwrap_or_default());
        // Of a namespace that is not in view nothing is known: the resource has to look.
        let Some(namespace) = self.namespaces.get(&key) else { return true };
        let effect = |spec: &Option<CredentialPolicySpec>| {
            spec.as_ref().map(|s| policy::effect(object, namespace.labels(), s)).unwrap_or_default()
        };
        changes.iter().any(|(before, after)| effect(before) != effect(after))
    }

    /// Namespaces: where labels changed, every resource in them that policies bear on; where a limit
    /// did, every resource.
    pub(super) fn of_namespaces(
        &self,
        changes: &[Change<PartialObjectMeta<Namespace>>],
    ) -> Touched {
        let labels = |namespace: &Option<Arc<PartialObjectMeta<Namespace>>>| {
            namespace.as_ref().map(|n| n.metadata.labels.clone().unwrap_or_default())
        };
        let attempts = |namespace: &Option<Arc<PartialObjectMeta<Namespace>>>| {
            namespace.as_ref().and_then(|n| AttemptsLimit::of_namespace(n.annotations()))
        };
        let size = |namespace: &Option<Arc<PartialObjectMeta<Namespace>>>| {
            namespace.as_ref().and_then(|n| SizeLimit::of_namespace(n.annotations()))
        };
        let mut touched = Touched::new();
        for change in changes {
            let paced = attempts(&change.before) != attempts(&change.after);
            let sized = size(&change.before) != size(&change.after);
            let limited = paced || sized;
            let labelled = labels(&change.before) != labels(&change.after);
            let Some(name) = change.sides().next().map(|n| n.name_any()) else { continue };
            if let (true, Some(Err(advice))) = (paced, attempts(&change.after)) {
                tracing::warn!(namespace = name, "{}: {advice}", names::ATTEMPTS_ANNOTATION);
            }
            if let (true, Some(Err(advice))) = (sized, size(&change.after)) {
                tracing::warn!(namespace = name, "{}: {advice}", names::TOTAL_SIZE_ANNOTATION);
            }
            if limited || labelled {
                let there = self.credentials.within(&name);
                let these = there.filter(|c| limited || policy::concerns(c));
                touched.extend(these.map(|c| name_of(c.as_ref())));
            }
        }
        touched
    }

    fn those(&self, touched: impl Fn(&RefreshableCredential) -> bool) -> Touched {
        self.credentials.all().filter(|c| touched(c)).map(|c| name_of(c.as_ref())).collect()
    }
}

/// Whether policies denied the resource when its status was last written.
fn is_denied(object: &RefreshableCredential) -> bool {
    object.status.as_ref().and_then(|s| s.permission.as_ref()).is_some_and(|p| !p.allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigMapMeta;
    use refreshable_api::CredentialPolicyStatus;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    fn object<K: DeserializeOwned>(value: Value) -> Arc<K> {
        Arc::new(serde_json::from_value(value).expect("an object"))
    }

    fn change<K>(before: Option<&Arc<K>>, after: Option<&Arc<K>>) -> Change<K> {
        Change { before: before.cloned(), after: after.cloned() }
    }

    /// The triggers of three resources in `team-a`, which is in view.
    fn triggers() -> Triggers {
        let credentials = Store::default();
        let source = json!({"accessKey": {"secretRef": {"name": "key"}}});
        let roles = json!([{"roleArn": "arn:aws:iam::111122223333:role/x"}]);
        let trusts = json!({"roles": roles, "sts": {"caBundleRef": {"name": "key"}}});
        for (name, spec) in [
            ("ambient", json!({"roles": roles})),
            ("reads", json!({"source": source})),
            ("trusts", trusts),
        ] {
            let one = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
                "metadata": {"namespace": "team-a", "name": name, "uid": name}, "spec": spec});
            credentials.show(object::<RefreshableCredential>(one).as_ref().clone());
        }
        let namespaces = Store::default();
        namespaces.show(namespace("team-a", json!({})).as_ref().clone());
        Triggers::new(credentials, namespaces)
    }

    fn namespace(name: &str, labels: Value) -> Arc<PartialObjectMeta<Namespace>> {
        object(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
        )
    }

    fn policy(arns: &str, labels: Value) -> Arc<CredentialPolicy> {
        let spec = json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": [arns]}]}});
        object(json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": "p", "labels": labels}, "spec": spec}))
    }

    fn owned(by: Option<&str>) -> Arc<SecretMeta> {
        let annotations =
            by.map(|name| json!({"refreshable.dev/owner-name": name})).unwrap_or(json!({}));
        object(json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": "team-a", "name": "s", "annotations": annotations}}))
    }

    fn names(touched: Touched) -> Vec<String> {
        let mut names: Vec<String> = touched.iter().map(|t| t.name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_policy_touches_where_it_says_something_else_and_a_namespace_where_its_labels_do() {
        let triggers = triggers();
        let (one, relabelled) = (
            policy("arn:aws:iam::*:role/*", json!({})),
            policy("arn:aws:iam::*:role/*", json!({"a": "b"})),
        );
        let other = policy("arn:aws:iam::999999999999:role/x", json!({}));
        let of = |change| names(triggers.of_policies(&[change]));
        assert_eq!(of(change(None, Some(&one))), ["ambient", "trusts"]);
        assert_eq!(of(change(Some(&one), Some(&other))), ["ambient", "trusts"]);
        assert_eq!(of(change(Some(&one), None)), ["ambient", "trusts"]);
        assert!(of(change(Some(&one), Some(&relabelled))).is_empty(), "only its metadata changed");
        let mut reported = one.as_ref().clone();
        reported.status = Some(CredentialPolicyStatus {
            resources: Some(1),
            ..CredentialPolicyStatus::default()
        });
        assert!(
            of(change(Some(&one), Some(&Arc::new(reported)))).is_empty(),
            "only its status was written"
        );

        let (plain, labelled) =
            (namespace("team-a", json!({})), namespace("team-a", json!({"a": "b"})));
        let of = |change| names(triggers.of_namespaces(&[change]));
        assert_eq!(of(change(None, Some(&plain))), ["ambient", "trusts"]);
        assert_eq!(of(change(Some(&plain), Some(&labelled))), ["ambient", "trusts"]);
        assert_eq!(of(change(Some(&labelled), None)), ["ambient", "trusts"]);
        assert!(of(change(Some(&labelled), Some(&labelled))).is_empty());
        assert!(of(change(None, Some(&namespace("team-b", json!({}))))).is_empty());
    }

    #[test]
    fn a_secret_touches_whom_it_names_and_whom_it_named_and_an_input_who_reads_it() {
        let triggers = triggers();
        let of = |change| names(triggers.of_own_secrets(&[change]));
        let (ours, theirs, nobody) = (owned(Some("ambient")), owned(Some("reads")), owned(None));
        assert_eq!(of(change(Some(&ours), Some(&ours))), ["ambient"]);
        assert_eq!(
            of(change(Some(&ours), Some(&nobody))),
            ["ambient"],
            "its owner's name was taken off it"
        );
        assert_eq!(of(change(Some(&ours), Some(&theirs))), ["ambient", "reads"]);
        assert_eq!(of(change(Some(&ours), None)), ["ambient"]);
        assert!(of(change(None, Some(&nobody))).is_empty());

        let input = |namespace: &str, name: &str| {
            let metadata = json!({"namespace": namespace, "name": name});
            let one = object::<SecretMeta>(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}),
            );
            names(triggers.of_inputs(InputObject::Secret, &[change(None, Some(&one))]))
        };
        assert_eq!(input("team-a", "key"), ["reads"]);
        assert!(input("team-b", "key").is_empty() && input("team-a", "other").is_empty());

        let config_map = |namespace: &str, name: &str| {
            let metadata = json!({"namespace": namespace, "name": name});
            let one = object::<ConfigMapMeta>(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}),
            );
            names(triggers.of_inputs(InputObject::ConfigMap, &[change(None, Some(&one))]))
        };
        assert_eq!(
            config_map("team-a", "key"),
            ["trusts"],
            "and not what reads the Secret of that name"
        );
        assert!(config_map("team-b", "key").is_empty() && config_map("team-a", "other").is_empty());
    }
}
