//! The decision what to do about one resource: a pure function of the observation and the time.

use super::failure::RecordedFailure;
use super::fingerprint;
use super::inputs::{self, KnownInputs};
use super::ownership::{Content, Record, SecretView};
use super::policy::Permission;
use super::profiles;
use super::size_limit::{self, Oversize};
use super::timing;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use refreshable_api::conditions::Reason;
use refreshable_api::{RefreshableCredential, names, time_of};

/// Observation of one resource, the decision's only input besides the time.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The resource.
    pub object: &'a RefreshableCredential,
    /// Secret under the name that the resource publishes to.
    pub secret: &'a SecretView,
    /// Whether the administrator's policies allow the request.
    pub permission: &'a Permission,
    /// When the published Secret is deleted, where the request is denied.
    pub withdraw_at: Option<Timestamp>,
    /// Its input Secrets, as far as they are known.
    pub inputs: &'a KnownInputs,
    /// When to ask the source again, where it had nothing newer than the published credentials.
    pub not_before: Option<Timestamp>,
    /// When to read inputs that are not watched, if the resource uses any.
    pub poll_at: Option<Timestamp>,
    /// How its namespace exceeds the size that is allowed, if it does.
    pub oversize: Option<Oversize>,
}

/// Reason to obtain credentials now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing was published yet.
    First,
    /// The refresh point has come.
    Due,
    /// The request in the specification differs from that of the published credentials.
    SpecificationChanged,
    /// An input Secret changed.
    InputChanged,
    /// A person requested it by annotation.
    Requested,
    /// The published Secret was deleted.
    Deleted,
    /// The published Secret was altered.
    Altered,
    /// Some profiles failed when the others succeeded.
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
    /// The published credentials are right; look again at that time. Report whatever the status
    /// lacks.
    Wait(Timestamp),
    /// The Secret changed since it was published: compare its data with its checksum, then obtain
    /// new credentials for this cause, if there is one.
    Inspect(Option<Cause>),
    /// The Secret is being deleted, so its name is taken until it is gone. Look again when its
    /// credentials expire, if that lies ahead.
    AwaitDeletion(Option<Timestamp>),
    /// The last success was a moment ago; the cause stands and is handled at that time.
    Pause(Timestamp),
    /// The last attempt failed and nothing changed since; the next is due at that time.
    Backoff(Timestamp),
    /// Renewal is suspended; look again when the published credentials expire, if there are any.
    Suspend(Option<Timestamp>),
    /// Permission was revoked for this reason: delete the published Secret at that time, unless the
    /// permission comes back.
    AwaitWithdrawal(Timestamp, String),
    /// Permission was revoked for this reason: delete the published Secret and report it.
    Withdraw(String),
    /// Nothing can be done until a person changes something.
    Stall(Reason, String),
}

/// How often inputs that are not watched are read.
pub const INPUT_POLL: SignedDuration = SignedDuration::from_mins(5);

/// How often a resource is looked at whose PIN a token refused.
const PIN_LOOK: SignedDuration = SignedDuration::from_hours(1);

/// Decides what to do at `now`.
pub fn plan(seen: &Observed<'_>, now: Timestamp) -> Action {
    if seen.object.metadata.deletion_timestamp.is_some() {
        return Action::Leave;
    }
    // Before suspension and pauses: they must not keep a Secret that has lost its permission.
    if let Permission::Denied(denial) = seen.permission {
        // A Secret that is being deleted needs no withdrawal.
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
        return Action::Stall(Reason::SecretConflict, conflict(seen.object, whose));
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
    // A Secret that somebody wrote to is read before the issuer is called, since it may refuse the
    // publication. A Secret that seems deleted may only have lost its label.
    if record.map_or(cause == Some(Cause::Deleted), |r| touched(seen.object, r)) {
        return backoff(seen, cause.unwrap_or(Cause::Due), now).unwrap_or(Action::Inspect(cause));
    }
    match standing {
        Standing::Issue(cause) => pause_after_success(seen.object, record, cause, now)
            .map(Action::Pause)
            .or_else(|| backoff(seen, cause, now))
            .or_else(|| too_large(seen, cause))
            .unwrap_or(Action::Issue(cause)),
        Standing::Wait(until) => Action::Wait(until),
    }
}

/// Whether a denied resource may own Secrets besides the observed one: until its status reports
/// that nothing is left to withdraw, Secrets under an earlier name or without a label are searched
/// for.
fn may_hold_another(object: &RefreshableCredential) -> bool {
    let Some(status) = &object.status else { return false };
    was_reported(object)
        && status.permission.as_ref().is_none_or(|p| p.allowed || p.withdraw_time.is_some())
}

/// Whether `object` may own a Secret under a former name: it has been reported on, its
/// specification has changed, and the status does not name the present Secret.
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
    // Due comes before Incomplete: a renewal of all profiles includes the lacking ones.
    let due = due_at(seen.object, content, seen.not_before);
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

/// When they are due, where the source may have had nothing newer and is asked again at
/// `not_before`.
pub fn due_at(
    object: &RefreshableCredential,
    content: &Content,
    not_before: Option<Timestamp>,
) -> Timestamp {
    refresh_at(object, content).max(not_before.unwrap_or(Timestamp::MIN))
}

/// When to ask a source again that had nothing newer: often enough to be in time, as metadata
/// services have new credentials only some minutes before the old ones expire.
pub fn ask_again(expiration: Timestamp, now: Timestamp) -> Timestamp {
    const LEAST: SignedDuration = SignedDuration::from_secs(15);
    const MOST: SignedDuration = SignedDuration::from_mins(5);
    now + (expiration.duration_since(now) / 8).clamp(LEAST, MOST)
}

fn sooner(at: Timestamp, poll_at: Option<Timestamp>) -> Timestamp {
    poll_at.map_or(at, |poll| poll.min(at))
}

/// Whether somebody wrote to the Secret since its resource version was last reported.
fn touched(object: &RefreshableCredential, record: &Record) -> bool {
    let status = object.status.as_ref();
    let name = status.and_then(|s| s.secret.as_ref()).map(|s| s.name.as_str());
    let version = status
        .and_then(|s| s.controller.as_ref())
        .and_then(|c| c.secret_resource_version.as_deref());
    (name, version) != (Some(&record.name), Some(&record.resource_version))
}

/// The pause after the last failure, if the same attempt would be repeated.
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
    // A token locks itself after a few wrong PINs: the same one is not tried again.
    let next = if failed.shown.reason == Reason::PinRefused.as_str() && failed.attempt.is_some() {
        next.max(now + PIN_LOOK)
    } else {
        next
    };
    // A pause holds only the attempt that failed: any other may succeed at once.
    if !same || now >= next {
        return None;
    }
    // One profile's pause must not delay the renewal of the others.
    let due =
        seen.secret.own().and_then(|r| r.content.as_ref()).map(|c| refresh_at(seen.object, c));
    let until = if cause == Cause::Incomplete { due.map_or(next, |d| d.min(next)) } else { next };
    // An input that is not watched may be corrected during the pause.
    Some(Action::Backoff(sooner(until, seen.poll_at)))
}

/// Nothing is published for the first time in a namespace that takes more than it may. What was
/// published before is renewed, and replaced where somebody deleted it.
fn too_large(seen: &Observed<'_>, cause: Cause) -> Option<Action> {
    let is_first = cause == Cause::First && size_limit::is_new(seen.object);
    let oversize = seen.oversize.filter(|_| is_first)?;
    Some(Action::Stall(Reason::SizeLimited, oversize.message()))
}

/// Digest of the attempt that would be made now. An attempt at the lacking profiles differs from
/// one at all of them.
pub fn attempt(object: &RefreshableCredential, cause: Cause) -> String {
    let request = fingerprint::of_request(&object.spec);
    let whole = fingerprint::of_attempt(&request, object.requested_at());
    if cause == Cause::Incomplete { format!("{whole}/incomplete") } else { whole }
}

/// Digest of an attempt that failed at writing the Secret: it is repeated at once when the Secret
/// changes or is replaced.
pub fn at_secret(attempt: &str, record: Option<&Record>) -> String {
    match record {
        Some(record) => format!("{attempt}/{}@{}", record.uid, record.resource_version),
        None => format!("{attempt}/absent"),
    }
}

/// When the pause after the last success ends; none for causes that a person asked for. Two writers
/// that fight over the Secret, or sessions that last seconds, would otherwise cost a call as often
/// as the issuer answers.
pub fn pause_after_success(
    object: &RefreshableCredential,
    record: Option<&Record>,
    cause: Cause,
    now: Timestamp,
) -> Option<Timestamp> {
    if matches!(cause, Cause::First | Cause::SpecificationChanged | Cause::Requested) {
        return None;
    }
    // A Secret that was deleted or altered tells no issue time; the status still does.
    let content = record.and_then(|r| r.content.as_ref()).map(|c| (c.issued_at, c.expiration));
    let (issued_at, expiration) = content.or_else(|| {
        let status = object.status.as_ref()?;
        Some((time_of(&status.last_refresh_time)?, time_of(&status.expiration)?))
    })?;
    let until = issued_at + least_pause(expiration.duration_since(issued_at));
    // An issue time in the future means that the clock was set back: the wait would be too long.
    (until > now && issued_at <= now).then_some(until)
}

/// The least time between two successes, where the first gave a session that lives for `lifetime`.
pub fn least_pause(lifetime: SignedDuration) -> SignedDuration {
    // A quarter ends before every refresh point, so the pause never delays a due renewal.
    (lifetime / 4).min(SignedDuration::from_secs(10))
}

/// Message where the Secret's name is taken.
pub fn conflict(object: &RefreshableCredential, whose: &str) -> String {
    if object.spec.token.is_some() || object.spec.secret().type_.is_some() {
        return format!(
            "Secret {} exists and belongs to {whose}; it is left as it is. Choose another spec.secret.name, or delete \
             the Secret if no one else writes it: another is published in its place",
            object.secret_name()
        );
    }
    format!(
        "Secret {} exists and belongs to {whose}; it is left as it is. Choose another spec.secret.name, \
         or set spec.secret.adopt: true and run `{}` to have it taken over",
        object.secret_name(),
        allow_adoption(object)
    )
}

/// Message where the Secret exists, is to be adopted, and its owner has not allowed that.
pub fn adoption_not_allowed(object: &RefreshableCredential) -> String {
    format!(
        "Secret {} exists, and is adopted only if its owner allows that; it is left as it is. Run `{}`, or choose \
         another spec.secret.name",
        object.secret_name(),
        allow_adoption(object)
    )
}

/// The command by which the owner of the Secret lets `object` adopt it.
fn allow_adoption(object: &RefreshableCredential) -> String {
    format!(
        "kubectl annotate secret --namespace {} {} {}={}",
        object.namespace().unwrap_or_default(),
        object.secret_name(),
        names::ALLOW_ADOPTION_ANNOTATION,
        names::ALLOW_ADOPTION
    )
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
