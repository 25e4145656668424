//! Types of the published Secret: what is published, how one type follows another, and that a foreign
//! Secret of the same type stays as it is.

use super::installed::Installed;
use super::rights::{web_identity, web_role};
use super::stage::{SOON, Stage};
use crate::harness::{canary, eventually};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};

const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";

/// A user name and a password.
fn login() -> Value {
    json!({"username": "{{ accessKeyId }}", "password": "{{ secretAccessKey }}"})
}

async fn secret(stage: &Stage, name: &str) -> Secret {
    stage.namespace.api::<Secret>().get(name).await.expect("the Secret is there")
}

fn uid(secret: &Secret) -> Option<&str> {
    secret.metadata.uid.as_deref()
}

/// The Secret, once it is of this type.
async fn until_of_type(stage: &Stage, name: &str, kind: &str) -> Secret {
    eventually(SOON, "the Secret is of the other type", async || {
        let found = stage.namespace.api::<Secret>().get_opt(name).await.expect("an answer");
        match found.filter(|s| s.type_.as_deref() == Some(kind)) {
            Some(secret) => Ok(secret),
            None => {
                let object = stage.credentials().get(name).await.expect("the resource");
                Err(format!("{:?}", object.status))
            }
        }
    })
    .await
}

/// A Secret that somebody else made, of this type.
async fn foreign(stage: &Stage, name: &str, kind: &str) -> Secret {
    let theirs = json!({
        "metadata": {"name": name}, "type": kind,
        "stringData": {"username": "theirs", "theirs": "kept", ".dockerconfigjson": "{}"},
    });
    let theirs: Secret = serde_json::from_value(theirs).expect("a Secret");
    stage.namespace.api().create(&PostParams::default(), &theirs).await.expect("made")
}

fn failure_holds(object: &RefreshableCredential, reason: &str, words: &str) -> bool {
    let failure = object.status.as_ref().and_then(|s| s.failures.as_ref());
    failure.is_some_and(|f| f.reason == reason && f.message.contains(words))
}

/// As the chart installs it, with the fence around what it may write.
#[tokio::test]
async fn another_type_is_another_secret_of_the_same_name() {
    let stage = Stage::without_controller().await;
    let installed = Installed::on(&stage, json!({})).await;
    let controller = installed.start(&stage).await;
    let role = web_role(&stage).await;
    let chosen = web_identity(&role, json!({"type": BASIC_AUTH, "template": login()}));
    stage.credential("login", chosen).await;
    stage.until("login", "True", "Issued").await;
    let first = secret(&stage, "login").await;
    assert_eq!(first.type_.as_deref(), Some(BASIC_AUTH));
    let published = stage.published("login").await;
    canary::register(&published["password"]);
    assert_eq!(published["username"], stage.key_id("login").await);

    let mut before = first;
    for (kind, asked) in [
        ("Opaque", json!({"type": "Opaque"})),
        ("example.com/aws", json!({"type": "example.com/aws", "deletionPolicy": "Retain"})),
        ("refreshable.dev/aws-credentials", json!({"type": null})),
        (DOCKER_CONFIG, json!({"type": DOCKER_CONFIG, "template": {".dockerconfigjson": "{}"}})),
    ] {
        stage.patch("login", json!({"spec": {"secret": asked}})).await;
        let after = until_of_type(&stage, "login", kind).await;
        assert_ne!(uid(&after), uid(&before), "{kind}: the type of a Secret is never changed");
        let held = stage.published("login").await;
        canary::register(&held["password"]);
        assert_eq!(held["username"], stage.key_id("login").await, "{kind}");
        stage
            .until_it("login", "the status tells of the new one", |c| {
                let told = c.status.as_ref().and_then(|s| s.controller.as_ref());
                let version = told.and_then(|c| c.secret_resource_version.clone());
                version == after.metadata.resource_version
                    && super::stage::ready(c) == Some(("True".to_owned(), "Issued".to_owned()))
            })
            .await;
        before = after;
    }
    assert_eq!(stage.aws.calls_for_role(&role).len(), 5, "one for each type");

    // Renewed, it is the same Secret.
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
    stage.patch("login", again).await;
    stage
        .until_it("login", "the request is handled", |c| {
            let status = c.status.as_ref();
            status.and_then(|s| s.last_handled_refresh_at.as_deref()) == Some("again")
        })
        .await;
    assert_eq!(uid(&secret(&stage, "login").await), uid(&before));

    let namespace = stage.namespace.name.as_str();
    let of_replacements = "--field-selector=reason=SecretReplaced";
    eventually(SOON, "events tell of it", async || {
        let told =
            stage.cluster.kubectl(&["get", "events", "-n", namespace, of_replacements]).await;
        let words = "Secret login was deleted and made anew with type Opaque";
        if told.contains(words) && told.contains("Normal") { Ok(()) } else { Err(told) }
    })
    .await;
    controller.assert_clean().await;
}

#[tokio::test]
async fn a_foreign_secret_of_the_same_type_stays_as_it_is() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    for (name, kind) in [
        ("opaque", "Opaque"),
        ("basic", BASIC_AUTH),
        ("docker", DOCKER_CONFIG),
        ("theirs", "example.com/aws"),
    ] {
        let before = foreign(&stage, name, kind).await;
        let template = json!({"password": "x", ".dockerconfigjson": "{}"});
        let spec =
            json!({"roles": [{"roleArn": role}], "secret": {"type": kind, "template": template}});
        stage.credential(name, spec).await;
        let told = stage.until(name, "False", "SecretConflict").await;
        let words = "it is left as it is. Choose another spec.secret.name, or delete the Secret";
        assert!(failure_holds(&told, "SecretConflict", words), "{:?}", told.status);
        // And when the controller knows of it.
        let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
        stage.patch(name, again).await;
        stage
            .until_it(name, "the request was looked at", |c| {
                c.status.as_ref().is_some_and(|s| s.failures.as_ref().is_some_and(|f| f.count >= 2))
            })
            .await;
        assert_eq!(secret(&stage, name).await, before, "untouched");
    }
    assert_eq!(stage.aws.calls_for_role(&role).len(), 4, "none after the first conflict");

    // The name is free again.
    let secrets = stage.namespace.api::<Secret>();
    secrets.delete("opaque", &Default::default()).await.expect("deleted");
    let another = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "free"}}});
    stage.patch("opaque", another).await;
    stage.until("opaque", "True", "Issued").await;
    stage.strike().await;
}

#[tokio::test]
async fn what_the_api_server_would_not_take_as_the_other_type_costs_the_secret_nothing() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage.credential("kept", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("kept", "True", "Issued").await;
    let before = secret(&stage, "kept").await;

    let broken = json!({"type": DOCKER_CONFIG, "template": {".dockerconfigjson": "no JSON"}});
    stage.patch("kept", json!({"spec": {"secret": broken}})).await;
    stage
        .until_it("kept", "it says why it is refused", |c| {
            failure_holds(c, "SecretRefused", ".dockerconfigjson")
        })
        .await;
    assert_eq!(secret(&stage, "kept").await, before, "what is valid stays");
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2);
    // Before the next attempt it is asked about, and the issuer is not.
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
    stage.patch("kept", again).await;
    stage
        .until_it("kept", "it is asked about again", |c| {
            c.status.as_ref().and_then(|s| s.failures.as_ref()).is_some_and(|f| f.count >= 2)
        })
        .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2);
    assert_eq!(secret(&stage, "kept").await, before);

    let mended = json!({"spec": {"secret": {"template": {".dockerconfigjson": "{}"}}}});
    stage.patch("kept", mended).await;
    let after = until_of_type(&stage, "kept", DOCKER_CONFIG).await;
    assert_ne!(uid(&after), uid(&before));
    stage.until("kept", "True", "Issued").await;
    stage.strike().await;
}

#[tokio::test]
async fn an_adopted_secret_keeps_its_type_and_that_is_told_before_the_issuer_is_asked() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage.secret("adopted", &[("theirs", "kept")]).await;
    stage.allow_adoption("adopted").await;
    let spec = json!({"roles": [{"roleArn": role}], "secret": {"adopt": true}});
    stage.credential("adopted", spec).await;
    stage.until("adopted", "True", "Issued").await;
    let before = secret(&stage, "adopted").await;
    let chosen = json!({"spec": {"secret": {"adopt": null, "type": "example.com/aws"}}});
    stage.patch("adopted", chosen).await;
    stage
        .until_it("adopted", "it says that the type stays", |c| {
            failure_holds(c, "InvalidSpecification", "the Secret was adopted and keeps its type")
        })
        .await;
    assert_eq!(secret(&stage, "adopted").await, before);
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);
    stage.strike().await;
}

#[tokio::test]
async fn a_secret_that_finalizers_hold_or_that_is_immutable_is_told_of() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    let secrets = stage.namespace.api::<Secret>();
    let change = async |name: &str, patch: Value| {
        let patch = Patch::Merge(patch);
        secrets.patch(name, &PatchParams::default(), &patch).await.expect("changed")
    };
    for name in ["held", "frozen"] {
        stage.credential(name, json!({"roles": [{"roleArn": role}]})).await;
        stage.until(name, "True", "Issued").await;
    }
    let opaque = json!({"spec": {"secret": {"type": "Opaque"}}});

    change("held", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    let before = secret(&stage, "held").await;
    stage.patch("held", opaque.clone()).await;
    stage
        .until_it("held", "it says that finalizers hold the Secret", |c| {
            super::stage::ready(c).is_some_and(|(_, reason)| reason == "SecretTerminating")
        })
        .await;
    let waits = secret(&stage, "held").await;
    assert_eq!((uid(&waits), &waits.data), (uid(&before), &before.data), "and what it holds stays");
    change("held", json!({"metadata": {"finalizers": null}})).await;
    until_of_type(&stage, "held", "Opaque").await;
    stage.until("held", "True", "Issued").await;

    change("frozen", json!({"immutable": true})).await;
    let before = secret(&stage, "frozen").await;
    stage.patch("frozen", opaque).await;
    stage
        .until_it("frozen", "it says that the Secret is immutable", |c| {
            failure_holds(c, "SecretImmutable", "Secret frozen is immutable")
        })
        .await;
    assert_eq!(secret(&stage, "frozen").await, before);
    stage.strike().await;
}
