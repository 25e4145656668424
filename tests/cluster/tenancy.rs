//! Many tenants: what policies hold them to, how AWS tells them apart, and whom a changed policy
//! touches.

use super::stage::{SOON, Stage};
use crate::harness::eventually;
use crate::harness::proxy::Call;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use refreshable_api::{CredentialPolicy, PermissionStatus, RefreshableCredential};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Applies a policy of this name for the stage's namespace, with these members of its
/// specification.
async fn policy(stage: &Stage, name: &str, spec: Value) {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name}});
    let mut whole = json!({"namespaceSelector": selector, "withdrawAfter": "Immediate"});
    whole.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
    let name = format!("{}-{name}", stage.namespace.name);
    let object = json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": name}, "spec": whole,
    });
    stage.apply(object).await;
}

fn permission(object: &RefreshableCredential) -> Option<PermissionStatus> {
    object.status.as_ref()?.permission.clone()
}

fn message(object: &RefreshableCredential) -> String {
    object.status.as_ref().expect("a status").conditions[0].message.clone()
}

/// The tags of a call, and which of them are transitive.
fn tags(call: &Call) -> (BTreeMap<String, String>, Vec<String>) {
    let numbered = |form: &str| {
        let form = form.to_owned();
        (1..).map_while(move |n| {
            call.parameter(&form.replace('N', &n.to_string())).map(str::to_owned)
        })
    };
    let pairs = numbered("Tags.member.N.Key").zip(numbered("Tags.member.N.Value")).collect();
    (pairs, numbered("TransitiveTagKeys.member.N").collect())
}

#[tokio::test]
async fn aws_is_told_whose_session_it_is_and_no_tenant_can_say_otherwise() {
    let stage = Stage::without_controller().await;
    let stage = stage
        .started(|program| program.args(["--no-leader-election", "--cluster-name", "bench"]))
        .await;
    let account = stage.issuer.account(&stage.account);
    let namespace = stage.namespace.name.clone();
    // The emulator holds the role's trust to the tag, as AWS does: nobody else's sessions get in.
    let hub = account.role("hub").trusting(account.user_arn("controller"));
    let hub = hub.asking_tag("kubernetes-namespace", &namespace).create().await;
    let spoke = account.role("spoke").trusting(&hub).create().await;
    let allow = json!({"roles": [{"arns": [hub, spoke], "tags": [{"key": "project", "values": ["{namespace}/*"]}]}]});
    let project = format!("{namespace}/x");
    let chain = |more: Value| {
        let mut first = json!({"roleArn": hub, "tags": [{"key": "project", "value": project}]});
        first
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        json!({"roles": [first, {"roleArn": spoke}]})
    };
    policy(&stage, "tags", json!({"allow": allow})).await;
    stage.credential("untold", chain(json!({}))).await;
    stage.until("untold", "False", "AccessDenied").await;

    let session_tags = json!({"tags": [
        {"key": "kubernetes-cluster", "from": "Cluster"}, {"key": "kubernetes-namespace", "from": "Namespace"},
        {"key": "refreshable-name", "from": "Name"}, {"key": "kubernetes-service-account", "from": "ServiceAccount"},
    ]});
    policy(&stage, "tags", json!({"allow": allow, "sessionTags": session_tags})).await;
    stage.aws.forget_calls();
    stage.credential("told", chain(json!({}))).await;
    let told = stage.until("told", "True", "Issued").await;
    let calls = stage.aws.calls_for_role(&hub);
    let first = calls
        .iter()
        .rfind(|c| c.parameter("RoleSessionName") == Some(&format!("{namespace}.told")));
    let expected: BTreeMap<String, String> = [
        ("project", project.as_str()),
        ("kubernetes-cluster", "bench"),
        ("kubernetes-namespace", &namespace),
        ("refreshable-name", "told"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let transitive = ["kubernetes-cluster", "kubernetes-namespace", "refreshable-name"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(tags(first.expect("a call")), (expected, transitive));
    let second = stage.aws.calls_for_role(&spoke).pop().expect("a call");
    assert_eq!(
        tags(&second),
        (BTreeMap::new(), Vec::new()),
        "what is inherited must not be passed again"
    );
    let arn = told.status.and_then(|s| s.principal).and_then(|p| p.arn).expect("a principal");
    assert!(arn.ends_with(&format!("/{namespace}.told")), "{arn}");

    // Who sets one of these keys is refused before AWS is asked, on whichever role of the chain.
    let before = stage.aws.calls().len();
    let posing = json!([{"key": "Kubernetes-Namespace", "value": "another"}]);
    let later = json!({"roles": [{"roleArn": hub}, {"roleArn": spoke, "tags": posing}]});
    let own_name = chain(json!({"roleSessionName": "another.payroll"}));
    let identity = chain(json!({"sourceIdentity": "boss"}));
    let project = chain(json!({"tags": [{"key": "project", "value": "another/x"}]}));
    for (name, spec, words) in [
        (
            "posing",
            chain(json!({"tags": posing})),
            "puts kubernetes-namespace on the sessions of namespace",
        ),
        ("later", later, "puts kubernetes-namespace on the sessions of namespace"),
        ("named", own_name, "not with roleSessionName another.payroll: leave it out"),
        ("identity", identity, "not with sourceIdentity boss"),
        ("project", project, "not with session tag project=another/x"),
    ] {
        stage.credential(name, spec).await;
        let refused = stage.until(name, "False", "NotPermitted").await;
        assert!(message(&refused).contains(words), "{name}: {}", message(&refused));
    }
    assert_eq!(stage.aws.calls().len(), before, "nobody was asked");
    stage.strike().await;
}

#[tokio::test]
async fn a_tag_with_the_cluster_s_name_waits_for_a_controller_that_knows_it() {
    let stage = Stage::set().await;
    let role = stage.role("unnamed").await;
    let tags = json!({"tags": [{"key": "kubernetes-cluster", "from": "Cluster"}]});
    policy(&stage, "cluster", json!({"allow": {}, "sessionTags": tags})).await;
    stage.credential("unnamed", json!({"roles": [{"roleArn": role}]})).await;
    let stalled = stage.until("unnamed", "False", "InvalidSpecification").await;
    assert!(message(&stalled).contains("--cluster-name"), "{}", message(&stalled));
    assert_eq!(stage.aws.calls_for_role(&role).len(), 0);
    stage.strike().await;
}

#[tokio::test]
async fn the_status_says_who_allows_it_or_which_rule_would_and_what_was_withdrawn() {
    let stage = Stage::set().await;
    let account = stage.issuer.account(&stage.account);
    let role = account.role("asked").trusting(account.user_arn("controller")).create().await;
    let spec = json!({"roles": [{"roleArn": role, "roleSessionName": "night-run", "durationSeconds": 1800}]});
    stage.credential("asked", spec).await;
    let denied = stage.until("asked", "False", "NotPermitted").await;
    let answer = permission(&denied).expect("an answer");
    assert!(
        !answer.allowed && answer.policies.is_empty() && answer.withdrawn_time.is_none(),
        "{answer:?}"
    );

    // The advice, as it stands, in a policy.
    let rule: Value = answer
        .missing
        .iter()
        .flat_map(|grant| grant.as_object().expect("an object").clone())
        .collect();
    policy(&stage, "advised", json!({"allow": rule})).await;
    let allowed = stage.until("asked", "True", "Issued").await;
    let advised = format!("{}-advised", stage.namespace.name);
    let answer = permission(&allowed).expect("an answer");
    assert_eq!((answer.allowed, answer.policies), (true, vec![advised.clone()]));

    // Another policy takes its place: nothing is withdrawn, and nothing asked of AWS.
    policy(&stage, "other", json!({"allow": rule})).await;
    let policies: Api<CredentialPolicy> = Api::all(stage.namespace.client.clone());
    policies.delete(&advised, &DeleteParams::default()).await.expect("deleted");
    let other = format!("{}-other", stage.namespace.name);
    stage
        .until_it("asked", "the other policy allows it", |c| {
            permission(c).is_some_and(|p| p.policies == [other.clone()])
        })
        .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);

    policy(
        &stage,
        "other",
        json!({"allow": {"roles": [{"arns": [role], "maxDurationSeconds": 900}]}}),
    )
    .await;
    let withdrawn = stage.until("asked", "False", "NotPermitted").await;
    let told = message(&withdrawn);
    assert!(told.contains("does, but only for 900 s"), "{told}");
    assert!(told.contains("The published Secret was withdrawn at "), "{told}");
    assert!(permission(&withdrawn).is_some_and(|p| p.withdrawn_time.is_some()));
    let gone = stage.namespace.api::<Secret>().get_opt("asked").await.expect("an answer");
    assert!(gone.is_none(), "the Secret goes with the permission");
    let namespace = stage.namespace.name.as_str();
    eventually(SOON, "an event tells it", async || {
        let events = stage.cluster.kubectl(&["get", "events", "--namespace", namespace]).await;
        let line =
            events.lines().find(|l| l.contains(" Withdrawn ") && l.contains("was withdrawn at"));
        line.map(|_| ()).ok_or(events)
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn a_namespace_s_labels_decide_which_policies_speak_of_it() {
    let stage = Stage::set().await;
    let account = stage.issuer.account(&stage.account);
    let role = account.role("labelled").trusting(account.user_arn("controller")).create().await;
    let name = stage.namespace.name.clone();
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": format!("{name}-gold")},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name, "tier": "gold"}},
                "allow": {"roles": [{"arns": [role]}]}, "withdrawAfter": "Immediate",
            },
        }))
        .await;
    stage.credential("labelled", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("labelled", "False", "NotPermitted").await;
    let namespaces: Api<Namespace> = Api::all(stage.namespace.client.clone());
    let label = async |value: Value| {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"tier": value}}}));
        namespaces.patch(&name, &PatchParams::default(), &patch).await.expect("labelled");
    };
    label(json!("gold")).await;
    stage.until("labelled", "True", "Issued").await;
    label(json!(null)).await;
    stage.until("labelled", "False", "NotPermitted").await;
    stage.strike().await;
}

#[tokio::test]
async fn a_changed_policy_re_plans_whom_it_concerns() {
    const OTHERS: usize = 30;
    let stage = Stage::set().await;
    let (kept, taken) = (stage.role("kept").await, stage.role("taken").await);
    stage.credential("taken", json!({"roles": [{"roleArn": taken}]})).await;
    for number in 0..OTHERS {
        stage.credential(&format!("kept-{number}"), json!({"roles": [{"roleArn": kept}]})).await;
    }
    stage.until("taken", "True", "Issued").await;
    for number in 0..OTHERS {
        stage.until(&format!("kept-{number}"), "True", "Issued").await;
    }
    let reconciles = async || {
        let page = stage.controller().metrics().await;
        let count = page
            .lines()
            .find_map(|l| l.strip_prefix("refreshable_reconcile_duration_seconds_count "));
        count.and_then(|c| c.parse::<usize>().ok()).expect("a count")
    };
    let before = reconciles().await;
    // Something for other resources is added to the policy of all, then the one resource's policy
    // goes.
    policy(
        &stage,
        "more",
        json!({"allow": {"urls": ["https://x.example.com"], "processes": ["x"]}}),
    )
    .await;
    let policies: Api<CredentialPolicy> = Api::all(stage.namespace.client.clone());
    let name = format!("{}-{}", stage.namespace.name, taken.replace([':', '/'], "-"));
    policies.delete(&name, &DeleteParams::default()).await.expect("deleted");
    stage.until("taken", "False", "NotPermitted").await;
    let after = reconciles().await;
    assert!(after - before < OTHERS / 2, "{} reconciles for one resource", after - before);
    assert_eq!(stage.aws.calls_for_role(&kept).len(), OTHERS);
    stage.strike().await;
}

#[tokio::test]
async fn a_token_of_another_audience_is_not_even_asked_for_without_a_policy() {
    let stage = Stage::set().await;
    stage
        .cluster
        .kubectl(&["create", "serviceaccount", "app", "--namespace", &stage.namespace.name])
        .await;
    let issuer = stage.issuer.account(&stage.account).role_arn("web");
    let source = |audience: &str| {
        json!({"source": {"webIdentity": {
            "roleArn": issuer, "serviceAccountRef": {"name": "app", "audience": audience},
        }}})
    };
    // The audience that the API server itself takes among them.
    for (name, audience) in [("api", "https://kubernetes.default.svc"), ("vault", "vault")] {
        stage.credential(name, source(audience)).await;
        let denied = stage.until(name, "False", "NotPermitted").await;
        assert!(message(&denied).contains("spec.allow.audiences"), "{}", message(&denied));
    }
    let asked = || {
        stage.cluster.audit().within(&stage.namespace.name).of("create", "serviceaccounts/token")
    };
    assert_eq!(asked().count(), 0, "{}", asked());
    stage.credential("sts", source("sts.amazonaws.com")).await;
    stage
        .until_it("sts", "an attempt", |c| {
            c.status.as_ref().is_some_and(|s| !s.conditions.is_empty())
        })
        .await;
    eventually(SOON, "a token is asked for", async || {
        if asked().count() > 0 {
            Ok(())
        } else {
            Err(stage.cluster.audit().within(&stage.namespace.name).to_string())
        }
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn certificates_to_trust_at_aws_s_own_endpoints_are_the_administrator_s_to_allow() {
    let stage = Stage::set().await;
    let role = stage.role("trusting").await;
    let authority = crate::harness::certificates::Authority::new(
        &crate::harness::scratch::subfolder("tenant-ca"),
    );
    let spec = json!({"roles": [{"roleArn": role}], "sts": {"caBundle": authority.certificate()}});
    stage.credential("trusting", spec).await;
    let denied = stage.until("trusting", "False", "NotPermitted").await;
    assert!(message(&denied).contains("spec.allow.caBundles: true"), "{}", message(&denied));
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority.certificate()},
        "metadata": {"name": "tenant-ca", "namespace": stage.namespace.name},
    });
    stage.apply(map).await;
    let spec = json!({"roles": [{"roleArn": role}], "sts": {"caBundleRef": {"name": "tenant-ca"}}});
    stage.credential("referring", spec).await;
    let denied = stage.until("referring", "False", "NotPermitted").await;
    assert!(
        message(&denied).contains("to set spec.sts.caBundleRef for an endpoint"),
        "{}",
        message(&denied)
    );
    assert_eq!(stage.aws.calls_for_role(&role).len(), 0);
    policy(&stage, "ca", json!({"allow": {"caBundles": true}})).await;
    for name in ["trusting", "referring"] {
        stage.until(name, "True", "Issued").await;
    }
    stage.strike().await;
}
