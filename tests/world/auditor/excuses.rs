//! Excuses for delays: faults, each for whom it struck and for the pause that follows.

use crate::world::state::{Key, State};
use crate::world::truth;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A call of the resource with this session name met a fault, for which it is excused so long.
pub fn setback(state: &mut State, name: &str, pause: SignedDuration) {
    let until = state.now() + pause;
    let known = state.auditor.setbacks.entry(name.to_owned()).or_insert(until);
    *known = until.max(*known);
}

/// A call to the API server about `path` met a fault.
pub fn api_setback(state: &mut State, path: &[String]) {
    let name = |after: &str| {
        let at = path.iter().position(|part| part == after)?;
        path.get(at + 1).cloned()
    };
    let (namespace, object) =
        (name("namespaces"), name("secrets").or(name("refreshablecredentials")));
    match namespace.zip(object).filter(|key| state.typed.contains_key(key)) {
        Some((namespace, name)) => setback(state, &format!("{namespace}.{name}"), PAUSE),
        None => hinder(state),
    }
}

/// Something is wrong that concerns everybody.
fn hinder(state: &mut State) {
    let until = state.now() + PAUSE;
    state.auditor.hinder_until(until);
}

/// The issuer answered a call with a session, or with something else.
pub fn issuer_answered(state: &mut State, form: &BTreeMap<String, String>, given: bool) {
    let part = |name: &str| form.get(name).cloned().unwrap_or_default();
    let call = (part("RoleSessionName"), part("RoleArn"));
    match given {
        true => drop(state.auditor.refused.remove(&call)),
        false => drop(state.auditor.refused.insert(call)),
    }
}

/// The issuer denied this role.
pub fn denied(state: &mut State, role: &str) {
    let until = state.now() + PAUSE_AFTER_DENIAL;
    state.auditor.denied.insert(role.to_owned(), until);
}

/// Whether `key` is permitted, and has been for long enough to be renewed.
pub fn may_renew(state: &State, key: &Key, now: Timestamp) -> bool {
    let again = state.auditor.permitted_again.get(key);
    !state.auditor.unpermitted.contains_key(key)
        && again.is_none_or(|at| state.auditor.was_noticed(*at, now))
}

/// Whether something is wrong, or was until a moment ago, that delays `key`.
pub fn is_excused(state: &State, key: &Key, now: Timestamp) -> bool {
    let own = state.auditor.setbacks.get(&format!("{}.{}", key.0, key.1)).copied();
    own.max(state.auditor.hindered).is_some_and(|until| now < until)
}

/// The pause after a call that met a fault which passes, with the time that the call hung.
const PAUSE: SignedDuration = SignedDuration::from_mins(7);
/// The pause after the issuer refused, or answered with what cannot be used.
pub const PAUSE_AFTER_DENIAL: SignedDuration = SignedDuration::from_mins(11);
/// The pause after something that a person has to mend.
pub const PAUSE_FOR_A_PERSON: SignedDuration = SignedDuration::from_mins(62);
/// The pause after an issuer's fault that passes.
pub const PAUSE_OF_ISSUER: SignedDuration = PAUSE;
/// Policies changed: since when are resources denied?
pub fn policies_changed(state: &mut State) {
    let now = state.now();
    let mut unpermitted = std::mem::take(&mut state.auditor.unpermitted);
    for (key, object) in &state.credentials {
        match truth::is_permitted(state, key, &object["spec"]) {
            true => {
                if let Some(since) = unpermitted.remove(key) {
                    state.auditor.permitted_again.insert(key.clone(), now);
                    state.auditor.returned.insert(key.clone(), (since, now));
                }
            }
            false => {
                // A permission that was there for a moment, or while the lease was free, may not
                // have been seen.
                let seen_from = |until: Timestamp| until.max(state.unrenewable_until);
                let returned = state.auditor.returned.get(key);
                let unseen = returned
                    .filter(|(_, until)| !state.auditor.was_noticed(seen_from(*until), now));
                unpermitted.entry(key.clone()).or_insert(unseen.map_or(now, |(since, _)| *since));
            }
        }
    }
    state.auditor.unpermitted = unpermitted;
}
