//! Session tags that the administrator puts on: which, with which values, and that no tenant sets
//! them too.
//!
//! AWS compares keys without regard to case, and refuses a key that the chain has inherited
//! already. So the tags are set on the first role only, as transitive tags.

use super::chain::{is_ambient, steps};
use kube::ResourceExt as _;
use refreshable_api::{
    CredentialPolicySpec, RefreshableCredential, Role, SessionTag, SessionTagValue, Source,
    SourceKind, Tag, TaggedChains,
};
use std::collections::BTreeSet;

/// Most tags of a session.
const MOST: usize = 50;

/// Tags that [EKS Pod Identity](https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html)
/// sets on each session, all of them transitive.
pub const OF_POD_IDENTITY: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// The tags that `policy` puts on the chain of `object`.
pub fn for_object(
    object: &RefreshableCredential,
    policy: &CredentialPolicySpec,
) -> Vec<SessionTag> {
    let Some(rule) = &policy.session_tags else { return Vec::new() };
    let tagged = match rule.chains.unwrap_or_default() {
        TaggedChains::Ambient => is_ambient(object),
        TaggedChains::All => true,
    };
    if !tagged || steps(object).next().is_none() {
        return Vec::new();
    }
    let source = object.spec.source.as_ref();
    let inherited =
        |key: &str| source.map(inherited).unwrap_or_default().iter().any(|own| same_key(own, key));
    let empty = |tag: &SessionTag| {
        tag.from == SessionTagValue::ServiceAccount && source.and_then(service_account).is_none()
    };
    rule.tags.iter().filter(|tag| !inherited(&tag.key) && !empty(tag)).cloned().collect()
}

/// The tags of all policies, each with the policy's name. Of one key the first counts.
pub fn union<'a>(
    policies: impl Iterator<Item = (&'a str, &'a [SessionTag])>,
) -> Vec<(&'a str, &'a SessionTag)> {
    let mut keys = BTreeSet::new();
    let all = policies.flat_map(|(name, tags)| tags.iter().map(move |tag| (name, tag)));
    all.filter(|(_, tag)| keys.insert(tag.key.to_lowercase())).collect()
}

/// Why `object` cannot have `tags`, if it cannot.
pub fn clash(object: &RefreshableCredential, tags: &[(&str, &SessionTag)]) -> Option<String> {
    for role in steps(object) {
        for own in role.tags.iter().flatten() {
            if let Some((policy, tag)) = tags.iter().find(|(_, tag)| same_key(&tag.key, &own.key)) {
                return Some(format!(
                    "session tag {} of role {} cannot be set: CredentialPolicy {policy} puts {} on the sessions of namespace {}. Take it out of the role's tags",
                    own.key,
                    role.role_arn,
                    tag.key,
                    object.namespace().unwrap_or_default()
                ));
            }
        }
    }
    let full = first_steps(object)
        .find(|role| role.tags.as_ref().map_or(0, Vec::len) + tags.len() > MOST)?;
    Some(format!(
        "role {} has {} session tags, and CredentialPolicies add {}: AWS takes {MOST} in all. Take some out of the role's tags",
        full.role_arn,
        full.tags.as_ref().map_or(0, Vec::len),
        tags.len()
    ))
}

/// The roles that are assumed first: the shared chain's first role, or without a shared chain each
/// profile's.
fn first_steps(object: &RefreshableCredential) -> impl Iterator<Item = &Role> {
    let shared = object.spec.roles.first();
    let profiles = object.spec.profiles.iter().flatten().filter(move |_| shared.is_none());
    shared.into_iter().chain(profiles.filter_map(|p| p.roles.first()))
}

/// The tags with their values.
///
/// # Errors
/// A missing setting of the controller, for the administrator.
pub fn resolve(
    tags: &[SessionTag],
    object: &RefreshableCredential,
    cluster: Option<&str>,
) -> Result<Vec<Tag>, &'static str> {
    let value = |from| {
        match from {
        SessionTagValue::Cluster => cluster.map(str::to_owned).ok_or(
            "a CredentialPolicy asks for a session tag with the cluster's name, which the controller was not told: an administrator sets --cluster-name (clusterName in the chart)",
        ),
        SessionTagValue::Namespace => Ok(object.namespace().unwrap_or_default()),
        SessionTagValue::Name => Ok(object.name_any()),
        SessionTagValue::ServiceAccount => {
            Ok(object.spec.source.as_ref().and_then(service_account).unwrap_or_default().to_owned())
        }
    }
    };
    tags.iter().map(|tag| Ok(Tag { key: tag.key.clone(), value: value(tag.from)? })).collect()
}

/// `role` with `tags` on it that every later session of the chain inherits.
pub fn put_on(role: &Role, tags: &[Tag]) -> Role {
    let mut tagged = role.clone();
    tagged.tags.get_or_insert_default().extend(tags.iter().cloned());
    tagged.transitive_tag_keys.get_or_insert_default().extend(tags.iter().map(|t| t.key.clone()));
    tagged
}

/// The ServiceAccount that a source names.
fn service_account(source: &Source) -> Option<&str> {
    match source.kind()? {
        SourceKind::WebIdentity(web) => web.service_account_ref.as_ref().map(|a| a.name.as_str()),
        SourceKind::PodIdentity(pod) => Some(&pod.service_account_ref.name),
        SourceKind::Cognito(cognito) => {
            let mut accounts =
                cognito.logins.iter().flatten().filter_map(|l| l.service_account_ref.as_ref());
            accounts.next().map(|a| a.name.as_str())
        }
        SourceKind::Ambient(_)
        | SourceKind::AccessKey(_)
        | SourceKind::Saml(_)
        | SourceKind::SessionToken(_)
        | SourceKind::FederationToken(_)
        | SourceKind::Container(_)
        | SourceKind::InstanceMetadata(_)
        | SourceKind::IdentityCenter(_)
        | SourceKind::Iot(_)
        | SourceKind::RolesAnywhere(_)
        | SourceKind::CustomHttp(_)
        | SourceKind::CustomSecret(_)
        | SourceKind::CustomProcess(_) => None,
    }
}

/// The session tags that a source's own session has before any role is assumed, all of them
/// transitive.
fn inherited(source: &Source) -> &'static [&'static str] {
    match source.kind() {
        Some(SourceKind::PodIdentity(_)) => &OF_POD_IDENTITY,
        // The tags in a tenant's assertion or certificate are not known beforehand.
        Some(
            SourceKind::Ambient(_)
            | SourceKind::AccessKey(_)
            | SourceKind::WebIdentity(_)
            | SourceKind::Saml(_)
            | SourceKind::SessionToken(_)
            | SourceKind::FederationToken(_)
            | SourceKind::Container(_)
            | SourceKind::InstanceMetadata(_)
            | SourceKind::IdentityCenter(_)
            | SourceKind::Iot(_)
            | SourceKind::RolesAnywhere(_)
            | SourceKind::Cognito(_)
            | SourceKind::CustomHttp(_)
            | SourceKind::CustomSecret(_)
            | SourceKind::CustomProcess(_),
        )
        | None => &[],
    }
}

fn same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::credential;
    use super::*;
    use serde_json::{Value, json};

    fn policy(tags: Value) -> CredentialPolicySpec {
        let spec = json!({"namespaceSelector": {}, "allow": {}, "sessionTags": tags});
        serde_json::from_value(spec).expect("a policy")
    }

    fn keys(object: &RefreshableCredential, policy: &CredentialPolicySpec) -> Vec<String> {
        for_object(object, policy).into_iter().map(|t| t.key).collect()
    }

    const ROLE: &str = "arn:aws:iam::111122223333:role/x";

    #[test]
    fn tags_go_to_the_chains_that_they_are_meant_for() {
        let tags = json!([
            {"key": "kubernetes-namespace", "from": "Namespace"}, {"key": "sa", "from": "ServiceAccount"}
        ]);
        let (ambient, all) =
            (policy(json!({"tags": tags})), policy(json!({"chains": "All", "tags": tags})));
        let roles = json!([{"roleArn": ROLE}]);
        let account = json!({"name": "app"});
        let web = json!({"webIdentity": {"roleArn": ROLE, "serviceAccountRef": account}});
        let eks = json!({"podIdentity": {"clusterName": "c", "serviceAccountRef": account}});
        let secret = json!({"accessKey": {"secretRef": {"name": "k"}}});
        let none: &[&str] = &[];
        for (name, spec, to_ambient, to_all) in [
            (
                "ambient",
                json!({"roles": roles}),
                &["kubernetes-namespace"][..],
                &["kubernetes-namespace"][..],
            ),
            ("a key", json!({"source": secret, "roles": roles}), none, &["kubernetes-namespace"]),
            (
                "a ServiceAccount",
                json!({"source": web, "roles": roles}),
                none,
                &["kubernetes-namespace", "sa"],
            ),
            ("EKS, which puts its own on", json!({"source": eks, "roles": roles}), none, &["sa"]),
            ("no AssumeRole at all", json!({"source": web}), none, none),
            (
                "profiles",
                json!({"profiles": [{"name": "a", "roles": roles}]}),
                &["kubernetes-namespace"],
                &["kubernetes-namespace"],
            ),
        ] {
            let object = credential(spec);
            assert_eq!(keys(&object, &ambient), to_ambient, "{name}");
            assert_eq!(keys(&object, &all), to_all, "{name}");
        }
        let bare: CredentialPolicySpec =
            serde_json::from_value(json!({"namespaceSelector": {}, "allow": {}}))
                .expect("a policy");
        assert!(keys(&credential(json!({"roles": roles})), &bare).is_empty());
    }

    #[test]
    fn of_one_key_the_first_policy_decides() {
        let tag = |key: &str, from| SessionTag { key: key.to_owned(), from };
        let first = [tag("ns", SessionTagValue::Namespace)];
        let second = [tag("NS", SessionTagValue::Name), tag("name", SessionTagValue::Name)];
        let all = union([("a", &first[..]), ("b", &second[..])].into_iter());
        assert_eq!(
            all.iter().map(|(p, t)| (*p, t.key.as_str())).collect::<Vec<_>>(),
            [("a", "ns"), ("b", "name")]
        );
    }

    #[test]
    fn a_tenant_can_neither_set_the_administrator_s_tags_nor_crowd_them_out() {
        let tag =
            SessionTag { key: "kubernetes-namespace".to_owned(), from: SessionTagValue::Namespace };
        let tags = [("p", &tag)];
        let of = |key: &str, count: usize| {
            let mut list: Vec<Value> =
                (0..count).map(|n| json!({"key": format!("k{n}"), "value": "v"})).collect();
            list.push(json!({"key": key, "value": "team-b"}));
            list
        };
        let plain = json!({"roleArn": ROLE});
        for (name, spec, words) in [
            ("another key", json!({"roles": [{"roleArn": ROLE, "tags": of("team", 0)}]}), None),
            (
                "the key",
                json!({"roles": [{"roleArn": ROLE, "tags": of("kubernetes-namespace", 0)}]}),
                Some("cannot be set"),
            ),
            (
                "its case",
                json!({"roles": [{"roleArn": ROLE, "tags": of("Kubernetes-Namespace", 0)}]}),
                Some("cannot be set"),
            ),
            (
                "later",
                json!({"roles": [plain, {"roleArn": ROLE, "tags": of("kubernetes-namespace", 0)}]}),
                Some("cannot be set"),
            ),
            (
                "in a profile",
                json!({"roles": [plain], "profiles": [{"name": "a", "roles": [{"roleArn": ROLE, "tags": of("kubernetes-namespace", 0)}]}]}),
                Some("cannot be set"),
            ),
            ("forty-nine", json!({"roles": [{"roleArn": ROLE, "tags": of("team", 48)}]}), None),
            (
                "fifty",
                json!({"roles": [{"roleArn": ROLE, "tags": of("team", 49)}]}),
                Some("AWS takes 50 in all"),
            ),
            (
                "fifty, later",
                json!({"roles": [plain, {"roleArn": ROLE, "tags": of("team", 49)}]}),
                None,
            ),
            (
                "fifty, first in a profile",
                json!({"profiles": [{"name": "a", "roles": [{"roleArn": ROLE, "tags": of("team", 49)}]}]}),
                Some("AWS takes 50 in all"),
            ),
        ] {
            let clash = clash(&credential(spec), &tags);
            match words {
                None => assert_eq!(clash, None, "{name}"),
                Some(words) => assert!(
                    clash.as_deref().is_some_and(|c| c.contains(words)),
                    "{name}: {clash:?}"
                ),
            }
        }
    }

    #[test]
    fn values_are_the_controller_s_knowledge() {
        let all = [SessionTagValue::Cluster, SessionTagValue::Namespace, SessionTagValue::Name];
        let tags: Vec<SessionTag> =
            all.iter().map(|f| SessionTag { key: format!("{f:?}"), from: *f }).collect();
        let object = credential(json!({"roles": [{"roleArn": ROLE}]}));
        let resolved = resolve(&tags, &object, Some("prod")).expect("tags");
        let values: Vec<&str> = resolved.iter().map(|t| t.value.as_str()).collect();
        assert_eq!(values, ["prod", "team-a", "x"]);
        assert!(resolve(&tags, &object, None).is_err_and(|why| why.contains("--cluster-name")));
        assert_eq!(resolve(&tags[1..], &object, None).expect("no cluster is asked for").len(), 2);
    }

    #[test]
    fn what_is_put_on_is_transitive_and_beside_the_tenant_s() {
        let role: Role = serde_json::from_value(json!({
            "roleArn": ROLE, "tags": [{"key": "team", "value": "a"}], "transitiveTagKeys": ["team"],
        }))
        .expect("a role");
        let tagged = put_on(&role, &[Tag { key: "ns".to_owned(), value: "team-a".to_owned() }]);
        let pairs: Vec<_> =
            tagged.tags.iter().flatten().map(|t| (t.key.as_str(), t.value.as_str())).collect();
        assert_eq!(pairs, [("team", "a"), ("ns", "team-a")]);
        assert_eq!(
            tagged.transitive_tag_keys.as_deref(),
            Some(&["team".to_owned(), "ns".to_owned()][..])
        );
    }
}
