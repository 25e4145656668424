//! `process`, `env`, `exec`: the credentials themselves, for whoever may read the Secret.

use super::super::stage::{SOON, Stage};
use super::{User, program};
use crate::harness::{background, canary, eventually, issuer, programs, scratch};
use aws_credential_types::Credentials;
use serde_json::{Value, json};

/// Rules of somebody who may read that Secret, and nothing else.
fn holder(secret: &str) -> Value {
    json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}])
}

/// A stage with a resource that is issued. What is published is in the canary's search.
async fn stage() -> Stage {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage
        .credential(
            "reports",
            json!({"roles": [{"roleArn": role}], "secret": {"name": "reports-aws"}}),
        )
        .await;
    stage.until("reports", "True", "Issued").await;
    let json: Value =
        serde_json::from_str(&stage.published("reports-aws").await["credentials.json"])
            .expect("JSON");
    for member in ["SecretAccessKey", "SessionToken"] {
        canary::register(json[member].as_str().expect("text"));
    }
    stage
}

/// Who AWS says that these credentials are.
async fn identity(stage: &Stage, id: &str, secret: &str, token: &str) -> String {
    let keys = Credentials::new(id, secret, Some(token.to_owned()), None, "the plugin's");
    let answer = issuer::sts(stage.issuer.url(), keys)
        .get_caller_identity()
        .send()
        .await
        .expect("AWS knows them");
    answer.arn().expect("an ARN").to_owned()
}

#[tokio::test]
async fn boto3_uses_the_plugin_as_its_credential_process() {
    let stage = stage().await;
    let both = json!([
        {"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["reports-aws"], "verbs": ["get"]},
    ]);
    let user = User::with_rules(&stage, "laptop", both).await;
    let text = user.kubectl(&["process", "reports"]).await.good();
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (json["Version"].as_i64(), json["AccountId"].as_str()),
        (Some(1), Some(stage.account.as_str()))
    );
    let process = format!("kubectl refreshable process -n {} reports", stage.namespace.name);
    let config = format!("[profile reports]\nregion = eu-west-1\ncredential_process = {process}\n");
    let file = scratch::write(scratch::subfolder("laptop").join("config"), config);
    let python = background::blocking(|| programs::python("python")).await;
    let script = "import boto3, json; s = boto3.Session(); c = s.get_credentials(); \
        print(json.dumps([c.method, s.client('sts').get_caller_identity()['Arn']]))";
    let output = user
        .env("AWS_CONFIG_FILE", file)
        .env("AWS_PROFILE", "reports")
        .env("AWS_ENDPOINT_URL_STS", stage.issuer.url())
        .start(&python, &["-c", script])
        .output()
        .await
        .expect("a run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    canary::assert_clean(&errors, "boto3's standard error");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(seen[0], "custom-process");
    assert!(seen[1].as_str().is_some_and(|arn| arn.contains(":assumed-role/reports/")), "{seen}");
    stage.strike().await;
}

#[tokio::test]
async fn who_may_read_the_secret_alone_gets_what_it_holds_under_its_resource_s_name() {
    let stage = Stage::set().await;
    let role = stage.role("batch").await;
    stage
        .credential(
            "batch",
            json!({"roles": [{"roleArn": role}], "secret": {"formats": ["Environment"]}}),
        )
        .await;
    stage.until("batch", "True", "Issued").await;
    stage.secret("stranger", &[("credentials.json", "{}")]).await;
    let user = User::with_rules(&stage, "holder", holder("batch")).await;
    let json: Value =
        serde_json::from_str(&user.run(&["process", "batch"]).await.good()).expect("JSON");
    let text = |member: &str| json[member].as_str().expect("text").to_owned();
    let arn =
        identity(&stage, &text("AccessKeyId"), &text("SecretAccessKey"), &text("SessionToken"))
            .await;
    assert!(arn.contains(":assumed-role/batch/"), "{arn}");
    let error = user.run(&["process", "stranger"]).await.failed();
    assert!(error.contains("(Forbidden)") && error.contains("resourceNames [stranger]"), "{error}");
    let stranger = User::with_rules(&stage, "other", holder("stranger")).await;
    let error = stranger.run(&["process", "stranger"]).await.failed();
    assert!(error.contains("was not published by RefreshableCredential stranger"), "{error}");
    stage.strike().await;
}

#[tokio::test]
async fn a_shell_takes_the_credentials_into_its_environment() {
    let stage = stage().await;
    let user = User::administrator(&stage);
    // Without quotes, as people write it: the line breaks become spaces.
    let line = "eval $(kubectl refreshable env reports) && \
        printf '%s %s %s %s' \"$AWS_ACCESS_KEY_ID\" \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_SESSION_TOKEN\" \"$AWS_REGION\"";
    let said = user.shell(line).await.good();
    let words: Vec<&str> = said.split(' ').collect();
    assert_eq!((words.len(), words[3]), (4, "eu-west-1"));
    assert!(
        identity(&stage, words[0], words[1], words[2]).await.contains(":assumed-role/reports/")
    );
    let dotenv = user.run(&["env", "-o", "dotenv", "reports"]).await.good();
    assert!(
        dotenv.starts_with(&format!("AWS_ACCESS_KEY_ID={}\n", words[0])) && !dotenv.contains('\''),
        "other words"
    );
    let json: Value =
        serde_json::from_str(&user.run(&["env", "-o", "json", "reports"]).await.good())
            .expect("JSON");
    assert_eq!(
        (json["AWS_SESSION_TOKEN"].as_str(), json["AWS_DEFAULT_REGION"].as_str()),
        (Some(words[2]), Some("eu-west-1"))
    );
    let powershell = user.run(&["env", "-o", "powershell", "reports"]).await.good();
    assert!(powershell.starts_with("$Env:AWS_PROFILE = $null\n"), "another profile goes first");
    assert!(
        powershell.contains(&format!("\n$Env:AWS_ACCESS_KEY_ID = '{}'\n", words[0])),
        "the key is set"
    );
    stage.strike().await;
}

#[tokio::test]
async fn a_command_runs_with_the_credentials_and_its_exit_code_is_passed_on() {
    let stage = stage().await;
    let user = User::administrator(&stage).env("AWS_PROFILE", "there-is-none").env("KEPT", "yes");
    let key = stage.key_id("reports-aws").await;
    let line =
        "printf '%s %s %s' \"$AWS_ACCESS_KEY_ID\" \"$KEPT\" \"${AWS_PROFILE-unset}\"; exit 42";
    let run = user.kubectl(&["exec", "reports", "--", "sh", "-c", line]).await;
    assert_eq!(
        (run.code, run.output.as_str(), run.errors.as_str()),
        (42, format!("{key} yes unset").as_str(), "")
    );
    let missing = user.run(&["exec", "reports", "--", "no-such-program"]).await;
    assert_eq!(missing.code, 127, "{missing:?}");
    let folder = user.run(&["exec", "reports", "--", "/"]).await;
    assert_eq!(folder.code, 126, "{folder:?}");
    let error = user.run(&["exec", "nobody", "--", "true"]).await.failed();
    assert!(error.contains("(NotFound)"), "{error}");
    // A signal reaches the command, because it is the plugin's own process by then.
    let mut child = user
        .start(std::path::Path::new(program()), &["exec", "reports", "--", "sleep", "600"])
        .spawn()
        .expect("a start");
    let pid = child.id().expect("it runs");
    eventually(SOON, "it has become the command", async || {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "sleep" { Ok(()) } else { Err(name) }
    })
    .await;
    child.kill().await.expect("killed");
    stage.strike().await;
}

#[tokio::test]
async fn one_of_many_profiles_is_taken_by_its_name() {
    let stage = Stage::set().await;
    let (a, b) = (stage.role("a").await, stage.role("b").await);
    let profiles =
        json!([{"name": "a", "roles": [{"roleArn": a}]}, {"name": "b", "roles": [{"roleArn": b}]}]);
    stage.credential("many", json!({"profiles": profiles})).await;
    stage.until("many", "True", "Issued").await;
    let user = User::administrator(&stage);
    let error = user.run(&["process", "many"]).await.failed();
    assert!(error.contains("choose one of a, b with --profile"), "{error}");
    let json: Value =
        serde_json::from_str(&user.run(&["process", "many", "--profile", "b"]).await.good())
            .expect("JSON");
    let text = |member: &str| json[member].as_str().expect("text").to_owned();
    let arn =
        identity(&stage, &text("AccessKeyId"), &text("SecretAccessKey"), &text("SessionToken"))
            .await;
    assert!(arn.contains(":assumed-role/b/"), "{arn}");
    stage.strike().await;
}

#[tokio::test]
async fn what_is_not_published_or_has_expired_is_refused_with_the_reason() {
    let stage = stage().await;
    let user = User::administrator(&stage);
    let denied = format!("arn:aws:iam::{}:role/payroll", stage.account);
    stage.allow(&[&denied]).await;
    stage.credential("payroll", json!({"roles": [{"roleArn": denied}]})).await;
    stage.until("payroll", "False", "AccessDenied").await;
    for command in ["process", "env"] {
        let error = user.run(&[command, "payroll"]).await.failed();
        assert!(error.contains("has published nothing: AccessDenied: AssumeRole of "), "{error}");
    }
    // The controller is gone, and the time has come.
    stage.controller().kill();
    let past = json!({"metadata": {"annotations": {
        "refreshable.dev/issued-at": "2026-01-01T00:00:00Z", "refreshable.dev/expiration": "2026-01-01T01:00:00Z",
    }}});
    let secrets = stage.namespace.api::<k8s_openapi::api::core::v1::Secret>();
    let patch = kube::api::Patch::Merge(&past);
    secrets
        .patch("reports-aws", &kube::api::PatchParams::default(), &patch)
        .await
        .expect("it is old now");
    let error = user.run(&["process", "reports"]).await.failed();
    assert!(
        error.contains("the published credentials expired")
            && error.contains("is the controller running?"),
        "{error}"
    );
    let run = user.run(&["exec", "reports", "--", "true"]).await;
    assert_eq!(run.code, 1, "{run:?}");
    stage.strike().await;
}
