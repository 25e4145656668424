//! Invalid inputs: each error names object and key, and a valid form, but never the value.

use super::fixtures::{Desk, issue, issue_with};
use refreshable_api::conditions::Reason;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/reports";
const SECRET: &[u8] = b"wJalrXUtnFEMI/s3cr3t";

fn desk() -> Desk {
    let long = "x".repeat(20_001);
    let assertion = format!("<samlp:Response>{}</samlp:Response>", "x".repeat(80_000));
    Desk::default()
        .with(
            "key",
            &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", SECRET)],
        )
        .with("half", &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE")])
        .with(
            "swapped",
            &[("AWS_ACCESS_KEY_ID", SECRET), ("AWS_SECRET_ACCESS_KEY", b"AKIAIOSFODNN7EXAMPLE")],
        )
        .with("binary", &[("AWS_ACCESS_KEY_ID", b"\xff\xfe"), ("AWS_SECRET_ACCESS_KEY", SECRET)])
        .with(
            "empty",
            &[("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", b" \n")],
        )
        .with(
            "lines",
            &[
                ("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", b"s3cr3t\ns3cr3t"),
            ],
        )
        .with("seed", &[("seed", b"s3cr3t, not base32!")])
        .with("token", &[("long", long.as_bytes())])
        .with("tls", &[("tls.crt", b"s3cr3t"), ("tls.key", b"s3cr3t")])
        .with("saml", &[("assertion", b"s3cr3t"), ("long", assertion.as_bytes())])
}

fn key(name: &str) -> Value {
    json!({"accessKey": {"secretRef": {"name": name}}})
}

#[tokio::test]
async fn what_is_wrong_with_an_input_is_said_and_nothing_of_it_is_shown() {
    let roles = json!([{"roleArn": ROLE}]);
    let mfa = json!([{"roleArn": ROLE, "serialNumber": "arn:aws:iam::111122223333:mfa/me", "totpSecretRef": {"name": "seed", "key": "seed"}}]);
    let external =
        json!([{"roleArn": ROLE, "externalIdSecretRef": {"name": "nowhere", "key": "id"}}]);
    let web = |source: Value| json!({"webIdentity": source});
    let https = |extra: Value| {
        let mut http = json!({"url": "https://127.0.0.1:1/"});
        http.as_object_mut()
            .expect("an object")
            .extend(extra.as_object().expect("an object").clone());
        json!({"custom": {"http": http}})
    };
    let none = json!([]);
    for (source, roles, reason, words) in [
        (key("nowhere"), &roles, Reason::InputMissing, "Secret nowhere does not exist"),
        (
            key("half"),
            &roles,
            Reason::InputMissing,
            "Secret half, key AWS_SECRET_ACCESS_KEY does not exist",
        ),
        (
            key("swapped"),
            &roles,
            Reason::InputInvalid,
            "key AWS_ACCESS_KEY_ID: this is not an access key id",
        ),
        (key("binary"), &roles, Reason::InputInvalid, "not text in UTF-8"),
        (
            key("empty"),
            &roles,
            Reason::InputInvalid,
            "key AWS_SECRET_ACCESS_KEY: the value is empty",
        ),
        (key("lines"), &roles, Reason::InputInvalid, "line breaks inside: write the bare value"),
        (key("key"), &mfa, Reason::InputInvalid, "Secret seed, key seed: this is not a TOTP seed"),
        (key("key"), &external, Reason::InputMissing, "Secret nowhere does not exist"),
        (key("key"), &none, Reason::InvalidSpecification, "name at least one role"),
        (
            web(json!({"roleArn": ROLE, "tokenSecretRef": {"name": "token", "key": "long"}})),
            &none,
            Reason::InputInvalid,
            "longer than the 20000 characters",
        ),
        (
            web(json!({"roleArn": ROLE, "serviceAccountRef": {"name": "missing"}})),
            &none,
            Reason::InputMissing,
            "ServiceAccount missing does not exist",
        ),
        (
            json!({"saml": {"roleArn": ROLE, "principalArn": "arn:aws:iam::111122223333:saml-provider/p", "assertionSecretRef": {"name": "saml", "key": "assertion"}}}),
            &none,
            Reason::InputInvalid,
            "Secret saml, key assertion",
        ),
        (
            json!({"saml": {"roleArn": ROLE, "principalArn": "arn:aws:iam::111122223333:saml-provider/p", "assertionSecretRef": {"name": "saml", "key": "long"}}}),
            &none,
            Reason::InputInvalid,
            "longer than the 100000 characters",
        ),
        (
            https(json!({"clientCertificateSecretRef": {"name": "tls"}})),
            &none,
            Reason::InputInvalid,
            "Secret tls, key tls.crt: this is not PEM",
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
        let Err(error) = issue_with(source, roles.clone(), &desk()).await else {
            panic!("{shown}: credentials")
        };
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

/// Certificates with their keys, in Secrets as cert-manager writes them.
fn certificates() -> Desk {
    let made = |from: i32, to: i32| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    };
    let (good, old, future) = (made(2025, 2027), made(2024, 2025), made(2027, 2028));
    let tls = |desk: Desk, name: &str, certificate: &str, key: &str| {
        desk.with(name, &[("tls.crt", certificate.as_bytes()), ("tls.key", key.as_bytes())])
    };
    let desk = tls(desk(), "good", &good.0, &good.1);
    let desk = tls(desk, "old", &old.0, &old.1);
    let desk = tls(desk, "future", &future.0, &future.1);
    let desk = tls(desk, "other-key", &good.0, &old.1);
    let desk = tls(desk, "no-key", &good.0, "s3cr3t");
    let desk = tls(desk, "swapped-tls", &good.1, &good.0);
    desk.with("only-certificate", &[("tls.crt", good.0.as_bytes())])
        .with("pin", &[("pin", b"s3cr3t")])
        .with("sso", &[("token.json", br#"{"accessToken": "s3cr3t"}"#)])
        .with(
            "signed-out",
            &[(
                "token.json",
                br#"{"accessToken": "s3cr3t", "region": "eu-west-1", "expiresAt": "2025-12-31T00:00:00Z"}"#,
            )],
        )
        .with(
            "rotated",
            &[
                ("access_key_id", b"ASIAEXAMPLE"),
                ("secret_access_key", b"s3cr3t"),
                ("session_token", b"s3cr3t"),
                ("expiration", b"1735689600"),
                ("garbage", b"tomorrow"),
                ("long_lived", b"AKIAIOSFODNN7EXAMPLE"),
                ("later", b"4102444800"),
                ("naive", b"2026-01-01T01:00:00"),
            ],
        )
        .with("refused", &[("credentials.json", br#"{"Code": "AccessDenied", "Message": "no"}"#)])
        .with("json", &[("credentials.json", b"{\"Version\": 1, \"AccessKeyId\": \"s3cr3t\"}")])
}

#[tokio::test]
async fn certificates_tokens_and_rotated_secrets_that_cannot_be_used_are_named() {
    let iot = |secret: &str| json!({"iot": {"endpoint": "127.0.0.1:1", "roleAlias": "a", "certificateSecretRef": {"name": secret}}});
    let anywhere = |secret: &str| {
        json!({"rolesAnywhere": {
            "trustAnchorArn": "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/0",
            "profileArn": "arn:aws:rolesanywhere:eu-west-1:111122223333:profile/0",
            "roleArn": ROLE, "certificateSecretRef": {"name": secret}, "endpoint": "http://127.0.0.1:1",
        }})
    };
    let center = |secret: &str| json!({"identityCenter": {"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": secret}}});
    let rotated = |more: Value| {
        let mut source = json!({"secretRef": {"name": "rotated"}, "preset": "ExternalSecrets"});
        source
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        json!({"custom": {"secret": source}})
    };
    let hsm = json!({"iot": {
        "endpoint": "127.0.0.1:1", "roleAlias": "a", "certificateSecretRef": {"name": "only-certificate"},
        "pkcs11": {"module": "tpm", "tokenLabel": "t", "keyLabel": "k", "pinSecretRef": {"name": "pin", "key": "pin"}},
    }});
    let login =
        json!({"provider": "example.com", "tokenSecretRef": {"name": "nowhere", "key": "token"}});
    for (source, reason, words) in [
        (iot("nowhere"), Reason::InputMissing, "Secret nowhere does not exist"),
        (iot("key"), Reason::InputMissing, "Secret key, key tls.crt does not exist"),
        (iot("only-certificate"), Reason::InputMissing, "key tls.key does not exist"),
        (iot("old"), Reason::InputExpired, "the certificate expired at 2025-01-01T00:00:00Z"),
        (iot("future"), Reason::InputInvalid, "valid only from 2027-01-01T00:00:00Z"),
        (iot("other-key"), Reason::InputInvalid, "does not belong to the certificate"),
        (
            iot("no-key"),
            Reason::InputInvalid,
            "Secret no-key, key tls.key: it lacks a private key in PEM",
        ),
        (iot("swapped-tls"), Reason::InputInvalid, "key tls.crt: it lacks a certificate"),
        (iot("good"), Reason::IssuerUnavailable, "cannot be reached"),
        (
            json!({"iot": {"endpoint": "c1-ats.iot.eu-west-1.amazonaws.com", "roleAlias": "a", "certificateSecretRef": {"name": "good"}}}),
            Reason::InvalidSpecification,
            "`aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints it",
        ),
        (anywhere("other-key"), Reason::InputInvalid, "does not belong to the certificate"),
        (anywhere("good"), Reason::IssuerUnavailable, "cannot be reached"),
        (
            hsm,
            Reason::InvalidSpecification,
            "no module tpm is registered with the controller (registered: none)",
        ),
        (center("sso"), Reason::InputInvalid, "Secret sso, key token.json: expiresAt is missing"),
        (center("signed-out"), Reason::PersonNeeded, "aws sso login"),
        (rotated(json!({})), Reason::InputExpired, "expired at 2025-01-01T00:00:00Z"),
        (
            rotated(json!({"keys": {"accessKeyId": "long_lived", "expiration": "later"}})),
            Reason::InputInvalid,
            "long-lived keys are never published",
        ),
        (
            rotated(json!({"keys": {"sessionToken": "nowhere", "expiration": "later"}})),
            Reason::InputMissing,
            "Secret rotated, key nowhere does not exist",
        ),
        (
            rotated(json!({"keys": {"expiration": "garbage"}})),
            Reason::InputInvalid,
            "key garbage: this is not a time",
        ),
        (
            rotated(json!({"keys": {"expiration": "naive"}})),
            Reason::InputInvalid,
            "key naive: this is not a time",
        ),
        (
            json!({"custom": {"secret": {"secretRef": {"name": "refused"}, "preset": "ProcessJson"}}}),
            Reason::InputInvalid,
            "there is a refusal in the credentials' place: AccessDenied: no",
        ),
        (
            rotated(json!({"preset": "VaultSecretsOperator"})),
            Reason::InputMissing,
            "Secret rotated, key access_key does not exist",
        ),
        (
            rotated(json!({"lifetimeSeconds": 900})),
            Reason::KubernetesError,
            "does not say when it was written",
        ),
        (
            json!({"custom": {"secret": {"secretRef": {"name": "json"}, "preset": "ProcessJson"}}}),
            Reason::InputInvalid,
            "Secret json, key credentials.json: SecretAccessKey is missing",
        ),
        (
            json!({"custom": {"process": {"name": "vault"}}}),
            Reason::InvalidSpecification,
            "no process vault is registered with the controller (registered: none)",
        ),
        (
            json!({"cognito": {"identityPoolId": "eu-west-1:0", "logins": [login]}}),
            Reason::InputMissing,
            "Secret nowhere does not exist",
        ),
    ] {
        let shown = source.to_string();
        let Err(error) = issue(source, &certificates()).await else {
            panic!("{shown}: credentials")
        };
        let text = error.failure().message;
        assert!(text.contains(words), "{shown}: {text}");
        assert_eq!(error.reason(), reason, "{shown}: {text}");
        assert!(!format!("{text} {error:?}").contains("s3cr3t"), "{error:?}");
    }
}

/// A policy allows a URL for GET. Headers by which a server would take the call for another one are
/// refused before anything is sent, also where the API server stored them before it knew the rule.
#[tokio::test]
async fn headers_that_speak_for_a_proxy_are_not_sent() {
    let desk = desk().with("h", &[("v", b"s3cr3t")]);
    let with = |name: &str| {
        let header = json!({"name": name, "valueSecretRef": {"name": "h", "key": "v"}});
        json!({"custom": {"http": {"url": "http://127.0.0.1:1/", "headers": [header]}}})
    };
    for name in [
        "Host",
        "Forwarded",
        "forwarded",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-FORWARDED-PREFIX",
        "X-Forwarded-Client-Cert",
        "X-Real-IP",
        "X-Original-URL",
        "x-original-url",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "Upgrade",
    ] {
        let error = issue(with(name), &desk).await.expect_err(name);
        let text = error.failure().message;
        assert_eq!(error.reason(), Reason::InvalidSpecification, "{name}: {text}");
        assert!(
            text.contains("spec.source.custom.http.headers[0]") && text.contains("take it out"),
            "{name}: {text}"
        );
    }
    for name in ["Authorization", "X-Vault-Token", "X-Forwardedfor", "X-Request-Id", "Cookie"] {
        let error = issue(with(name), &desk).await.expect_err(name);
        assert_eq!(error.reason(), Reason::IssuerUnavailable, "{name}: {error}");
    }
}
