//! Least privilege: the rights that the chart grants are those that the controller uses, each of
//! them and no other.

use super::installed::Installed;
use super::peers::allow;
use super::restart;
use super::stage::{SOON, Stage};
use crate::harness::audit::Audit;
use crate::harness::certificates::Authority;
use crate::harness::rights::{Right, granted, lacking, unused};
use crate::harness::tls::{self, Trust};
use crate::harness::{Controller, controlplane, eventually, helm, ports, scratch};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::DeleteParams;
use refreshable_api::CredentialPolicy;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Lets a ServiceAccount of the stage's namespace assume a role.
pub(super) async fn web_role(stage: &Stage) -> String {
    let namespace = stage.namespace.name.as_str();
    stage.cluster.kubectl(&["create", "serviceaccount", "app", "--namespace", namespace]).await;
    let provider = controlplane::TOKEN_ISSUER.trim_start_matches("https://");
    let subject = format!("system:serviceaccount:{namespace}:app");
    stage
        .issuer
        .account(&stage.account)
        .role("web")
        .trusting_web_identity(provider, &subject)
        .create()
        .await
}

pub(super) fn web_identity(role: &str, secret: Value) -> Value {
    json!({"source": {"webIdentity": {"roleArn": role, "serviceAccountRef": {"name": "app"}}}, "secret": secret})
}

/// Has the controller do all that it does with what a namespace brings itself.
async fn everything_of_a_namespace(stage: &Stage) {
    let role = web_role(stage).await;
    let secrets = stage.namespace.api::<Secret>();

    // Issued, with a Secret of its own, an event, a token.
    stage.credential("own", web_identity(&role, json!({}))).await;
    stage.until("own", "True", "Issued").await;
    // Retained: without an owner reference, and written again.
    stage.credential("retained", web_identity(&role, json!({"deletionPolicy": "Retain"}))).await;
    stage.until("retained", "True", "Issued").await;
    let key = stage.key_id("retained").await;
    stage
        .patch(
            "retained",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    eventually(SOON, "the retained Secret is renewed", async || {
        match stage.key_id("retained").await {
            same if same == key => Err(same),
            _ => Ok(()),
        }
    })
    .await;
    // Adopted, and written again.
    stage.secret("adopted", &[("theirs", "kept")]).await;
    stage.allow_adoption("adopted").await;
    stage.credential("adopted", web_identity(&role, json!({"adopt": true}))).await;
    stage.until("adopted", "True", "Issued").await;
    let key = stage.key_id("adopted").await;
    stage
        .patch(
            "adopted",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    eventually(SOON, "the adopted Secret is renewed", async || {
        match stage.key_id("adopted").await {
            same if same == key => Err(same),
            _ => Ok(()),
        }
    })
    .await;
    assert_eq!(stage.published("adopted").await["theirs"], "kept");
    // Moved: the former Secret is deleted.
    stage.patch("own", json!({"spec": {"secret": {"name": "moved"}}})).await;
    eventually(SOON, "the Secret has moved", async || {
        match (secrets.get_opt("own").await, secrets.get_opt("moved").await) {
            (Ok(None), Ok(Some(_))) => Ok(()),
            (old, new) => {
                Err(format!("{:?} {:?}", old.map(|s| s.is_some()), new.map(|s| s.is_some())))
            }
        }
    })
    .await;
    // An input: the key of its digests is made.
    let account = stage.issuer.account(&stage.account);
    let user = account.user("keyed").await;
    let keyed = account.role("keyed").trusting(account.user_arn("keyed")).create().await;
    let key = [
        ("AWS_ACCESS_KEY_ID", user.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key()),
    ];
    stage.secret("key", &key).await;
    let spec = json!({"source": {"accessKey": {"secretRef": {"name": "key"}}}, "roles": [{"roleArn": keyed}]});
    stage.credential("keyed", spec).await;
    stage.until("keyed", "True", "Issued").await;
    // The same event twice: the second time it is counted up.
    for suspend in [true, false, true] {
        stage.patch("retained", json!({"spec": {"suspend": suspend}})).await;
        let reason = if suspend { "Suspended" } else { "Issued" };
        stage.until("retained", "True", reason).await;
    }
    // A write that is refused: whether it arrived all the same is read from the resource.
    let tls = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": "foreign", "namespace": stage.namespace.name},
        "stringData": {"username": "somebody", "password": "else"},
    });
    stage.apply(tls).await;
    stage.allow_adoption("foreign").await;
    stage.credential("foreign", web_identity(&role, json!({"adopt": true}))).await;
    let refused = stage.until("foreign", "False", "SecretRefused").await;
    let message = refused.status.and_then(|s| s.failures).expect("a failure").message;
    assert!(message.contains("adopt Secrets alone that are Opaque"), "{message}");
    stage
        .patch(
            "foreign",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    stage
        .until_it("foreign", "it is tried again", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some("1"))
        })
        .await;
}

/// Has it write a resource for another that selects the namespace, change it, and delete it.
async fn for_many_namespaces(stage: &Stage) {
    let namespace = stage.namespace.name.as_str();
    let made = async |spec: Value| {
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        stage
            .apply(json!({
                "apiVersion": "refreshable.dev/v1alpha1", "kind": "ClusterRefreshableCredential",
                "metadata": {"name": "many"},
                "spec": {"namespaceSelector": selector, "template": {"spec": spec}},
            }))
            .await;
    };
    let role = stage.issuer.account(&stage.account).role_arn("web");
    made(web_identity(&role, json!({}))).await;
    stage.until("many", "True", "Issued").await;
    made(web_identity(&role, json!({"name": "of-many"}))).await;
    stage.until_it("many", "it is changed", |c| c.secret_name() == "of-many").await;
    let none =
        json!({"spec": {"namespaceSelector": {"matchLabels": {"none": "true"}}}}).to_string();
    stage.cluster.kubectl(&["patch", "crcred", "many", "--type=merge", "--patch", &none]).await;
    eventually(SOON, "it is deleted", async || match stage.credentials().get_opt("many").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// Requests of the controller: complete once it has stopped, as a watch is logged at its end.
async fn asked(stage: &Stage, installed: &Installed, controller: &Controller) -> Audit {
    let asked = || stage.cluster.audit().by_account(&installed.name, &installed.name);
    eventually(SOON, "an event is counted up", async || {
        match asked().of("patch", "events").count() {
            0 => Err(asked().of("create", "events").to_string()),
            _ => Ok(()),
        }
    })
    .await;
    assert!(controller.stop().await.success());
    controller.assert_clean().await;
    let policies =
        granted(&installed.objects).iter().any(|right| right.resource == "credentialpolicies");
    let watched = if policies { ["secrets", "configmaps"].as_slice() } else { &["secrets"] };
    eventually(SOON, "the watches have ended", async || {
        match watched.iter().find(|kind| asked().of("watch", kind).count() == 0) {
            Some(kind) => Err(format!("none of {kind} has")),
            None => Ok(()),
        }
    })
    .await;
    // What the test itself tried in the ServiceAccount's name is not the controller's.
    let probes = |namespace: &str| namespace == stage.namespace.name;
    asked().only(|request| {
        request.name != "probe"
            && !(request.resource == "secrets"
                && request.verb == "create"
                && probes(&request.namespace))
    })
}

fn lines(rights: &BTreeSet<Right>) -> String {
    rights.iter().map(|right| format!("{right}\n")).collect()
}

/// The rights are those that were used; and the comparison would have told if they were not.
fn assert_exact(installed: &Installed, asked: &Audit) {
    let granted = granted(&installed.objects);
    assert!(!granted.is_empty());
    let refused = asked.clone().only(|request| !request.authorized);
    assert_eq!(refused.count(), 0, "RBAC refused\n{refused}");
    let (lacking_now, unused_now) = (lacking(&granted, asked), unused(&granted, asked));
    assert!(lacking_now.is_empty(), "no rule grants\n{}", lines(&lacking_now));
    assert!(unused_now.is_empty(), "granted and never used\n{}", lines(&unused_now));

    for right in &granted {
        let mut fewer = granted.clone();
        fewer.remove(right);
        assert!(!lacking(&fewer, asked).is_empty(), "nobody would miss: {right}");
        let mut more = granted.clone();
        let extra = Right { verb: format!("{}collection", right.verb), ..right.clone() };
        more.insert(extra.clone());
        assert_eq!(
            unused(&more, asked),
            BTreeSet::from([extra]),
            "it is told that this is not used"
        );
    }
}

#[tokio::test]
async fn the_chart_grants_what_the_controller_uses_and_nothing_else() {
    // On a cluster of its own: of several controllers the first reports of a policy, and the others
    // find it said.
    let stage = Stage::apart().await;
    let installed = Installed::on(&stage, json!({})).await;
    let controller = installed.start_as(stage.bare_program()).await;
    everything_of_a_namespace(&stage).await;
    for_many_namespaces(&stage).await;

    // The controller's own identity, and a permission that is taken back.
    let role = stage.role("ambient").await;
    stage.credential("ambient", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("ambient", "True", "Issued").await;
    // A bundle in a ConfigMap.
    allow(&stage, "bundles", json!({"caBundles": true})).await;
    let authority = Authority::new(&scratch::subfolder("rights"));
    stage
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority.certificate()},
            "metadata": {"name": "company-ca", "namespace": stage.namespace.name},
        }))
        .await;
    let sts = json!({"caBundleRef": {"name": "company-ca"}});
    stage.credential("trusting", json!({"roles": [{"roleArn": role}], "sts": sts})).await;
    stage.until("trusting", "True", "Issued").await;
    stage.secret("lent", &[("theirs", "kept")]).await;
    stage.allow_adoption("lent").await;
    stage
        .credential("lent", json!({"roles": [{"roleArn": role}], "secret": {"adopt": true}}))
        .await;
    stage.until("lent", "True", "Issued").await;
    eventually(SOON, "the policy has a status", async || {
        let asked = stage.cluster.audit().by_account(&installed.name, &installed.name);
        match asked.of("patch", "credentialpolicies/status").count() {
            0 => Err("none was written"),
            _ => Ok(()),
        }
    })
    .await;
    let policies = kube::Api::<CredentialPolicy>::all(stage.namespace.client.clone());
    let all = policies.list(&Default::default()).await.expect("a list");
    for policy in all
        .iter()
        .filter_map(|p| p.metadata.name.as_deref())
        .filter(|n| n.starts_with(&stage.namespace.name))
    {
        policies.delete(policy, &DeleteParams::default()).await.expect("deleted");
    }
    for name in ["ambient", "lent"] {
        stage.until(name, "False", "NotPermitted").await;
        let secret = stage.namespace.api::<Secret>().get_opt(name).await.expect("an answer");
        assert!(secret.is_none(), "{name} is withdrawn");
    }

    assert_exact(&installed, &asked(&stage, &installed, &controller).await);
    stage.strike_cluster();
}

#[tokio::test]
async fn one_namespace_is_served_without_rights_on_cluster_level() {
    let stage = Stage::without_controller().await;
    let values = json!({"watchNamespaces": [stage.namespace.name], "policies": false});
    let installed = Installed::on(&stage, values).await;
    let kinds: Vec<_> = installed.objects.iter().filter_map(|o| o["kind"].as_str()).collect();
    assert!(!kinds.iter().any(|k| k.starts_with("ClusterRole")), "{kinds:?}");
    let controller = installed.start(&stage).await;
    everything_of_a_namespace(&stage).await;

    let role = stage.role("ambient").await;
    stage.credential("ambient", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("ambient", "False", "NotPermitted").await;

    let asked = asked(&stage, &installed, &controller).await;
    let homes = [stage.namespace.name.as_str(), installed.name.as_str()];
    let elsewhere =
        asked.clone().only(|r| !r.resource.is_empty() && !homes.contains(&r.namespace.as_str()));
    assert_eq!(elsewhere.count(), 0, "{elsewhere}");
    assert_exact(&installed, &asked);

    let account = format!("system:serviceaccount:{0}:{0}", installed.name);
    for (verb, resource, namespace) in [
        ("get", "secrets", "default"),
        ("list", "secrets", "kube-system"),
        ("create", "serviceaccounts/token", "default"),
        // No policy can allow a bundle here.
        ("get", "configmaps", &stage.namespace.name),
    ] {
        let question =
            ["auth", "can-i", verb, resource, "--namespace", namespace, "--as", &account];
        let (_, answer, _) = stage.cluster.try_kubectl(&question).await;
        assert_eq!(answer.trim(), "no", "{verb} {resource} in {namespace}");
    }
}

#[tokio::test]
async fn what_is_switched_on_brings_the_rights_that_it_uses() {
    let stage = Stage::without_controller().await;
    let port = ports::free();
    let secure = json!({"enabled": true, "port": port});
    let values = json!({
        "restart": {"enabled": true}, "promptPropagation": true, "metrics": {"secure": secure},
    });
    let installed = Installed::on(&stage, values).await;
    let usual = granted(&helm::template(&installed.name, &installed.name, &json!({})).await);
    let all = granted(&installed.objects);
    let more: BTreeSet<_> = all.difference(&usual).cloned().collect();
    assert_eq!(more.len(), 11, "{}", lines(&more));
    let controller = installed.start(&stage).await;

    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    for kind in kinds {
        stage.apply(restart::workload(&stage, kind, &kind.to_lowercase(), 0)).await;
    }
    stage.apply(restart::in_namespace(&stage, restart::pod("told", Some("Prompt"), "more"))).await;
    let role = stage.role("more").await;
    let restarted: Vec<_> =
        kinds.iter().map(|k| json!({"kind": k, "name": k.to_lowercase()})).collect();
    let spec = json!({"roles": [{"roleArn": role}], "restart": restarted, "secret": {"propagation": "Prompt"}});
    stage.credential("more", spec).await;
    stage.until("more", "True", "Issued").await;
    restart::rotate(&stage, "more", "1").await;
    restart::until_restarted(&stage, &stage.namespace.api::<Deployment>(), "deployment").await;
    restart::until_restarted(&stage, &stage.namespace.api::<StatefulSet>(), "statefulset").await;
    restart::until_restarted(&stage, &stage.namespace.api::<DaemonSet>(), "daemonset").await;
    let pods = stage.namespace.api::<Pod>();
    eventually(SOON, "the Pod is told", async || {
        restart::told(&pods, "told").await.ok_or("no annotation")
    })
    .await;
    // A token of a user that may not get the metrics: both reviews are asked for.
    let token = stage.cluster.token(&installed.name, &installed.name, &[]).await;
    let address = format!("127.0.0.1:{port}");
    let page = tls::get(&address, "/metrics", Some(&token), Trust::Any).await;
    assert_eq!(page.map(|page| page.status), Ok(403));

    assert!(controller.stop().await.success());
    let asked = || stage.cluster.audit().by_account(&installed.name, &installed.name);
    eventually(SOON, "each right is used", async || {
        let unused = unused(&more, &asked());
        if unused.is_empty() { Ok(()) } else { Err(lines(&unused)) }
    })
    .await;
    let asked = asked().only(|request| {
        request.name != "probe" && !(request.resource == "secrets" && request.verb == "create")
    });
    let lacking = lacking(&all, &asked);
    assert!(lacking.is_empty(), "no rule grants\n{}", lines(&lacking));
    controller.assert_clean().await;
}
