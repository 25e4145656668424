//! Everything that an issuer can do wrong: what was valid stays, the status says what happened and
//! what to do, and it recovers by itself.

use super::stage::{SOON, Stage};
use crate::harness::eventually;
use crate::harness::faults::{Fault, When};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

type Trouble = fn(When) -> Fault;

/// Faults of the issuer, each with its name, the reason that is then to be read, and a part of the
/// message.
fn troubles() -> Vec<(&'static str, Trouble, &'static str, &'static str)> {
    vec![
        ("denies", |on| on.gets_denied(), "AccessDenied", "trust policy lets this caller in"),
        ("throttles", |on| on.throttles(), "Throttled", "retried more slowly"),
        ("breaks", |on| on.breaks(), "IssuerUnavailable", "InternalFailure"),
        ("cuts", |on| on.gets_cut_off(), "IssuerUnavailable", "cannot be reached"),
        ("loses", |on| on.loses_its_answer(), "IssuerUnavailable", "cannot be reached"),
        ("hangs", |on| on.hangs(), "IssuerUnavailable", "no answer in time"),
        ("page", |on| on.answers_html(200), "InvalidAnswer", "not STS's"),
        ("gateway", |on| on.answers_html(502), "IssuerUnavailable", "HTTP 502"),
        ("empty", |on| on.answers(200, "text/xml", ""), "InvalidAnswer", "cannot be used"),
        ("past", |on| on.expired_since(Duration::from_secs(60)), "InvalidAnswer", "already past"),
        ("endless", |on| on.never_says_when_it_expires(), "InvalidAnswer", "cannot be used"),
        ("garbage", |on| on.says_it_expires("tomorrow"), "InvalidAnswer", "cannot be used"),
        (
            "malformed",
            |on| on.fails(400, "MalformedPolicyDocument", "Syntax errors in policy."),
            "InvalidSpecification",
            "Correct the session policy",
        ),
        (
            "disabled",
            |on| on.fails(403, "RegionDisabledException", "STS is not activated in this region."),
            "InvalidSpecification",
            "Activate STS for this Region",
        ),
        (
            "expired",
            |on| on.fails(403, "ExpiredToken", "The security token is expired"),
            "InputExpired",
            "automatically",
        ),
        (
            "unknown",
            |on| on.fails(403, "InvalidClientTokenId", "The security token is invalid."),
            "InputInvalid",
            "Check the access key",
        ),
    ]
}

#[tokio::test]
async fn what_was_valid_stays_while_the_issuer_fails() {
    let stage = Stage::set().await;
    for (name, trouble, reason, advice) in troubles() {
        let role = stage.role(name).await;
        stage
            .credential(name, json!({"roles": [{"roleArn": role}], "sts": {"timeoutSeconds": 1}}))
            .await;
        stage.until(name, "True", "Issued").await;
        let before = stage.published(name).await;

        let fault = trouble(stage.aws.on("AssumeRole").of_role(&role));
        stage
            .patch(
                name,
                json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
            )
            .await;
        let failing = stage.until(name, "True", "RefreshFailing").await;
        let status = failing.status.expect("a status");
        let failure = status.failures.expect("a failure");
        assert_eq!(failure.reason, reason, "{name}: {}", failure.message);
        assert!(failure.message.contains(advice), "{name}: {}", failure.message);
        assert!(
            status
                .conditions
                .iter()
                .any(|c| (c.type_ == "Reconciling" || c.type_ == "Stalled") && c.status == "True")
        );
        assert_eq!(
            stage.published(name).await,
            before,
            "{name}: the old credentials stay in place"
        );

        fault.lift();
        // A person who has mended the cause may ask at once, and otherwise the class's pause goes
        // by.
        stage
            .patch(
                name,
                json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "2"}}}),
            )
            .await;
        stage.until(name, "True", "Issued").await;
        assert_ne!(stage.published(name).await, before, "{name}: recovered");
    }
    stage.strike().await;
}

#[tokio::test]
async fn what_never_was_valid_says_why_and_recovers_by_itself() {
    let stage = Stage::set().await;
    for (name, trouble, reason, advice) in troubles() {
        let name = format!("new-{name}");
        let role = stage.role(&name).await;
        let fault = trouble(stage.aws.on("AssumeRole").of_role(&role));
        stage
            .credential(&name, json!({"roles": [{"roleArn": role}], "sts": {"timeoutSeconds": 1}}))
            .await;
        let failing = stage.until(&name, "False", reason).await;
        let failure = failing.status.and_then(|s| s.failures).expect("a failure");
        assert!(failure.message.contains(advice), "{name}: {}", failure.message);
        let refused = failure.code.is_some_and(|c| !c.starts_with("HTTP"));
        assert!(
            !refused || failure.request_id.is_some(),
            "{name}: a refusal of AWS's has a request id"
        );
        fault.lift();
        // Stalled ones are tried again slowly: their specification would be corrected.
        if matches!(
            reason,
            "IssuerUnavailable" | "InvalidAnswer" | "Throttled" | "AccessDenied" | "InputExpired"
        ) {
            stage.until(&name, "True", "Issued").await;
        }
    }
    stage.strike().await;
}

#[tokio::test]
async fn attempts_are_counted_and_repeated() {
    let stage = Stage::set().await;
    let role = stage.role("counted").await;
    let fault = stage.aws.on("AssumeRole").of_role(&role).breaks();
    stage.credential("counted", json!({"roles": [{"roleArn": role}]})).await;
    stage
        .until_it("counted", "three failures are counted", |c| {
            c.status.as_ref().and_then(|s| s.failures.as_ref()).is_some_and(|f| f.count >= 3)
        })
        .await;
    assert!(fault.hits() >= 3);
    let namespace = stage.namespace.name.as_str();
    let field = "--field-selector=involvedObject.name=counted";
    eventually(SOON, "one event tells of it", async || {
        let events = stage
            .cluster
            .kubectl(&["get", "events", "--namespace", namespace, field, "--no-headers"])
            .await;
        if events.lines().count() == 1 && events.contains("IssuerUnavailable") {
            Ok(())
        } else {
            Err(events)
        }
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn an_issuer_with_another_clock_is_judged_by_its_own() {
    let stage = Stage::set().await;
    let role = stage.role("clock").await;
    stage.aws.on("AssumeRole").of_role(&role).gets_misdated_by(SignedDuration::from_mins(-20));
    stage.credential("clock", json!({"roles": [{"roleArn": role}]})).await;
    let ready = stage.until("clock", "True", "Issued").await;
    let status = ready.status.expect("a status");
    let lifetime = status
        .expiration
        .expect("an expiry")
        .0
        .duration_since(status.last_refresh_time.expect("a time").0);
    assert!(lifetime > SignedDuration::from_mins(75), "the issuer's clock gives it {lifetime}");
    stage.strike().await;
}

#[tokio::test]
async fn another_principal_than_asked_for_is_never_published() {
    let stage = Stage::set().await;
    let role = stage.role("expected").await;
    let spec = json!({"roles": [{"roleArn": role}], "principal": {"accountId": "999999999999"}});
    stage.credential("expected", spec).await;
    let refused = stage.until("expected", "False", "WrongPrincipal").await;
    assert!(refused.status.expect("a status").secret.is_none());

    let lie = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <Credentials><AccessKeyId>ASIALIEEXAMPLE00000</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
        <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
        <AssumedRoleUser><Arn>arn:aws:sts::999999999999:assumed-role/admin/x</Arn><AssumedRoleId>A:x</AssumedRoleId>\
        </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>";
    let role = stage.role("lied").await;
    stage.aws.on("AssumeRole").of_role(&role).answers(200, "text/xml", lie);
    stage.credential("lied", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("lied", "False", "WrongPrincipal").await;
    stage.strike().await;
}
