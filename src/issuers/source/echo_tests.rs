//! Issuers that echo requests: no secret passes, whatever the source and the encoding.

use super::fixtures::{Desk, OWN_TOKEN, issue_at};
use crate::http::tests::request_of;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use refreshable_rules::issuer::REDACTED;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

const ROLE: &str = "arn:aws:iam::111122223333:role/reports";

/// How a secret is repeated.
type Disguise = fn(&str) -> String;

/// Encodings in which a server may repeat a value.
const DISGUISES: [(&str, Disguise); 8] = [
    ("plain", |secret| secret.to_owned()),
    ("its first half", |secret| {
        secret[..secret.len().div_ceil(2).max(secret.len().min(20))].to_owned()
    }),
    ("base64", |secret| STANDARD.encode(secret)),
    ("base64 of a pair", |secret| STANDARD.encode(format!("user:{secret}"))),
    ("base64 for URLs", |secret| URL_SAFE_NO_PAD.encode(secret)),
    ("percent-encoded", |secret| form_urlencoded::byte_serialize(secret.as_bytes()).collect()),
    ("percent-encoded in small letters", |secret| {
        form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>().to_lowercase()
    }),
    ("JSON within JSON", |secret| Value::from(secret).to_string()),
];

/// Response of the server to calls before the one that it refuses.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    /// GetId of Cognito.
    AnIdentity,
    /// CreateToken of IAM Identity Center.
    AToken,
    /// AssumeRole of the first role of two.
    ASession,
}

/// A server that repeats `said` in its refusals, in the protocol of the request; its address.
async fn repeating(said: String, status: u16, before: Before, seen: Arc<Mutex<String>>) -> String {
    crate::http::tests::install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut calls = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = request_of(&mut stream).await;
            let query = request.contains("Action=");
            let (status, body) = match before {
                Before::AnIdentity if calls == 0 => (200, json!({"IdentityId": "eu-west-1:identity"}).to_string()),
                Before::AToken if calls == 0 => (
                    200,
                    json!({"accessToken": NEW_ACCESS, "refreshToken": NEW_REFRESH, "expiresIn": 3600}).to_string(),
                ),
                Before::ASession if calls == 0 => (200, session()),
                _ if query => (status, refusal(&said)),
                _ => (status, json!({"code": "AccessDenied", "message": said}).to_string()),
            };
            calls += 1;
            seen.lock().push_str(&request);
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nx-amzn-errortype: AccessDenied\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    url
}

fn refusal(said: &str) -> String {
    let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{said}</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    )
}

fn session() -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAHUB</AccessKeyId>\
         <SecretAccessKey>{HUB_SECRET}</SecretAccessKey><SessionToken>{HUB_TOKEN}</SessionToken>\
         <Expiration>2026-01-01T01:00:00Z</Expiration></Credentials><AssumedRoleUser>\
         <Arn>arn:aws:sts::111122223333:assumed-role/hub/team-a.reports</Arn><AssumedRoleId>A:x</AssumedRoleId>\
         </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    )
}

const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const EXTERNAL: &str = "external/4f2a?secret";
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Of that seed at the time of the fixtures.
const CODE_TIME: i64 = 1_767_225_600;
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
const TOKEN: &str = "the+token/of the-container";
const BASIC: &str = "open sesame 4711!";
const HUB_SECRET: &str = "the-secret-key-of-the-first-role";
const HUB_TOKEN: &str =
    "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ+the-token-of-the-first-role==";
const ACCESS: &str = "aoaAAAAAG-the-access-token-of-somebody";
const REFRESH: &str = "aorAAAAAG-the-refresh-token-of-somebody";
const CLIENT: &str = "the-client-secret-of-the-registration";
const NEW_ACCESS: &str = "aoaAAAAAG-the-next-access-token";
const NEW_REFRESH: &str = "aorAAAAAG-the-next-refresh-token";
const ROTATED: &str = "the-session-token-that-something-else-rotates";

fn assertion() -> String {
    format!("<samlp:Response ID=\"_1\">{}</samlp:Response>", "signed ".repeat(20))
}

fn desk() -> Desk {
    let center = |expires: &str| {
        json!({
            "startUrl": "https://d.awsapps.com/start", "region": "eu-west-1", "accessToken": ACCESS,
            "expiresAt": expires, "clientId": "c", "clientSecret": CLIENT, "refreshToken": REFRESH,
            "registrationExpiresAt": "2026-03-01T00:00:00Z",
        })
        .to_string()
    };
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let certificate = params.self_signed(&key).expect("a certificate");
    Desk::default()
        .with(
            "key",
            &[
                ("AWS_ACCESS_KEY_ID", b"AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", KEY.as_bytes()),
            ],
        )
        .with(
            "inputs",
            &[
                ("external", EXTERNAL.as_bytes()),
                ("seed", SEED.as_bytes()),
                ("token", TOKEN.as_bytes()),
                ("jwt", JWT.as_bytes()),
                ("bearer", format!("Bearer {JWT}").as_bytes()),
                (
                    "basic",
                    format!("Basic {}", STANDARD.encode(format!("reader:{BASIC}"))).as_bytes(),
                ),
                ("assertion", assertion().as_bytes()),
            ],
        )
        .with(
            "device",
            &[
                ("tls.crt", certificate.pem().as_bytes()),
                ("tls.key", key.serialize_pem().as_bytes()),
            ],
        )
        .with("fresh", &[("token.json", center("2026-01-01T01:00:00Z").as_bytes())])
        .with("old", &[("token.json", center("2025-12-31T00:00:00Z").as_bytes())])
        .with(
            "rotated",
            &[
                ("AWS_ACCESS_KEY_ID", b"ASIAEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", KEY.as_bytes()),
                ("AWS_SESSION_TOKEN", ROTATED.as_bytes()),
                ("AWS_CREDENTIAL_EXPIRATION", b"2026-01-01T01:00:00Z"),
            ],
        )
}

/// One source, with roles behind it, and the secrets that it sends.
struct Row {
    source: fn(&str) -> Value,
    roles: Value,
    before: Before,
    sent: Vec<String>,
}

fn row(source: fn(&str) -> Value, roles: Value, before: Before, sent: &[&str]) -> Row {
    Row { source, roles, before, sent: sent.iter().map(|s| (*s).to_owned()).collect() }
}

fn reference(key: &str) -> Value {
    json!({"name": "inputs", "key": key})
}

fn mfa_code() -> String {
    let now = jiff::Timestamp::from_second(CODE_TIME).expect("a time");
    let codes = crate::aws::TotpSteps::default();
    let code = codes.code("another device", &SEED.into(), now).expect("a code");
    secrecy::ExposeSecret::expose_secret(&code).to_owned()
}

fn rows() -> Vec<Row> {
    let access_key = |_: &str| json!({"accessKey": {"secretRef": {"name": "key"}}});
    let serial = "arn:aws:iam::111122223333:mfa/me";
    let hub = json!({"roleArn": "arn:aws:iam::111122223333:role/hub"});
    let none = json!([]);
    let code = mfa_code();
    vec![
        row(
            access_key,
            json!([{"roleArn": ROLE, "externalIdSecretRef": reference("external")}]),
            Before::Nothing,
            &[EXTERNAL, KEY],
        ),
        row(
            access_key,
            json!([{"roleArn": ROLE, "serialNumber": serial, "totpSecretRef": reference("seed")}]),
            Before::Nothing,
            &[SEED, &code],
        ),
        row(
            access_key,
            json!([hub, {"roleArn": ROLE}]),
            Before::ASession,
            &[HUB_SECRET, HUB_TOKEN],
        ),
        row(|_| json!({"ambient": {}}), json!([{"roleArn": ROLE}]), Before::Nothing, &[OWN_TOKEN]),
        row(
            |_| json!({"webIdentity": {"roleArn": ROLE, "tokenSecretRef": reference("jwt")}}),
            none.clone(),
            Before::Nothing,
            &[JWT],
        ),
        row(
            |_| json!({"saml": {"roleArn": ROLE, "principalArn": "arn:aws:iam::111122223333:saml-provider/p", "assertionSecretRef": reference("assertion")}}),
            none.clone(),
            Before::Nothing,
            &[&STANDARD.encode(assertion())],
        ),
        row(
            |_| {
                json!({"sessionToken": {
                    "accessKey": {"secretRef": {"name": "key"}}, "serialNumber": "arn:aws:iam::111122223333:mfa/me",
                    "totpSecretRef": reference("seed"),
                }})
            },
            none.clone(),
            Before::Nothing,
            &[KEY, SEED, &code],
        ),
        row(
            |_| json!({"federationToken": {"accessKey": {"secretRef": {"name": "key"}}, "policy": "{}"}}),
            none.clone(),
            Before::Nothing,
            &[KEY],
        ),
        row(
            |_| json!({"podIdentity": {"clusterName": "edge", "serviceAccountRef": {"name": "app"}}}),
            none.clone(),
            Before::Nothing,
            &["a.b.c"],
        ),
        row(
            |_| json!({"cognito": {"identityPoolId": "eu-west-1:0", "logins": [{"provider": "example.com", "tokenSecretRef": reference("jwt")}]}}),
            none.clone(),
            Before::Nothing,
            &[JWT],
        ),
        row(
            |_| json!({"cognito": {"identityPoolId": "eu-west-1:0", "logins": [{"provider": "example.com", "tokenSecretRef": reference("jwt")}]}}),
            none.clone(),
            Before::AnIdentity,
            &[JWT],
        ),
        row(
            |_| json!({"identityCenter": {"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "fresh"}}}),
            none.clone(),
            Before::Nothing,
            &[ACCESS],
        ),
        row(
            |_| json!({"identityCenter": {"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "old"}}}),
            none.clone(),
            Before::AToken,
            &[NEW_ACCESS, NEW_REFRESH, REFRESH, CLIENT],
        ),
        row(
            |url| json!({"container": {"fullUri": format!("{url}/v1"), "authorizationTokenSecretRef": reference("token")}}),
            none.clone(),
            Before::Nothing,
            &[TOKEN],
        ),
        row(
            |url| {
                json!({"custom": {"http": {"url": format!("{url}/v1"), "headers": [
                    {"name": "Authorization", "valueSecretRef": reference("bearer")},
                    {"name": "X-Other", "valueSecretRef": reference("basic")},
                ]}}})
            },
            none.clone(),
            Before::Nothing,
            &[JWT, BASIC],
        ),
        row(
            |url| {
                json!({"custom": {"http": {"url": format!("{url}/v1/aws/sts/reports"), "format": "Vault", "headers": [
                    {"name": "X-Vault-Token", "valueSecretRef": reference("token")},
                ]}}})
            },
            none.clone(),
            Before::Nothing,
            &[TOKEN],
        ),
        row(
            |_| json!({"custom": {"secret": {"secretRef": {"name": "rotated"}}}}),
            none,
            Before::Nothing,
            &[ROTATED, KEY],
        ),
    ]
}

#[tokio::test]
async fn what_an_issuer_repeats_of_what_it_was_sent_does_not_come_through() {
    let desk = desk();
    for row in rows() {
        for status in [403, 200] {
            for secret in &row.sent {
                for (how, disguise) in DISGUISES {
                    let repeated = disguise(secret);
                    // Half of a word may be any word, and a short one within base64 may be any
                    // text.
                    let halved = how == "its first half" && secret.len() < 32;
                    if halved || (how == "base64 of a pair" && secret.len() < 8) {
                        continue;
                    }
                    let seen = Arc::default();
                    let url = repeating(
                        format!("what is `{repeated}` then?"),
                        status,
                        row.before,
                        Arc::clone(&seen),
                    )
                    .await;
                    let source = (row.source)(&url);
                    let shown = format!("{source} {status} {how} {secret}");
                    let error =
                        issue_at(&url, source, row.roles.clone(), &desk).await.expect_err(&shown);
                    assert!(!seen.lock().is_empty(), "{shown}: no request was made");
                    let text = format!("{} {error:?}", error.failure().message);
                    let found = text.to_lowercase().contains(&repeated.to_lowercase());
                    assert!(!found, "{shown}: {text}");
                    // The issuer's text is passed on, except for the secret.
                    assert!(
                        !text.contains("what is `") || text.contains(REDACTED),
                        "{shown}: {text}"
                    );
                }
            }
        }
    }
}

/// The table is of use only where words are passed on at all.
#[tokio::test]
async fn the_words_of_a_refusal_come_through_without_a_secret_in_them() {
    let desk = desk();
    for row in rows() {
        let url = repeating("no such thing".to_owned(), 400, row.before, Arc::default()).await;
        let source = (row.source)(&url);
        let shown = source.to_string();
        let error = issue_at(&url, source, row.roles.clone(), &desk).await.expect_err(&shown);
        let text = error.failure().message;
        let person = error.reason() == refreshable_api::conditions::Reason::PersonNeeded;
        assert!(text.contains("no such thing") || person, "{shown}: {text}");
    }
}

#[tokio::test]
async fn a_device_s_signature_does_not_come_back() {
    let seen = Arc::<Mutex<String>>::default();
    let url = repeating("no".to_owned(), 403, Before::Nothing, Arc::clone(&seen)).await;
    let anywhere = |url: &str| {
        let arn = |kind: &str| format!("arn:aws:rolesanywhere:eu-west-1:111122223333:{kind}/0");
        json!({"rolesAnywhere": {
            "trustAnchorArn": arn("trust-anchor"), "profileArn": arn("profile"), "roleArn": ROLE, "endpoint": url,
            "certificateSecretRef": {"name": "device"},
        }})
    };
    let desk = desk();
    issue_at(&url, anywhere(&url), json!([]), &desk).await.expect_err("refused");
    let request = seen.lock().clone();
    assert!(request.contains("Signature="), "{request}");
    // Each ECDSA signature is different: the server has to repeat that of the same request.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a call");
        let request = request_of(&mut stream).await;
        let signature = request
            .split("Signature=")
            .nth(1)
            .expect("a signature")
            .split("\r\n")
            .next()
            .expect("a line");
        let body = json!({"message": format!("the signature {signature} is none")}).to_string();
        let head = format!(
            "HTTP/1.1 403 X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    });
    let error = issue_at(&url, anywhere(&url), json!([]), &desk).await.expect_err("refused");
    server.await.expect("an end");
    let text = error.failure().message;
    assert!(text.contains(&format!("the signature {REDACTED} is none")), "{text}");
}
