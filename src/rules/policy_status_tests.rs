use super::super::fixtures::minute;
use super::super::policy::Permission;
use super::super::policy_served::Served;
use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const ROLE: &str = "arn:aws:iam::111122223333:role/team/x";

fn policy(name: &str, selector: Value, allow: Value) -> Arc<CredentialPolicy> {
    let metadata = json!({"name": name, "generation": 7});
    let spec = json!({"namespaceSelector": selector, "allow": allow});
    let kind = "CredentialPolicy";
    let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    Arc::new(serde_json::from_value(object).expect("a policy"))
}

fn resource(namespace: &str, name: &str, spec: Value) -> RefreshableCredential {
    let metadata = json!({"namespace": namespace, "name": name});
    let kind = "RefreshableCredential";
    let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    serde_json::from_value(object).expect("a resource")
}

fn ambient(namespace: &str, roles: &[&str]) -> RefreshableCredential {
    let roles: Vec<Value> = roles.iter().map(|arn| json!({"roleArn": arn})).collect();
    resource(namespace, "r", json!({"roles": roles}))
}

fn roles(arns: &[&str]) -> Value {
    json!({"roles": [{"arns": arns}]})
}

fn labelled(team: &str) -> BTreeMap<String, String> {
    [("team".to_owned(), team.to_owned())].into()
}

/// The statuses in a cluster of `team-a` and `team-b`, each with its label, and `other` with none.
fn seen(
    policies: &[Arc<CredentialPolicy>],
    resources: &[RefreshableCredential],
) -> Vec<CredentialPolicyStatus> {
    let (a, b, none) = (labelled("a"), labelled("b"), BTreeMap::new());
    let index = PolicyIndex::new(policies, [("team-a", &a), ("team-b", &b), ("other", &none)]);
    let mut served = Served::new(policies);
    for (number, resource) in resources.iter().enumerate() {
        served.judge(number, resource, &index);
    }
    statuses(policies, &index, Some(served.counts()), minute(0))
}

fn counts(
    policies: &[Arc<CredentialPolicy>],
    resources: &[RefreshableCredential],
) -> Vec<(i32, i32)> {
    let seen = seen(policies, resources);
    seen.iter().map(|s| (s.namespaces.expect("a count"), s.resources.expect("a count"))).collect()
}

fn ready(status: &CredentialPolicyStatus) -> (&str, &str, &str) {
    let ready = status.conditions.iter().find(|c| c.type_ == READY).expect("a condition");
    (&ready.status, &ready.reason, &ready.message)
}

#[test]
fn what_a_policy_serves_is_counted() {
    let all = policy("all", json!({}), roles(&["arn:aws:iam::*:role/*"]));
    let of_a =
        policy("a", json!({"matchLabels": {"team": "a"}}), roles(&["arn:aws:iam::*:role/team/*"]));
    let narrow = policy("narrow", json!({}), roles(&["arn:aws:iam::*:role/elsewhere/*"]));
    let (hub, spoke) =
        ("arn:aws:iam::111122223333:role/hub", "arn:aws:iam::111122223333:role/spoke");
    let (hubs, spokes) =
        (policy("hubs", json!({}), roles(&[hub])), policy("spokes", json!({}), roles(&[spoke])));
    let tags = policy("tags", json!({}), json!({}));
    let key =
        resource("team-a", "k", json!({"source": {"accessKey": {"secretRef": {"name": "k"}}}}));
    for (name, policies, resources, expected) in [
        ("without resources", vec![all.clone()], vec![], vec![(3, 0)]),
        (
            "by labels",
            vec![of_a.clone()],
            vec![ambient("team-a", &[ROLE]), ambient("team-b", &[ROLE])],
            vec![(1, 1)],
        ),
        ("another path", vec![narrow.clone()], vec![ambient("team-a", &[ROLE])], vec![(3, 0)]),
        // As in status.permission.policies.
        (
            "the first by name",
            vec![all.clone(), of_a],
            vec![ambient("team-a", &[ROLE])],
            vec![(3, 0), (1, 1)],
        ),
        (
            "a part each",
            vec![hubs.clone(), spokes],
            vec![ambient("team-b", &[hub, spoke])],
            vec![(3, 1), (3, 1)],
        ),
        ("a part alone", vec![hubs], vec![ambient("team-b", &[hub, spoke])], vec![(3, 0)]),
        ("its own means", vec![all.clone(), tags], vec![key], vec![(3, 0), (3, 0)]),
        ("no such namespace", vec![all], vec![ambient("unseen", &[ROLE])], vec![(3, 0)]),
        ("no policies", vec![], vec![ambient("team-a", &[ROLE])], vec![]),
    ] {
        assert_eq!(counts(&policies, &resources), expected, "{name}");
    }
}

#[test]
fn the_counts_agree_with_what_resources_are_told() {
    let policies = [
        policy("b", json!({}), roles(&["arn:aws:iam::*:role/*"])),
        policy("a", json!({"matchLabels": {"team": "a"}}), roles(&["arn:aws:iam::*:role/team/*"])),
    ];
    let resources =
        [ambient("team-a", &[ROLE]), ambient("team-b", &[ROLE]), ambient("other", &[ROLE])];
    let labels = |object: &RefreshableCredential| match object.metadata.namespace.as_deref() {
        Some("team-a") => labelled("a"),
        Some("team-b") => labelled("b"),
        _ => BTreeMap::new(),
    };
    for (at, policy) in policies.iter().enumerate() {
        let named = |o: &&RefreshableCredential| {
            let judgement = super::super::policy::judge(o, &labels(o), &policies);
            matches!(judgement.permission, Permission::Allowed(by) if by.contains(&policy.name_any()))
        };
        let told = resources.iter().filter(named).count();
        assert_eq!(counts(&policies, &resources)[at].1, i32::try_from(told).expect("few"));
    }
}

#[test]
fn a_selector_that_cannot_be_read_stalls_the_policy() {
    let selector =
        json!({"matchExpressions": [{"key": "team", "operator": "Equals", "values": ["a"]}]});
    let broken = policy("broken", selector, roles(&["arn:aws:iam::*:role/*"]));
    let status = seen(&[broken], &[ambient("team-a", &[ROLE])]).remove(0);
    assert_eq!(
        (status.namespaces, status.resources, status.observed_generation),
        (Some(0), Some(0), Some(7))
    );
    let (holds, reason, message) = ready(&status);
    assert_eq!((holds, reason), ("False", "InvalidSelector"));
    let words = "spec.namespaceSelector: matchExpressions[0] has operator Equals: write In, NotIn, Exists or DoesNotExist. \
                 Until then the policy selects no namespace";
    assert!(message.starts_with(words), "{message}");
    let stalled = status.conditions.iter().find(|c| c.type_ == STALLED).expect("stalled");
    assert_eq!((stalled.status.as_str(), stalled.reason.as_str()), ("True", "InvalidSelector"));
}

#[test]
fn a_pattern_that_matches_nothing_is_named_and_the_rest_is_in_force() {
    let user = "arn:aws:iam::111122223333:user/x";
    let partly = policy("partly", json!({}), roles(&["arn:aws:iam::*:role/*", user]));
    let status = seen(&[partly], &[ambient("team-a", &[ROLE])]).remove(0);
    assert_eq!(status.resources, Some(1));
    assert_eq!(status.conditions.len(), 1, "{:?}", status.conditions);
    let (holds, reason, message) = ready(&status);
    assert_eq!((holds, reason), ("True", "UnmatchablePattern"));
    let begin = format!("spec.allow.roles[0].arns[1] ({user}) can match nothing: the last part");
    assert!(
        message.starts_with(&begin) && message.ends_with("The rest of the policy is in force"),
        "{message}"
    );

    let many: Vec<String> = (0..256).map(|n| format!("arn:{}{n}", "x".repeat(1000))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let status = seen(&[policy("many", json!({}), roles(&many))], &[]).remove(0);
    let message = ready(&status).2;
    assert!(
        message.contains("spec.allow.roles[0].arns[2] (") && message.contains("; and 253 more"),
        "{message}"
    );
    assert!(message.len() < 2000, "{}", message.len());

    // What AWS has no role for, another STS may have one for: where any policy lets one be called.
    let of_a_store = policy("roles", json!({}), roles(&["arn:aws:iam::tenant:role/x"]));
    let stores = policy("stores", json!({}), json!({"endpoints": ["https://rgw.example.com"]}));
    assert_eq!(ready(&seen(std::slice::from_ref(&of_a_store), &[])[0]).1, "UnmatchablePattern");
    assert_eq!(ready(&seen(&[of_a_store, stores], &[])[0]).1, "Accepted");
}

#[test]
fn a_pattern_that_does_not_keep_namespaces_apart_is_named_and_is_in_force() {
    let pattern = "arn:aws:iam::111122223333:role/{namespace}-*";
    let attack = "arn:aws:iam::111122223333:role/team-a-b-x";
    let open = policy("open", json!({}), roles(&[pattern]));
    // Namespace `team-a` may have what is named after a namespace `team-a-b`.
    let status = seen(&[open], &[ambient("team-a", &[attack])]).remove(0);
    assert_eq!((status.resources, status.conditions.len()), (Some(1), 1));
    let (holds, reason, message) = ready(&status);
    assert_eq!((holds, reason), ("True", "AmbiguousPattern"));
    let begin = format!("spec.allow.roles[0].arns[0] ({pattern}) does not keep namespaces apart: ");
    assert!(message.starts_with(&begin), "{message}");
    assert!(
        message.ends_with("for example {namespace}/*. The policy is in force as it is written"),
        "{message}"
    );

    // Both kinds of mistake in one policy: what lets too much through comes first.
    let user = "arn:aws:iam::111122223333:user/x";
    let both = policy("both", json!({}), roles(&[user, user, user, pattern]));
    let status = seen(&[both], &[]).remove(0);
    let (_, reason, message) = ready(&status);
    assert_eq!(reason, "AmbiguousPattern");
    assert!(message.starts_with("spec.allow.roles[0].arns[3] ("), "{message}");
    for words in [
        "arns[0] (arn:aws:iam::111122223333:user/x) can match nothing",
        "; and 1 more. All that can match is in force as it is written",
    ] {
        assert!(message.contains(words), "{message}");
    }

    let safe = policy("safe", json!({}), roles(&["arn:aws:iam::111122223333:role/{namespace}/*"]));
    let status = seen(&[safe], &[ambient("team-a", &[attack])]).remove(0);
    assert_eq!((ready(&status).1, status.resources), ("Accepted", Some(0)));
}

#[test]
fn a_policy_that_selects_nobody_is_accepted_and_says_so() {
    let unused =
        policy("unused", json!({"matchLabels": {"team": "c"}}), roles(&["arn:aws:iam::*:role/*"]));
    let status = seen(&[unused], &[]).remove(0);
    let (holds, reason, message) = ready(&status);
    assert_eq!((holds, reason), ("True", "Accepted"));
    assert!(message.starts_with("no namespace has the labels"), "{message}");
}

#[test]
fn a_status_that_says_nothing_new_is_the_same_status() {
    let mut known = policy("p", json!({}), roles(&["arn:aws:iam::*:role/*"])).as_ref().clone();
    let (a, b) = (labelled("a"), labelled("b"));
    let at = |known: &CredentialPolicy, minutes: i64| {
        let policies = [Arc::new(known.clone())];
        let index = PolicyIndex::new(&policies, [("team-a", &a), ("team-b", &b)]);
        statuses(&policies, &index, Some(&[0]), minute(minutes)).remove(0)
    };
    let first = at(&known, 0);
    known.status = Some(first.clone());
    assert_eq!(at(&known, 5), first);
    // The status of Ready changes: so does the time of its transition.
    known.spec.namespace_selector =
        serde_json::from_value(json!({"matchExpressions": [{"key": "a", "operator": "In"}]}))
            .expect("a selector");
    let second = at(&known, 5);
    assert_eq!(second.conditions[0].last_transition_time, Time(minute(5)));
}

#[test]
fn who_sees_some_namespaces_alone_leaves_the_count_of_resources_as_it_is() {
    let mut known = policy("p", json!({}), roles(&["arn:aws:iam::*:role/*"])).as_ref().clone();
    let a = labelled("a");
    let limited = |known: &CredentialPolicy| {
        let policies = [Arc::new(known.clone())];
        let index = PolicyIndex::new(&policies, [("team-a", &a)]);
        statuses(&policies, &index, None, minute(0)).remove(0)
    };
    let status = limited(&known);
    assert_eq!((status.namespaces, status.resources), (Some(1), None));
    known.status = Some(CredentialPolicyStatus { resources: Some(12), ..status });
    assert_eq!(limited(&known).resources, Some(12));
}
