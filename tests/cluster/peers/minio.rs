//! MinIO: a real STS that is not AWS's. It verifies ServiceAccount tokens by discovery and JWKS, has users of its
//! own, and an S3 that refuses what it did not issue.

use super::{Stage, allow, python};
use crate::harness::process::Process;
use crate::harness::{background, canary, http, ports, programs, scratch};
use serde_json::{Value, json};
use std::time::Duration;

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "minio-root"), ("MINIO_ROOT_PASSWORD", "the-password-of-minio")];

struct Minio {
    url: String,
    role: String,
    _process: Process,
}

/// MinIO that trusts the tokens of the stage's API server.
async fn minio(stage: &Stage) -> Minio {
    let binding = ["create", "clusterrolebinding", "anonymous-discovery", "--group=system:unauthenticated"];
    let role = "--clusterrole=system:service-account-issuer-discovery";
    stage.cluster.try_kubectl(&[&binding[..], &[role]].concat()).await;
    let program = background::blocking(|| programs::peer("minio")).await;
    let folder = scratch::subfolder("minio");
    let certificates = folder.join("certs/CAs");
    std::fs::create_dir_all(&certificates).expect("a folder");
    std::fs::write(certificates.join("ca.crt"), stage.cluster.control_plane.authority.certificate()).expect("a file");
    let port = ports::free();
    let url = format!("http://127.0.0.1:{port}");
    canary::register(ROOT[1].1);
    let discovery = format!("{}/.well-known/openid-configuration", stage.cluster.control_plane.url());
    let mut builder = Process::builder("minio", program, &folder)
        .args(["server", "--address", &format!("127.0.0.1:{port}"), "--certs-dir"])
        .arg(folder.join("certs"))
        .arg(folder.join("data"))
        .env("HOME", &folder)
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .env("MINIO_IDENTITY_OPENID_CONFIG_URL", discovery)
        .env("MINIO_IDENTITY_OPENID_CLIENT_ID", "sts.amazonaws.com")
        .env("MINIO_IDENTITY_OPENID_ROLE_POLICY", "readwrite");
    for (name, value) in ROOT {
        builder = builder.env(name, value);
    }
    let process = builder.start();
    let role = crate::harness::eventually(Duration::from_secs(60), "MinIO is ready and names its role", async || {
        process.assert_running();
        let ready = matches!(http::get(&format!("{url}/minio/health/ready")).await, Ok((200, _)));
        let log = process.log_tail(60);
        let role = log.split_whitespace().find(|w| w.starts_with("arn:minio:iam:::role/")).map(str::to_owned);
        role.filter(|_| ready).ok_or(log)
    })
    .await;
    Minio { url, role, _process: process }
}

/// Writes and reads an object with what the Secret holds.
async fn uses_s3(stage: &Stage, minio: &Minio, name: &str) {
    let published: Value = serde_json::from_str(&stage.published(name).await["credentials.json"]).expect("JSON");
    let text = |member: &str| published[member].as_str().expect("text").to_owned();
    let keys = [text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken")];
    let environment =
        [("AWS_ACCESS_KEY_ID", &*keys[0]), ("AWS_SECRET_ACCESS_KEY", &*keys[1]), ("AWS_SESSION_TOKEN", &*keys[2])];
    let read = python("s3.py", &[&minio.url, &format!("{name}-bucket")], &environment).await;
    assert_eq!(read, json!("hello"));
}

#[tokio::test]
async fn another_sts_gives_sessions_for_tokens_that_it_verifies_and_for_its_own_users() {
    let stage = Stage::set().await;
    let minio = minio(&stage).await;
    let namespace = stage.namespace.name.as_str();
    stage.cluster.kubectl(&["create", "serviceaccount", "app", "--namespace", namespace]).await;
    allow(&stage, "minio", json!({"endpoints": [minio.url], "audiences": ["vault"]})).await;
    let sts = json!({"endpoint": minio.url, "region": "us-east-1"});
    let web = |token: Value| {
        let mut source = json!({"roleArn": minio.role});
        source.as_object_mut().expect("an object").extend(token.as_object().expect("an object").clone());
        json!({"source": {"webIdentity": source}, "sts": sts})
    };
    stage.credential("verified", web(json!({"serviceAccountRef": {"name": "app"}}))).await;
    stage.until("verified", "True", "Issued").await;
    uses_s3(&stage, &minio, "verified").await;

    stage.credential("audience", web(json!({"serviceAccountRef": {"name": "app", "audience": "vault"}}))).await;
    stage.secret("forged", &[("token", "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSJ9.c2ln")]).await;
    stage.credential("forged-token", web(json!({"tokenSecretRef": {"name": "forged", "key": "token"}}))).await;
    for name in ["audience", "forged-token"] {
        let refused =
            stage.until_it(name, "it is refused", |c| c.status.as_ref().is_some_and(|s| s.failures.is_some())).await;
        let failure = refused.status.and_then(|s| s.failures).expect("a failure");
        assert!(failure.code.is_some(), "{name}: {failure:?}");
    }

    let root = [("AWS_ACCESS_KEY_ID", ROOT[0].1), ("AWS_SECRET_ACCESS_KEY", ROOT[1].1)];
    stage.secret("root", &root).await;
    let start = json!({"source": {"accessKey": {"secretRef": {"name": "root"}}}, "roles": [{"roleArn": minio.role}], "sts": sts});
    stage.credential("own", start).await;
    stage.until("own", "True", "Issued").await;
    uses_s3(&stage, &minio, "own").await;
    stage.strike().await;
}
