//! Looks for what is late, or forgotten.

use super::excuses::{is_excused, may_renew};
use super::{Verdict, first, own};
use crate::world::secrets::SimSecret;
use crate::world::state::{Key, State};
use crate::world::truth::{self, Wanted};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{RefreshableCredential, RestartStatus};
use serde_json::Value;

/// Workloads are restarted so long after what is published came late.
const FOLLOWS: SignedDuration = SignedDuration::from_mins(2);

/// Nothing may have less left than its floor while nothing is wrong with it.
pub fn late(state: &State, key: &Key, spec: &Value, secret: &SimSecret) -> Verdict {
    let now = state.now();
    if is_excused(state, key, now)
        || !truth::is_as_asked(state, spec, secret) && spec["profiles"].is_null()
        || !may_renew(state, key, now)
    {
        return None;
    }
    let denied = |w: &&Wanted| state.auditor.denied.get(&w.role).is_some_and(|until| now < *until);
    truth::wanted(spec).iter().filter(|w| !denied(w)).find_map(|wanted| {
        let who = match wanted.profile.as_str() {
            "" => key.1.clone(),
            profile => format!("{}, profile {profile},", key.1),
        };
        let Some(session) = truth::held(state, secret, &wanted.data_key) else {
            return Some(format!("1, never late: {who} has nothing at {now}"));
        };
        let (left, floor) =
            (session.expiration.duration_since(now), session.floor(truth::before(spec)));
        (left < floor).then(|| {
            format!(
                "1, never late: {who} has {left} left of {} at {now}; its floor is {floor}",
                session.lifetime
            )
        })
    })
}

/// Each resource is renewed at the same part of a lifetime every time. How far this renewal was
/// behind the earliest of them.
pub fn note_time(
    state: &mut State,
    object: &RefreshableCredential,
    spec: &Value,
    secret: &SimSecret,
    now: Timestamp,
) {
    let name = |part: &Option<String>| part.clone().unwrap_or_default();
    let key = (name(&object.metadata.namespace), name(&object.metadata.name));
    let renewed = truth::is_as_asked(state, spec, secret)
        && !is_excused(state, &key, now)
        && may_renew(state, &key, now);
    let end = first(state, spec, secret, |s| s.expiration).filter(|_| renewed);
    let session =
        truth::wanted(spec).iter().find_map(|w| truth::held(state, secret, &w.data_key)).zip(end);
    let Some((session, end)) = session else { return };
    let lifetime = session.lifetime;
    let early = end.duration_since(now) - truth::remaining(lifetime, truth::before(spec));
    if early > truth::drawn_early(lifetime) + SignedDuration::from_secs(2) {
        // For another cause than its age.
        return;
    }
    let part = early.as_secs_f64() / lifetime.as_secs_f64();
    let drawn = state.auditor.drawn.entry(name(&object.metadata.uid)).or_insert(part.max(0.0));
    let behind = SignedDuration::from_secs_f64((*drawn - part).max(0.0) * lifetime.as_secs_f64());
    *drawn = drawn.max(part);
    state.auditor.latest = state.auditor.latest.max(behind);
}

/// Looks at every resource for one that is late, or forgotten: what nothing is done for again shows
/// in no call.
pub fn sweep(state: &mut State) {
    let now = state.now();
    let mut verdicts = Vec::new();
    for (key, object) in state.typed.iter().filter(|(_, o)| !o.spec.suspended()) {
        let spec = &state.credentials[key]["spec"];
        let secret = own(state, object, &(key.0.clone(), object.secret_name()));
        verdicts.extend(secret.and_then(|secret| late(state, key, spec, secret)));
        verdicts.extend(forgotten(state, key, object, secret, now));
        verdicts.extend(left_behind(state, key, object, now));
    }
    verdicts.into_iter().for_each(|verdict| state.auditor.check(Some(verdict)));
}

/// A while after something happened to it, a status that says that all is well is true.
fn forgotten(
    state: &State,
    key: &Key,
    object: &RefreshableCredential,
    secret: Option<&SimSecret>,
    now: Timestamp,
) -> Verdict {
    let status = object.status.as_ref()?;
    let well = status
        .conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True" && c.reason == "Issued");
    let since = state.disturbed.get(key).copied().unwrap_or(Timestamp::UNIX_EPOCH);
    if !well || is_excused(state, key, now) || !state.auditor.was_noticed(since, now) {
        return None;
    }
    match secret {
        None => Some(format!(
            "2, never lose: {key:?} has no Secret since {since}, and its status says that all is well"
        )),
        Some(secret) => {
            (!truth::is_as_asked(state, &state.credentials[key]["spec"], secret)).then(|| {
                format!(
                    "1, never late: {key:?} holds at {now} what it does not ask for since {since}"
                )
            })
        }
    }
}

/// No workload is left with what has expired.
fn left_behind(
    state: &State,
    key: &Key,
    object: &RefreshableCredential,
    now: Timestamp,
) -> Verdict {
    let status = object.status.as_ref()?;
    let published = status.last_refresh_time.as_ref()?.0;
    let behind = |r: &&RestartStatus| {
        let expired = r.expiration.as_ref().is_some_and(|t| t.0.max(published + FOLLOWS) <= now);
        expired && r.restarted_for.as_ref().is_some_and(|t| t.0 < published)
    };
    // What is denied is left alone until it is withdrawn.
    let judged = !is_excused(state, key, now) && may_renew(state, key, now);
    let one = status.restarts.iter().flatten().find(behind).filter(|_| judged)?;
    Some(format!(
        "restart: {one:?} was not restarted at {now} for what was published at {published}"
    ))
}
