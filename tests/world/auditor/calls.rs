//! Each call of the issuer, and whether it had a cause.

use super::excuses::is_excused;
use super::{Verdict, first, own};
use crate::world::inputs;
use crate::world::state::{Key, State};
use crate::world::truth;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Within this time whoever has no Secret may be asked for so often, for each call that it costs.
const IN_VAIN: SignedDuration = SignedDuration::from_mins(1);
const MOST_IN_VAIN: usize = 6;

/// An issuer call must have a cause that is true.
pub fn issuer_call(state: &mut State, form: &BTreeMap<String, String>) -> Verdict {
    let session = form.get("RoleSessionName")?;
    let (namespace, name) = session.split_once('.')?;
    let key = (namespace.to_owned(), name.to_owned());
    // Deleted while the call was on its way.
    let object = &state.typed.get(&key)?.clone();
    let secret_key = (key.0.clone(), object.secret_name());
    let now = state.now();
    if own(state, object, &secret_key).is_none() {
        return asked_in_vain(state, &key, session, now);
    }
    let state = &*state;
    let secret = own(state, object, &secret_key)?;
    let spec = &state.credentials[&key]["spec"];
    let earliest = first(state, spec, secret, |s| s.earliest(truth::before(spec)));
    let written = &state.auditor.written[&secret_key];
    // Not every change shows in the Secret, and a controller may have written before it knew of it.
    let respecified = |at: &Timestamp| *at > written.at || !state.auditor.was_noticed(*at, now);
    let respecified = state.respecified.get(&key).is_some_and(respecified);
    let handled = secret.annotation("refreshable.dev/last-handled-refresh-at");
    let causes = [
        !truth::is_as_asked(state, spec, secret),
        earliest.is_none_or(|at| at <= now),
        object.requested_at().is_some_and(|r| handled != Some(r)),
        written.data != truth::data(secret),
        respecified,
        // An attempt that failed, or has not led to a publication, is repeated.
        state.auditor.spent.contains_key(session),
        state.auditor.refused.iter().any(|(name, _)| name == session),
        state.made_from.get(&key).is_some_and(|data| *data != inputs::used_data(state, object)),
    ];
    if causes.contains(&true) {
        return None;
    }
    Some(format!(
        "3, never early: {session} was asked for at {now} without a cause; it may be renewed from {} on",
        earliest?
    ))
}

/// A resource without a Secret is asked for until it has one, and not at the pace at which calls are
/// answered.
fn asked_in_vain(state: &mut State, key: &Key, session: &str, now: Timestamp) -> Verdict {
    let allowed = truth::calls(&state.credentials[key]["spec"]);
    let asked = state.auditor.unheld.entry(session.to_owned()).or_default();
    asked.push_back(now);
    while asked.front().is_some_and(|at| now.duration_since(*at) > IN_VAIN) {
        asked.pop_front();
    }
    let calls = asked.len();
    let too_many = calls > MOST_IN_VAIN * allowed && !is_excused(state, key, now);
    too_many.then(|| {
        format!("3, never early: {session} was asked for {calls} times within {IN_VAIN:#} at {now}, and is not published")
    })
}
