//! Issuers and Secrets that give the long-lived key of an IAM user, beside a token that is not
//! checked: no source publishes it, although with `verify: Never` its owner is not asked for.

use super::fixtures::{Desk, issue_unverified};
use crate::http::tests::{install_crypto, request_of};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

const ROLE: &str = "arn:aws:iam::111122223333:role/reports";
const USER: &str = "AKIAIOSFODNN7EXAMPLE";
const SESSION: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "s3cr3t-of-the-user";
const END: &str = "2026-01-01T01:00:00Z";

/// A server of every protocol that a source speaks. Each answer is good but for the key's id.
async fn giving(id: &'static str) -> String {
    install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = request_of(&mut stream).await;
            let body = answer(&request, id);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    url
}

fn answer(request: &str, id: &str) -> String {
    let first = request.lines().next().unwrap_or_default();
    let keys = json!({
        "AccessKeyId": id, "SecretAccessKey": SECRET, "Token": "t0k3n", "Expiration": END,
    });
    let seconds = END.parse::<jiff::Timestamp>().expect("a time").as_second();
    if let Some((_, action)) = request.split_once("Action=") {
        return of_sts(action.split('&').next().unwrap_or_default(), id);
    }
    let small = json!({
        "accessKeyId": id, "secretAccessKey": SECRET, "sessionToken": "t0k3n", "expiration": END,
    });
    let lower = request.to_lowercase();
    if lower.contains("cognitoidentityservice.getid") {
        json!({"IdentityId": "eu-west-1:identity"})
    } else if lower.contains("cognitoidentityservice") {
        json!({"IdentityId": "eu-west-1:identity", "Credentials": {
            "AccessKeyId": id, "SecretKey": SECRET, "SessionToken": "t0k3n", "Expiration": seconds,
        }})
    } else if first.contains("/federation/credentials") {
        json!({"roleCredentials": {
            "accessKeyId": id, "secretAccessKey": SECRET, "sessionToken": "t0k3n",
            "expiration": seconds * 1000,
        }})
    } else if first.contains("/assume-role-for-pod-identity") {
        json!({
            "subject": {"namespace": "team-a", "serviceAccount": "app"}, "audience": "a",
            "podIdentityAssociation": {"associationArn": "a", "associationId": "a"},
            "assumedRoleUser": {"arn": "arn:aws:sts::111122223333:assumed-role/reports/x", "assumeRoleId": "A:x"},
            "credentials": {
                "accessKeyId": id, "secretAccessKey": SECRET, "sessionToken": "t0k3n",
                "expiration": seconds,
            },
        })
    } else if first.contains("/sessions") {
        json!({"credentialSet": [{
            "assumedRoleUser": {"arn": "arn:aws:sts::111122223333:assumed-role/reports/x", "assumedRoleId": "A:x"},
            "credentials": small,
        }]})
    } else if first.contains("/v1/aws/sts/") {
        json!({"lease_duration": 3600, "data": {
            "access_key": id, "secret_key": SECRET, "session_token": "t0k3n",
        }})
    } else {
        keys
    }
    .to_string()
}

fn of_sts(action: &str, id: &str) -> String {
    let user = match action {
        "GetSessionToken" => String::new(),
        "GetFederationToken" => "<FederatedUser><Arn>arn:aws:sts::111122223333:federated-user/team-a.reports</Arn>\
             <FederatedUserId>111122223333:x</FederatedUserId></FederatedUser>"
            .to_owned(),
        _ => "<AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/reports/team-a.reports</Arn>\
             <AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>"
            .to_owned(),
    };
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>t0k3n</SessionToken><Expiration>{END}</Expiration></Credentials>{user}\
         </{action}Result></{action}Response>"
    )
}

/// Every source that gives a session, and chains, for a server at `url`.
fn sources(url: &str) -> Vec<(Value, Value)> {
    let reference = |key: &str| json!({"name": "inputs", "key": key});
    let key = json!({"secretRef": {"name": "key"}});
    let arn = |kind: &str| format!("arn:aws:rolesanywhere:eu-west-1:111122223333:{kind}/0");
    let rotated = |preset: &str, secret: &str| json!({"custom": {"secret": {"preset": preset, "secretRef": {"name": secret}}}});
    let renamed = json!({"custom": {"secret": {"secretRef": {"name": "environment"}, "keys": {"accessKeyId": "other"}}}});
    let none = json!([]);
    let chain = json!([{"roleArn": ROLE}]);
    let direct = [
        json!({"webIdentity": {"roleArn": ROLE, "tokenSecretRef": reference("jwt")}}),
        json!({"saml": {"roleArn": ROLE, "principalArn": "arn:aws:iam::111122223333:saml-provider/p", "assertionSecretRef": reference("assertion")}}),
        json!({"sessionToken": {"accessKey": key}}),
        json!({"federationToken": {"accessKey": key, "policy": "{}"}}),
        json!({"podIdentity": {"clusterName": "edge", "serviceAccountRef": {"name": "app"}}}),
        json!({"cognito": {"identityPoolId": "eu-west-1:0", "logins": [{"provider": "example.com", "tokenSecretRef": reference("jwt")}]}}),
        json!({"identityCenter": {"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "center"}}}),
        json!({"container": {"fullUri": format!("{url}/v1")}}),
        json!({"rolesAnywhere": {
            "trustAnchorArn": arn("trust-anchor"), "profileArn": arn("profile"), "roleArn": ROLE,
            "endpoint": url, "certificateSecretRef": {"name": "device"},
        }}),
        json!({"custom": {"http": {"url": format!("{url}/v1")}}}),
        json!({"custom": {"http": {"url": format!("{url}/v1/aws/sts/x"), "format": "Vault"}}}),
        json!({"custom": {"process": {"name": "printed"}}}),
        rotated("Environment", "environment"),
        renamed,
        rotated("ExternalSecrets", "generator"),
        rotated("ProcessJson", "json"),
    ];
    let direct = direct.into_iter().map(|source| (source, none.clone()));
    let chained = [json!({"accessKey": key}), json!({"ambient": {}})].map(|s| (s, chain.clone()));
    direct.chain(chained).collect()
}

fn desk(id: &str) -> Desk {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let certificate = params.self_signed(&key).expect("a certificate");
    let center = json!({
        "startUrl": "https://d.awsapps.com/start", "region": "eu-west-1", "accessToken": "aoa",
        "expiresAt": END,
    });
    let process = json!({
        "Version": 1, "AccessKeyId": id, "SecretAccessKey": SECRET, "SessionToken": "t0k3n",
        "Expiration": END,
    });
    let [secret, token, end] = [SECRET.as_bytes(), b"t0k3n", END.as_bytes()];
    Desk::default()
        .with(
            "key",
            &[("AWS_ACCESS_KEY_ID", USER.as_bytes()), ("AWS_SECRET_ACCESS_KEY", b"s3cr3t")],
        )
        .with("inputs", &[("jwt", b"a.b.c"), ("assertion", b"<samlp:Response></samlp:Response>")])
        .with(
            "device",
            &[
                ("tls.crt", certificate.pem().as_bytes()),
                ("tls.key", key.serialize_pem().as_bytes()),
            ],
        )
        .with("center", &[("token.json", center.to_string().as_bytes())])
        .with(
            "environment",
            &[
                ("AWS_ACCESS_KEY_ID", id.as_bytes()),
                ("other", id.as_bytes()),
                ("AWS_SECRET_ACCESS_KEY", secret),
                ("AWS_SESSION_TOKEN", token),
                ("AWS_CREDENTIAL_EXPIRATION", end),
            ],
        )
        .with(
            "generator",
            &[
                ("access_key_id", id.as_bytes()),
                ("secret_access_key", secret),
                ("session_token", token),
                ("expiration", end),
            ],
        )
        .with("json", &[("credentials.json", process.to_string().as_bytes())])
}

#[tokio::test]
async fn no_source_publishes_a_long_lived_key_whatever_verify_says() {
    let user = giving(USER).await;
    for (source, roles) in sources(&user) {
        let shown = source.to_string();
        let printed = answer("GET /", USER);
        let given = issue_unverified(&user, source, roles, &desk(USER), &printed).await;
        let error = given.err().unwrap_or_else(|| panic!("{shown}: published"));
        let text = error.failure().message;
        assert!(text.contains("long-lived keys are never published"), "{shown}: {text}");
        assert!(!format!("{text} {error:?}").contains(SECRET), "{shown}: {error:?}");
    }
}

/// The sources above refuse for the key's id alone.
#[tokio::test]
async fn the_same_sources_publish_a_session() {
    let server = giving(SESSION).await;
    for (source, roles) in sources(&server) {
        let shown = source.to_string();
        let printed = answer("GET /", SESSION).replace("\"Token\"", "\"SessionToken\"");
        let issued = issue_unverified(&server, source, roles, &desk(SESSION), &printed).await;
        let issued = issued.unwrap_or_else(|error| panic!("{shown}: {}", error.failure().message));
        assert_eq!(issued.session.key.id, SESSION, "{shown}");
    }
}
