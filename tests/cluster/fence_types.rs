//! The fence around Secrets of types that others use, too.

use super::fence::{Hands, allowed, labelled, marks, refused};
use super::stage::Stage;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::{Value, json};

const REGISTRY_TYPE: &str = "kubernetes.io/dockerconfigjson";

/// The content of a Secret for image registries.
fn docker(password: &str) -> Value {
    let auths = json!({"auths": {"registry.example.com": {"username": "u", "password": password}}});
    json!({".dockerconfigjson": auths.to_string()})
}

fn as_a_token(mut marks: Value) -> Value {
    marks["annotations"]["refreshable.dev/token"] = "ecr".into();
    marks["annotations"]["refreshable.dev/owner-uid"] =
        "0b2d0f3e-1111-4222-8333-444455556666".into();
    marks
}

#[tokio::test]
async fn a_stolen_token_writes_secrets_of_image_registries_alone_that_are_the_controllers() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({})).await;
    let made =
        |name: &str, kind: &str, metadata: Value| hands.secret(name, kind, metadata, docker("p"));
    let create = async |secret: Secret| hands.thief.create(&PostParams::default(), &secret).await;

    for (number, marks) in marks().into_iter().enumerate() {
        let name = format!("token-{number}");
        refused(create(made(&name, REGISTRY_TYPE, marks.clone())).await, "with a token that");
        let mut unknown = as_a_token(marks.clone());
        unknown["annotations"]["refreshable.dev/token"] = "other".into();
        refused(create(made(&name, REGISTRY_TYPE, unknown)).await, "with a token that");
        allowed(create(made(&name, REGISTRY_TYPE, as_a_token(marks.clone()))).await);
        allowed(hands.patch(&name, json!({"stringData": docker("q")})).await);
        let freed = json!({"metadata": {"labels": null}});
        refused(hands.patch(&name, freed).await, "carry its label");
        allowed(hands.delete(&name).await);
        // The annotation opens no other type.
        for kind in ["Opaque", "example.com/other", "kubernetes.io/service-account-token"] {
            let mut marks = as_a_token(marks.clone());
            marks["annotations"]["kubernetes.io/service-account.name"] = "default".into();
            refused(create(made(&name, kind, marks)).await, "of types refreshable.dev/");
        }
    }

    // Another's is neither written nor deleted, whatever is written on it.
    hands.there_is(made("foreign", REGISTRY_TYPE, json!({}))).await;
    refused(hands.patch("foreign", json!({"stringData": docker("q")})).await, "carry its label");
    let taken = as_a_token(marks()[1].clone());
    refused(hands.patch("foreign", json!({"metadata": taken})).await, "adopt Secrets alone");
    let adopted = as_a_token(
        json!({"labels": labelled(), "annotations": {"refreshable.dev/adopted": "true"}}),
    );
    refused(hands.patch("foreign", json!({"metadata": adopted})).await, "adopt");
    refused(hands.delete("foreign").await, "made or adopted");
    // A person's own Secret that has the label by chance is not the controller's either.
    hands.there_is(made("labelled", REGISTRY_TYPE, json!({"labels": labelled()}))).await;
    refused(hands.delete("labelled").await, "made or adopted");
}

/// The UID of an owner, and the type, as the controller notes them where others use the type.
fn as_typed(mut marks: Value, kind: &str) -> Value {
    marks["annotations"]["refreshable.dev/type"] = kind.into();
    marks["annotations"]["refreshable.dev/owner-uid"] =
        "0b2d0f3e-1111-4222-8333-444455556666".into();
    marks
}

/// Types that a resource may ask for, and others use, too.
const CHOSEN: [&str; 4] = ["Opaque", "kubernetes.io/basic-auth", REGISTRY_TYPE, "example.com/aws"];
/// Types that no resource may ask for. Kubernetes acts on the first two.
const KUBERNETES_OWN: [&str; 6] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "kubernetes.io/tls",
    "a.kubernetes.io/b",
    "refreshable.dev/other",
    "untyped",
];

#[tokio::test]
async fn a_stolen_token_makes_secrets_of_types_that_a_resource_may_ask_for_and_marks_no_others() {
    let stage = Stage::without_controller().await;
    let hands = Hands::on(&stage, json!({})).await;
    let made = |name: &str, kind: &str, metadata: Value| {
        let mut data = docker("p");
        for needed in ["username", "tls.crt", "tls.key"] {
            data[needed] = "u".into();
        }
        hands.secret(name, kind, metadata, data)
    };
    let create = async |secret: Secret| hands.thief.create(&PostParams::default(), &secret).await;

    for (number, marks) in marks().into_iter().enumerate() {
        for (nth, kind) in CHOSEN.into_iter().enumerate() {
            let name = format!("typed-{number}-{nth}");
            // Each of the marks is asked for, and the annotation opens no other type.
            if kind != "example.com/aws" {
                let other = as_typed(marks.clone(), "example.com/aws");
                refused(create(made(&name, kind, other)).await, "of types refreshable.dev/");
            }
            refused(create(made(&name, kind, marks.clone())).await, "of types refreshable.dev/");
            let mut unlabelled = as_typed(marks.clone(), kind);
            unlabelled["labels"] = json!({});
            refused(create(made(&name, kind, unlabelled)).await, "carry its label");
            allowed(create(made(&name, kind, as_typed(marks.clone(), kind))).await);
            allowed(hands.patch(&name, json!({"stringData": {"username": "v"}})).await);
            let freed = json!({"metadata": {"labels": null}});
            refused(hands.patch(&name, freed).await, "carry its label");
            allowed(hands.delete(&name).await);
        }
        for kind in KUBERNETES_OWN {
            let mut marks = as_typed(marks.clone(), kind);
            marks["annotations"]["kubernetes.io/service-account.name"] = "default".into();
            refused(create(made("none", kind, marks)).await, "of types refreshable.dev/");
        }
    }

    // Another's is neither written nor deleted, whatever is written on it.
    for (nth, kind) in CHOSEN.into_iter().enumerate() {
        let name = format!("foreign-{nth}");
        hands.there_is(made(&name, kind, json!({}))).await;
        let data = json!({"stringData": {"username": "v"}});
        refused(hands.patch(&name, data).await, "carry its label");
        let taken = as_typed(marks()[1].clone(), kind);
        refused(hands.patch(&name, json!({"metadata": taken})).await, "adopt Secrets alone");
        refused(hands.delete(&name).await, "made or adopted");
    }
    // A token that may be renewed is not taken over by that right.
    let renewable = json!({"labels": {"refreshable.dev/renew": "true"}});
    for (name, kind, marks) in [
        ("renewable", "Opaque", as_typed(marks()[1].clone(), "Opaque")),
        ("registry", REGISTRY_TYPE, as_a_token(marks()[1].clone())),
    ] {
        hands.there_is(made(name, kind, renewable.clone())).await;
        let marked = hands.patch(name, json!({"metadata": marks})).await;
        refused(marked, "may not mark a Secret as its own");
        refused(hands.delete(name).await, "made or adopted");
    }
}
