//! `login`: a person signs in, and the controller goes on with the token.

use super::super::peers::identity_center::{Tokens, center, served};
use super::super::peers::{Desk, honoured};
use super::super::stage::Stage;
use super::User;
use crate::harness::standin::StandIn;
use crate::harness::{canary, eventually};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

const PORTAL: [&str; 4] =
    ["--start-url", "https://example.awsapps.com/start", "--region", "eu-west-1"];

/// A stage whose controller calls this stand-in for Identity Center.
async fn stage(role: &str, tokens: &Tokens) -> (Stage, StandIn) {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, role).await;
    let center = center(desk, tokens.clone(), stage.account.clone()).await;
    let stage = served(stage, &center).await;
    (stage, center)
}

/// Somebody who may fill token Secrets, and read nothing of them.
async fn person(stage: &Stage, center: &StandIn) -> User {
    let rules = json!([
        {"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch"]},
    ]);
    User::with_rules(stage, "person", rules).await.env("AWS_ENDPOINT_URL_SSO_OIDC", center.url())
}

#[tokio::test]
async fn a_person_signs_in_and_the_controller_goes_on_with_the_token() {
    let tokens = Tokens::default();
    for secret in [
        tokens.access(),
        tokens.refresh(),
        "the-secret-of-the-client".into(),
        "the-device-s-code".into(),
    ] {
        canary::register(&secret);
    }
    let (stage, center) = stage("AWSReservedSSO_Reader_1111222233334444", &tokens).await;
    let source = json!({"accountId": stage.account, "roleName": "Reader", "tokenSecretRef": {"name": "sso"}});
    stage.credential("reader", json!({"source": {"identityCenter": source}})).await;
    stage.until("reader", "False", "InputMissing").await;
    let user = person(&stage, &center).await;
    let said = user.kubectl(&[&["login", "reader"][..], &PORTAL].concat()).await.clean();
    for part in [
        "confirm the code ABCD-EFGH there (it is good for 10m)",
        "\n  https://example.awsapps.com/device?user_code=ABCD-EFGH\n",
        "secret/sso signed in; the controller renews the session by itself",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains('█'), "no QR code in a pipe: {said}");
    assert!(honoured(&stage, "reader").await.contains("AWSReservedSSO_Reader_"));
    let secret = stage.namespace.api::<Secret>().get("sso").await.expect("it is there");
    assert_eq!(secret.metadata.labels.expect("labels")["refreshable.dev/watch"], "true");
    let kept: Value =
        serde_json::from_slice(&secret.data.expect("data")["token.json"].0).expect("JSON");
    assert_eq!(
        (
            kept["startUrl"].as_str(),
            kept["region"].as_str(),
            kept["refreshToken"].as_str(),
            kept["registrationExpiresAt"].as_str()
        ),
        (
            Some(PORTAL[1]),
            Some(PORTAL[3]),
            Some(tokens.refresh().as_str()),
            Some("2099-01-01T00:00:00Z")
        ),
    );
    assert_eq!(
        center.asked("POST /token").len(),
        2,
        "it was pending once; the controller had nothing to renew"
    );
    let registered = center.asked("POST /client/register")[0].json();
    assert_eq!(
        (registered["clientType"].as_str(), registered["scopes"][0].as_str()),
        (Some("public"), Some("sso:account:access"))
    );

    // The session was ended elsewhere, and a person is asked for by this command's name. Who signs
    // in again need not say where: the token does. The controller notices the new one.
    tokens.sign_in();
    canary::register(&tokens.access());
    canary::register(&tokens.refresh());
    let key = stage.key_id("reader").await;
    let again = User::administrator(&stage).env("AWS_ENDPOINT_URL_SSO_OIDC", center.url());
    let needed = again.run(&["refresh", "reader", "--wait"]).await.failed();
    assert!(
        needed.contains("PersonNeeded: ")
            && needed.contains("kubectl refreshable login --secret sso"),
        "{needed}"
    );
    again.run(&["login", "reader"]).await.clean();
    eventually(super::super::stage::SOON, "the controller noticed", async || {
        let now = stage.key_id("reader").await;
        if now == key { Err(now) } else { Ok(()) }
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn a_terminal_shows_a_qr_code() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "AWSReservedSSO_Reader_5555666677778888").await;
    let center = center(desk, Tokens::default(), stage.account.clone()).await;
    let user = User::administrator(&stage)
        .env("AWS_ENDPOINT_URL_SSO_OIDC", center.url())
        .env("TERM", "xterm")
        .env("LANG", "C.UTF-8");
    let line = format!(
        "script --quiet --return --command '{} login --secret sso {}' /dev/null",
        super::program(),
        PORTAL.join(" ")
    );
    let said = user.shell(&line).await.clean();
    assert!(said.contains('█') && said.contains("secret/sso signed in"), "{said}");
}

#[tokio::test]
async fn nobody_is_asked_to_sign_in_for_a_token_that_could_not_be_kept() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "AWSReservedSSO_Reader_9999000011112222").await;
    let center = center(desk, Tokens::default(), stage.account.clone()).await;
    let looker = User::with_rules(&stage, "looker", super::reader())
        .await
        .env("AWS_ENDPOINT_URL_SSO_OIDC", center.url());
    let error = looker.run(&[&["login", "--secret", "sso"][..], &PORTAL].concat()).await.failed();
    assert!(
        error.starts_with("Error from server (Forbidden): ")
            && error.contains("verbs patch and create on secrets"),
        "{error}"
    );
    assert!(center.asked("POST").is_empty(), "AWS was not asked");

    let user = person(&stage, &center).await;
    stage
        .credential("reports", json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]}))
        .await;
    let error = user.run(&[&["login", "reports"][..], &PORTAL].concat()).await.failed();
    assert!(error.contains("another source than identityCenter"), "{error}");
    let administrator = User::administrator(&stage).env("AWS_ENDPOINT_URL_SSO_OIDC", center.url());
    let error = administrator.run(&["login", "--secret", "sso"]).await.failed();
    assert!(error.contains("--start-url and --region"), "{error}");
    assert!(center.asked("POST").is_empty(), "AWS was not asked");
    let error =
        administrator.run(&["login", "--secret", "sso", "--sso-session", "bench"]).await.failed();
    assert!(error.contains(".aws/config"), "{error}");
}

#[tokio::test]
async fn a_secret_that_holds_no_token_is_written_over_by_force_alone() {
    let stage = Stage::without_controller().await;
    let tokens = Tokens::default();
    let desk = Desk::of(&stage, "AWSReservedSSO_Reader_7777888899990000").await;
    let center = center(desk, tokens.clone(), stage.account.clone()).await;
    stage.secret("database", &[("token.json", "theirs"), ("password", "theirs")]).await;
    let administrator = User::administrator(&stage).env("AWS_ENDPOINT_URL_SSO_OIDC", center.url());
    let command = [&["login", "--secret", "database"][..], &PORTAL].concat();
    for user in [person(&stage, &center).await, administrator] {
        let error = user.run(&command).await.failed();
        for part in
            ["Secret database exists", "refreshable.dev/renew=true", "token.json", "--force"]
        {
            assert!(error.contains(part), "{part}\n{error}");
        }
    }
    assert!(center.asked("POST").is_empty(), "AWS was not asked");
    assert_eq!(stage.published("database").await["token.json"], "theirs");

    let user = User::administrator(&stage).env("AWS_ENDPOINT_URL_SSO_OIDC", center.url());
    user.run(&[&command[..], &["--force"]].concat()).await.clean();
    let now = stage.published("database").await;
    assert!(now["token.json"].contains(PORTAL[1]) && now["password"] == "theirs");
    // Without the label it is known by what it holds; with the label by whoever reads nothing.
    let strip = ["label", "secret", "database", "refreshable.dev/renew-", "--namespace"];
    stage.cluster.kubectl(&[&strip[..], &[stage.namespace.name.as_str()]].concat()).await;
    user.run(&command).await.clean();
    person(&stage, &center).await.run(&command).await.clean();
}
