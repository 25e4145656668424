//! Bundles of certificates in ConfigMaps and Secrets, against TLS peers that only they vouch for:
//! which changes of one cost an issuer call.

use super::peers::{Desk, allow, honoured};
use super::stage::{SOON, Stage};
use crate::harness::audit::Audit;
use crate::harness::certificates::Authority;
use crate::harness::standin::StandIn;
use crate::harness::{Proxy, canary, eventually, scratch, stays};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use refreshable_api::{FailureStatus, RefreshableCredential, time_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than the pause after a success, after which a change would renew.
const QUIET: Duration = Duration::from_secs(12);

/// A stage whose controller has a namespace of its own, the stage's, for the key of the digests of
/// inputs.
async fn stage() -> Stage {
    let stage = Stage::without_controller().await;
    let home = stage.namespace.name.clone();
    stage
        .started(|program| program.args(["--no-leader-election", "--lease-namespace", &home]))
        .await
}

/// Makes a ConfigMap, labelled so that its changes are noticed at once.
async fn config_map(stage: &Stage, name: &str, data: Value) {
    stage
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": name, "namespace": stage.namespace.name, "labels": {"refreshable.dev/watch": "true"}},
        }))
        .await;
}

async fn change_config_map(stage: &Stage, name: &str, patch: Value) {
    let maps = stage.namespace.api::<ConfigMap>();
    maps.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("changed");
}

async fn change_secret(stage: &Stage, name: &str, patch: Value) {
    let secrets = stage.namespace.api::<Secret>();
    secrets.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("changed");
}

/// An STS behind TLS that only `authority` vouches for, and the policy that lets the stage call it.
async fn sts(stage: &Stage, authority: &Authority) -> Proxy {
    let sts = Proxy::to(stage.issuer.url()).tls(&authority.server("sts", &[])).start().await;
    allow(stage, "endpoints", json!({"endpoints": [sts.url()]})).await;
    sts
}

fn failures(object: &RefreshableCredential) -> &FailureStatus {
    object.status.as_ref().and_then(|s| s.failures.as_ref()).expect("a failure")
}

fn message(object: &RefreshableCredential) -> &str {
    &failures(object).message
}

/// Reads of an object by the controller.
fn reads(stage: &Stage, resource: &str, name: &str) -> Audit {
    stage
        .cluster
        .audit()
        .of("get", resource)
        .only(|r| r.namespace == stage.namespace.name && r.name == name)
}

#[tokio::test]
async fn a_corrected_bundle_is_tried_at_once_and_a_changed_one_renews_nothing() {
    let stage = stage().await;
    let [ours, theirs] = ["ours", "theirs"].map(|name| Authority::new(&scratch::subfolder(name)));
    let https = sts(&stage, &ours).await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("starter").await;
    let role = account.role("bundled").trusting(account.user_arn("starter")).create().await;
    // The Secret with the key has the name of the ConfigMap with the bundle.
    let key = [
        ("AWS_ACCESS_KEY_ID", user.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key()),
    ];
    stage.secret("shared", &key).await;
    change_secret(
        &stage,
        "shared",
        json!({"metadata": {"labels": {"refreshable.dev/watch": "true"}}}),
    )
    .await;
    config_map(&stage, "shared", json!({"ca.crt": theirs.certificate()})).await;
    let spec = json!({
        "source": {"accessKey": {"secretRef": {"name": "shared"}}}, "roles": [{"roleArn": role}],
        "sts": {"endpoint": https.url(), "region": "eu-west-1", "caBundleRef": {"name": "shared"}},
    });
    stage.credential("bundled", spec).await;
    let distrusted = stage.until("bundled", "False", "IssuerUnavailable").await;
    assert!(
        message(&distrusted).to_lowercase().contains("certificate"),
        "{}",
        message(&distrusted)
    );
    let attempt = distrusted
        .status
        .and_then(|s| s.controller)
        .and_then(|c| c.failed_attempt)
        .expect("an attempt");
    let read: Vec<&str> = attempt.inputs.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(read, ["ConfigMap/shared", "shared"], "each is told from the other");

    change_config_map(&stage, "shared", json!({"data": {"ca.crt": ours.certificate()}})).await;
    stage.until("bundled", "True", "Issued").await;
    assert_eq!(
        https.calls_for_role(&role).len(),
        1,
        "the attempts before ended at the certificate"
    );

    // A label, and another authority beside ours: the published credentials were not made from
    // either.
    let secret = stage.namespace.api::<Secret>().get("bundled").await.expect("published");
    let made_from = &secret.metadata.annotations.expect("annotations")["refreshable.dev/inputs"];
    let made_from: BTreeMap<String, String> = serde_json::from_str(made_from).expect("JSON");
    assert_eq!(made_from.keys().collect::<Vec<_>>(), ["shared"], "the Secret alone");
    let before = reads(&stage, "configmaps", "shared").count();
    change_config_map(&stage, "shared", json!({"metadata": {"labels": {"touched": "1"}}})).await;
    let both = format!("{}{}", ours.certificate(), theirs.certificate());
    change_config_map(&stage, "shared", json!({"data": {"ca.crt": both}})).await;
    stays(QUIET, "no change of the bundle asks the issuer, or is read", async || {
        match (https.calls_for_role(&role).len(), reads(&stage, "configmaps", "shared").count()) {
            (1, now) if now == before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // The next refresh trusts what the bundle holds by then.
    change_config_map(&stage, "shared", json!({"data": {"ca.crt": theirs.certificate()}})).await;
    stage
        .patch(
            "bundled",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    let failing = stage.until("bundled", "True", "RefreshFailing").await;
    assert!(message(&failing).to_lowercase().contains("certificate"), "{}", message(&failing));
    assert_eq!(https.calls_for_role(&role).len(), 1);
    change_config_map(&stage, "shared", json!({"data": {"ca.crt": ours.certificate()}})).await;
    stage.until("bundled", "True", "Issued").await;
    assert_eq!(https.calls_for_role(&role).len(), 2);
    stage.strike().await;
}

#[tokio::test]
async fn a_bundle_that_is_missing_or_none_is_said_and_tried_when_it_comes() {
    let stage = stage().await;
    let authority = Authority::new(&scratch::subfolder("late"));
    let https = sts(&stage, &authority).await;
    let role = stage.role("late").await;
    let reference = json!({"name": "company-ca", "key": "trust-bundle.pem"});
    let sts = json!({"endpoint": https.url(), "region": "eu-west-1", "caBundleRef": reference});
    stage.credential("late", json!({"roles": [{"roleArn": role}], "sts": sts})).await;
    let missing = stage.until("late", "False", "InputMissing").await;
    assert!(
        message(&missing).contains("ConfigMap company-ca does not exist"),
        "{}",
        message(&missing)
    );

    config_map(&stage, "company-ca", json!({"ca.crt": authority.certificate()})).await;
    let words = "ConfigMap company-ca, key trust-bundle.pem does not exist";
    stage.until_it("late", words, |c| c.status.is_some() && message(c).contains(words)).await;

    let secret = "this-text-stays-in-the-config-map";
    canary::register(secret);
    change_config_map(&stage, "company-ca", json!({"data": {"trust-bundle.pem": secret}})).await;
    let invalid = stage.until("late", "False", "InputInvalid").await;
    for words in [
        "ConfigMap company-ca, key trust-bundle.pem: it holds no certificate",
        "Correct the ConfigMap",
    ] {
        assert!(message(&invalid).contains(words), "{}", message(&invalid));
    }
    assert!(https.calls().is_empty(), "{:?}", https.calls());

    // Pauses have grown by then, and the change ends the one under way.
    let failing =
        stage.until_it("late", "it has failed three times", |c| failures(c).count >= 3).await;
    let pem = authority.certificate();
    change_config_map(&stage, "company-ca", json!({"data": {"trust-bundle.pem": pem}})).await;
    let issued = stage.until("late", "True", "Issued").await;
    let at = time_of(&issued.status.expect("a status").last_refresh_time).expect("a time");
    let next_try = failures(&failing).next_try_time.0;
    assert!(at < next_try, "issued at {at}, and without the change not before {next_try}");
    assert_eq!(https.calls_for_role(&role).len(), 1);
    stage.strike().await;
}

/// As cert-manager writes it: the authority's certificate lies beside the device's, in one Secret.
#[tokio::test]
async fn a_secret_with_a_certificate_and_its_authority_is_read_once_and_renews_only_for_the_certificate()
 {
    let stage = stage().await;
    let authority = Authority::new(&scratch::subfolder("device"));
    let desk = Desk::of(&stage, "served").await;
    let client = authority.client("client", "reader", &[]);
    let identity = authority.server("http", &[]);
    let server = StandIn::demanding_certificates(&identity, &authority.certificate(), move |_| {
        let desk = desk.clone();
        async move { (200, desk.session_of(3600).await.process_json()) }
    })
    .await;
    allow(&stage, "http", json!({"urls": [server.url()]})).await;
    let ca = authority.certificate();
    stage
        .secret(
            "device",
            &[("tls.crt", &client.certificate), ("tls.key", &client.key), ("ca.crt", &ca)],
        )
        .await;
    change_secret(
        &stage,
        "device",
        json!({"metadata": {"labels": {"refreshable.dev/watch": "true"}}}),
    )
    .await;
    let http = json!({
        "url": format!("{}/credentials", server.url()), "caBundleRef": {"kind": "Secret", "name": "device"},
        "clientCertificateSecretRef": {"name": "device"},
    });
    stage.credential("served", json!({"source": {"custom": {"http": http}}})).await;
    assert!(honoured(&stage, "served").await.contains(":assumed-role/served/"));
    assert_eq!(reads(&stage, "secrets", "device").count(), 1, "one read for both");
    let secret = stage.namespace.api::<Secret>().get("served").await.expect("published");
    let digests =
        &secret.metadata.annotations.expect("annotations")["refreshable.dev/input-digests"];
    let digests: Value = serde_json::from_str(digests).expect("JSON");
    assert_eq!(
        digests["device"]["keys"],
        json!(["tls.crt", "tls.key"]),
        "the authority is not among them"
    );

    let asked = || server.asked("GET /credentials");
    let other = Authority::new(&scratch::subfolder("other"));
    let both = format!("{ca}{}", other.certificate());
    change_secret(&stage, "device", json!({"stringData": {"ca.crt": both}})).await;
    eventually(SOON, "the Secret is compared", async || {
        match reads(&stage, "secrets", "device").count() {
            1 => Err("it is not read again"),
            _ => Ok(()),
        }
    })
    .await;
    let renewed = authority.client("renewed", "reader", &[]);
    let data = json!({"stringData": {"tls.crt": renewed.certificate, "tls.key": renewed.key}});
    change_secret(&stage, "device", data).await;
    eventually(SOON, "a certificate is shown again", async || match asked().len() {
        1 => Err("none is"),
        _ => Ok(()),
    })
    .await;
    let shown: Vec<_> = asked().into_iter().map(|one| one.certificate).collect();
    assert!(
        shown.len() == 2 && shown[0] != shown[1],
        "the renewed one, and none for the authority"
    );
    stage.strike().await;
}
