//! The container credentials endpoint and EC2's metadata service, as AWS's own clients and AWS's
//! own mock know them.

use super::{Desk, Stage, allow, honoured, python};
use crate::harness::process::Process;
use crate::harness::standin::StandIn;
use crate::harness::{background, canary, eventually, http, ports, programs, scratch};
use refreshable_issuers::http::{Call, Guarded, Transport as _, Way};
use refreshable_rules::issuer::json;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TOKEN: &str = "the-token-of-the-container";

/// A container credentials endpoint that wants the token in `Authorization`, bare.
async fn endpoint(desk: Desk) -> StandIn {
    canary::register(TOKEN);
    StandIn::start(move |asked| {
        let desk = desk.clone();
        async move {
            if asked.header("authorization") != TOKEN {
                return (401, json!({"code": "AccessDenied", "message": "the token does not fit"}));
            }
            let session = desk.session().await;
            let answer = json!({
                "AccessKeyId": session.id, "SecretAccessKey": session.secret, "Token": session.token,
                "Expiration": session.expiration.to_string(), "RoleArn": session.arn,
            });
            (200, answer)
        }
    })
    .await
}

#[tokio::test]
async fn a_container_endpoint_gets_the_bare_token_that_stands_in_the_secret_now() {
    let stage = Stage::set().await;
    let desk = Desk::of(&stage, "container").await;
    let endpoint = endpoint(desk).await;
    let url = format!("{}/v1/credentials", endpoint.url());
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN),
    ];
    let accepted = python("container.py", &[], &environment).await;
    assert_eq!(accepted["boto3"], "container-role", "boto3 accepts the stand-in");
    assert!(accepted["awscrt"].is_string(), "and so does awscrt");

    allow(&stage, "container", json!({"urls": [endpoint.url()]})).await;
    stage.secret("token", &[("token", "an-old-one")]).await;
    let source =
        json!({"fullUri": url, "authorizationTokenSecretRef": {"name": "token", "key": "token"}});
    stage.credential("container", json!({"source": {"container": source}})).await;
    let refused = stage.until("container", "False", "AccessDenied").await;
    let failure = refused.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.message.contains("the token does not fit"), "{}", failure.message);
    let secrets = stage.namespace.api::<k8s_openapi::api::core::v1::Secret>();
    let patch = kube::api::Patch::Merge(json!({"stringData": {"token": format!("{TOKEN}\n")}}));
    secrets.patch("token", &kube::api::PatchParams::default(), &patch).await.expect("changed");
    stage
        .patch(
            "container",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "now"}}}),
        )
        .await;
    assert!(honoured(&stage, "container").await.contains(":assumed-role/container/"));
    stage.strike().await;
}

/// AWS's mock of the metadata service, with this answer for the role `node-role`, and where it
/// listens.
async fn metadata_service(answer: Value) -> (Process, String) {
    let folder = scratch::subfolder("imds");
    let config = scratch::write(
        folder.join("config.json"),
        json!({"metadata": {
            "paths": {"iam-security-credentials": "/latest/meta-data/iam/security-credentials/node-role"},
            "values": {"iam-security-credentials-role": "node-role", "iam-security-credentials": answer},
        }})
        .to_string(),
    );
    let program = background::blocking(|| programs::peer("ec2-metadata-mock")).await;
    let port = ports::free();
    let mock = Process::builder("ec2-metadata-mock", program, &folder)
        .args(["--imdsv2", "--hostname", "127.0.0.1", "--port", &port.to_string(), "--config-file"])
        .arg(&config)
        .env("HOME", &folder)
        .start();
    let url = format!("http://127.0.0.1:{port}");
    eventually(Duration::from_secs(30), "the mock answers", async || {
        mock.assert_running();
        // Version 1 is refused there.
        match http::get(&format!("{url}/latest/meta-data/iam/security-credentials/")).await {
            Ok((401, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    (mock, url)
}

#[tokio::test]
async fn a_refusal_of_instance_metadata_comes_with_status_200_and_is_told_as_one() {
    let answer =
        json!({"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": "2026-01-01T00:00:00Z"});
    let (_mock, url) = metadata_service(answer).await;
    let stage = Stage::without_controller()
        .await
        .started(|program| {
            program.args(["--no-leader-election"]).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)
        })
        .await;
    allow(&stage, "node", json!({"sources": ["InstanceMetadata"]})).await;
    stage.credential("node", json!({"source": {"instanceMetadata": {}}})).await;
    let refused = stage.until("node", "False", "AccessDenied").await;
    let failure = refused.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(failure.code.as_deref(), Some("AssumeRoleUnauthorizedAccess"));
    for words in ["node-role", "Let ec2.amazonaws.com assume the role in its trust policy"] {
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    stage.strike().await;
}

#[tokio::test]
async fn instance_metadata_is_asked_by_version_2_and_the_same_again_is_no_error() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "instance").await;
    // Due after some seconds.
    let session = desk.session_of(40).await;
    let (_mock, url) = metadata_service(json!({
        "Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC",
        "AccessKeyId": session.id, "SecretAccessKey": session.secret, "Token": session.token,
        "Expiration": session.expiration.to_string(),
    }))
    .await;
    let stage = stage
        .started(|program| {
            program.args(["--no-leader-election"]).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)
        })
        .await;
    stage.credential("node", json!({"source": {"instanceMetadata": {}}})).await;
    stage.until("node", "False", "NotPermitted").await;
    allow(&stage, "node", json!({"sources": ["InstanceMetadata"]})).await;
    assert!(honoured(&stage, "node").await.contains(":assumed-role/instance/"));
    assert_eq!(stage.key_id("node").await, session.id);

    let before =
        stage.credentials().get("node").await.expect("it is there").status.expect("a status");
    stage
        .patch(
            "node",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "now"}}}),
        )
        .await;
    let after = stage
        .until_it("node", "the request is handled", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some("now"))
        })
        .await
        .status
        .expect("a status");
    assert_eq!(after.last_refresh_time, before.last_refresh_time, "the same session keeps its age");
    // At its refresh point there is nothing newer to be had: that is waited for, and no failure.
    eventually(Duration::from_secs(60), "it is asked again", async || {
        if stage.controller().log().contains("nothing newer yet") { Ok(()) } else { Err("not yet") }
    })
    .await;
    let resting =
        stage.credentials().get("node").await.expect("it is there").status.expect("a status");
    assert!(resting.failures.is_none(), "{resting:?}");
    assert_eq!(stage.key_id("node").await, session.id);
    stage.credential("other", json!({"source": {"instanceMetadata": {"role": "other"}}})).await;
    let lost = stage
        .until_it("other", "a failure", |c| c.status.as_ref().is_some_and(|s| s.failures.is_some()))
        .await;
    let failure = lost.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.message.contains("no such role"), "{}", failure.message);
    stage.strike().await;
}

#[tokio::test]
async fn another_metadata_service_is_asked_by_version_2_too() {
    let stage = Stage::without_controller().await;
    // It gives sessions that it does not know itself.
    let url = stage.issuer.url();
    let stage = stage
        .started(|program| {
            program.args(["--no-leader-election"]).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        })
        .await;
    allow(&stage, "node", json!({"sources": ["InstanceMetadata"]})).await;
    let spec = json!({"source": {"instanceMetadata": {}}, "principal": {"verify": "Never"}});
    stage.credential("node", spec).await;
    stage.until("node", "True", "Issued").await;
    stage.strike().await;
}

/// Nobody may listen on the protocol's link-local addresses of the machine: the test goes on in a
/// network namespace.
#[tokio::test]
async fn the_link_local_address_of_the_protocol_is_called() {
    background::blocking(|| programs::python("python")).await;
    let prepare =
        "ip link set lo up && ip -6 address add fd00:ec2::23/128 dev lo nodad && exec \"$@\"";
    let output = tokio::process::Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", prepare, "sh"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["cluster::peers::node::inside_the_namespace", "--exact", "--ignored", "--nocapture"])
        .output()
        .await
        .expect("unshare starts");
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "runs in the namespace that the test above makes"]
async fn inside_the_namespace() {
    const URL: &str = "http://[fd00:ec2::23]/v1/credentials";
    let listener =
        tokio::net::TcpListener::bind("[fd00:ec2::23]:80").await.expect("the namespace's address");
    tokio::spawn(async move {
        let body = json!({
            "AccessKeyId": "ASIALINKLOCAL0000000", "SecretAccessKey": "example", "Token": "example",
            "Expiration": "2099-01-01T00:00:00Z",
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let environment =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", URL), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN)];
    let accepted = python("container.py", &[], &environment).await;
    assert_eq!(accepted["boto3"], "container-role", "boto3 calls it");
    assert_eq!(accepted["awscrt"], "ASIALINKLOCAL0000000", "and so does awscrt");

    crate::harness::cluster::install_crypto();
    let call = Call {
        operation: "GetContainerCredentials",
        url: URL,
        way: Way::Named(Default::default()),
        headers: Vec::new(),
        ca_bundle: None,
        identity: None,
        timeout_seconds: Some(5),
    };
    let answer = Guarded.send(&call, None).await.expect("an answer");
    let body = secrecy::ExposeSecret::expose_secret(&answer.body);
    let issued = json::read("GetContainerCredentials", body, answer.date, jiff::Timestamp::now())
        .expect("credentials");
    assert_eq!(issued.session.key.id, "ASIALINKLOCAL0000000");
}
