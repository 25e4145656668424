//! What to do about one resource: a pure decision over what was observed.

use super::failure::RecordedFailure;
use super::fingerprint;
use super::inputs::{self, KnownInputs};
use super::ownership::{Content, Record, SecretView};
use super::policy::Permission;
use super::profiles;
use super::timing;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use refreshable_api::conditions::Reason;
use refreshable_api::{RefreshableCredential, time_of};

/// Everything the decision rests on.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The resource.
    pub object: &'a RefreshableCredential,
    /// The Secret of the name that it publishes under.
    pub secret: &'a SecretView,
    /// Whether the administrator's policies allow what it asks for.
    pub permission: &'a Permission,
    /// When what is published is withdrawn, where it is denied.
    pub withdraw_at: Option<Timestamp>,
    /// Its input Secrets, as far as they are known.
    pub inputs: &'a KnownInputs,
    /// The source had nothing newer than what is published, and is asked again at that time.
    pub rests_until: Option<Timestamp>,
    /// When inputs that are not watched are looked at again, if there are some that matter.
    pub poll_at: Option<Timestamp>,
}

/// Why credentials are obtained now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing was published yet.
    First,
    /// The refresh point has come.
    Due,
    /// The specification asks for something else.
    SpecificationChanged,
    /// An input Secret changed.
    InputChanged,
    /// Somebody asked for it by annotation.
    Requested,
    /// The published Secret was deleted.
    Deleted,
    /// The published Secret was altered.
    Altered,
    /// Some of the profiles could not be had when the others were.
    Incomplete,
}

impl Cause {
    /// Every cause, for metrics that exist before the first of each.
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::Due,
        Self::SpecificationChanged,
        Self::InputChanged,
        Self::Requested,
        Self::Deleted,
        Self::Altered,
        Self::Incomplete,
    ];

    /// The cause as written in events, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Due => "due",
            Self::SpecificationChanged => "specification_changed",
            Self::InputChanged => "input_changed",
            Self::Requested => "requested",
            Self::Deleted => "secret_deleted",
            Self::Altered => "secret_altered",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The resource is being deleted; the garbage collector does the rest.
    Leave,
    /// Obtain new credentials and publish them.
    Issue(Cause),
    /// What is published is right; look again at that time. Report whatever the status does not say
    /// yet.
    Wait(Timestamp),
    /// The Secret changed since it was published: compare its data with its checksum, then obtain
    /// new credentials for this cause, if there is one.
    Inspect(Option<Cause>),
    /// The Secret is being deleted, and nothing can be published under its name before it is gone.
    /// Look again when what it holds expires, if that lies ahead.
    AwaitDeletion(Option<Timestamp>),
    /// The last success was a moment ago; the cause stands, and is looked at again at that time.
    Pause(Timestamp),
    /// The last attempt failed and nothing changed since; the next is due at that time.
    Backoff(Timestamp),
    /// Renewal is suspended; look again when what is published expires, if anything is.
    Suspend(Option<Timestamp>),
    /// Permission was taken back for this reason: delete the published Secret at that time, unless
    /// it comes back.
    AwaitWithdrawal(Timestamp, String),
    /// Permission was taken back: delete the published Secret and say so.
    Withdraw(String),
    /// Nothing can be done until somebody changes something.
    Stall(Reason, String),
}

/// How often inputs that are not watched are looked at.
pub const INPUT_POLL: SignedDuration = SignedDuration::from_mins(5);

/// Decides what to do at `now`.
pub fn plan(seen: &Observed<'_>, now: Timestamp) -> Action {
    if seen.object.metadata.deletion_timestamp.is_some() {
        return Action::Leave;
    }
    if let Permission::Denied(denial) = seen.permission {
        let holds = seen.secret.own().is_some_and(|r| !r.deleting);
        let why = denial.why.clone();
        if !holds && !may_hold_another(seen.object) {
            return Action::Stall(Reason::NotPermitted, why);
        }
        return match seen.withdraw_at.filter(|at| *at > now) {
            Some(at) => Action::AwaitWithdrawal(at, why),
            None => Action::Withdraw(why),
        };
    }
    if let SecretView::Foreign(whose) = seen.secret
        && !seen.object.spec.secret().adopts()
    {
        return Action::Stall(Reason::SecretConflict, conflict(&seen.object.secret_name(), whose));
    }
    let record = seen.secret.own();
    let ends = record.and_then(|r| r.content.as_ref()).map(|c| c.expiration).filter(|e| *e > now);
    if seen.object.spec.suspended() {
        return Action::Suspend(ends);
    }
    if record.is_some_and(|r| r.deleting) {
        return Action::AwaitDeletion(ends);
    }
    let standing = standing(seen, record, now);
    let cause = match standing {
        Standing::Issue(cause) => Some(cause),
        Standing::Wait(_) => None,
    };
    // Before the issuer is asked, a Secret that somebody wrote to is read: it may refuse what would
    // be published. One that is not seen any more may only have lost its label.
    if record.map_or(cause == Some(Cause::Deleted), |r| touched(seen.object, r)) {
        return backoff(seen, cause.unwrap_or(Cause::Due), now).unwrap_or(Action::Inspect(cause));
    }
    match standing {
        Standing::Issue(cause) => pause_after_success(seen.object, record, cause, now)
            .map(Action::Pause)
            .or_else(|| backoff(seen, cause, now))
            .unwrap_or(Action::Issue(cause)),
        Standing::Wait(until) => Action::Wait(until),
    }
}

/// Whether a denied resource may own Secrets besides the one that is seen: until its status says
/// that nothing is left to withdraw, what it published under an earlier name or without a label is
/// looked for.
fn may_hold_another(object: &RefreshableCredential) -> bool {
    let Some(status) = &object.status else { return false };
    was_reported(object)
        && status.permission.as_ref().is_none_or(|p| p.allowed || p.withdraw_time.is_some())
}

/// Whether `object` may own a Secret of another name than the present one: it has been reported on,
/// its specification has changed, and the status does not name the present Secret.
pub fn may_have_moved(object: &RefreshableCredential) -> bool {
    let named = object.status.as_ref().and_then(|s| s.secret.as_ref()).map(|s| s.name.as_str());
    let changed = object.metadata.generation.is_some_and(|g| g > 1);
    was_reported(object) && changed && named != Some(object.secret_name().as_str())
}

fn was_reported(object: &RefreshableCredential) -> bool {
    object.status.as_ref().and_then(|s| s.observed_generation).is_some_and(|g| g >= 0)
}

enum Standing {
    Issue(Cause),
    Wait(Timestamp),
}

fn standing(seen: &Observed<'_>, record: Option<&Record>, now: Timestamp) -> Standing {
    let Some(record) = record else {
        let before = seen.object.status.as_ref().and_then(|s| s.secret.as_ref());
        let deleted = before.is_some_and(|s| s.name == seen.object.secret_name());
        return Standing::Issue(if deleted { Cause::Deleted } else { Cause::First });
    };
    let Some(content) = &record.content else {
        return Standing::Issue(Cause::Altered);
    };
    if content.request != fingerprint::of_request(&seen.object.spec) {
        return Standing::Issue(Cause::SpecificationChanged);
    }
    if seen.inputs.published_changed(&content.inputs) {
        return Standing::Issue(Cause::InputChanged);
    }
    if seen.object.requested_at().is_some_and(|r| content.handled_refresh.as_deref() != Some(r)) {
        return Standing::Issue(Cause::Requested);
    }
    let due = due_at(seen.object, content, seen.rests_until);
    if due <= now {
        return Standing::Issue(Cause::Due);
    }
    if !profiles::lacking(seen.object, content).is_empty() {
        return Standing::Issue(Cause::Incomplete);
    }
    Standing::Wait(sooner(due, seen.poll_at))
}

/// When the published credentials of this resource are due.
pub fn refresh_at(object: &RefreshableCredential, content: &Content) -> Timestamp {
    let before = object
        .spec
        .refresh
        .as_ref()
        .and_then(|r| r.before.as_deref())
        .and_then(timing::parse_before);
    timing::refresh_at(
        content.issued_at,
        content.expiration,
        before,
        &object.uid().unwrap_or_default(),
    )
}

/// When they are due where the source may have had nothing newer, and is asked again at
/// `rests_until`.
pub fn due_at(
    object: &RefreshableCredential,
    content: &Content,
    rests_until: Option<Timestamp>,
) -> Timestamp {
    refresh_at(object, content).max(rests_until.unwrap_or(Timestamp::MIN))
}

/// When a source that had nothing newer is asked again: often enough to be in time, as metadata
/// services have new credentials only some minutes before the old ones end.
pub fn ask_again(expiration: Timestamp, now: Timestamp) -> Timestamp {
    const LEAST: SignedDuration = SignedDuration::from_secs(15);
    const MOST: SignedDuration = SignedDuration::from_mins(5);
    now + (expiration.duration_since(now) / 8).clamp(LEAST, MOST)
}

fn sooner(at: Timestamp, poll_at: Option<Timestamp>) -> Timestamp {
    poll_at.map_or(at, |poll| poll.min(at))
}

/// Whether the Secret was written to by somebody since its resource version was last reported.
fn touched(object: &RefreshableCredential, record: &Record) -> bool {
    let status = object.status.as_ref();
    let name = status.and_then(|s| s.secret.as_ref()).map(|s| s.name.as_str());
    let version = status
        .and_then(|s| s.controller.as_ref())
        .and_then(|c| c.secret_resource_version.as_deref());
    (name, version) != (Some(&record.name), Some(&record.resource_version))
}

/// The pause that the last failure asks for, if the same attempt would be made again.
fn backoff(seen: &Observed<'_>, cause: Cause, now: Timestamp) -> Option<Action> {
    let status = seen.object.status.as_ref()?;
    let failed = RecordedFailure::from_status(status)?;
    let next = failed.next_try();
    let same = match &failed.attempt {
        Some(failed) => {
            let attempt = attempt(seen.object, cause);
            let asks_the_same = failed.request == attempt
                || failed.request == at_secret(&attempt, seen.secret.own());
            asks_the_same && !seen.inputs.attempt_changed(&inputs::from_status(&failed.inputs))
        }
        // Written by an earlier version: an upgrade must not end its pause.
        None => {
            status.observed_generation == seen.object.metadata.generation
                && status.last_handled_refresh_at.as_deref() == seen.object.requested_at()
        }
    };
    if !same || now >= next {
        return None;
    }
    // What some profiles wait for must not make the others late.
    let due =
        seen.secret.own().and_then(|r| r.content.as_ref()).map(|c| refresh_at(seen.object, c));
    let until = if cause == Cause::Incomplete { due.map_or(next, |d| d.min(next)) } else { next };
    // A wrong input that is corrected is noticed also where it is not watched.
    Some(Action::Backoff(sooner(until, seen.poll_at)))
}

/// Digest of the attempt that would be made now. One at the profiles that were lacking is another
/// than one at all.
pub fn attempt(object: &RefreshableCredential, cause: Cause) -> String {
    let request = fingerprint::of_request(&object.spec);
    let whole = fingerprint::of_attempt(&request, object.requested_at());
    if cause == Cause::Incomplete { format!("{whole}/incomplete") } else { whole }
}

/// Digest of an attempt that failed at the Secret as it is: another Secret, or another state of it,
/// is tried at once.
pub fn at_secret(attempt: &str, record: Option<&Record>) -> String {
    match record {
        Some(record) => format!("{attempt}/{}@{}", record.uid, record.resource_version),
        None => format!("{attempt}/absent"),
    }
}

/// When the pause after the last success ends, for causes that nobody asked for. Two writers that
/// fight over the Secret, or sessions that last seconds, would otherwise cost a call as often as
/// the issuer answers.
pub fn pause_after_success(
    object: &RefreshableCredential,
    record: Option<&Record>,
    cause: Cause,
    now: Timestamp,
) -> Option<Timestamp> {
    if matches!(cause, Cause::First | Cause::SpecificationChanged | Cause::Requested) {
        return None;
    }
    let content = record.and_then(|r| r.content.as_ref()).map(|c| (c.issued_at, c.expiration));
    let (issued_at, expiration) = content.or_else(|| {
        let status = object.status.as_ref()?;
        Some((time_of(&status.last_refresh_time)?, time_of(&status.expiration)?))
    })?;
    let until = issued_at + least_pause(expiration.duration_since(issued_at));
    (until > now && issued_at <= now).then_some(until)
}

/// The least time between two successes, of which the first gave a session that lives for
/// `lifetime`.
pub fn least_pause(lifetime: SignedDuration) -> SignedDuration {
    (lifetime / 4).min(SignedDuration::from_secs(10))
}

/// What a user reads when the Secret's name is taken.
pub fn conflict(name: &str, whose: &str) -> String {
    format!(
        "Secret {name} exists and belongs to {whose}; it is left as it is. Choose another spec.secret.name, \
         or set spec.secret.adopt: true to take it over"
    )
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
