//! Reads every call and checks the promises of the design against what is true ([`truth`]): the
//! API server's objects and the issuer's books, never the controller's view or its arithmetic.
//!
//! A delay is excused only by a fault, for whom it struck, and for no longer than the pause that
//! follows it.

use super::secrets::SimSecret;
use super::state::{Key, SimSession, State};
use super::sts::CANARY;
use super::truth::{self, Wanted};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{RefreshableCredential, RestartStatus};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A promise that was seen broken.
pub type Verdict = Option<String>;

/// One write of a controller into a Secret.
#[derive(Debug)]
struct Written {
    /// The UID of the resource that it wrote for.
    uid: String,
    data: BTreeMap<String, String>,
    /// The shared roles that the sessions came through, with their lifetimes.
    shared: Vec<(String, i64)>,
    /// Since when it holds these data.
    at: Timestamp,
}

/// Counts and judges.
#[derive(Default)]
pub struct Auditor {
    pub violations: Vec<String>,
    pub issuer_calls: usize,
    /// The same, by session name: `<namespace>.<name>`.
    pub calls_of: BTreeMap<String, usize>,
    pub applies: usize,
    pub status_writes: usize,
    pub reads: usize,
    pub deletes: usize,
    /// Most calls that the issuer may get within a second.
    pub most_per_second: Option<usize>,
    /// Until when a resource, by session name, is excused: a call of it met a fault.
    setbacks: BTreeMap<String, Timestamp>,
    /// Until when everybody is excused.
    hindered: Option<Timestamp>,
    /// Until when whoever asks for a role is excused that the issuer denied.
    denied: BTreeMap<String, Timestamp>,
    /// Roles that each session name, `<namespace>.<name>`, has asked for in vain since it last got them.
    refused: BTreeSet<(String, String)>,
    /// Each Secret as a controller last wrote it.
    written: BTreeMap<Key, Written>,
    /// The part of the lifetime by which each resource's renewals are drawn early, as seen.
    drawn: BTreeMap<String, f64>,
    /// Since when policies have denied each resource.
    pub unpermitted: BTreeMap<Key, Timestamp>,
    /// When each was last allowed again what was denied to it, or ceased to be suspended.
    pub permitted_again: BTreeMap<Key, Timestamp>,
    /// Since when and until when each was last denied, where it no longer is.
    returned: BTreeMap<Key, (Timestamp, Timestamp)>,
    /// How long what is denied stays, where that is another time than the default.
    pub grace: Option<SignedDuration>,
    /// Secrets that were denied by then may be withdrawn, however many.
    pub confirmed: Option<Timestamp>,
    /// Every rotation must cost one issuer call for each role and two writes, and no more.
    pub exact: bool,
    /// Issuer calls under each session name since its last publication.
    spent: BTreeMap<String, usize>,
    /// The longest time that a renewal came after its refresh point, while nothing was wrong.
    pub latest: SignedDuration,
    recent: VecDeque<Timestamp>,
    trace: DefaultHasher,
}

impl Auditor {
    /// Takes note of a verdict.
    pub fn check(&mut self, verdict: Verdict) {
        self.violations.extend(verdict);
    }

    /// The shared roles that what `secret` was last written with came through.
    pub fn shared_of(&self, secret: &SimSecret) -> Option<&Vec<(String, i64)>> {
        let key = (secret.namespace.clone(), secret.name.clone());
        self.written.get(&key).map(|written| &written.shared)
    }

    /// Everybody is excused until then.
    pub fn hinder_until(&mut self, until: Timestamp) {
        self.hindered = self.hindered.max(Some(until));
    }

    /// A digest of everything that happened, in its order.
    pub fn digest(&self) -> u64 {
        self.trace.finish()
    }

    pub fn api_call(&mut self, method: &Method, path: &[String], write: bool) {
        (method.as_str(), path).hash(&mut self.trace);
        let status = path.last().is_some_and(|p| p == "status");
        *match (write, status, method) {
            (false, ..) => &mut self.reads,
            (true, true, _) => &mut self.status_writes,
            (true, false, &Method::DELETE) => &mut self.deletes,
            (true, false, _) => &mut self.applies,
        } += 1;
        if self.exact && !write {
            self.violations.push(format!("8, one call: {} was read", path.join("/")));
        }
    }

    pub fn write_by(&mut self, instance: usize, leader: usize, now: Timestamp) {
        if instance != leader {
            self.violations.push(format!(
                "7, two leaders: instance {instance} wrote at {now} while {leader} held the lease"
            ));
        }
    }

    pub fn issuer_called(&mut self, form: &BTreeMap<String, String>, now: Timestamp) {
        (form.get("RoleSessionName"), now.as_millisecond()).hash(&mut self.trace);
        self.issuer_calls += 1;
        let name = form.get("RoleSessionName").cloned().unwrap_or_default();
        *self.calls_of.entry(name.clone()).or_default() += 1;
        *self.spent.entry(name).or_default() += 1;
        self.recent.push_back(now);
        while self
            .recent
            .front()
            .is_some_and(|t| now.duration_since(*t) >= SignedDuration::from_secs(1))
        {
            self.recent.pop_front();
        }
        if let Some(most) = self.most_per_second
            && self.recent.len() > most
        {
            self.violations
                .push(format!("6, overrun: {} calls within a second at {now}", self.recent.len()));
        }
    }
}

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
pub fn hinder(state: &mut State) {
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

/// An issuer call must have a cause that is true.
pub fn issuer_call(state: &State, form: &BTreeMap<String, String>) -> Verdict {
    let session = form.get("RoleSessionName")?;
    let (namespace, name) = session.split_once('.')?;
    let key = (namespace.to_owned(), name.to_owned());
    // Deleted while the call was on its way.
    let object = state.typed.get(&key)?;
    let spec = &state.credentials[&key]["spec"];
    let secret_key = (key.0.clone(), object.secret_name());
    let secret = own(state, object, &secret_key)?;
    let now = state.now();
    let earliest = first(state, spec, secret, |s| s.earliest(truth::before(spec)));
    let written = &state.auditor.written[&secret_key];
    // Not every change shows in the Secret, and a controller may have written before it knew of it.
    let respecified = |at: &Timestamp| *at > written.at || now.duration_since(*at) < NOTICED;
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
        state
            .made_from
            .get(&key)
            .is_some_and(|data| *data != super::inputs::used_data(state, object)),
    ];
    if causes.contains(&true) {
        return None;
    }
    Some(format!(
        "3, never early: {session} was asked for at {now} without a cause; it may be renewed from {} on",
        earliest?
    ))
}

/// What is published must be right, valid, in time, and over nobody else's Secret.
pub fn publication(
    state: &mut State,
    key: &Key,
    before: Option<&SimSecret>,
    after: &SimSecret,
) -> Verdict {
    let now = state.now();
    let owner = after.annotation("refreshable.dev/owner-name").unwrap_or_default().to_owned();
    let owner = (key.0.clone(), owner);
    let object = state.typed.get(&owner)?.clone();
    let spec = state.credentials[&owner]["spec"].clone();
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let name = format!("{}.{}", owner.0, owner.1);
    let intact = before.is_some_and(|b| is_intact(state, key, &uid, b));
    let (wanted, shared) = (truth::wanted(&spec), truth::shared(&spec));
    for wanted in &wanted {
        if let Some(wrong) = wrong_session(state, (key, &uid, &name), wanted, before, after) {
            return Some(wrong);
        }
        if let Some(lost) =
            lost_session(state, key, (wanted, &shared), before.filter(|_| intact), after)
        {
            return Some(lost);
        }
    }
    let data = super::inputs::used_data(state, &object);
    state.made_from.insert(owner.clone(), data);
    let intact_before = before.filter(|_| intact);
    let verdict = intact_before.and_then(|before| late(state, &owner, &spec, before));
    if let Some(before) = intact_before {
        note_time(state, &object, &spec, before, now);
    }
    let shared = truth::last_shared(state, &name, &spec);
    let data = truth::data(after);
    // Labels are repaired without a new session.
    let repaired = state.auditor.written.get(key).filter(|w| w.uid == uid && w.data == data);
    let at = repaired.map_or(now, |w| w.at);
    let written = Written { uid, data, shared, at };
    state.auditor.written.insert(key.clone(), written);
    let spent = state.auditor.spent.remove(&name).unwrap_or_default();
    let roles = truth::roles(&spec);
    if state.auditor.exact && spent != roles {
        return Some(format!(
            "8, one call: {key:?} cost {spent} issuer calls for {roles} roles at {now}"
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
    let asked = wanted.is_met_by(had) && state.auditor.shared_of(before?) == Some(shared);
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
        Some(has) if !wanted.is_met_by(has) => None,
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
                session.lifetime()
            )
        })
    })
}

/// Each resource is renewed at the same part of a lifetime every time. How far this renewal was
/// behind the earliest of them.
fn note_time(
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
    let session = truth::wanted(spec)
        .iter()
        .find_map(|w| truth::held(state, secret, &w.data_key).cloned())
        .zip(end);
    let Some((session, end)) = session else { return };
    let lifetime = session.lifetime();
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
    state.auditor.violations.extend(verdicts);
}

/// Whether `key` is permitted, and has been for long enough to be renewed.
fn may_renew(state: &State, key: &Key, now: Timestamp) -> bool {
    let again = state.auditor.permitted_again.get(key);
    !state.auditor.unpermitted.contains_key(key)
        && again.is_none_or(|at| now.duration_since(*at) > NOTICED)
}

/// Whether something is wrong, or was until a moment ago, that delays `key`.
fn is_excused(state: &State, key: &Key, now: Timestamp) -> bool {
    let own = state.auditor.setbacks.get(&format!("{}.{}", key.0, key.1)).copied();
    own.max(state.auditor.hindered).is_some_and(|until| now < until)
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
    if !well || is_excused(state, key, now) || now.duration_since(since) < NOTICED {
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

/// The pause after a call that met a fault which passes, with the time that the call hung.
const PAUSE: SignedDuration = SignedDuration::from_mins(7);
/// The pause after the issuer refused, or answered with what cannot be used.
pub const PAUSE_AFTER_DENIAL: SignedDuration = SignedDuration::from_mins(11);
/// The pause after something that a person has to mend.
pub const PAUSE_FOR_A_PERSON: SignedDuration = SignedDuration::from_mins(62);
/// The pause after an issuer's fault that passes.
pub const PAUSE_OF_ISSUER: SignedDuration = PAUSE;
/// Workloads are restarted so long after what is published came late.
const FOLLOWS: SignedDuration = SignedDuration::from_mins(2);
/// Times in statuses are whole seconds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);
/// An event that is lost shows in the next list, five minutes later.
const NOTICED: SignedDuration = SignedDuration::from_mins(7);
/// The default grace period of a withdrawal.
const WITHDRAWAL_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// A Secret with valid credentials that are permitted is not deleted. One whose permission was
/// taken back goes after the grace period, and not together with more than a fifth of all, unless
/// there are few.
pub fn deletion(state: &State, key: &Key, secret: &SimSecret) -> Verdict {
    let owner = secret.annotation("refreshable.dev/owner-name")?;
    let owner = (key.0.clone(), owner.to_owned());
    let object = state.typed.get(&owner)?;
    let spec = &state.credentials[&owner]["spec"];
    let end = last(state, spec, own(state, object, key)?)?;
    let now = state.now();
    if end <= now || object.secret_name() != key.1 {
        return None;
    }
    let what = format!("2, never lose: {key:?}, valid until {end}, was deleted at {now}");
    // A permission that came back is known when its event, or the next list, arrives.
    let known = |again: &&(Timestamp, Timestamp)| now.duration_since(again.1) < NOTICED;
    let returned = state.auditor.returned.get(&owner).filter(known).map(|(since, _)| since);
    let Some(&since) = state.auditor.unpermitted.get(&owner).or(returned) else {
        return Some(what);
    };
    let denied_for = now.duration_since(since);
    if denied_for + ROUNDING < state.auditor.grace.unwrap_or(WITHDRAWAL_GRACE) {
        return Some(format!(
            "2, withdrawn too soon: {denied_for} after its permission went. {what}"
        ));
    }
    let confirmed = |since: &Timestamp| state.auditor.confirmed.is_some_and(|at| *since <= at);
    let going = state
        .auditor
        .unpermitted
        .iter()
        .filter(|(k, since)| state.secrets.contains_key(*k) && !confirmed(since));
    let (going, all) = (going.count(), state.secrets.len());
    (going > 10 && going * 5 > all && !confirmed(&since))
        .then(|| format!("2, withdrawn too many: with {going} of {all}. {what}"))
}

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
                let unseen =
                    returned.filter(|(_, until)| now.duration_since(seen_from(*until)) < NOTICED);
                unpermitted.entry(key.clone()).or_insert(unseen.map_or(now, |(since, _)| *since));
            }
        }
    }
    state.auditor.unpermitted = unpermitted;
}

/// No secret stands in a status.
pub fn status(key: &Key, body: &Value) -> Verdict {
    body.to_string()
        .contains(CANARY)
        .then(|| format!("5, never leaked: a secret stands in the status of {key:?}"))
}

/// The Secret under `key`, if a controller wrote it for `object`.
fn own<'a>(state: &'a State, object: &RefreshableCredential, key: &Key) -> Option<&'a SimSecret> {
    let written = state.auditor.written.get(key)?;
    state.secrets.get(key).filter(|_| object.metadata.uid.as_ref() == Some(&written.uid))
}

/// Whether a Secret holds what a controller last wrote into it for the resource with this UID.
fn is_intact(state: &State, key: &Key, uid: &str, secret: &SimSecret) -> bool {
    state
        .auditor
        .written
        .get(key)
        .is_some_and(|written| written.uid == uid && written.data == truth::data(secret))
}

/// The first of these times of the sessions in `secret`.
fn first(
    state: &State,
    spec: &Value,
    secret: &SimSecret,
    of: impl Fn(&SimSession) -> Timestamp,
) -> Option<Timestamp> {
    let wanted = truth::wanted(spec);
    wanted.iter().filter_map(|w| truth::held(state, secret, &w.data_key)).map(of).min()
}

/// When the last of the sessions in `secret` ends.
fn last(state: &State, spec: &Value, secret: &SimSecret) -> Option<Timestamp> {
    let wanted = truth::wanted(spec);
    wanted
        .iter()
        .filter_map(|w| truth::held(state, secret, &w.data_key))
        .map(|s| s.expiration)
        .max()
}
