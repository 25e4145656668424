//! Tokens for services outside AWS: from ministack, and signed by a certified OpenID provider in
//! AWS's place, which a service verifies by its keys.

use super::openid::OpenId;
use crate::cluster::stage::{SOON, Stage};
use crate::harness::{background, canary, eventually, programs};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;

/// The provider names in a token the host of the audience that it is asked for.
const AUDIENCE: &str = "warehouse";

fn asking(role: &str, more: Value) -> Value {
    let mut token = json!({"audiences": [AUDIENCE]});
    let more = more.as_object().expect("an object").clone();
    token.as_object_mut().expect("an object").extend(more);
    json!({"roles": [{"roleArn": role}], "token": {"webIdentity": token}})
}

fn end(object: &RefreshableCredential) -> SignedDuration {
    let status = object.status.as_ref().expect("a status");
    status.expiration.as_ref().expect("an end").0.duration_since(Timestamp::now())
}

/// The claims that a service sees which verifies the token.
async fn verified(token: &str, issuer: &str) -> Value {
    let folder = background::blocking(programs::node_packages).await;
    let mut process = tokio::process::Command::new("node")
        .arg(folder.join("verify.js"))
        .args([issuer, AUDIENCE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs");
    let mut input = process.stdin.take().expect("an input");
    input.write_all(token.as_bytes()).await.expect("written");
    drop(input);
    let output = process.wait_with_output().await.expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("claims")
}

/// AWS's answer, as its model has it.
fn answer(token: &str, end: Timestamp) -> String {
    format!(
        "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult>\
         <WebIdentityToken>{token}</WebIdentityToken><Expiration>{end}</Expiration></GetWebIdentityTokenResult>\
         <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetWebIdentityTokenResponse>"
    )
}

#[tokio::test]
async fn aws_is_asked_in_its_own_words_and_never_past_the_session() {
    let stage = Stage::set().await;
    let role = stage
        .role_allowing("speaker", &["sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"])
        .await;
    let tags = json!([{"key": "team", "value": "a"}]);
    stage
        .credential("outbound", asking(&role, json!({"signingAlgorithm": "ES384", "tags": tags})))
        .await;
    let ready = stage.until("outbound", "True", "Issued").await;
    let published = stage.published("outbound").await;
    assert_eq!(published.keys().collect::<Vec<_>>(), ["token"]);
    canary::register(&published["token"]);
    let calls = stage.aws.calls_of("GetWebIdentityToken");
    assert_eq!(calls.len(), 1);
    for (name, value) in [
        ("Audience.member.1", AUDIENCE),
        ("SigningAlgorithm", "ES384"),
        ("Tags.member.1.Key", "team"),
    ] {
        assert_eq!(calls[0].parameter(name), Some(value), "{:?}", calls[0]);
    }
    let seconds = calls[0].parameter("DurationSeconds").and_then(|s| s.parse::<i64>().ok());
    let seconds = seconds.expect("a duration");
    assert!((3500..3600).contains(&seconds), "the session has an hour: {seconds}");
    let left = end(&ready);
    assert!(left <= SignedDuration::from_secs(seconds), "{left}");
    stage.strike().await;
}

#[tokio::test]
async fn a_service_verifies_the_token_by_the_keys_of_its_issuer() {
    let stage = Stage::set().await;
    let provider = OpenId::start(None).await;
    let signed = provider.token(&format!("https://{AUDIENCE}")).await;
    let role = stage.role_allowing("speaker", &["sts:GetWebIdentityToken"]).await;
    let end_of_token = Timestamp::now() + SignedDuration::from_mins(10);
    let body = answer(&signed, end_of_token);
    let fault = stage.aws.on("GetWebIdentityToken").answers(200, "text/xml", &body);
    stage.credential("outbound", asking(&role, json!({}))).await;
    let ready = stage.until("outbound", "True", "Issued").await;
    let left = end(&ready);
    assert!(left <= SignedDuration::from_mins(10), "{left}");
    let published = stage.published("outbound").await;
    let claims = verified(&published["token"], &provider.url).await;
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(provider.url), &json!(AUDIENCE)));
    fault.lift();

    // Each is a fault of AWS's that a person reads about; what is published stays.
    for (code, words) in [
        ("OutboundWebIdentityFederationDisabled", "enable outbound identity federation"),
        ("AccessDenied", "sts:GetWebIdentityToken"),
    ] {
        let fault = stage.aws.on("GetWebIdentityToken").fails(403, code, "no");
        let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": code}}});
        stage.patch("outbound", again).await;
        let failing = stage
            .until_it("outbound", code, |c| {
                let failures = c.status.as_ref().and_then(|s| s.failures.as_ref());
                failures.is_some_and(|f| f.code.as_deref() == Some(code))
            })
            .await;
        let failure = failing.status.and_then(|s| s.failures).expect("a failure");
        assert_eq!(failure.reason.as_str(), "AccessDenied");
        assert!(failure.message.contains(words), "{}", failure.message);
        fault.lift();
    }
    assert_eq!(stage.published("outbound").await["token"], signed, "what is valid stays");

    // An answer without a token is none.
    let broken = answer("not-a-token", end_of_token);
    let _fault = stage.aws.on("GetWebIdentityToken").answers(200, "text/xml", &broken);
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "broken"}}});
    stage.patch("outbound", again).await;
    let message = eventually(SOON, "the answer is told", async || {
        let object = stage.credentials().get("outbound").await.map_err(|e| e.to_string())?;
        let message = object.status.and_then(|s| s.failures).map(|f| f.message).unwrap_or_default();
        if message.contains("not a JSON Web Token") { Ok(message) } else { Err(message) }
    })
    .await;
    assert!(!message.contains("not-a-token"), "{message}");
    stage.strike().await;
}
