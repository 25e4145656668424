//! `refresh`: asks, waits, and says what became of it.

use super::super::stage::Stage;
use super::User;
use serde_json::{Value, json};

/// Rules of somebody who may ask for new credentials.
fn asker() -> Value {
    json!([{"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials"], "verbs": ["get", "list", "patch"]}])
}

#[tokio::test]
async fn a_refresh_ends_when_the_new_credentials_are_published() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    for name in ["reports", "batch"] {
        stage.credential(name, json!({"roles": [{"roleArn": role}]})).await;
        stage.until(name, "True", "Issued").await;
    }
    let (reports, batch) = (stage.key_id("reports").await, stage.key_id("batch").await);
    let user = User::with_rules(&stage, "asker", asker()).await;
    let said = user.kubectl(&["refresh", "rcred/reports", "--wait"]).await.clean();
    assert!(
        said.starts_with("refreshablecredential.refreshable.dev/reports refreshed, valid until 20"),
        "{said}"
    );
    let new = stage.key_id("reports").await;
    assert_ne!(new, reports, "it has ended when they are there");
    assert_eq!(stage.key_id("batch").await, batch, "nothing else was asked for");

    let said = user.run(&["refresh", "--all", "--wait", "--timeout", "60s"]).await.clean();
    assert_eq!(said.matches(" refreshed, valid until ").count(), 2, "{said}");
    assert!(stage.key_id("reports").await != new && stage.key_id("batch").await != batch);
    let said = user.run(&["refresh", "batch"]).await.clean();
    assert_eq!(said, "refreshablecredential.refreshable.dev/batch refresh requested\n");
    stage.strike().await;
}

#[tokio::test]
async fn a_refresh_that_fails_says_reason_and_advice() {
    let stage = Stage::set().await;
    let denied = format!("arn:aws:iam::{}:role/payroll", stage.account);
    stage.allow(&[&denied]).await;
    stage.credential("payroll", json!({"roles": [{"roleArn": denied}]})).await;
    stage.until("payroll", "False", "AccessDenied").await;
    let administrator = User::administrator(&stage);
    let error = administrator.run(&["refresh", "payroll", "--wait"]).await.failed();
    assert!(
        error.starts_with("error: payroll was not refreshed: AccessDenied: AssumeRole of "),
        "{error}"
    );
    assert!(error.contains("trust policy") && error.contains("next try at"), "{error}");

    // What never gets as far as an attempt is not waited for.
    let other = format!("arn:aws:iam::{}:role/other", stage.account);
    stage.credential("other", json!({"roles": [{"roleArn": other}]})).await;
    stage.until("other", "False", "NotPermitted").await;
    let error = administrator.run(&["refresh", "other", "--wait"]).await.failed();
    assert!(error.contains("NotPermitted: no CredentialPolicy allows"), "{error}");
    stage.patch("other", json!({"spec": {"suspend": true}})).await;
    let error = administrator.run(&["refresh", "other"]).await.failed();
    assert!(error.contains("set spec.suspend to false"), "{error}");

    let reader = User::with_rules(&stage, "looker", super::reader()).await;
    let error = reader.run(&["refresh", "payroll"]).await.failed();
    assert!(error.starts_with("Error from server (Forbidden): "), "{error}");
    assert!(
        error.contains("verbs get and patch on refreshablecredentials.refreshable.dev"),
        "{error}"
    );
    stage.strike().await;
}

#[tokio::test]
async fn a_refresh_that_nobody_answers_times_out() {
    let stage = Stage::without_controller().await;
    stage
        .credential("reports", json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]}))
        .await;
    let error = User::administrator(&stage)
        .run(&["refresh", "reports", "--wait", "--timeout", "1s"])
        .await
        .failed();
    assert!(error.contains("timed out after 1s") && error.contains("is it running?"), "{error}");
}
