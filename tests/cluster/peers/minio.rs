//! MinIO: a real STS that is not AWS's. It verifies tokens of the API server and of a certified
//! OpenID provider by discovery and JWKS, has users of its own, and an S3 that refuses what it did
//! not issue.

use super::openid::OpenId;
use super::{Stage, allow, uses_s3};
use crate::harness::process::Process;
use crate::harness::{background, canary, http, ports, programs, scratch};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;

const ROOT: [(&str, &str); 2] =
    [("MINIO_ROOT_USER", "minio-root"), ("MINIO_ROOT_PASSWORD", "the-password-of-minio")];

struct Minio {
    url: String,
    role: String,
    _process: Process,
}

/// MinIO that trusts the tokens of the stage's API server.
async fn trusting_kubernetes(stage: &Stage) -> Minio {
    let binding =
        ["create", "clusterrolebinding", "anonymous-discovery", "--group=system:unauthenticated"];
    let role = "--clusterrole=system:service-account-issuer-discovery";
    stage.cluster.try_kubectl(&[&binding[..], &[role]].concat()).await;
    minio(stage, stage.cluster.control_plane.url(), "sts.amazonaws.com").await
}

/// MinIO that trusts the tokens of an issuer for this audience.
async fn minio(stage: &Stage, issuer: &str, audience: &str) -> Minio {
    let program = background::blocking(|| programs::peer("minio")).await;
    let folder = scratch::subfolder("minio");
    let certificates = folder.join("certs/CAs");
    std::fs::create_dir_all(&certificates).expect("a folder");
    std::fs::write(
        certificates.join("ca.crt"),
        stage.cluster.control_plane.authority.certificate(),
    )
    .expect("a file");
    let port = ports::free();
    let url = format!("http://127.0.0.1:{port}");
    canary::register(ROOT[1].1);
    let discovery = format!("{issuer}/.well-known/openid-configuration");
    let mut builder = Process::builder("minio", program, &folder)
        .args(["server", "--address", &format!("127.0.0.1:{port}"), "--certs-dir"])
        .arg(folder.join("certs"))
        .arg(folder.join("data"))
        .env("HOME", &folder)
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .env("MINIO_IDENTITY_OPENID_CONFIG_URL", discovery)
        .env("MINIO_IDENTITY_OPENID_CLIENT_ID", audience)
        .env("MINIO_IDENTITY_OPENID_ROLE_POLICY", "readwrite");
    for (name, value) in ROOT {
        builder = builder.env(name, value);
    }
    let process = builder.start();
    let role = crate::harness::eventually(
        Duration::from_secs(60),
        "MinIO is ready and names its role",
        async || {
            process.assert_running();
            let ready =
                matches!(http::get(&format!("{url}/minio/health/ready")).await, Ok((200, _)));
            let log = process.log_tail(60);
            let role = log
                .split_whitespace()
                .find(|w| w.starts_with("arn:minio:iam:::role/"))
                .map(str::to_owned);
            role.filter(|_| ready).ok_or(log)
        },
    )
    .await;
    Minio { url, role, _process: process }
}

#[tokio::test]
async fn another_sts_gives_sessions_for_tokens_that_it_verifies_and_for_its_own_users() {
    let stage = Stage::set().await;
    let minio = trusting_kubernetes(&stage).await;
    let namespace = stage.namespace.name.as_str();
    stage.cluster.kubectl(&["create", "serviceaccount", "app", "--namespace", namespace]).await;
    allow(&stage, "minio", json!({"endpoints": [minio.url], "audiences": ["vault"]})).await;
    let sts = json!({"endpoint": minio.url, "region": "us-east-1"});
    let web = |token: Value| {
        let mut source = json!({"roleArn": minio.role});
        source
            .as_object_mut()
            .expect("an object")
            .extend(token.as_object().expect("an object").clone());
        json!({"source": {"webIdentity": source}, "sts": sts})
    };
    stage.credential("verified", web(json!({"serviceAccountRef": {"name": "app"}}))).await;
    stage.until("verified", "True", "Issued").await;
    uses_s3(&stage, &minio.url, "verified").await;

    stage
        .credential(
            "audience",
            web(json!({"serviceAccountRef": {"name": "app", "audience": "vault"}})),
        )
        .await;
    stage
        .secret(
            "forged",
            &[("token", "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSJ9.c2ln")],
        )
        .await;
    stage
        .credential(
            "forged-token",
            web(json!({"tokenSecretRef": {"name": "forged", "key": "token"}})),
        )
        .await;
    for name in ["audience", "forged-token"] {
        let refused = stage
            .until_it(name, "it is refused", |c| {
                c.status.as_ref().is_some_and(|s| s.failures.is_some())
            })
            .await;
        let failure = refused.status.and_then(|s| s.failures).expect("a failure");
        assert!(failure.code.is_some(), "{name}: {failure:?}");
    }

    let root = [("AWS_ACCESS_KEY_ID", ROOT[0].1), ("AWS_SECRET_ACCESS_KEY", ROOT[1].1)];
    stage.secret("root", &root).await;
    let start = json!({"source": {"accessKey": {"secretRef": {"name": "root"}}}, "roles": [{"roleArn": minio.role}], "sts": sts});
    stage.credential("own", start).await;
    stage.until("own", "True", "Issued").await;
    uses_s3(&stage, &minio.url, "own").await;
    stage.strike().await;
}

#[tokio::test]
async fn tokens_of_another_issuer_are_verified_too_and_expired_ones_refused() {
    let stage = Stage::set().await;
    let issuer = OpenId::start(None).await;
    let minio = minio(&stage, &issuer.url, "store.example.com").await;
    allow(&stage, "minio", json!({"endpoints": [minio.url]})).await;
    let brief = issuer.token("https://store.example.com/brief").await;
    stage.secret("expired-token", &[("token", &brief)]).await;
    stage
        .secret("good-token", &[("token", &issuer.token("https://store.example.com/").await)])
        .await;
    stage
        .secret("other-token", &[("token", &issuer.token("https://elsewhere.example.com/").await)])
        .await;
    let spec = |secret: &str| {
        let token = json!({"name": secret, "key": "token"});
        json!({
            "source": {"webIdentity": {"roleArn": minio.role, "tokenSecretRef": token}},
            "sts": {"endpoint": minio.url, "region": "us-east-1"},
        })
    };
    stage.credential("good", spec("good-token")).await;
    stage.until("good", "True", "Issued").await;
    uses_s3(&stage, &minio.url, "good").await;
    let payload =
        brief.split('.').nth(1).and_then(|p| URL_SAFE_NO_PAD.decode(p).ok()).expect("a payload");
    let claims: Value = serde_json::from_slice(&payload).expect("claims");
    crate::harness::eventually(Duration::from_secs(30), "the token has expired", async || {
        let left = claims["exp"].as_i64().expect("a time") - jiff::Timestamp::now().as_second();
        if left < 0 { Ok(()) } else { Err(left) }
    })
    .await;
    for (name, secret) in [("expired", "expired-token"), ("other", "other-token")] {
        stage.credential(name, spec(secret)).await;
        let refused = stage
            .until_it(name, "it is refused", |c| {
                c.status.as_ref().is_some_and(|s| s.failures.is_some())
            })
            .await;
        let failure = refused.status.and_then(|s| s.failures).expect("a failure");
        assert!(failure.code.is_some(), "{name}: {failure:?}");
    }
    stage.strike().await;
}
