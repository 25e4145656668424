use super::super::fixtures::{failed, minute, record, reported, unreachable, with_a_role};
use super::*;
use crate::issuer::{IssueError, TokenSize};
use crate::policy::Denial;
use serde_json::json;

/// `Type=Status/Reason` of each condition.
fn shown(status: &RefreshableCredentialStatus) -> Vec<String> {
    status.conditions.iter().map(|c| format!("{}={}/{}", c.type_, c.status, c.reason)).collect()
}

fn wrong() -> IssueError {
    IssueError::Specification {
        field: "spec.roles[0]".to_owned(),
        what: "write something else".to_owned(),
    }
}

#[test]
fn each_finding_has_its_conditions() {
    let object = with_a_role();
    let own = record(&object);
    let other = {
        let mut other = own.clone();
        other.content.as_mut().expect("content").request = "older".to_owned();
        other
    };
    let failing = |error: &IssueError, record: Option<&Record>, now| {
        let object = failed(object.clone(), error, record, now);
        still_failing(&object).expect("a failure")
    };
    let stalled = Finding::Stalled(Reason::NotPermitted, "ask".to_owned());
    for (name, finding, published, at, expected) in [
        ("good", Finding::Good, Some(&own), 1, vec!["Ready=True/Issued"]),
        ("run out", Finding::Good, Some(&own), 60, vec!["Ready=False/Expired"]),
        (
            "failing, valid",
            failing(&unreachable(), Some(&own), minute(40)),
            Some(&own),
            40,
            vec!["Ready=True/RefreshFailing", "Reconciling=True/IssuerUnavailable"],
        ),
        (
            "failing, run out",
            failing(&unreachable(), Some(&own), minute(61)),
            Some(&own),
            61,
            vec!["Ready=False/IssuerUnavailable", "Reconciling=True/IssuerUnavailable"],
        ),
        (
            "failing, of an earlier specification",
            failing(&unreachable(), Some(&other), minute(1)),
            Some(&other),
            1,
            vec!["Ready=False/IssuerUnavailable", "Reconciling=True/IssuerUnavailable"],
        ),
        (
            "wrong",
            failing(&wrong(), None, minute(1)),
            None,
            1,
            vec!["Ready=False/InvalidSpecification", "Stalled=True/InvalidSpecification"],
        ),
        ("suspended", Finding::Suspended, Some(&own), 1, vec!["Ready=True/Suspended"]),
        (
            "terminating, valid",
            Finding::Terminating(vec!["example.com/hold".to_owned()]),
            Some(&own),
            1,
            vec!["Ready=True/SecretTerminating", "Reconciling=True/SecretTerminating"],
        ),
        (
            "terminating, run out",
            Finding::Terminating(Vec::new()),
            Some(&own),
            61,
            vec!["Ready=False/SecretTerminating", "Reconciling=True/SecretTerminating"],
        ),
        (
            "withdrawn",
            Finding::Withdrawn("ask".to_owned()),
            None,
            1,
            vec!["Ready=False/NotPermitted", "Stalled=True/NotPermitted"],
        ),
        (
            "revoked",
            Finding::Revoked(revocation(None)),
            Some(&own),
            1,
            vec!["Ready=True/WithdrawalPending", "Stalled=True/WithdrawalPending"],
        ),
        (
            "revoked and held, run out",
            Finding::Revoked(revocation(Some("too many"))),
            Some(&own),
            61,
            vec!["Ready=False/WithdrawalHeld", "Stalled=True/WithdrawalHeld"],
        ),
        ("suspended, run out", Finding::Suspended, Some(&own), 61, vec!["Ready=False/Suspended"]),
        (
            "stalled",
            stalled,
            None,
            1,
            vec!["Ready=False/NotPermitted", "Stalled=True/NotPermitted"],
        ),
    ] {
        let status = status(&object, &Permission::NotNeeded, published, &finding, minute(at));
        assert_eq!(shown(&status), expected, "{name}");
        assert_eq!(status.observed_generation, Some(3), "{name}");
        let observed: Vec<_> = status.conditions.iter().map(|c| c.observed_generation).collect();
        assert_eq!(observed, vec![Some(3); expected.len()], "{name}");
    }
}

#[test]
fn a_failure_says_what_becomes_of_what_is_published() {
    let object = with_a_role();
    let own = record(&object);
    let message = |at| {
        let object = failed(object.clone(), &unreachable(), Some(&own), minute(at));
        object.status.expect("a status").conditions[0].message.clone()
    };
    assert!(
        message(40).contains("stay in place until they expire at 2026-01-01T01:00:00Z"),
        "{}",
        message(40)
    );
    assert!(message(61).contains("expired at 2026-01-01T01:00:00Z"), "{}", message(61));
}

#[test]
fn reporting_the_same_again_changes_nothing() {
    let object = with_a_role();
    let own = record(&object);
    let object = reported(object, &own);
    assert_eq!(
        object.status,
        Some(status(&object, &Permission::NotNeeded, Some(&own), &Finding::Good, minute(30)))
    );
    assert!(
        transition(object.status.as_ref(), object.status.as_ref().expect("a status")).is_none()
    );
}

#[test]
fn the_last_transition_is_kept_while_the_status_stays() {
    let object = with_a_role();
    let own = record(&object);
    let object = failed(reported(object, &own), &unreachable(), Some(&own), minute(40));
    let status = object.status.as_ref().expect("a status");
    assert_eq!(status.conditions[0].last_transition_time.0, minute(0), "still Ready");
    assert_eq!(status.conditions[1].last_transition_time.0, minute(40), "Reconciling is new");
}

#[test]
fn events_are_for_transitions() {
    let object = with_a_role();
    let own = record(&object);
    let first = status(&object, &Permission::NotNeeded, Some(&own), &Finding::Good, minute(0));
    assert_eq!(transition(None, &first).map(|c| c.reason.as_str()), Some("Issued"));
    let once = failed(reported(object, &own), &unreachable(), Some(&own), minute(40));
    let once_status = once.status.clone().expect("a status");
    assert_eq!(
        transition(Some(&first), &once_status).map(|c| c.reason.as_str()),
        Some("RefreshFailing")
    );
    let again = failed(once, &unreachable(), Some(&own), minute(41)).status.expect("a status");
    assert_eq!(again.failures.as_ref().map(|f| f.count), Some(2));
    assert!(transition(Some(&once_status), &again).is_none(), "a continued failure is not news");
}

#[test]
fn only_a_secret_known_to_be_as_published_has_its_version_reported() {
    let object = with_a_role();
    let mut own = record(&object);
    let object = reported(object, &own);
    own.resource_version = "99".to_owned();
    let object = failed(object, &unreachable(), Some(&own), minute(40));
    let kept = object.status.expect("a status").controller.expect("what the controller keeps");
    assert_eq!(kept.secret_resource_version.as_deref(), Some("10"));
}

#[test]
fn size_of_the_session_token_is_that_of_the_published_one() {
    let object = with_a_role();
    let mut record = record(&object);
    let content = record.content.as_mut().expect("a content");
    content.token = TokenSize { bytes: Some(1832), utilization: Some(44) };
    let status = reported(object, &record).status.expect("a status");
    assert_eq!(
        (status.session_token_size, status.session_token_utilization),
        (Some(1832), Some(44))
    );
}

#[test]
fn short_sessions_are_warned_about() {
    let object = with_a_role();
    let mut own = record(&object);
    own.content.as_mut().expect("content").expiration = minute(15);
    let short = status(&object, &Permission::NotNeeded, Some(&own), &Finding::Good, minute(0));
    assert!(short.conditions[0].message.contains("ask for more than 20 minutes"), "{short:?}");
}

#[test]
fn the_status_answers_who_allows_it_or_what_would() {
    let object = with_a_role();
    let own = record(&object);
    let allowed = Permission::Allowed(vec!["team-a".to_owned()]);
    let denied =
        Permission::Denied(Denial { why: "ask".to_owned(), missing: vec![json!({"roles": []})] });
    let told =
        |object: &RefreshableCredential, permission: &Permission, record, finding: &Finding, at| {
            status(object, permission, record, finding, minute(at))
        };
    let stalled = Finding::Stalled(Reason::NotPermitted, "ask".to_owned());
    assert_eq!(
        told(&object, &Permission::NotNeeded, Some(&own), &Finding::Good, 0).permission,
        None
    );

    let never = told(&object, &denied, None, &stalled, 1).permission.expect("an answer");
    assert_eq!(
        (never.allowed, never.missing, never.withdrawn_time),
        (false, vec![json!({"roles": []})], None)
    );

    let mut object = object;
    let good = told(&object, &allowed, Some(&own), &Finding::Good, 0);
    let answer = good.permission.clone().expect("an answer");
    assert_eq!(
        (answer.allowed, answer.policies, answer.missing),
        (true, vec!["team-a".to_owned()], vec![])
    );

    // The withdrawal is reported once, and stays in the status.
    object.status = Some(good);
    let withdrawn = told(&object, &denied, None, &stalled, 5);
    let words = "ask. The published Secret was withdrawn at 2026-01-01T00:05:00Z";
    assert_eq!(withdrawn.conditions[0].message, words);
    assert_eq!(
        transition(object.status.as_ref(), &withdrawn).map(|c| c.message.as_str()),
        Some(words)
    );
    assert!(super::withdrawn(object.status.as_ref(), &withdrawn));
    object.status = Some(withdrawn.clone());
    assert_eq!(told(&object, &denied, None, &stalled, 9), withdrawn);
    assert!(!super::withdrawn(object.status.as_ref(), &withdrawn), "that is told once");
    object.status = Some(told(&object, &allowed, Some(&own), &Finding::Good, 10));
    let again = object.status.as_ref().and_then(|s| s.permission.as_ref()).expect("an answer");
    assert_eq!(again.withdrawn_time, None);
}

fn revocation(held: Option<&str>) -> Revocation {
    let held = held.map(str::to_owned);
    Revocation { why: "ask".to_owned(), since: minute(1), withdraw_at: minute(11), held }
}

#[test]
fn a_revocation_tells_since_when_and_until_when_and_who_allowed_it() {
    let mut object = with_a_role();
    let own = record(&object);
    let allowed = Permission::Allowed(vec!["team-a".to_owned()]);
    let denied = Permission::Denied(Denial { why: "ask".to_owned(), missing: Vec::new() });
    object.status = Some(status(&object, &allowed, Some(&own), &Finding::Good, minute(0)));
    for (held, at, words) in [
        (
            None,
            1,
            "ask. The published Secret is not renewed, and is withdrawn at 2026-01-01T00:11:00Z, unless a policy allows it before then",
        ),
        (
            Some("too many"),
            11,
            "ask. The published Secret is not renewed, and stays for now: too many",
        ),
    ] {
        let told =
            status(&object, &denied, Some(&own), &Finding::Revoked(revocation(held)), minute(at));
        let permission = told.permission.clone().expect("a permission");
        assert_eq!((permission.allowed, permission.policies), (false, vec!["team-a".to_owned()]));
        let times = [permission.denied_time, permission.withdraw_time, permission.withdrawn_time];
        assert_eq!(times.map(|t| t.map(|t| t.0)), [Some(minute(1)), Some(minute(11)), None]);
        assert_eq!(told.conditions[0].message, words);
        assert!(told.secret.is_some() && told.next_refresh_time.is_none());
        assert_eq!(
            told.controller,
            object.status.as_ref().expect("a status").controller,
            "it need not be read anew"
        );
        assert!(transition(object.status.as_ref(), &told).is_some(), "an event");
        object.status = Some(told);
    }
    // A user deletes it meanwhile: that does not count as a withdrawal.
    let told = status(&object, &denied, None, &Finding::Revoked(revocation(None)), minute(5));
    assert_eq!(told.permission.expect("a permission").withdrawn_time, None);
    let gone = status(&object, &denied, None, &Finding::Withdrawn("ask".to_owned()), minute(12));
    let permission = gone.permission.expect("a permission");
    assert_eq!((permission.policies.len(), permission.withdraw_time), (0, None));
    assert_eq!(permission.denied_time.map(|t| t.0), Some(minute(1)));
}

#[test]
fn failing_message_names_the_earliest_of_the_profiles_ends() {
    let role = |name: &str| serde_json::json!({"name": name, "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
    let object =
        super::super::fixtures::credential(serde_json::json!({"profiles": [role("a"), role("b")]}));
    let mut held = record(&object);
    let content = held.content.as_mut().expect("content");
    for (name, end) in [("a", 60), ("b", 15)] {
        let record = crate::ownership::ProfileRecord {
            issued_at: minute(0),
            expiration: minute(end),
            request: "r".to_owned(),
            arn: None,
            failed: false,
        };
        content.profiles.insert(name.to_owned(), record);
    }
    let message = |now| {
        let object = failed(object.clone(), &unreachable(), Some(&held), now);
        object.status.expect("a status").conditions[0].message.clone()
    };
    assert!(
        message(minute(10)).contains("until they expire at 2026-01-01T00:15:00Z"),
        "{}",
        message(minute(10))
    );
    assert!(
        message(minute(20)).contains("expired at 2026-01-01T00:15:00Z"),
        "{}",
        message(minute(20))
    );
}

#[test]
fn withdrawal_of_an_earlier_name_is_told_as_one() {
    let object = with_a_role();
    let denied = Permission::Denied(Denial { why: "ask".to_owned(), missing: Vec::new() });
    let mut told = reported(object.clone(), &record(&object));
    told.status.as_mut().expect("a status").secret = None;
    let time = |finding: &Finding| {
        status(&told, &denied, None, finding, minute(5))
            .permission
            .expect("a permission")
            .withdrawn_time
    };
    assert_eq!(time(&Finding::Withdrawn("ask".to_owned())).map(|t| t.0), Some(minute(5)));
    assert_eq!(
        time(&Finding::Stalled(Reason::NotPermitted, "ask".to_owned())),
        None,
        "there was none"
    );
}
