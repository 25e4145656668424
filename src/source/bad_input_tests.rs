//! Inputs that cannot be used: each is named by object and key, with what belongs there and without
//! what stands there.

use super::fixtures::{Desk, issue, issue_with};
use crate::api::conditions::Reason;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/reports";
const SECRET: &[u8] = b"wJalrXUtnFEMI/s3cr3t";

fn desk() -> Desk {
    let long = "x".repeat(20_001);
    Desk::default()
        .with("key", &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", SECRET)])
        .with("half", &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE")])
        .with("swapped", &[("AWS_ACCESS_KEY_ID", SECRET), ("AWS_SECRET_ACCESS_KEY", b"AKIAIOSFODNN7EXAMPLE")])
        .with("binary", &[("AWS_ACCESS_KEY_ID", b"\xff\xfe"), ("AWS_SECRET_ACCESS_KEY", SECRET)])
        .with("empty", &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", b" \n")])
        .with("lines", &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", b"s3cr3t\ns3cr3t")])
        .with("seed", &[("seed", b"s3cr3t, not base32!")])
        .with("token", &[("long", long.as_bytes())])
        .with("tls", &[("tls.crt", b"s3cr3t"), ("tls.key", b"s3cr3t")])
        .with("saml", &[("assertion", b"s3cr3t")])
}

fn key(name: &str) -> Value {
    json!({"accessKey": {"secretRef": {"name": name}}})
}

#[tokio::test]
async fn what_is_wrong_with_an_input_is_said_and_nothing_of_it_is_shown() {
    let roles = json!([{"roleArn": ROLE}]);
    let mfa = json!([{"roleArn": ROLE, "serialNumber": "arn:aws:iam::111122223333:mfa/me", "totpSecretRef": {"name": "seed", "key": "seed"}}]);
    let external = json!([{"roleArn": ROLE, "externalIdSecretRef": {"name": "nowhere", "key": "id"}}]);
    let web = |source: Value| json!({"webIdentity": source});
    let https = |extra: Value| {
        let mut http = json!({"url": "https://127.0.0.1:1/"});
        http.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        json!({"custom": {"http": http}})
    };
    let none = json!([]);
    for (source, roles, reason, words) in [
        (key("nowhere"), &roles, Reason::InputMissing, "Secret nowhere does not exist"),
        (key("half"), &roles, Reason::InputMissing, "Secret half, key AWS_SECRET_ACCESS_KEY does not exist"),
        (key("swapped"), &roles, Reason::InputInvalid, "key AWS_ACCESS_KEY_ID: this is no access key id"),
        (key("binary"), &roles, Reason::InputInvalid, "not text in UTF-8"),
        (key("empty"), &roles, Reason::InputInvalid, "key AWS_SECRET_ACCESS_KEY: the value is empty"),
        (key("lines"), &roles, Reason::InputInvalid, "line breaks inside: write the bare value"),
        (key("key"), &mfa, Reason::InputInvalid, "Secret seed, key seed: this is no TOTP seed"),
        (key("key"), &external, Reason::InputMissing, "Secret nowhere does not exist"),
        (key("key"), &none, Reason::InvalidSpecification, "name at least one role"),
        (
            web(json!({"roleArn": ROLE, "tokenSecretRef": {"name": "token", "key": "long"}})),
            &none,
            Reason::InputInvalid,
            "longer than the 20000 characters",
        ),
        (
            web(json!({"roleArn": ROLE, "serviceAccountRef": {"name": "nobody"}})),
            &none,
            Reason::InputMissing,
            "ServiceAccount nobody does not exist",
        ),
        (
            json!({"saml": {"roleArn": ROLE, "principalArn": "arn:aws:iam::111122223333:saml-provider/p", "assertionSecretRef": {"name": "saml", "key": "assertion"}}}),
            &none,
            Reason::InputInvalid,
            "Secret saml, key assertion",
        ),
        (
            https(json!({"clientCertificateSecretRef": {"name": "tls"}})),
            &none,
            Reason::InputInvalid,
            "Secret tls, key tls.crt: this is no PEM",
        ),
        (
            https(
                json!({"headers": [{"name": "Authorization", "valueSecretRef": {"name": "lines", "key": "AWS_SECRET_ACCESS_KEY"}}]}),
            ),
            &none,
            Reason::InputInvalid,
            "Secret lines, key AWS_SECRET_ACCESS_KEY",
        ),
        (json!({}), &roles, Reason::InvalidSpecification, "upgrade the controller"),
    ] {
        let shown = source.to_string();
        let Err(error) = issue_with(source, roles.clone(), &desk()).await else { panic!("{shown}: credentials") };
        let text = error.failure().message;
        assert!(text.contains(words), "{shown}: {text}");
        assert_eq!(error.reason(), reason, "{shown}: {text}");
        assert!(!format!("{text} {error:?}").contains("s3cr3t"), "{error:?}");
    }
}

#[tokio::test]
async fn the_controller_says_when_it_has_no_identity_of_its_own() {
    let error = issue(json!({"ambient": {}}), &Desk::default()).await.expect_err("no identity");
    assert!(error.failure().message.contains("Give the controller an identity"), "{error}");
}
