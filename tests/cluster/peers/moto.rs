//! moto as a second opinion: AssumeRoleWithSAML, of which it reads the assertion, sessions of
//! users, and Cognito. botocore's client uses it first.

use super::{Stage, allow, python};
use crate::harness::process::Process;
use crate::harness::{background, http, ports, programs, scratch};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::111122223333:role/federated";
const PROVIDER: &str = "arn:aws:iam::111122223333:saml-provider/idp";

/// A response of an identity provider, with what AWS reads out of it.
fn response() -> String {
    let attribute = |name: &str, value: &str| {
        format!(
            "<saml:Attribute Name=\"https://aws.amazon.com/SAML/Attributes/{name}\">\
             <saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>"
        )
    };
    format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:Assertion><saml:AttributeStatement>{}{}{}\
         </saml:AttributeStatement></saml:Assertion></samlp:Response>",
        attribute("RoleSessionName", "somebody@example.com"),
        attribute("Role", &format!("{ROLE},{PROVIDER}")),
        attribute("SessionDuration", "7200"),
    )
}

struct Moto {
    url: String,
    _process: Process,
}

impl Moto {
    async fn start() -> Self {
        let port = ports::free();
        let url = format!("http://127.0.0.1:{port}");
        let program = background::blocking(|| programs::python("moto_server")).await;
        let process = Process::builder("moto", program, &scratch::subfolder("moto"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .start();
        crate::harness::eventually(Duration::from_secs(60), "moto answers", async || {
            process.assert_running();
            http::get(&format!("{url}/moto-api/data.json")).await.map(drop)
        })
        .await;
        Self { url, _process: process }
    }
}

#[tokio::test]
async fn an_assertion_is_exchanged_as_xml_and_in_base64() {
    let stage = Stage::set().await;
    let moto = Moto::start().await;
    let url = moto.url.as_str();
    let (xml, encoded) = (response(), STANDARD.encode(response()));
    let accepted = python("saml.py", &[url, ROLE, PROVIDER, &encoded], &[]).await;
    let arn = "arn:aws:sts::111122223333:assumed-role/federated/somebody@example.com";
    assert_eq!(accepted["Arn"], arn, "botocore's client accepts moto");

    allow(&stage, "moto", json!({"endpoints": [url]})).await;
    for (name, assertion) in [("as-xml", &xml), ("as-base64", &encoded)] {
        let input = format!("{name}-input");
        stage.secret(&input, &[("assertion", assertion)]).await;
        let source = json!({"roleArn": ROLE, "principalArn": PROVIDER, "assertionSecretRef": {"name": input, "key": "assertion"}});
        let sts = json!({"endpoint": url, "region": "eu-west-1"});
        stage.credential(name, json!({"source": {"saml": source}, "sts": sts})).await;
        let ready = stage.until(name, "True", "Issued").await;
        assert_eq!(
            ready.status.and_then(|s| s.principal).and_then(|p| p.arn).as_deref(),
            Some(arn),
            "{name}"
        );
    }
    // An assertion for another role than the one that is asked for is never published.
    let other = json!({"roleArn": "arn:aws:iam::111122223333:role/other", "principalArn": PROVIDER, "assertionSecretRef": {"name": "as-xml-input", "key": "assertion"}});
    stage
        .credential(
            "other",
            json!({"source": {"saml": other}, "sts": {"endpoint": url, "region": "eu-west-1"}}),
        )
        .await;
    let found = stage
        .until_it("other", "an answer", |c| {
            c.status.as_ref().is_some_and(|s| s.failures.is_some() || s.principal.is_some())
        })
        .await;
    let principal = found.status.and_then(|s| s.principal).and_then(|p| p.arn);
    assert!(principal.is_none_or(|p| p.contains(":assumed-role/other/")));
    stage.strike().await;
}

#[tokio::test]
async fn users_sessions_and_identities_of_a_pool_are_had_from_moto_too() {
    let stage = Stage::without_controller().await;
    let moto = Moto::start().await;
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "any-key-is-right-for-moto"),
    ];
    // It takes calls that nobody signed for that Region's.
    let made = python("cognito.py", &[&moto.url, "none", "us-east-1"], &keys).await;
    let stage = stage
        .started(|program| {
            program
                .args(["--no-leader-election"])
                .env("AWS_ENDPOINT_URL_COGNITO_IDENTITY", &moto.url)
        })
        .await;
    allow(&stage, "moto", json!({"endpoints": [moto.url]})).await;
    stage.secret("key", &keys).await;
    let access_key = json!({"secretRef": {"name": "key"}});
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    for (name, source) in [
        ("session", json!({"sessionToken": {"accessKey": access_key, "durationSeconds": 7200}})),
        (
            "federated",
            json!({"federationToken": {"accessKey": access_key, "name": "guest", "policy": policy}}),
        ),
        (
            "pool",
            json!({"cognito": {"identityPoolId": made["IdentityPoolId"], "identityId": made["IdentityId"]}}),
        ),
    ] {
        let sts = json!({"endpoint": moto.url, "region": "eu-west-1"});
        stage.credential(name, json!({"source": source, "sts": sts})).await;
        if name != "pool" {
            // Its sessions of users have ids of long-lived keys, which are never published.
            let refused = stage.until(name, "False", "InvalidAnswer").await;
            let message = refused.status.and_then(|s| s.failures).expect("a failure").message;
            assert!(message.contains("AccessKeyId begins with AKIA"), "{message}");
            continue;
        }
        let ready = stage.until(name, "True", "Issued").await;
        assert!(ready.status.and_then(|s| s.principal).and_then(|p| p.arn).is_some(), "{name}");
    }
    stage.strike().await;
}
