use super::*;
use refreshable_api::conditions::Reason;
use refreshable_rules::failure::Failure;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::retry::Class;

const UID: &str = "11111111-2222-3333-4444-555555555555";

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn resource() -> Arc<RefreshableCredential> {
    Arc::default()
}

/// The failure that an attempt at `object` would be that never comes to its end.
fn presumed(object: &RefreshableCredential, now: Timestamp) -> RecordedFailure {
    let failure = Failure {
        class: Class::Transient,
        reason: Reason::IssuerUnavailable,
        code: None,
        request_id: None,
        message: "no end".to_owned(),
        inputs: UsedInputs::new(),
    };
    let before = object.status.as_ref().and_then(RecordedFailure::from_status);
    failure.record(before.as_ref(), "request".to_owned(), UID, now, None)
}

fn count(object: &RefreshableCredential) -> Option<i32> {
    Some(object.status.as_ref()?.failures.as_ref()?.count)
}

fn status(request: &str) -> RefreshableCredentialStatus {
    RefreshableCredentialStatus {
        last_handled_refresh_at: Some(request.to_owned()),
        ..RefreshableCredentialStatus::default()
    }
}

fn handled(object: &RefreshableCredential) -> Option<&str> {
    object.status.as_ref()?.last_handled_refresh_at.as_deref()
}

fn is_empty(ledger: &Ledger) -> bool {
    ledger.lock().is_empty()
}

#[test]
fn an_attempt_that_never_ends_counts_and_has_a_pause() {
    let ledger = Ledger::default();
    for attempts in 1..=3 {
        let seen = ledger.merged(UID, resource());
        assert_eq!(count(&seen).unwrap_or_default(), attempts - 1);
        ledger.began(UID, presumed(&seen, at(100)));
    }
    let seen = ledger.merged(UID, resource());
    let failure = seen.status.as_ref().and_then(RecordedFailure::from_status).expect("a failure");
    assert_eq!(failure.shown.count, 3);
    assert!(failure.next_try() > at(100), "{}", failure.next_try());
    assert_eq!(failure.attempt.map(|a| a.request).as_deref(), Some("request"));
}

#[test]
fn an_attempt_that_failed_or_was_published_leaves_nothing() {
    let ledger = Ledger::default();
    ledger.began(UID, presumed(&resource(), at(100)));
    ledger.began("another", presumed(&resource(), at(100)));
    ledger.failed(UID);
    assert_eq!(ledger.merged(UID, resource()).status, None);
    assert_eq!(count(&ledger.merged("another", resource())), Some(1), "each has its own");
    ledger.published("another", at(101));
    assert!(is_empty(&ledger));
    ledger.failed("unknown");
    ledger.published("unknown", at(101));
    assert!(is_empty(&ledger));
}

#[test]
fn a_source_without_news_rests_whatever_else_is_attempted() {
    let ledger = Ledger::default();
    ledger.began(UID, presumed(&resource(), at(100)));
    ledger.rests(UID, at(160));
    assert_eq!(ledger.merged(UID, resource()).status, None, "it did not fail");
    assert_eq!(ledger.not_before(UID), Some(at(160)));
    // Somebody asks for a refresh meanwhile.
    ledger.began(UID, presumed(&resource(), at(120)));
    assert_eq!(ledger.not_before(UID), Some(at(160)));
    ledger.published(UID, at(121));
    assert_eq!(ledger.not_before(UID), Some(at(160)));
    ledger.began(UID, presumed(&resource(), at(160)));
    ledger.failed(UID);
    assert_eq!(ledger.not_before(UID), Some(at(160)), "since when it is due");
    ledger.published(UID, at(170));
    assert!(is_empty(&ledger), "it has rested");
}

#[test]
fn a_refused_status_is_seen_and_tried_again_ever_more_slowly() {
    let ledger = Ledger::default();
    for (pause, request) in
        [(2, "a"), (4, "b"), (8, "c"), (16, "d"), (32, "e"), (60, "f"), (60, "g")]
    {
        assert_eq!(ledger.status_refused(UID, status(request), at(100)), at(100 + pause));
        assert_eq!(ledger.status_retry(UID), Some(at(100 + pause)));
        assert_eq!(handled(&ledger.merged(UID, resource())), Some(request));
    }
    ledger.status_written(UID);
    assert!(is_empty(&ledger));
    assert_eq!(ledger.status_retry(UID), None);
    assert_eq!(ledger.status_refused(UID, status("h"), at(200)), at(202), "it counts anew");
}

#[test]
fn a_status_that_waits_for_the_lease_is_due_at_once() {
    let ledger = Ledger::default();
    ledger.status_refused(UID, status("a"), at(100));
    ledger.status_put_off(UID, status("b"), at(101));
    assert_eq!(ledger.status_retry(UID), Some(at(101)));
    assert_eq!(handled(&ledger.merged(UID, resource())), Some("b"));
    assert_eq!(ledger.status_refused(UID, status("c"), at(102)), at(104));
}

#[test]
fn an_attempt_under_way_adds_to_a_status_that_is_not_written() {
    let ledger = Ledger::default();
    ledger.status_refused(UID, status("a"), at(100));
    ledger.began(UID, presumed(&resource(), at(101)));
    let seen = ledger.merged(UID, resource());
    assert_eq!((handled(&seen), count(&seen)), (Some("a"), Some(1)));
    ledger.status_written(UID);
    let seen = ledger.merged(UID, resource());
    assert_eq!((handled(&seen), count(&seen)), (None, Some(1)));
    ledger.forget(UID);
    assert_eq!(ledger.merged(UID, resource()).status, None);
}
