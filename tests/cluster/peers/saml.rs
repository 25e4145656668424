//! AssumeRoleWithSAML, played by moto, which reads the assertion; botocore's client uses it first.

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

#[tokio::test]
async fn an_assertion_is_exchanged_as_xml_and_in_base64() {
    let stage = Stage::set().await;
    let port = ports::free();
    let url = format!("http://127.0.0.1:{port}");
    let program = background::blocking(|| programs::python("moto_server")).await;
    let moto = Process::builder("moto", program, &scratch::subfolder("moto"))
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .start();
    crate::harness::eventually(Duration::from_secs(60), "moto answers", async || {
        moto.assert_running();
        http::get(&format!("{url}/moto-api/data.json")).await.map(drop)
    })
    .await;
    let (xml, encoded) = (response(), STANDARD.encode(response()));
    let accepted = python("saml.py", &[&url, ROLE, PROVIDER, &encoded], &[]).await;
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
        assert_eq!(ready.status.and_then(|s| s.principal).and_then(|p| p.arn).as_deref(), Some(arn), "{name}");
    }
    // An assertion for another role than the one that is asked for is never published.
    let other = json!({"roleArn": "arn:aws:iam::111122223333:role/other", "principalArn": PROVIDER, "assertionSecretRef": {"name": "as-xml-input", "key": "assertion"}});
    stage
        .credential("other", json!({"source": {"saml": other}, "sts": {"endpoint": url, "region": "eu-west-1"}}))
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
