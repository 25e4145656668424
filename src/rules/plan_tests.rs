use super::super::fixtures::{
    at_version, credential, failed, minute, record, reported, seen, unreachable, with_a_role,
};
use super::*;
use crate::failure::Failure;
use crate::issuer::IssueError;
use crate::ownership::Record;
use crate::policy::Denial;
use crate::report;
use crate::retry::Class;
use crate::size_limit::SizeLimit;
use serde_json::json;

/// A resource and its surroundings; tables change only the relevant part.
struct Case {
    object: RefreshableCredential,
    secret: SecretView,
    permission: Permission,
    inputs: KnownInputs,
    not_before: Option<Timestamp>,
    poll_at: Option<Timestamp>,
    withdraw_at: Option<Timestamp>,
    oversize: Option<Oversize>,
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
        let (inputs, not_before, poll_at, withdraw_at, oversize) = Default::default();
        Self { object, secret, permission, inputs, not_before, poll_at, withdraw_at, oversize }
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
            withdraw_at: self.withdraw_at,
            inputs: &self.inputs,
            not_before: self.not_before,
            poll_at: self.poll_at,
            oversize: self.oversize,
        };
        plan(&seen, now)
    }
}

fn refusal() -> Permission {
    Permission::Denied(Denial { why: "no".to_owned(), missing: Vec::new() })
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
    let polling = Case::good().with(|c| c.poll_at = Some(minute(5)));
    assert_eq!(polling.plan(minute(1)), Action::Wait(minute(5)));
    assert_eq!(
        polling.plan(minute(4)),
        Action::Wait(minute(5)),
        "a look in between does not put it off"
    );
}

#[test]
fn a_source_that_had_nothing_newer_is_asked_again_later() {
    let resting = Case::good().with(|c| c.not_before = Some(minute(45)));
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
    let other = Case::good().with(|c| c.object.spec.roles[0].role_arn.push('2'));
    let input = Case::good().with(|c| c.inputs = seen(&[("key", Some("2"))]));
    let asked = Case::good().with(annotated("refreshable.dev/requested-at", "1"));
    let unreadable = Case::good().with(|c| *c.content() = None);
    for (name, case, now, cause) in [
        ("nothing yet", new, minute(1), Cause::First),
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
fn a_namespace_that_is_too_large_gets_nothing_new_and_loses_nothing() {
    let oversize = SizeLimit::parse("1Ki").expect("a limit").exceeded_by(5000);
    let too_large = |c: &mut Case| c.oversize = oversize;
    let message = oversize.expect("exceeded").message();
    let waits = Action::Stall(Reason::SizeLimited, message);
    let new = || Case::of(with_a_role(), None);
    let unreported = |c: &mut Case| {
        c.object.status = Some(refreshable_api::RefreshableCredentialStatus::default());
    };
    assert_eq!(new().with(too_large).plan(minute(1)), waits);
    assert_eq!(new().with(unreported).with(too_large).plan(minute(1)), waits);
    let denied = new().with(too_large).with(|c| c.permission = refusal());
    assert!(matches!(denied.plan(minute(1)), Action::Stall(Reason::NotPermitted, _)));
    let deleted = Case::good().with(|c| c.secret = SecretView::Absent);
    let renamed = Case::good().with(|c| {
        c.secret = SecretView::Absent;
        c.object.spec.secret.get_or_insert_default().name = Some("another".to_owned());
    });
    let other = Case::good().with(|c| c.object.spec.roles[0].role_arn.push('2'));
    for (name, case, now) in [
        ("due", Case::good(), due()),
        ("at rest", Case::good(), minute(1)),
        ("deleted", deleted, minute(1)),
        ("under another name", renamed, minute(1)),
        ("another role", other, minute(1)),
    ] {
        let otherwise = case.plan(now);
        assert_eq!(case.with(too_large).plan(now), otherwise, "{name}");
    }
}

#[test]
fn what_changes_nothing_asks_nobody() {
    let same_input = Case::good().with(|c| c.inputs = seen(&[("key", Some("1"))]));
    let unknown_input = Case::good().with(|c| c.inputs = seen(&[("another", Some("9"))]));
    let handled = Case::good().with(annotated("refreshable.dev/requested-at", "1")).with(|c| {
        if let Some(content) = c.content() {
            content.handled_refresh = Some("1".to_owned());
        }
    });
    let gone = Case::good().with(|c| c.inputs = seen(&[("key", None)]));
    for (name, case) in
        [("same", same_input), ("not known", unknown_input), ("gone", gone), ("handled", handled)]
    {
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
    assert_eq!(touched.plan(minute(1)), Action::Inspect(None));
    let unreported = Case::good().with(|c| c.object.status = None);
    assert_eq!(unreported.plan(minute(1)), Action::Inspect(None), "a crash between the two writes");
    // The Secret may refuse the publication: it is read before the issuer is called.
    let asked = touched.with(annotated("refreshable.dev/requested-at", "1"));
    assert_eq!(asked.plan(minute(1)), Action::Inspect(Some(Cause::Requested)));
    // A Secret that seems deleted may only have lost its label.
    let deleted = Case::good().with(|c| c.secret = SecretView::Absent);
    assert_eq!(deleted.plan(minute(1)), Action::Inspect(Some(Cause::Deleted)));
}

#[test]
fn terminating_secret_is_awaited_whatever_is_asked_for() {
    let going = || {
        Case::good().with(|c| {
            if let SecretView::Own(record) = &mut c.secret {
                record.deleting = true;
            }
        })
    };
    assert_eq!(going().plan(minute(1)), Action::AwaitDeletion(Some(minute(60))));
    assert_eq!(going().plan(minute(61)), Action::AwaitDeletion(None));
    let asked = going().with(annotated("refreshable.dev/requested-at", "1"));
    assert_eq!(asked.plan(minute(1)), Action::AwaitDeletion(Some(minute(60))));
    let suspended = going().with(|c| c.object.spec.suspend = Some(true));
    assert_eq!(suspended.plan(minute(1)), Action::Suspend(Some(minute(60))));
}

#[test]
fn refused_write_is_waited_out_for_the_same_secret_alone() {
    let object = with_a_role();
    let published = record(&object);
    let attempted = at_secret(&attempt(&object, Cause::Due), Some(&published));
    let refusal = Failure {
        class: Class::Secret,
        reason: Reason::SecretImmutable,
        code: None,
        request_id: None,
        message: "no".to_owned(),
        inputs: Default::default(),
    };
    let found = report::failing(&object, &refusal, attempted, Some(&published), minute(40));
    let mut failing = reported(object, &published);
    failing.status = Some(report::status(
        &failing,
        &Permission::NotNeeded,
        Some(&published),
        &found,
        minute(40),
    ));
    let next = failing
        .status
        .as_ref()
        .and_then(|s| s.failures.as_ref())
        .expect("recorded")
        .next_try_time
        .0;
    let case = || Case::of(failing.clone(), Some(published.clone()));
    assert_eq!(case().plan(minute(40)), Action::Backoff(next));
    assert_eq!(case().plan(next), Action::Issue(Cause::Due));
    let gone = case().with(|c| c.secret = SecretView::Absent);
    assert_eq!(
        gone.plan(minute(40)),
        Action::Inspect(Some(Cause::Deleted)),
        "it was deleted, as the advice says"
    );
    let other = case().with(|c| {
        if let SecretView::Own(record) = &mut c.secret {
            record.uid = "another".to_owned();
        }
    });
    assert_eq!(other.plan(minute(40)), Action::Issue(Cause::Due));
}

#[test]
fn success_is_followed_by_a_pause_that_a_person_need_not_wait_for() {
    let second = |n: i64| minute(0) + SignedDuration::from_secs(n);
    let object = with_a_role();
    let published = record(&object);
    let of = |cause, now| pause_after_success(&object, Some(&published), cause, now);
    for cause in Cause::ALL {
        let asked = matches!(cause, Cause::First | Cause::SpecificationChanged | Cause::Requested);
        assert_eq!(of(cause, second(3)), (!asked).then(|| second(10)), "{cause:?}");
        assert_eq!(of(cause, second(10)), None, "{cause:?}");
    }
    // Also after the Secret is gone, when only the status holds the time of the last success.
    let told = reported(object.clone(), &published);
    assert_eq!(pause_after_success(&told, None, Cause::Deleted, second(3)), Some(second(10)));
    assert_eq!(pause_after_success(&object, None, Cause::Deleted, second(3)), None);
    assert_eq!(of(Cause::Due, minute(-5)), None, "a clock that stepped back holds nothing up");
    for (lifetime, pause) in [(2_000, 500), (20_000, 5_000), (40_000, 10_000), (3_600_000, 10_000)]
    {
        let lifetime = SignedDuration::from_millis(lifetime);
        assert_eq!(least_pause(lifetime), SignedDuration::from_millis(pause), "{lifetime}");
    }
}

#[test]
fn denied_resource_looks_for_everything_that_it_owns_until_it_has_said_so() {
    let denied = |case: Case| case.with(|c| c.permission = refusal());
    let renamed = || {
        denied(Case::good().with(|c| c.secret = SecretView::Absent)).with(|c| {
            if let Some(status) = &mut c.object.status {
                status.secret = None;
            }
        })
    };
    assert_eq!(
        renamed().plan(minute(1)),
        Action::Withdraw("no".to_owned()),
        "what an earlier name holds goes, too"
    );
    let told = renamed().with(|c| {
        if let Some(status) = &mut c.object.status {
            status.permission = Some(refreshable_api::PermissionStatus::default());
        }
    });
    assert_eq!(told.plan(minute(1)), Action::Stall(Reason::NotPermitted, "no".to_owned()));
}

#[test]
fn a_permission_that_was_taken_back_may_come_back_for_a_while() {
    let denied =
        |at| Case::good().with(|c| (c.permission, c.withdraw_at) = (refusal(), Some(minute(at))));
    assert_eq!(denied(10).plan(minute(1)), Action::AwaitWithdrawal(minute(10), "no".to_owned()));
    assert_eq!(denied(10).plan(minute(10)), Action::Withdraw("no".to_owned()));
    assert_eq!(
        denied(90).plan(minute(50)),
        Action::AwaitWithdrawal(minute(90), "no".to_owned()),
        "due, and not renewed"
    );
    // What an earlier name holds is looked for until it was looked for.
    let renamed = |status: serde_json::Value| {
        denied(10).with(|c| {
            c.secret = SecretView::Absent;
            let told = c.object.status.as_mut().expect("a status");
            (told.secret, told.permission) =
                (None, serde_json::from_value(status).expect("a permission"));
        })
    };
    let pending = json!({"allowed": false, "withdrawTime": "2026-01-01T00:10:00Z"});
    assert_eq!(
        renamed(pending.clone()).plan(minute(1)),
        Action::AwaitWithdrawal(minute(10), "no".to_owned())
    );
    assert_eq!(renamed(pending).plan(minute(10)), Action::Withdraw("no".to_owned()));
    let looked_for = json!({"allowed": false, "deniedTime": "2026-01-01T00:00:00Z"});
    assert_eq!(
        renamed(looked_for).plan(minute(10)),
        Action::Stall(Reason::NotPermitted, "no".to_owned())
    );
}

#[test]
fn moved_secret_is_looked_for_only_where_there_may_be_one() {
    let object = with_a_role();
    let published = record(&object);
    assert!(!may_have_moved(&object), "nothing was ever reported");
    let same = reported(object.clone(), &published);
    assert!(!may_have_moved(&same));
    let mut renamed = same.clone();
    renamed.spec.secret = serde_json::from_value(json!({"name": "elsewhere"})).expect("a Secret");
    assert!(may_have_moved(&renamed));
    let mut lost = same;
    lost.status.as_mut().expect("a status").secret = None;
    assert!(may_have_moved(&lost), "failures under the new name have hidden the old one");
    lost.metadata.generation = Some(1);
    assert!(!may_have_moved(&lost), "its specification never changed");
}

#[test]
fn refusals_come_before_everything_else() {
    let denied = |case: Case| case.with(|c| c.permission = refusal());
    assert_eq!(denied(Case::good()).plan(minute(1)), Action::Withdraw("no".to_owned()));
    let nothing = denied(Case::of(with_a_role(), None));
    assert_eq!(nothing.plan(minute(1)), Action::Stall(Reason::NotPermitted, "no".to_owned()));
    let foreign = Case::good().with(|c| c.secret = SecretView::Foreign("Certificate y".to_owned()));
    let Action::Stall(Reason::SecretConflict, words) = foreign.plan(minute(1)) else {
        panic!("not refused")
    };
    let command =
        "`kubectl annotate secret --namespace team-a x refreshable.dev/allow-adoption=true`";
    assert!(words.contains("Certificate y") && words.contains("adopt: true"), "{words}");
    assert!(words.contains(command), "{words}");
    assert!(adoption_not_allowed(&Case::good().object).contains(command));
    let adopting = credential(
        json!({"secret": {"adopt": true}, "roles": [{"roleArn": "arn:aws:iam::1:role/x"}]}),
    );
    let adopting = Case::of(adopting, None)
        .with(|c| c.secret = SecretView::Foreign("something else".to_owned()));
    assert_eq!(adopting.plan(minute(1)), Action::Issue(Cause::First));
    let leaving = Case::good().with(|c| {
        c.permission = refusal();
        c.object.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time");
    });
    assert_eq!(leaving.plan(minute(1)), Action::Leave, "the garbage collector deletes");
}

#[test]
fn what_is_suspended_is_left_alone_but_loses_its_permission() {
    let suspended = || Case::good().with(|c| c.object.spec.suspend = Some(true));
    assert_eq!(
        suspended().plan(minute(50)),
        Action::Suspend(Some(minute(60))),
        "due, and not renewed"
    );
    assert_eq!(suspended().plan(minute(61)), Action::Suspend(None));
    let denied = suspended().with(|c| c.permission = refusal());
    assert_eq!(denied.plan(minute(1)), Action::Withdraw("no".to_owned()));
}

#[test]
fn a_failure_pauses_the_same_attempt_and_no_other() {
    let published = record(&with_a_role());
    let object = reported(with_a_role(), &published);
    let failed = || {
        let mut object = failed(object.clone(), &unreachable(), Some(&published), minute(40));
        // The attempt had read its input before the issuer could not be reached.
        let read = inputs::to_status(&[("key".to_owned(), at_version("1"))].into());
        let kept = object.status.as_mut().and_then(|s| s.controller.as_mut()).expect("kept");
        kept.failed_attempt.as_mut().expect("recorded").inputs = read;
        Case::of(object, Some(published.clone()))
    };
    let next = failed().object.status.and_then(|s| s.failures).expect("recorded").next_try_time.0;
    assert!(next > minute(40) && next <= minute(41), "{next}");
    assert_eq!(failed().plan(minute(40)), Action::Backoff(next));
    assert_eq!(failed().plan(next), Action::Issue(Cause::Due));
    let changed = failed().with(|c| c.object.spec.roles[0].role_arn.push('2'));
    assert_eq!(changed.plan(minute(40)), Action::Issue(Cause::SpecificationChanged));
    let asked = failed().with(annotated("refreshable.dev/requested-at", "1"));
    assert_eq!(asked.plan(minute(40)), Action::Issue(Cause::Requested));
    let input = failed().with(|c| c.inputs = seen(&[("key", Some("2"))]));
    assert_eq!(input.plan(minute(40)), Action::Issue(Cause::InputChanged));
}

#[test]
fn a_refused_pin_waits_for_other_data_and_for_no_time() {
    let refused = || {
        let pin =
            IssueError::PinRefused { name: "pin".into(), key: "pin".into(), what: "no".into() };
        let mut object = failed(with_a_role(), &pin, None, minute(0));
        let read = inputs::to_status(&[("pin".to_owned(), at_version("1"))].into());
        let kept = object.status.as_mut().and_then(|s| s.controller.as_mut()).expect("kept");
        kept.failed_attempt.as_mut().expect("recorded").inputs = read;
        Case::of(object, None)
    };
    // After a restart, too: all of it is in the status.
    for passed in [1, 60, 24 * 60, 365 * 24 * 60] {
        let looks = minute(passed) + PIN_LOOK;
        assert_eq!(refused().plan(minute(passed)), Action::Backoff(looks), "{passed} minutes");
    }
    let poll = minute(65);
    let unwatched = refused().with(|c| c.poll_at = Some(poll));
    assert_eq!(unwatched.plan(minute(60)), Action::Backoff(poll), "its Secret is read meanwhile");
    let same = refused().with(|c| c.inputs = seen(&[("pin", Some("1"))]));
    assert!(matches!(same.plan(minute(60)), Action::Backoff(_)));
    let written = refused().with(|c| c.inputs = seen(&[("pin", Some("2"))]));
    assert_eq!(written.plan(minute(1)), Action::Issue(Cause::First));
    let asked = refused().with(annotated("refreshable.dev/requested-at", "1"));
    assert_eq!(asked.plan(minute(1)), Action::Issue(Cause::First));
}

#[test]
fn a_failure_waits_until_the_data_that_it_read_is_other_data() {
    let failing = |inputs: Option<&[(&str, Option<&str>)]>| {
        let mut object = with_a_role();
        let read = inputs.map(|i| {
            i.iter().map(|(n, v)| ((*n).to_owned(), v.map(at_version).unwrap_or_default()))
        });
        let failure = unreachable().failure().after_reading(read.into_iter().flatten().collect());
        let recorded =
            failure.record(None, attempt(&object, Cause::First), "uid", minute(40), None);
        let next = recorded.next_try();
        recorded.put_into(object.status.get_or_insert_default());
        (Case::of(object, None), next)
    };
    let key: &[(&str, Option<&str>)] = &[("key", Some("1"))];
    for (name, read, now, waits) in [
        ("the same", Some(key), seen(key), true),
        ("another version", Some(key), seen(&[("key", Some("2"))]), false),
        ("gone", Some(key), seen(&[("key", None)]), false),
        ("not known", Some(key), seen(&[]), true),
        ("still missing", Some(&[("key", None)][..]), seen(&[("key", None)]), true),
        ("made", Some(&[("key", None)][..]), seen(key), false),
        ("an input that it did not come to", None, seen(key), true),
    ] {
        let (case, next) = failing(read);
        let expected = if waits { Action::Backoff(next) } else { Action::Issue(Cause::First) };
        assert_eq!(case.with(|c| c.inputs = now).plan(minute(40)), expected, "{name}");
    }
    let (case, next) = failing(Some(key));
    let poll = next - SignedDuration::from_millis(1);
    assert_eq!(
        case.with(|c| c.poll_at = Some(poll)).plan(minute(40)),
        Action::Backoff(poll),
        "looked at in a pause"
    );
}

#[test]
fn an_upgrade_ends_no_pause() {
    let object = failed(with_a_role(), &unreachable(), None, minute(40));
    let Some(Action::Backoff(next)) = Some(Case::of(object.clone(), None).plan(minute(40))) else {
        panic!("no pause")
    };
    let earlier = |change: fn(&mut RefreshableCredential)| {
        let mut object = object.clone();
        // An earlier version wrote it elsewhere.
        object.status.as_mut().expect("a status").controller = None;
        change(&mut object);
        Case::of(object, None).plan(minute(40))
    };
    assert_eq!(earlier(|_| ()), Action::Backoff(next));
    let changed = |object: &mut RefreshableCredential| {
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
    };
    assert_eq!(earlier(changed), Action::Issue(Cause::First));
    let asked = |object: &mut RefreshableCredential| {
        object
            .metadata
            .annotations
            .get_or_insert_default()
            .insert("refreshable.dev/requested-at".into(), "now".into());
    };
    assert_eq!(earlier(asked), Action::Issue(Cause::First));
}

#[test]
fn profiles_that_failed_wait_for_their_own_pause_and_hold_nobody_back() {
    let role = |name: &str| json!({"name": name, "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
    let object = credential(json!({"profiles": [role("a"), role("b")]}));
    let mut held = record(&object);
    let content = held.content.as_mut().expect("content");
    let good = crate::ownership::ProfileRecord {
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

    let attempted = attempt(&object, Cause::Incomplete);
    let failure = unreachable().failure().record(None, attempted, "uid", minute(1), None);
    let next = failure.next_try();
    failure.put_into(object.status.as_mut().expect("a status"));
    let failing = Case::of(object, Some(held));
    assert_eq!(failing.plan(minute(1)), Action::Backoff(next));
    assert_eq!(failing.plan(next), Action::Issue(Cause::Incomplete));
    assert_eq!(failing.plan(due), Action::Issue(Cause::Due), "the others are not late for it");
}
