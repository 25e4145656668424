//! A Cognito identity pool, played by ministack, which botocore's client uses first.

use super::{Stage, honoured, python};
use serde_json::json;

#[tokio::test]
async fn an_identity_of_a_pool_gets_the_pool_s_role() {
    let stage = Stage::without_controller().await;
    // Calls that nobody signed belong to this account there.
    let account = stage.issuer.account("000000000000");
    let role = account
        .role("pool")
        .trusting_web_identity("cognito-identity.amazonaws.com", "*")
        .allowing(&["s3:*", "sts:*"])
        .create()
        .await;
    let root = account.root();
    let keys = [
        ("AWS_ACCESS_KEY_ID", root.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", root.secret_access_key()),
    ];
    let made = python("cognito.py", &[stage.issuer.url(), &role, "eu-west-1"], &keys).await;
    assert!(made["AccessKeyId"].is_string(), "botocore's client gets credentials: {made}");

    let url = stage.issuer.url();
    let stage = stage
        .started(|program| {
            let program = program.args(["--no-leader-election"]);
            program.env("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
        })
        .await;
    let pool = made["IdentityPoolId"].as_str().expect("a pool");
    let source = json!({"identityPoolId": pool, "identityId": made["IdentityId"]});
    stage.credential("guest", json!({"source": {"cognito": source}})).await;
    assert!(honoured(&stage, "guest").await.contains("pool"));
    stage.strike().await;
}
