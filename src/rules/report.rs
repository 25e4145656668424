//! The status of a resource: a pure function of what was found.

use super::attempts_limit::{self, AttemptsLimit};
use super::failure::{Failure, RecordedFailure};
use super::fingerprint;
use super::ownership::{Content, Record};
use super::plan;
use super::policy::Permission;
use super::profiles;
use super::restart;
use super::retry::Class;
use super::timing::{down_to_second, up_to_second};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use refreshable_api::conditions::{READY, RECONCILING, Reason, STALLED};
use refreshable_api::{
    ControllerStatus, PermissionStatus, RefreshableCredential, RefreshableCredentialStatus,
    SecretStatus,
};
use std::collections::BTreeMap;

/// Sessions up to this long leave no time between boto3's refresh window of 15 minutes and the
/// kubelet's delay of up to two.
const SHORT: SignedDuration = SignedDuration::from_mins(20);
const TOO_SHORT: &str = "Sessions this short are renewed by boto3 at every request and may reach Pods too late: \
                         ask for more than 20 minutes";

/// Result of a look at a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The published credentials match the specification.
    Good,
    /// The last attempt failed.
    Failing(RecordedFailure),
    /// Some profiles failed, each with its error; the others were published.
    Partial(RecordedFailure, BTreeMap<String, String>),
    /// Renewal is suspended.
    Suspended,
    /// Nothing can be done until a person changes something.
    Stalled(Reason, String),
    /// Permission was revoked, and the Secret still exists.
    Revoked(Revocation),
    /// Permission was revoked for this reason, and the Secret was deleted.
    Withdrawn(String),
    /// The published Secret is being deleted; these finalizers hold it.
    Terminating(Vec<String>),
    /// It waits for its turn, for as long as its namespace may make no more attempts a minute.
    Waiting(AttemptsLimit),
}

/// A revoked permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Why policies deny the request.
    pub why: String,
    /// Since when they do.
    pub since: Timestamp,
    /// When the Secret is withdrawn.
    pub withdraw_at: Timestamp,
    /// The reason that holds the withdrawal beyond that time, with advice.
    pub held: Option<String>,
}

/// The status of `object`, whose own Secret is `record`, at `now`.
pub fn status(
    object: &RefreshableCredential,
    permission: &Permission,
    record: Option<&Record>,
    finding: &Finding,
    now: Timestamp,
) -> RefreshableCredentialStatus {
    let before = object.status.clone().unwrap_or_default();
    let content = record.and_then(|r| r.content.as_ref());
    let generation = object.metadata.generation;
    let permission = permission_status(permission, &before, record, finding, now);
    let withdrawn = permission.as_ref().and_then(|p| p.withdrawn_time.as_ref());
    let failure = match finding {
        Finding::Failing(failure) | Finding::Partial(failure, _) => Some(failure.clone()),
        Finding::Terminating(_) => RecordedFailure::from_status(&before),
        _ => None,
    };
    let (failures, failed_attempt) = failure.map_or((None, None), |f| (Some(f.shown), f.attempt));
    let controller = ControllerStatus {
        secret_resource_version: record.and_then(|r| secret_version(r, finding, &before)),
        failed_attempt,
    };
    let mut conditions =
        Conditions { before: &before.conditions, generation, now, list: Vec::new() };
    judge(object, content, finding, withdrawn, now, &mut conditions);
    RefreshableCredentialStatus {
        conditions: conditions.list,
        observed_generation: generation,
        expiration: content
            .map(|c| Time(down_to_second(profiles::first_end(c, now).unwrap_or(c.expiration)))),
        last_refresh_time: content.map(|c| Time(down_to_second(c.issued_at))),
        next_refresh_time: next_refresh(object, content, finding),
        principal: content.map(|c| c.principal.clone()).filter(|p| p.arn.is_some()),
        secret: record.map(|r| secret_status(object, r, finding, before.secret.as_ref())),
        profiles: profiles::status(
            object,
            content,
            match finding {
                Finding::Partial(_, failed) => Some(failed),
                _ => None,
            },
        ),
        restarts: restart::status(object, content),
        permission,
        failures,
        packed_policy_size: content.and_then(|c| c.packed_policy_size),
        session_token_size: content.and_then(|c| c.token.bytes),
        session_token_utilization: content.and_then(|c| c.token.utilization),
        last_handled_refresh_at: match finding {
            Finding::Failing(_) => object.requested_at().map(str::to_owned),
            _ => content.and_then(|c| c.handled_refresh.clone()).or(before.last_handled_refresh_at),
        },
        controller: Some(controller).filter(|c| *c != ControllerStatus::default()),
    }
}

/// Permission in the status. A Secret that existed and is gone once the request is denied was
/// withdrawn.
fn permission_status(
    permission: &Permission,
    before: &RefreshableCredentialStatus,
    record: Option<&Record>,
    finding: &Finding,
    now: Timestamp,
) -> Option<PermissionStatus> {
    match permission {
        Permission::NotNeeded => None,
        Permission::Allowed(policies) => Some(PermissionStatus {
            allowed: true,
            policies: policies.clone(),
            ..PermissionStatus::default()
        }),
        Permission::Denied(denial) => {
            let told = before.permission.clone().unwrap_or_default();
            let (since, withdraw_at) = match finding {
                Finding::Revoked(r) => {
                    (Some(time(r.since)), Some(Time(up_to_second(r.withdraw_at))))
                }
                _ => (told.denied_time.clone().filter(|_| !told.allowed), None),
            };
            let gone = match finding {
                Finding::Revoked(_) => false,
                Finding::Withdrawn(_) => true,
                _ => before.secret.is_some() && record.is_none(),
            };
            Some(PermissionStatus {
                allowed: false,
                policies: if withdraw_at.is_some() { told.policies } else { Vec::new() },
                missing: denial.missing.clone(),
                denied_time: since.or_else(|| Some(time(now))),
                withdraw_time: withdraw_at,
                withdrawn_time: gone.then(|| time(now)).or(told.withdrawn_time),
            })
        }
    }
}

fn time(at: Timestamp) -> Time {
    Time(down_to_second(at))
}

/// The data keys are reported only of a Secret that is known to be as published.
fn secret_status(
    object: &RefreshableCredential,
    record: &Record,
    finding: &Finding,
    before: Option<&SecretStatus>,
) -> SecretStatus {
    let keys = match finding {
        Finding::Good | Finding::Partial(..) => object.spec.data_keys(),
        _ => before.filter(|b| b.name == record.name).map(|b| b.keys.clone()).unwrap_or_default(),
    };
    SecretStatus { name: record.name.clone(), keys }
}

/// The resource version is only kept of a Secret that is known to be as published: while attempts
/// fail, an altered one must still be told from an intact one.
fn secret_version(
    record: &Record,
    finding: &Finding,
    before: &RefreshableCredentialStatus,
) -> Option<String> {
    match finding {
        Finding::Good | Finding::Partial(..) => Some(record.resource_version.clone()),
        _ => {
            before.secret.as_ref().filter(|s| s.name == record.name)?;
            before.controller.as_ref()?.secret_resource_version.clone()
        }
    }
}

fn next_refresh(
    object: &RefreshableCredential,
    content: Option<&Content>,
    finding: &Finding,
) -> Option<Time> {
    match finding {
        Finding::Failing(failure) | Finding::Partial(failure, _) => {
            Some(failure.shown.next_try_time.clone())
        }
        Finding::Good | Finding::Waiting(_) => {
            content.map(|c| Time(up_to_second(plan::refresh_at(object, c))))
        }
        Finding::Suspended
        | Finding::Stalled(..)
        | Finding::Revoked(_)
        | Finding::Withdrawn(_)
        | Finding::Terminating(_) => None,
    }
}

fn judge(
    object: &RefreshableCredential,
    content: Option<&Content>,
    finding: &Finding,
    withdrawn: Option<&Time>,
    now: Timestamp,
    conditions: &mut Conditions<'_>,
) {
    let asked = fingerprint::of_request(&object.spec);
    let answers = content.is_some_and(|c| c.request == asked);
    let ends = content.map(profiles::earliest_end);
    let whole = content.is_some_and(|c| profiles::all_valid(object, c, now));
    let valid = answers && whole && ends.is_some_and(|e| e > now);
    match finding {
        Finding::Good if valid => {
            conditions.set(READY, true, Reason::Issued, issued_message(object, content));
        }
        Finding::Good => {
            conditions.set(
                READY,
                false,
                Reason::Expired,
                "the published credentials have expired".into(),
            );
        }
        Finding::Failing(failure) | Finding::Partial(failure, _) => {
            let message = format!("{}{}", failure.shown.message, outlook(content, answers, now));
            let reason = reason_of(&failure.shown.reason);
            if valid {
                conditions.set(READY, true, Reason::RefreshFailing, message.clone());
            } else {
                conditions.set(READY, false, reason, message.clone());
            }
            let kind = if Class::from_status(&failure.shown.class).stalls() {
                STALLED
            } else {
                RECONCILING
            };
            conditions.set(kind, true, reason, message);
        }
        Finding::Suspended => {
            let message = match ends {
                Some(e) if e > now => {
                    format!(
                        "renewal is suspended; the published credentials expire at {}",
                        down_to_second(e)
                    )
                }
                Some(_) => "renewal is suspended and the published credentials have expired".into(),
                None => "renewal is suspended and nothing is published".into(),
            };
            conditions.set(READY, valid, Reason::Suspended, message);
        }
        Finding::Waiting(limit) => {
            let message =
                format!("{}{}", attempts_limit::message(*limit), outlook(content, answers, now));
            match valid {
                true => {
                    conditions.set(READY, true, Reason::Issued, issued_message(object, content))
                }
                false => conditions.set(READY, false, Reason::AttemptsLimited, message.clone()),
            }
            conditions.set(RECONCILING, true, Reason::AttemptsLimited, message);
        }
        Finding::Terminating(finalizers) => {
            let message = terminating(object, finalizers);
            conditions.set(READY, valid, Reason::SecretTerminating, message.clone());
            conditions.set(RECONCILING, true, Reason::SecretTerminating, message);
        }
        Finding::Revoked(Revocation { why, withdraw_at, held, .. }) => {
            let (reason, fate) = match held {
                None => {
                    let at = up_to_second(*withdraw_at);
                    (
                        Reason::WithdrawalPending,
                        format!("is withdrawn at {at}, unless a policy allows it before then"),
                    )
                }
                Some(held) => (Reason::WithdrawalHeld, format!("stays for now: {held}")),
            };
            let message = format!("{why}. The published Secret is not renewed, and {fate}");
            conditions.set(READY, valid, reason, message.clone());
            conditions.set(STALLED, true, reason, message);
        }
        Finding::Withdrawn(why) => {
            judge(
                object,
                content,
                &Finding::Stalled(Reason::NotPermitted, why.clone()),
                withdrawn,
                now,
                conditions,
            );
        }
        Finding::Stalled(reason, message) => {
            let withdrawn = withdrawn.filter(|_| *reason == Reason::NotPermitted);
            let gone =
                withdrawn.map(|at| format!(". The published Secret was withdrawn at {}", at.0));
            let message = format!("{message}{}", gone.unwrap_or_default());
            conditions.set(READY, false, *reason, message.clone());
            conditions.set(STALLED, true, *reason, message);
        }
    }
}

fn issued_message(object: &RefreshableCredential, content: Option<&Content>) -> String {
    let Some(content) = content else { return String::new() };
    let until = down_to_second(content.expiration);
    let what = if content.profiles.is_empty() {
        let whose = content.principal.arn.as_deref().unwrap_or("an unnamed principal");
        match &object.spec.token {
            None => format!("credentials of {whose} are published, valid until {until}"),
            Some(token) => {
                let kind = token.name().unwrap_or("unknown");
                format!("a token ({kind}) of {whose} is published, valid until {until}")
            }
        }
    } else {
        let count = content.profiles.len();
        format!(
            "credentials of {count} profiles are published, the first of them valid until {until}"
        )
    };
    let short = content.profiles.is_empty()
        && object.spec.token.is_none()
        && content.expiration.duration_since(content.issued_at) <= SHORT;
    let warnings = [
        short.then(|| TOO_SHORT.to_owned()),
        content.warning.clone(),
        restart::warning(object, content),
    ];
    warnings.into_iter().flatten().fold(what, |text, warning| format!("{text}. {warning}"))
}

/// Message while finalizers hold a deleted Secret.
fn terminating(object: &RefreshableCredential, finalizers: &[String]) -> String {
    let name = object.secret_name();
    let held = match finalizers {
        [] => "Its deletion has not ended yet".to_owned(),
        some => format!("Remove its finalizers ({}) if whoever set them does not", some.join(", ")),
    };
    format!("Secret {name} is being deleted; new credentials are obtained when it is gone. {held}")
}

/// Outlook for the published credentials while attempts fail.
fn outlook(content: Option<&Content>, answers: bool, now: Timestamp) -> String {
    let Some(end) = content.map(profiles::earliest_end) else { return String::new() };
    let until = down_to_second(end);
    if end <= now {
        format!(". The published credentials expired at {until}")
    } else if answers {
        format!(". The published credentials stay in place until they expire at {until}")
    } else {
        format!(
            ". The Secret still holds what an earlier specification asked for, until it expires at {until}"
        )
    }
}

/// The reason that a status written earlier names.
fn reason_of(text: &str) -> Reason {
    text.parse().unwrap_or(Reason::IssuerUnavailable)
}

/// The finding of an earlier failure that still applies.
pub fn still_failing(object: &RefreshableCredential) -> Option<Finding> {
    RecordedFailure::from_status(object.status.as_ref()?).map(Finding::Failing)
}

/// The finding of a new failure.
pub fn failing(
    object: &RefreshableCredential,
    failure: &Failure,
    request: String,
    record: Option<&Record>,
    now: Timestamp,
) -> Finding {
    let before = object.status.as_ref().and_then(RecordedFailure::from_status);
    let expiration = record.and_then(|r| r.content.as_ref()).map(profiles::earliest_end);
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    Finding::Failing(failure.record(before.as_ref(), request, uid, now, expiration))
}

/// A change of the Ready condition, for an event: its status or reason is another one.
pub fn transition<'a>(
    before: Option<&RefreshableCredentialStatus>,
    after: &'a RefreshableCredentialStatus,
) -> Option<&'a Condition> {
    let ready = |s: &'a RefreshableCredentialStatus| s.conditions.iter().find(|c| c.type_ == READY);
    let now = ready(after)?;
    let was = before.and_then(|s| s.conditions.iter().find(|c| c.type_ == READY));
    was.is_none_or(|w| w.status != now.status || w.reason != now.reason).then_some(now)
}

/// Whether the published Secret was withdrawn in between, for an event.
pub fn withdrawn(
    before: Option<&RefreshableCredentialStatus>,
    after: &RefreshableCredentialStatus,
) -> bool {
    let time = |s: &RefreshableCredentialStatus| {
        s.permission.as_ref().and_then(|p| p.withdrawn_time.clone())
    };
    time(after).is_some_and(|now| before.and_then(time) != Some(now))
}

struct Conditions<'a> {
    before: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    list: Vec<Condition>,
}

impl Conditions<'_> {
    /// Adds a condition; the time of its last transition is kept where the status stays the same.
    fn set(&mut self, kind: &str, holds: bool, reason: Reason, message: String) {
        let status = if holds { "True" } else { "False" };
        let since = self
            .before
            .iter()
            .find(|c| c.type_ == kind && c.status == status)
            .map_or_else(|| Time(down_to_second(self.now)), |c| c.last_transition_time.clone());
        self.list.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message,
            last_transition_time: since,
            observed_generation: self.generation,
        });
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
