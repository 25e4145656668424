//! `env` in real shells: what the Secret holds is a value there and never code, and no profile wins
//! over it.

use super::super::stage::Stage;
use super::User;
use crate::harness::{background, programs, scratch};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A stage with a resource in the forms that these tests read, whose controller is gone: what the
/// Secret holds stays.
async fn stage(formats: &[&str]) -> Stage {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    stage
        .credential(
            "reports",
            json!({"roles": [{"roleArn": role}], "secret": {"formats": formats}}),
        )
        .await;
    stage.until("reports", "True", "Issued").await;
    stage.controller().kill();
    stage
}

/// Puts a text into the published Secret, as somebody could who may write it.
async fn alter(stage: &Stage, key: &str, text: &str) {
    let patch = Patch::Merge(json!({"stringData": {key: text}}));
    let secrets = stage.namespace.api::<Secret>();
    secrets.patch("reports", &PatchParams::default(), &patch).await.expect("it is altered");
}

/// The shells, how each takes the variables in, and how it prints two of them.
async fn shells() -> [(PathBuf, &'static str, &'static str); 3] {
    let fish = background::blocking(programs::fish).await;
    let sh = "eval \"$(kubectl refreshable env reports)\"";
    let print = "printf '%s|%s' \"$AWS_SESSION_TOKEN\" \"${AWS_PROFILE-unset}\"";
    let print_fish = "printf '%s|' \"$AWS_SESSION_TOKEN\"; env | string match -q 'AWS_PROFILE=*'; or printf unset";
    [
        (PathBuf::from("sh"), sh, print),
        (PathBuf::from("bash"), sh, print),
        (fish, "kubectl refreshable env -o fish reports | source", print_fish),
    ]
}

async fn in_shell(user: &User, shell: &Path, line: &str) -> String {
    let output = user.start(shell, &["-c", line]).output().await.expect("a run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", shell.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn what_a_secret_holds_is_a_value_in_every_shell_and_never_code() {
    let stage = stage(&["ProcessJson"]).await;
    let user = User::administrator(&stage).env("AWS_PROFILE", "another");
    let ran = scratch::subfolder("ran").join("it-ran");
    let touch = format!("touch${{IFS}}{}", ran.display());
    let mut json: Value =
        serde_json::from_str(&stage.published("reports").await["credentials.json"]).expect("JSON");
    for token in [
        format!("a';{touch};'"),
        format!("$({touch})`{touch}`\";{touch};\\#(({touch}))"),
        format!("\u{2019};{touch};\u{2018}'\\''\u{201a}\u{201b}\\"),
    ] {
        json["SessionToken"] = token.as_str().into();
        alter(&stage, "credentials.json", &json.to_string()).await;
        for (shell, take, print) in shells().await {
            assert_eq!(
                in_shell(&user, &shell, &format!("{take}; {print}")).await,
                format!("{token}|unset")
            );
        }
        let powershell = user.run(&["env", "-o", "powershell", "reports"]).await.good();
        assert!(powershell.is_ascii(), "no quote that PowerShell alone knows: {powershell}");
        let read: Value =
            serde_json::from_str(&user.run(&["env", "-o", "json", "reports"]).await.output)
                .expect("JSON");
        assert_eq!(read["AWS_SESSION_TOKEN"], token.as_str());
        let dotenv = user.run(&["env", "-o", "dotenv", "reports"]).await.failed();
        assert!(
            dotenv.contains("AWS_SESSION_TOKEN has a character") && !dotenv.contains(&touch),
            "{dotenv}"
        );
        assert!(!ran.exists(), "nothing ran");
    }
    stage.strike().await;
}

#[tokio::test]
async fn a_region_with_a_line_break_is_refused_in_every_language() {
    let stage = stage(&["Environment"]).await;
    let user = User::administrator(&stage);
    alter(&stage, "AWS_REGION", "eu-west-1\nexport PATH=/tmp").await;
    for language in ["sh", "fish", "powershell", "dotenv", "json"] {
        let error = user.run(&["env", "-o", language, "reports"]).await.failed();
        assert!(error.contains(r#""eu-west-1\nexport PATH=/tmp" is no Region's name"#), "{error}");
    }
    let error = user.run(&["exec", "reports", "--", "true"]).await.failed();
    assert!(error.contains("is no Region's name"), "{error}");
    stage.strike().await;
}

#[tokio::test]
async fn no_profile_wins_over_what_was_printed() {
    let stage = stage(&["ProcessJson"]).await;
    let aws = background::blocking(|| programs::python("aws")).await.display().to_string();
    // The AWS CLI fails where the profile does not exist, and uses its key where it does.
    let config = "[profile other]\naws_access_key_id = AKIAOTHEROTHEROTHER1\naws_secret_access_key = other\n";
    let config = scratch::write(scratch::subfolder("profiles").join("config"), config);
    for profile in ["there-is-none", "other"] {
        let user = User::administrator(&stage)
            .env("AWS_PROFILE", profile)
            .env("AWS_DEFAULT_PROFILE", profile)
            .env("AWS_CONFIG_FILE", &config)
            .env("AWS_DEFAULT_REGION", "eu-west-1")
            .env("AWS_SECURITY_TOKEN", "a-token-of-somebody-else")
            .env("AWS_ENDPOINT_URL_STS", stage.issuer.url());
        let call = format!("{aws} sts get-caller-identity --output text --query Arn");
        for (shell, take, _) in shells().await {
            let arn = in_shell(&user, &shell, &format!("{take}; {call}")).await;
            assert!(arn.contains(":assumed-role/reports/"), "{}: {arn}", shell.display());
        }
        let run = user
            .kubectl(
                &[&["exec", "reports", "--"][..], &call.split(' ').collect::<Vec<_>>()].concat(),
            )
            .await;
        assert!(run.good().contains(":assumed-role/reports/"), "exec unsets the same");
        for language in ["dotenv", "json"] {
            let run = user.run(&["env", "-o", language, "reports"]).await;
            let said = "note: AWS_PROFILE, AWS_DEFAULT_PROFILE, AWS_SECURITY_TOKEN is set here and may win";
            assert!(run.errors.starts_with(said), "{}", run.errors);
            assert!(!run.good().contains("AWS_PROFILE"), "an empty profile is none");
        }
    }
    stage.strike().await;
}
