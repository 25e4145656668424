//! A controller's writes of Secrets.

use super::lateness::{late, note_time};
use super::{Sender, Verdict, Written, is_intact};
use crate::world::inputs;
use crate::world::secrets::SimSecret;
use crate::world::state::{Key, State};
use crate::world::truth::{self, Wanted};
use jiff::Timestamp;
use serde_json::Value;

/// A publication must be right, valid, in time, and in the resource's own Secret. A write that lands
/// late, after it was given up, may undo a later publication: its sender cannot know of that. Another
/// controller cannot know of the late write before it is shown.
pub fn publication(
    state: &mut State,
    key: &Key,
    (before, after): (Option<&SimSecret>, &SimSecret),
    sender: Sender,
) -> Verdict {
    let given_up = sender.given_up;
    let now = state.now();
    let owner = after.annotation("refreshable.dev/owner-name").unwrap_or_default().to_owned();
    let owner = (key.0.clone(), owner);
    let object = state.typed.get(&owner)?.clone();
    let spec = state.credentials[&owner]["spec"].clone();
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let name = format!("{}.{}", owner.0, owner.1);
    let unknown = |w: &Written| {
        w.by.given_up && w.by.instance != sender.instance && !state.auditor.was_noticed(w.at, now)
    };
    let intact = !given_up
        && !state.auditor.written.get(key).is_some_and(unknown)
        && before.is_some_and(|b| is_intact(state, key, &uid, b));
    let (wanted, shared) = (truth::wanted(&spec), truth::shared(&spec));
    for wanted in &wanted {
        let held = if given_up { Some(after) } else { before };
        if let Some(wrong) = wrong_session(state, (key, &uid, &name), wanted, held, after) {
            return Some(wrong);
        }
        if let Some(lost) =
            lost_session(state, key, (wanted, &shared), before.filter(|_| intact), after)
        {
            return Some(lost);
        }
    }
    if given_up {
        // It may lack what was published since.
        state.respecified.insert(owner.clone(), now);
    }
    let data = inputs::used_data(state, &object);
    state.made_from.insert(owner.clone(), data);
    let intact_before = before.filter(|_| intact);
    let verdict = intact_before.and_then(|before| late(state, &owner, &spec, before));
    if let Some(before) = intact_before {
        note_time(state, &object, &spec, before, now);
    }
    let shared = truth::last_shared(state, &name, &spec);
    let data = truth::data(after);
    // Labels are repaired without a new session, also where somebody put further keys beside it.
    let stays = |w: &&Written| w.data.iter().all(|(key, text)| data.get(key) == Some(text));
    let repaired = state.auditor.written.get(key).filter(|w| w.uid == uid).filter(stays);
    let at = repaired.map_or(now, |w| w.at);
    let written = Written { by: sender, uid, data, shared, at };
    state.auditor.written.insert(key.clone(), written);
    let spent = state.auditor.spent.remove(&name).unwrap_or_default();
    let calls = truth::calls(&spec);
    if state.auditor.exact && spent != calls {
        return Some(format!(
            "8, one call: {key:?} cost {spent} issuer calls instead of {calls} at {now}"
        ));
    }
    verdict
}

/// The session under one key must be the resource's own, of a role that it asks for or has
/// asked for, and valid where it is new.
fn wrong_session(
    state: &State,
    (key, uid, name): (&Key, &str, &str),
    wanted: &Wanted,
    before: Option<&SimSecret>,
    after: &SimSecret,
) -> Verdict {
    let now = state.now();
    let id = truth::key_id(after, &wanted.data_key)?;
    let session = state.sessions.get(&id);
    let asked = |role: &str| state.asked_roles.contains(&(uid.to_owned(), role.to_owned()));
    if session.is_none_or(|s| s.name != name || !asked(&s.role)) {
        return Some(format!(
            "4, wrong identity: {key:?} got {session:?} ({id}) in {} instead of {} as {name} at {now}",
            wanted.data_key, wanted.role
        ));
    }
    let stayed = before.and_then(|b| truth::key_id(b, &wanted.data_key)) == Some(id);
    let expiration = session?.expiration;
    (expiration <= now && !stayed).then(|| {
        format!("2, never lose: {key:?} was overwritten at {now} with what expired at {expiration}")
    })
}

/// A session that is valid and still asked for may go only for one that lives longer.
fn lost_session(
    state: &State,
    key: &Key,
    (wanted, shared): (&Wanted, &Vec<(String, i64)>),
    before: Option<&SimSecret>,
    after: &SimSecret,
) -> Verdict {
    let now = state.now();
    let had = truth::held(state, before?, &wanted.data_key)?;
    let asked = wanted.is_met_by(&had) && state.auditor.shared_of(before?) == Some(shared);
    if had.expiration <= now || !asked {
        return None;
    }
    let has = truth::held(state, after, &wanted.data_key);
    let reads_as_lost = recorded(after, wanted).is_some_and(|end| end < had.expiration);
    let what = match wanted.profile.as_str() {
        "" => format!("{key:?}"),
        profile => format!("profile {profile}"),
    };
    match has {
        // One of an older specification comes from a view that is behind.
        Some(has) if has.expiration >= had.expiration && !reads_as_lost => None,
        Some(has) if !wanted.is_met_by(&has) => None,
        _ => Some(format!(
            "2, never lose: {what}, valid until {}, was lost at {now}",
            had.expiration
        )),
    }
}

/// When a profile ends by the Secret's own record, by which it would be dropped or kept.
fn recorded(secret: &SimSecret, wanted: &Wanted) -> Option<Timestamp> {
    if wanted.profile.is_empty() {
        return None;
    }
    let records: Value =
        serde_json::from_str(secret.annotation("refreshable.dev/profiles")?).ok()?;
    let end = records[&wanted.profile]["expiration"].as_str().and_then(|t| t.parse().ok());
    Some(end.unwrap_or(Timestamp::MIN))
}
