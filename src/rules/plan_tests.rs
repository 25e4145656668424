use super::super::fixtures::{credential, failed, minute, record, reported, unreachable, with_a_role};
use super::*;
use crate::rules::ownership::Record;
use crate::rules::policy::Denial;
use serde_json::json;

/// What a resource and its surroundings look like; tables change what they are about.
struct Case {
    object: RefreshableCredential,
    secret: SecretView,
    permission: Permission,
    inputs: InputVersions,
    rests_until: Option<Timestamp>,
    polls_inputs: bool,
}

impl Case {
    /// Published, reported, permitted: all is well.
    fn good() -> Self {
        let object = with_a_role();
        let record = record(&object);
        Self::of(reported(object, &record), Some(record))
    }

    fn of(object: RefreshableCredential, record: Option<Record>) -> Self {
        let secret = record.map_or(SecretView::Absent, |r| SecretView::Own(Box::new(r)));
        let permission = Permission::Allowed(vec!["all".to_owned()]);
        Self { object, secret, permission, inputs: InputVersions::new(), rests_until: None, polls_inputs: false }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn content(&mut self) -> &mut Option<Content> {
        match &mut self.secret {
            SecretView::Own(record) => &mut record.content,
            other => panic!("{other:?} holds nothing"),
        }
    }

    fn plan(&self, now: Timestamp) -> Action {
        let seen = Observed {
            object: &self.object,
            secret: &self.secret,
            permission: &self.permission,
            inputs: &self.inputs,
            watched: &self.inputs,
            rests_until: self.rests_until,
            polls_inputs: self.polls_inputs,
        };
        plan(&seen, now)
    }
}

fn refusal() -> Permission {
    Permission::Denied(Denial { why: "no".to_owned(), rule: None })
}

fn due() -> Timestamp {
    let object = with_a_role();
    let content = record(&object).content.expect("content");
    refresh_at(&object, &content)
}

fn annotated(key: &str, value: &str) -> impl FnOnce(&mut Case) {
    let (key, value) = (key.to_owned(), value.to_owned());
    move |case| {
        case.object.annotations_mut().insert(key, value);
    }
}

#[test]
fn what_is_good_waits_until_it_is_due() {
    assert!(due() < minute(40) && due() > minute(36), "{}", due());
    assert_eq!(Case::good().plan(minute(1)), Action::Wait(due()));
    let polling = Case::good().with(|c| c.polls_inputs = true);
    assert_eq!(polling.plan(minute(1)), Action::Wait(minute(1) + INPUT_POLL));
}

#[test]
fn a_source_that_had_nothing_newer_is_asked_again_later() {
    let resting = Case::good().with(|c| c.rests_until = Some(minute(45)));
    assert_eq!(resting.plan(minute(42)), Action::Wait(minute(45)));
    assert_eq!(resting.plan(minute(45)), Action::Issue(Cause::Due));
    for (left, pause) in [(120, 5 * 60), (16, 2 * 60), (1, 15), (-5, 15)] {
        let again = ask_again(minute(left), minute(0));
        assert_eq!(again.duration_since(minute(0)).as_secs(), pause, "{left} min left");
    }
}

#[test]
fn each_cause_asks_the_issuer() {
    let new = Case::of(with_a_role(), None);
    let deleted = Case::good().with(|c| c.secret = SecretView::Absent);
    let other = Case::good().with(|c| c.object.spec.roles[0].role_arn.push('2'));
    let input = Case::good().with(|c| c.inputs = [("key".to_owned(), "2".to_owned())].into());
    let asked = Case::good().with(annotated("refreshable.dev/requested-at", "1"));
    let unreadable = Case::good().with(|c| *c.content() = None);
    let going = Case::good().with(|c| {
        if let SecretView::Own(record) = &mut c.secret {
            record.deleting = true;
        }
    });
    for (name, case, now, cause) in [
        ("nothing yet", new, minute(1), Cause::First),
        ("deleted", deleted, minute(1), Cause::Deleted),
        ("being deleted", going, minute(1), Cause::Deleted),
        ("other role", other, minute(1), Cause::SpecificationChanged),
        ("other input", input, minute(1), Cause::InputChanged),
        ("asked for", asked, minute(1), Cause::Requested),
        ("annotations lost", unreadable, minute(1), Cause::Altered),
        ("due", Case::good(), due(), Cause::Due),
        ("expired", Case::good(), minute(61), Cause::Due),
    ] {
        assert_eq!(case.plan(now), Action::Issue(cause), "{name}");
    }
}

#[test]
fn what_changes_nothing_asks_nobody() {
    let same_input = Case::good().with(|c| c.inputs = [("key".to_owned(), "1".to_owned())].into());
    let unknown_input = Case::good().with(|c| c.inputs = [("another".to_owned(), "9".to_owned())].into());
    let handled = Case::good().with(annotated("refreshable.dev/requested-at", "1")).with(|c| {
        if let Some(content) = c.content() {
            content.handled_refresh = Some("1".to_owned());
        }
    });
    for (name, case) in [("same", same_input), ("not known", unknown_input), ("handled", handled)] {
        assert_eq!(case.plan(minute(1)), Action::Wait(due()), "{name}");
    }
}

#[test]
fn a_secret_that_somebody_wrote_to_is_inspected() {
    let touched = Case::good().with(|c| {
        if let SecretView::Own(record) = &mut c.secret {
            record.resource_version = "11".to_owned();
        }
    });
    assert_eq!(touched.plan(minute(1)), Action::Inspect);
    let unreported = Case::good().with(|c| c.object.status = None);
    assert_eq!(unreported.plan(minute(1)), Action::Inspect, "a crash between the two writes");
}

#[test]
fn refusals_come_before_everything_else() {
    let denied = |case: Case| case.with(|c| c.permission = refusal());
    assert_eq!(denied(Case::good()).plan(minute(1)), Action::Withdraw("no".to_owned()));
    let nothing = denied(Case::of(with_a_role(), None));
    assert_eq!(nothing.plan(minute(1)), Action::Stall(Reason::NotPermitted, "no".to_owned()));
    let foreign = Case::good().with(|c| c.secret = SecretView::Foreign("Certificate y".to_owned()));
    let Action::Stall(Reason::SecretConflict, words) = foreign.plan(minute(1)) else { panic!("not refused") };
    assert!(words.contains("Certificate y") && words.contains("adopt: true"), "{words}");
    let adopting = credential(json!({"secret": {"adopt": true}, "roles": [{"roleArn": "arn:aws:iam::1:role/x"}]}));
    let adopting = Case::of(adopting, None).with(|c| c.secret = SecretView::Foreign("something else".to_owned()));
    assert_eq!(adopting.plan(minute(1)), Action::Issue(Cause::First));
    let leaving = Case::good().with(|c| {
        c.permission = refusal();
        c.object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time");
    });
    assert_eq!(leaving.plan(minute(1)), Action::Leave, "the garbage collector deletes");
}

#[test]
fn what_is_suspended_is_left_alone_but_loses_its_permission() {
    let suspended = || Case::good().with(|c| c.object.spec.suspend = Some(true));
    assert_eq!(suspended().plan(minute(50)), Action::Suspend(Some(minute(60))), "due, and not renewed");
    assert_eq!(suspended().plan(minute(61)), Action::Suspend(None));
    let denied = suspended().with(|c| c.permission = refusal());
    assert_eq!(denied.plan(minute(1)), Action::Withdraw("no".to_owned()));
}

#[test]
fn a_failure_pauses_the_same_attempt_and_no_other() {
    let object = with_a_role();
    let published = record(&object);
    let failed =
        || Case::of(failed(object.clone(), &unreachable(), Some(&published), minute(40)), Some(published.clone()));
    let next = failed().object.status.and_then(|s| s.failures).expect("recorded").next_try_time.0;
    assert!(next > minute(40) && next <= minute(41), "{next}");
    assert_eq!(failed().plan(minute(40)), Action::Backoff(next));
    assert_eq!(failed().plan(next), Action::Issue(Cause::Due));
    let changed = failed().with(|c| c.object.spec.roles[0].role_arn.push('2'));
    assert_eq!(changed.plan(minute(40)), Action::Issue(Cause::SpecificationChanged));
    let asked = failed().with(annotated("refreshable.dev/requested-at", "1"));
    assert_eq!(asked.plan(minute(40)), Action::Issue(Cause::Requested));
    let input = failed().with(|c| c.inputs = [("key".to_owned(), "2".to_owned())].into());
    assert_eq!(input.plan(minute(40)), Action::Issue(Cause::InputChanged));
}

#[test]
fn profiles_that_failed_wait_for_their_own_pause_and_hold_nobody_back() {
    let role = |name: &str| json!({"name": name, "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
    let object = credential(json!({"profiles": [role("a"), role("b")]}));
    let mut held = record(&object);
    let content = held.content.as_mut().expect("content");
    let good = crate::rules::profiles::ProfileRecord {
        issued_at: minute(0),
        expiration: minute(60),
        request: "r".into(),
        arn: None,
        failed: false,
    };
    content.profiles.insert("a".into(), good);
    let due = refresh_at(&object, content);
    let mut object = reported(object, &held);
    let new = Case::of(object.clone(), Some(held.clone()));
    assert_eq!(new.plan(minute(1)), Action::Issue(Cause::Incomplete));

    let attempted = attempt(&object, &InputVersions::new(), Cause::Incomplete);
    let failure = unreachable().failure().record(None, attempted, "uid", minute(1), None);
    let next = failure.next_try_time.0;
    object.status.as_mut().expect("a status").failures = Some(failure);
    let failing = Case::of(object, Some(held));
    assert_eq!(failing.plan(minute(1)), Action::Backoff(next));
    assert_eq!(failing.plan(next), Action::Issue(Cause::Incomplete));
    assert_eq!(failing.plan(due), Action::Issue(Cause::Due), "the others are not late for it");
}
