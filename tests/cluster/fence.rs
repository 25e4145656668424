//! Admission's limits on the controller's ServiceAccount, shown with its own token: a thief of it
//! gets no token for the API server or of the system, and no Secret that is not the controller's to
//! write.

use super::installed::Installed;
use super::rights::{web_identity, web_role};
use super::stage::{SOON, Stage};
use crate::harness::{controlplane, eventually};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::{Value, json};

const TYPE: &str = "refreshable.dev/aws-credentials";
/// Of tokens of other services than registries.
const TOKEN_TYPE: &str = "refreshable.dev/aws-token";

/// Asserts that admission refuses, in words that hold these.
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, words: &str) {
    match answer {
        Err(Error::Api(status))
            if status.code == 403 && status.message.contains("ValidatingAdmissionPolicy") =>
        {
            assert!(status.message.contains(words), "{words}: {}", status.message);
        }
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) fn allowed<T>(answer: Result<T, Error>) -> T {
    answer.unwrap_or_else(|error| panic!("{error}"))
}

async fn token(
    client: &Client,
    namespace: &str,
    account: &str,
    spec: Value,
) -> Result<Value, Error> {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let request = http::Request::post(path).header("content-type", "application/json");
    let answer: Value =
        client.request(request.body(body.to_string().into_bytes()).expect("a request")).await?;
    crate::harness::canary::register(answer["status"]["token"].as_str().expect("a token"));
    Ok(answer["spec"].clone())
}

#[tokio::test]
async fn a_stolen_token_mints_none_for_the_api_server() {
    let stage = Stage::without_controller().await;
    let installed =
        Installed::on(&stage, json!({"fence": {"audiences": ["sts.amazonaws.com", "vault"]}}))
            .await;
    let namespace = stage.namespace.name.as_str();
    stage.cluster.kubectl(&["create", "serviceaccount", "app", "--namespace", namespace]).await;
    let thief = installed.client().await;

    for audience in ["sts.amazonaws.com", "vault"] {
        let spec = json!({"audiences": [audience], "expirationSeconds": 600});
        assert_eq!(
            allowed(token(&thief, namespace, "app", spec).await)["audiences"],
            json!([audience])
        );
    }
    let alone = "one audience of sts.amazonaws.com, vault alone";
    for (spec, words) in [
        (json!({"audiences": [], "expirationSeconds": 600}), alone),
        (json!({"audiences": [controlplane::TOKEN_ISSUER], "expirationSeconds": 600}), alone),
        (json!({"audiences": ["pods.eks.amazonaws.com"], "expirationSeconds": 600}), alone),
        (
            json!({"audiences": ["sts.amazonaws.com", controlplane::TOKEN_ISSUER], "expirationSeconds": 600}),
            alone,
        ),
        (
            json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 3600}),
            "at most 600 seconds",
        ),
        // Left out, the API server's default is an hour.
        (json!({"audiences": ["sts.amazonaws.com"]}), "at most 600 seconds"),
        (
            json!({
                "audiences": ["sts.amazonaws.com"], "expirationSeconds": 600,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "x"},
            }),
            "no token that is bound to another object",
        ),
    ] {
        // Of a tenant's, of the controller's own, and of one that a namespace has by itself.
        for (namespace, account) in
            [(namespace, "app"), (&installed.name, &installed.name), ("kube-system", "default")]
        {
            refused(token(&thief, namespace, account, spec.clone()).await, words);
        }
    }
    // Nobody else is fenced in.
    let other = json!({"audiences": [controlplane::TOKEN_ISSUER], "expirationSeconds": 3600});
    allowed(token(&stage.namespace.client, namespace, "app", other).await);
}

fn for_sts() -> Value {
    json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600})
}

#[tokio::test]
async fn a_stolen_token_mints_none_of_the_system_s_serviceaccounts_or_the_release_s() {
    let stage = Stage::without_controller().await;
    let installed = Installed::on(&stage, json!({})).await;
    let openshift = stage.cluster.namespace("openshift").create().await;
    let thief = installed.client().await;
    for (namespace, account) in [
        ("kube-system", "default"),
        ("kube-public", "default"),
        ("kube-node-lease", "default"),
        (&openshift.name, "app"),
        (&installed.name, "default"),
    ] {
        // The controller manager makes those by the name of default, in a moment.
        stage.cluster.try_kubectl(&["create", "sa", account, "--namespace", namespace]).await;
        let words = format!(
            "in namespace {namespace}: the administrator adds it to fence.namespaces of the chart"
        );
        refused(token(&thief, namespace, account, for_sts()).await, &words);
    }
    let eks = json!({"audiences": ["pods.eks.amazonaws.com"], "expirationSeconds": 600});
    let namespace = stage.namespace.name.as_str();
    stage.cluster.kubectl(&["create", "serviceaccount", "app", "--namespace", namespace]).await;
    refused(token(&thief, namespace, "app", eks).await, "sts.amazonaws.com alone");
    allowed(token(&thief, namespace, "app", for_sts()).await);
}

#[tokio::test]
async fn tokens_are_of_the_namespaces_that_the_administrator_names_or_labels() {
    let stage = Stage::without_controller().await;
    let labels = json!({"namespaces": ["kube-public"], "namespaceLabels": {"tokens": "yes"}});
    let installed = Installed::on(&stage, json!({"fence": labels})).await;
    let controller = installed.start(&stage).await;
    let role = web_role(&stage).await;
    stage.credential("app", web_identity(&role, json!({}))).await;
    // The condition says what the administrator changes, and the API server is left alone for minutes.
    let told = stage.until("app", "False", "PersonNeeded").await;
    let failure = told.status.and_then(|s| s.failures).expect("a failure");
    let namespace = stage.namespace.name.as_str();
    let words = format!("in namespace {namespace}: the administrator adds it to fence.namespaces");
    assert!(failure.message.contains(&words), "{}", failure.message);
    assert!(failure.next_try_time.0 > jiff::Timestamp::now() + SOON * 2);
    let thief = installed.client().await;
    allowed(token(&thief, "kube-public", "default", for_sts()).await);
    // No label lets in the system's.
    let openshift = stage.cluster.namespace("openshift").label("tokens", "yes").create().await;
    stage.cluster.kubectl(&["create", "sa", "app", "--namespace", &openshift.name]).await;
    refused(token(&thief, &openshift.name, "app", for_sts()).await, "fence.namespaces");
    stage.cluster.kubectl(&["label", "namespace", namespace, "tokens=yes"]).await;
    eventually(SOON, "the label is heeded", async || {
        token(&thief, namespace, "app", for_sts()).await.map_err(|error| error.to_string())
    })
    .await;
    stage
        .patch("app", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}))
        .await;
    stage.until("app", "True", "Issued").await;
    controller.assert_clean().await;
}

fn secret(name: &str, kind: &str, metadata: Value) -> Secret {
    let mut object =
        json!({"metadata": {"name": name}, "type": kind, "stringData": {"key": "value"}});
    for (key, value) in metadata.as_object().into_iter().flatten() {
        object["metadata"][key] = value.clone();
    }
    serde_json::from_value(object).expect("a Secret")
}

pub(super) fn labelled() -> Value {
    json!({"app.kubernetes.io/managed-by": "refreshable-controller"})
}

fn owner() -> Value {
    json!([{
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential", "name": "reports",
        "uid": "0b2d0f3e-1111-4222-8333-444455556666", "controller": true,
    }])
}

/// Metadata that a write by the controller leaves on a Secret of its own: by owner reference, or
/// retained.
pub(super) fn marks() -> [Value; 2] {
    [
        json!({"labels": labelled(), "ownerReferences": owner()}),
        json!({"labels": labelled(), "annotations": {"refreshable.dev/owner-uid": "0b2d0f3e-1111-4222-8333-444455556666"}}),
    ]
}

pub(super) struct Hands {
    /// UID of a resource that is there: what nobody owns any more is collected.
    pub(super) owner: Option<String>,
    pub(super) thief: Api<Secret>,
    admin: Api<Secret>,
}

impl Hands {
    pub(super) async fn on(stage: &Stage, values: Value) -> Self {
        let installed = Installed::on(stage, values).await;
        stage
            .credential(
                "reports",
                json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/reports"}]}),
            )
            .await;
        let owner = stage.credentials().get("reports").await.expect("it is there").metadata.uid;
        let thief = Api::namespaced(installed.client().await, &stage.namespace.name);
        Self { owner, thief, admin: stage.namespace.api() }
    }

    /// A Secret with these metadata, whose owner is one that is there.
    pub(super) fn secret(
        &self,
        name: &str,
        kind: &str,
        mut metadata: Value,
        data: Value,
    ) -> Secret {
        metadata["name"] = name.into();
        for reference in metadata["ownerReferences"].as_array_mut().into_iter().flatten() {
            reference["uid"] = self.owner.clone().into();
        }
        let secret = json!({"metadata": metadata, "type": kind, "stringData": data});
        serde_json::from_value(secret).expect("a Secret")
    }

    pub(super) async fn there_is(&self, secret: Secret) {
        self.admin
            .create(&PostParams::default(), &secret)
            .await
            .expect("the administrator's Secret");
    }

    pub(super) async fn patch(&self, name: &str, patch: Value) -> Result<Secret, Error> {
        self.thief.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
    }

    /// As the controller writes: one server-side apply.
    async fn apply(
        &self,
        name: &str,
        mut metadata: Value,
        kind: Option<&str>,
    ) -> Result<Secret, Error> {
        metadata["name"] = name.into();
        for reference in metadata["ownerReferences"].as_array_mut().into_iter().flatten() {
            reference["uid"] = self.owner.clone().into();
        }
        let mut body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"ours": "eA=="}});
        if let Some(kind) = kind {
            body["type"] = kind.into();
        }
        self.thief
            .patch(
                name,
                &PatchParams::apply("refreshable-controller/test").force(),
                &Patch::Apply(body),
            )
            .await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        self.thief.delete(name, &DeleteParams::default()).await.map(drop)
    }
}

#[tokio::test]
async fn a_stolen_token_writes_no_secret_but_the_controllers() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({})).await;

    // Made: of one of the controller's types, labelled, with an owner.
    let own = marks().into_iter().flat_map(|m| [(m.clone(), TYPE), (m, TOKEN_TYPE)]);
    for (number, (marks, kind)) in own.enumerate() {
        let name = format!("own-{number}");
        allowed(hands.apply(&name, marks, Some(kind)).await);
        allowed(hands.patch(&name, json!({"stringData": {"ours": "y"}})).await);
        for freed in
            [json!({"labels": null}), json!({"ownerReferences": null, "annotations": null})]
        {
            refused(hands.patch(&name, json!({"metadata": freed})).await, "carry its label");
        }
        refused(
            hands
                .patch(&name, json!({"metadata": {"labels": {"refreshable.dev/renew": "true"}}}))
                .await,
            "may not set the label refreshable.dev/renew",
        );
        allowed(hands.delete(&name).await);
    }
    let bare = json!({"labels": labelled()});
    refused(hands.apply("bare", bare, Some(TYPE)).await, "carry its label");
    refused(
        hands.apply("unlabelled", json!({"ownerReferences": owner()}), Some(TYPE)).await,
        "carry its label",
    );
    for kind in ["Opaque", "example.com/other", "bootstrap.kubernetes.io/token"] {
        refused(
            hands.apply("other-type", marks()[0].clone(), Some(kind)).await,
            "of types refreshable.dev/",
        );
    }
    let account = json!({
        "labels": labelled(), "ownerReferences": owner(), "annotations": {"kubernetes.io/service-account.name": "default"},
    });
    let token = hands.apply("token", account, Some("kubernetes.io/service-account-token")).await;
    refused(token, "of types refreshable.dev/");

    // Foreign ones are neither written nor deleted, whatever is written on them.
    hands.there_is(secret("foreign", "Opaque", json!({}))).await;
    refused(
        hands.patch("foreign", json!({"stringData": {"key": "mine"}})).await,
        "carry its label",
    );
    refused(hands.apply("foreign", marks()[0].clone(), None).await, "adopt Secrets alone");
    refused(hands.delete("foreign").await, "made or adopted");
    let read = hands.thief.get("foreign").await.expect("RBAC cannot keep it from being read");
    assert_eq!(read.data.expect("data")["key"].0, b"value");
}

/// The word of a Secret's owner.
fn offer() -> Value {
    json!({"annotations": {"refreshable.dev/allow-adoption": "true"}})
}

fn adopting() -> Value {
    let mut marks = marks()[0].clone();
    marks["annotations"] = json!({"refreshable.dev/adopted": "true"});
    marks
}

#[tokio::test]
async fn a_secret_is_adopted_in_the_open() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({})).await;

    hands.there_is(secret("opaque", "Opaque", offer())).await;
    allowed(hands.apply("opaque", adopting(), None).await);
    allowed(hands.patch("opaque", json!({"stringData": {"ours": "again"}})).await);
    allowed(hands.delete("opaque").await);

    // Whatever its owner says, a Secret of another type or controller is none to adopt.
    hands.there_is(secret("typed", "example.com/theirs", offer())).await;
    let mut theirs = offer();
    theirs["ownerReferences"] = json!([{
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "db", "controller": true,
        "uid": "0b2d0f3e-1111-4222-8333-444455557777",
    }]);
    hands.there_is(secret("owned", "Opaque", theirs)).await;
    let mut second = adopting();
    second["ownerReferences"][0]["controller"] = false.into();
    for (name, marks) in [("typed", adopting()), ("owned", second)] {
        refused(hands.apply(name, marks, None).await, "Opaque, have no other controlling owner");
    }
}

#[tokio::test]
async fn a_secret_that_its_owner_did_not_offer_is_not_adopted() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({})).await;
    let words = "carry the annotation refreshable.dev/allow-adoption=true";
    let unsure = json!({"annotations": {"refreshable.dev/allow-adoption": "false"}});
    for (name, metadata) in [("silent", json!({})), ("unsure", unsure)] {
        hands.there_is(secret(name, "Opaque", metadata)).await;
        refused(hands.apply(name, adopting(), None).await, words);
        // The offer in the thief's own write is none.
        let mut offering = adopting();
        offering["annotations"]["refreshable.dev/allow-adoption"] = "true".into();
        refused(hands.apply(name, offering.clone(), None).await, words);
        offering["annotations"] = offer()["annotations"].clone();
        refused(hands.apply(name, offering, None).await, words);
        refused(hands.delete(name).await, "made or adopted");
    }

    // A token that may be renewed is not taken over by that right, and not deleted.
    let renewable = json!({"labels": {"refreshable.dev/renew": "true"}});
    hands.there_is(secret("renewable", "Opaque", renewable)).await;
    let mark = json!({"metadata": {"annotations": {"refreshable.dev/adopted": "true"}}});
    refused(hands.patch("renewable", mark).await, "may not mark a Secret as adopted");
    let set = "may not set the annotation refreshable.dev/allow-adoption";
    refused(hands.patch("renewable", json!({"metadata": offer()})).await, set);
    refused(hands.delete("renewable").await, "made or adopted");
}

#[tokio::test]
async fn where_adoption_is_switched_off_the_secrets_owner_gives_it() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({"fence": {"adoption": false}})).await;

    hands.there_is(secret("kept", "Opaque", offer())).await;
    refused(hands.apply("kept", adopting(), None).await, "fence.adoption of the chart is false");
    let given = json!({"annotations": {"refreshable.dev/adopted": "true"}});
    hands.there_is(secret("given", "Opaque", given)).await;
    allowed(hands.apply("given", adopting(), None).await);
}

#[tokio::test]
async fn a_token_of_identity_center_is_renewed_where_its_owner_says_so() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({})).await;

    hands
        .there_is(secret(
            "renewable",
            "Opaque",
            json!({"labels": {"refreshable.dev/renew": "true"}}),
        ))
        .await;
    allowed(hands.patch("renewable", json!({"stringData": {"key": "renewed"}})).await);
    refused(hands.delete("renewable").await, "made or adopted");
    hands.there_is(secret("not", "Opaque", json!({}))).await;
    refused(hands.patch("not", json!({"stringData": {"key": "renewed"}})).await, "carry its label");
    let label = json!({"metadata": {"labels": {"refreshable.dev/renew": "true"}}});
    refused(hands.patch("not", label).await, "carry its label");
}
