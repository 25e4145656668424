//! `issuer` writes documents that hold the API server's own keys, and configuration that its
//! readers read.

use super::super::plugin::User;
use super::super::stage::Stage;
use crate::harness::{controlplane, issuer, scratch};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

const URL: &str = "https://oidc.example.com/cluster-1";

#[tokio::test]
async fn the_documents_hold_the_api_server_s_keys_and_iam_takes_the_provider() {
    let stage = Stage::without_controller().await;
    let root = stage.issuer.account(&stage.account).root();
    let user = User::administrator(&stage)
        .env("AWS_ENDPOINT_URL", stage.issuer.url())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", root.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", root.secret_access_key());
    let folder = scratch::subfolder("issuer").join("documents");
    let name = folder.display().to_string();
    let run = user.run(&["issuer", "--url", URL, "--output-dir", &name]).await;
    let note = format!("tokens have the issuer {} until", controlplane::TOKEN_ISSUER);
    assert!(run.errors.contains(&note), "{}", run.errors);
    let script = run.clean();

    let read = |path: &str| -> Value {
        let text = std::fs::read_to_string(folder.join(path)).expect(path);
        serde_json::from_str(&text).expect("JSON")
    };
    let file = std::fs::metadata(folder.join("openid/v1/jwks")).expect("a file");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let keys = stage.cluster.kubectl(&["get", "--raw", "/openid/v1/jwks"]).await;
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    assert_eq!(read("openid/v1/jwks"), keys);
    assert!(keys["keys"][0]["kid"].is_string(), "{keys}");
    let document = read(".well-known/openid-configuration");
    assert_eq!(
        (&document["issuer"], &document["jwks_uri"]),
        (&json!(URL), &json!(format!("{URL}/openid/v1/jwks")))
    );

    // The printed command, in the emulator's IAM.
    let command = script.lines().last().expect("a command");
    let words: Vec<&str> = command.split(' ').collect();
    let flags = ["--url", URL, "--client-id-list", "sts.amazonaws.com"];
    assert_eq!(words, [&["aws", "iam", "create-open-id-connect-provider"][..], &flags].concat());
    let account = stage.issuer.account(&stage.account);
    let parameters = [("Url", URL), ("ClientIDList.member.1", "sts.amazonaws.com")];
    let answer = account.iam("CreateOpenIDConnectProvider", &parameters).await;
    let arn = issuer::element(&answer, "OpenIDConnectProviderArn").expect("an ARN");
    assert!(arn.ends_with(":oidc-provider/oidc.example.com/cluster-1"), "{arn}");
}

#[tokio::test]
async fn wrong_urls_and_missing_rights_are_explained() {
    let stage = Stage::without_controller().await;
    let user = User::administrator(&stage);
    let slash = user.run(&["issuer", "--url", "https://oidc.example.com/"]).await.failed();
    assert!(slash.contains("write it without the slash at its end"), "{slash}");
    let upload = user.run(&["issuer", "--url", URL, "--bucket", "bucket"]).await.failed();
    assert!(upload.contains("give --output-dir <FOLDER>"), "{upload}");
    let terraform =
        user.run(&["issuer", "--url", URL, "--format", "terraform", "--bucket", "bucket"]).await;
    assert!(terraform.output.contains("\"aws_iam_openid_connect_provider\" \"cluster\""));
    let kubeadm = user.run(&["issuer", "--url", URL, "--api-server", "kubeadm"]).await.clean();
    let read: Value = serde_saphyr::from_str(&kubeadm).expect("YAML");
    let arguments = &read["apiServer"]["extraArgs"];
    let issuers = [&arguments[0]["value"], &arguments[1]["value"]];
    assert_eq!(issuers, [&json!(URL), &json!(controlplane::TOKEN_ISSUER)]);
}
