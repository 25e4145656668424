//! The simulated API server of the world tier refuses in the words of a real one.

use crate::harness::{Cluster, cluster, eventually};
use crate::world::refusals::{Denial, LARGEST, USER, Written, immutable, too_large};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

type Refused = (u16, String, String);

async fn apply(secrets: &Api<Secret>, name: &str, body: Value) -> Result<Secret, Refused> {
    let mut whole = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    whole.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
    match secrets.patch(name, &PatchParams::apply("refusals").force(), &Patch::Apply(whole)).await {
        Ok(secret) => Ok(secret),
        Err(kube::Error::Api(status)) => {
            Err((status.code, status.reason.clone(), status.message.clone()))
        }
        Err(other) => panic!("{other}"),
    }
}

async fn refused(secrets: &Api<Secret>, name: &str, body: Value) -> Refused {
    apply(secrets, name, body).await.expect_err("it is refused")
}

fn said((code, reason, message): (u16, &'static str, String)) -> Refused {
    (code, reason.to_owned(), message)
}

fn a_secret<'a>(namespace: &'a str, name: &'a str) -> Written<'a> {
    Written { group: "", resource: "secrets", subresource: "", namespace, name }
}

#[tokio::test]
async fn of_data_and_rights() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("refusals").create().await;
    let secrets = namespace.api::<Secret>();

    apply(&secrets, "fixed", json!({"data": {"a": "eA=="}, "immutable": true}))
        .await
        .expect("made");
    let other = json!({"data": {"a": "eQ=="}, "immutable": true});
    assert_eq!(refused(&secrets, "fixed", other).await, said(immutable("fixed")));
    let labelled = json!({"metadata": {"name": "fixed", "labels": {"a": "b"}}, "data": {"a": "eA=="}, "immutable": true});
    apply(&secrets, "fixed", labelled).await.expect("a label is no data");

    let of = |bytes: usize| {
        let data = serde_json::to_value(ByteString(vec![b'a'; bytes])).expect("base64");
        json!({"data": {"large": data}})
    };
    apply(&secrets, "large", of(LARGEST)).await.expect("the largest");
    assert_eq!(refused(&secrets, "larger", of(LARGEST + 1)).await, said(too_large("larger")));

    cluster.kubectl(&["create", "serviceaccount", "nobody", "--namespace", &namespace.name]).await;
    let kubeconfig = cluster.kubeconfig_for(&namespace.name, "nobody").await;
    let theirs = Api::<Secret>::namespaced(cluster::client(&kubeconfig).await, &namespace.name);
    let (code, reason, message) = refused(&theirs, "fixed", json!({})).await;
    let user = format!("system:serviceaccount:{}:nobody", namespace.name);
    let expected = said(Denial::Forbidden.of(a_secret(&namespace.name, "fixed")));
    assert_eq!((code, reason, message.replace(&user, USER)), expected);

    // What waits for a finalizer is there, can be written, and goes with the finalizer.
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    apply(&secrets, "held", held.clone()).await.expect("made");
    let waits = secrets
        .delete("held", &DeleteParams::default())
        .await
        .expect("accepted")
        .left()
        .expect("the object");
    assert!(waits.metadata.deletion_timestamp.is_some());
    let mut written = held;
    written["data"] = json!({"a": "eA=="});
    let still = apply(&secrets, "held", written).await.expect("it can be written");
    assert_eq!(still.metadata.deletion_timestamp, waits.metadata.deletion_timestamp);
    apply(&secrets, "held", json!({"metadata": {"name": "held", "finalizers": []}}))
        .await
        .expect("the last write");
    assert!(secrets.get_opt("held").await.expect("an answer").is_none());
}

#[tokio::test]
async fn of_quotas() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("refusals").create().await;
    let secrets = namespace.api::<Secret>();
    apply(&secrets, "first", json!({})).await.expect("made");
    let quota = json!({"metadata": {"name": "no"}, "spec": {"hard": {"secrets": "1"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).expect("a quota");
    let quotas = namespace.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.expect("made");
    // No controller counts here: the count is the test's.
    let used = json!({"status": {"hard": {"secrets": "1"}, "used": {"secrets": "1"}}});
    quotas.patch_status("no", &PatchParams::default(), &Patch::Merge(used)).await.expect("counted");
    let expected = said(Denial::Quota.of(a_secret(&namespace.name, "second")));
    // Until the API server has seen the count, it refuses with other words, or not at all.
    let trial = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second"}});
    eventually(SOON, "the quota is in force", async || {
        let dry = PatchParams { dry_run: true, ..PatchParams::apply("refusals").force() };
        match secrets.patch("second", &dry, &Patch::Apply(&trial)).await {
            Err(_) => Ok(()),
            Ok(_) => Err("it would be taken"),
        }
    })
    .await;
    eventually(SOON, "the quota refuses in its words", async || {
        let seen = refused(&secrets, "second", json!({})).await;
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    apply(&secrets, "first", json!({"data": {"a": "eA=="}}))
        .await
        .expect("what is there can be changed");
}

#[tokio::test]
async fn of_policies() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("refusals").create().await;
    let secrets = namespace.api::<Secret>();
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]});
    let policy = json!({
        "metadata": {"name": "no"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "no"}],
        },
    });
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace.name}});
    let binding = json!({
        "metadata": {"name": "no"},
        "spec": {"policyName": "no", "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector}},
    });
    let client = cluster.client().await;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client);
    let (policy, binding) = (serde_json::from_value(policy), serde_json::from_value(binding));
    policies.create(&PostParams::default(), &policy.expect("a policy")).await.expect("made");
    bindings.create(&PostParams::default(), &binding.expect("a binding")).await.expect("made");
    let expected = said(Denial::Policy.of(a_secret(&namespace.name, "any")));
    let mut looks = 0;
    eventually(SOON, "the policy is heeded", async || {
        looks += 1;
        match apply(&secrets, "any", json!({"data": {"look": ByteString(vec![looks])}})).await {
            Ok(_) => Err("it was taken".to_owned()),
            Err(seen) if seen == expected => Ok(()),
            Err(seen) => panic!("{seen:?}, not {expected:?}"),
        }
    })
    .await;
    bindings.delete("no", &DeleteParams::default()).await.expect("deleted");
    policies.delete("no", &DeleteParams::default()).await.expect("deleted");
}
