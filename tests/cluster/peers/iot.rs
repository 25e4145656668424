//! AWS IoT's credential provider, against a TLS server that demands client certificates and that
//! awscrt's X.509 provider accepts; the key in a Secret and in SoftHSM.

use super::{Desk, Stage, allow, honoured, in_token, python, with_token};
use crate::harness::softhsm::EACH_USE;
use crate::harness::standin::StandIn;
use crate::harness::{certificates::Authority, scratch, softhsm};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::json;

/// How AWS names such a server.
const HOST: &str = "c1a2b3.credentials.iot.eu-west-1.amazonaws.com";

/// The credential provider of role alias `edge`, for thing `sensor`.
async fn provider(desk: Desk, authority: &Authority) -> StandIn {
    let identity = authority.server("iot", &[HOST]);
    StandIn::demanding_certificates(&identity, &authority.certificate(), move |asked| {
        let desk = desk.clone();
        async move {
            if asked.what != "GET /role-aliases/edge/credentials" {
                return (404, json!({"message": "Role alias does not exist"}));
            }
            if asked.header("x-amzn-iot-thingname") != "sensor" {
                return (403, json!({"message": "Invalid thing name passed"}));
            }
            (200, json!({"credentials": desk.session().await.small()}))
        }
    })
    .await
}

#[tokio::test]
async fn a_device_shows_its_certificate_with_a_key_in_a_secret_or_in_a_token() {
    let stage = Stage::without_controller().await;
    let authority = Authority::new(&scratch::subfolder("iot"));
    let desk = Desk::of(&stage, "device").await;
    let provider = provider(desk, &authority).await;
    let host = provider.url().trim_start_matches("https://").to_owned();
    let device = authority.client("device", "sensor", &[]);
    let port = host.rsplit_once(':').expect("a port").1;
    let files =
        [authority.certificate_file(), device.certificate_file.clone(), device.key_file.clone()]
            .map(|file| file.display().to_string());
    let accepted = python("iot.py", &[port, HOST, &files[0], &files[1], &files[2]], &[]).await;
    assert!(accepted["AccessKeyId"].is_string(), "awscrt's X.509 provider accepts the stand-in");
    let rsa = authority.client_rsa("device-rsa", "sensor");
    let [ec_each_use, rsa_each_use] = ["ec", "rsa"].map(|kind| format!("{kind}{EACH_USE}"));
    let keys = [
        ("device-key".to_owned(), device.key_file.clone()),
        ("rsa-key".to_owned(), rsa.key_file.clone()),
        (ec_each_use.clone(), device.key_file.clone()),
        (rsa_each_use.clone(), rsa.key_file.clone()),
    ];
    let stage = with_token(stage, keys.into()).await;
    allow(&stage, "iot", json!({"urls": [provider.url()], "pkcs11Modules": ["softhsm"]})).await;
    stage.secret("device-tls", &[("tls.crt", &device.certificate), ("tls.key", &device.key)]).await;
    stage.secret("device-hsm", &[("tls.crt", &device.certificate)]).await;
    stage.secret("rsa-hsm", &[("tls.crt", &rsa.certificate)]).await;
    let source = |patch: serde_json::Value| {
        let mut source = json!({
            "endpoint": host, "roleAlias": "edge", "thingName": "sensor", "durationSeconds": 3600,
            "certificateSecretRef": {"name": "device-tls"}, "caBundle": authority.certificate(),
        });
        source
            .as_object_mut()
            .expect("an object")
            .extend(patch.as_object().expect("an object").clone());
        json!({"source": {"iot": source}})
    };
    stage.credential("device", source(json!({}))).await;
    assert!(honoured(&stage, "device").await.contains(":assumed-role/device/"));
    let asked = provider.asked("GET /role-aliases/edge").pop().expect("a request");
    assert_eq!(asked.header("x-amzn-iot-credential-duration-seconds"), "3600");
    assert!(asked.certificate.is_some());

    for (name, secret, key) in [
        ("ec-token", "device-hsm", "device-key"),
        ("rsa-token", "rsa-hsm", "rsa-key"),
        ("pin-at-each-use", "rsa-hsm", &rsa_each_use),
    ] {
        let token =
            json!({"certificateSecretRef": {"name": secret}, "pkcs11": in_token(key, "pin")});
        stage.credential(name, source(token)).await;
        assert!(honoured(&stage, name).await.contains(":assumed-role/device/"));
    }
    // Trusted by what a ConfigMap holds, with the key in a Secret and in the token.
    let bundle = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority.certificate()},
        "metadata": {"name": "iot-ca", "namespace": stage.namespace.name},
    });
    stage.apply(bundle).await;
    for (name, patch) in [
        ("bundle", json!({"caBundleRef": {"name": "iot-ca"}})),
        (
            "bundle-token",
            json!({
                "caBundleRef": {"name": "iot-ca"}, "certificateSecretRef": {"name": "device-hsm"},
                "pkcs11": in_token("device-key", "pin"),
            }),
        ),
    ] {
        let mut spec = source(patch);
        spec["source"]["iot"].as_object_mut().expect("an object").remove("caBundle");
        stage.credential(name, spec).await;
        assert!(honoured(&stage, name).await.contains(":assumed-role/device/"), "{name}");
    }
    for (name, patch, reason, words) in [
        ("thing", json!({"thingName": "other"}), "AccessDenied", "Invalid thing name"),
        (
            "alias",
            json!({"roleAlias": "nowhere"}),
            "InvalidSpecification",
            "Role alias does not exist",
        ),
        (
            "wrong-pin",
            json!({"certificateSecretRef": {"name": "device-hsm"}, "pkcs11": in_token("device-key", "wrong")}),
            "PinRefused",
            "the PIN does not open token bench",
        ),
        (
            "no-key",
            json!({"certificateSecretRef": {"name": "device-hsm"}, "pkcs11": in_token("nowhere", "pin")}),
            "InvalidSpecification",
            "no private key labelled nowhere",
        ),
        (
            "wrong-pin-at-each-use",
            json!({"certificateSecretRef": {"name": "rsa-hsm"}, "pkcs11": in_token(&rsa_each_use, "wrong")}),
            "PinRefused",
            "the PIN does not open token bench",
        ),
        (
            // SoftHSM does not hash for elliptic curves.
            "each-use-without-hashing",
            json!({"certificateSecretRef": {"name": "device-hsm"}, "pkcs11": in_token(&ec_each_use, "pin")}),
            "InvalidSpecification",
            "wants its PIN at each use",
        ),
        (
            "stranger",
            json!({"certificateSecretRef": {"name": "self-made"}}),
            "IssuerUnavailable",
            "cannot be reached",
        ),
    ] {
        if name == "stranger" {
            let other =
                Authority::new(&scratch::subfolder("other")).client("stranger", "sensor", &[]);
            stage
                .secret("self-made", &[("tls.crt", &other.certificate), ("tls.key", &other.key)])
                .await;
        }
        stage.credential(name, source(patch)).await;
        let failing = stage.until(name, "False", reason).await;
        let failure = failing.status.and_then(|s| s.failures).expect("a failure");
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
    }

    // Each wrong PIN counts towards locking the token: another resource does not try it again.
    let again = json!({"certificateSecretRef": {"name": "device-hsm"}, "pkcs11": in_token("device-key", "wrong")});
    stage.credential("wrong-pin-again", source(again)).await;
    let refused = stage.until("wrong-pin-again", "False", "PinRefused").await;
    let failure = refused.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.message.contains("is not tried again"), "{}", failure.message);
    let right = json!({
        "metadata": {"labels": {"refreshable.dev/watch": "true"}},
        "stringData": {"wrong": softhsm::PIN},
    });
    let secrets = stage.namespace.api::<Secret>();
    secrets.patch("pin", &PatchParams::default(), &Patch::Merge(right)).await.expect("corrected");
    for name in ["wrong-pin", "wrong-pin-again", "wrong-pin-at-each-use"] {
        stage.until(name, "True", "Issued").await;
    }
    stage.strike().await;
}
