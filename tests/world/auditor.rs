//! Reads every call and checks the promises of the design against what is true ([`truth`]): the
//! API server's objects and the issuer's books, never the controller's view or its arithmetic.
//!
//! A delay is excused only by a fault, for whom it struck, and for no longer than the pause that
//! follows it.

mod calls;
mod excuses;
mod lateness;
mod publications;
mod trace;

pub use calls::issuer_call;
pub use excuses::{
    PAUSE_AFTER_DENIAL, PAUSE_FOR_A_PERSON, PAUSE_OF_ISSUER, api_setback, denied, issuer_answered,
    policies_changed, setback,
};
pub use lateness::sweep;
pub use publications::publication;

use super::secrets::SimSecret;
use super::state::{Key, SimSession, State};
use super::sts::CANARY;
use super::truth;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use refreshable_api::RefreshableCredential;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::sync::Arc;
use tokio::sync::Notify;
use trace::Trace;

/// A promise that was seen broken.
pub type Verdict = Option<String>;

/// The sender of a write.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub instance: usize,
    /// It lands after its sender gave it up.
    pub given_up: bool,
}

/// One write of a controller into a Secret.
#[derive(Clone, Debug)]
pub struct Written {
    by: Sender,
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
    pub written: BTreeMap<Key, Written>,
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
    /// When each session name was lately asked for whose resource had no Secret.
    unheld: BTreeMap<String, VecDeque<Timestamp>>,
    /// The longest time that a renewal came after its refresh point, while nothing was wrong.
    pub latest: SignedDuration,
    /// Until then the watches brought nothing.
    pub blind_until: Option<Timestamp>,
    alarm: Arc<Notify>,
    recent: VecDeque<Timestamp>,
    trace: Trace,
}

impl Auditor {
    /// One that calls by `alarm` for whoever ends the run.
    pub fn new(alarm: Arc<Notify>) -> Self {
        Self { alarm, trace: Trace::of_environment(), ..Self::default() }
    }

    /// Takes note of a verdict.
    pub fn check(&mut self, verdict: Verdict) {
        if verdict.is_some() {
            self.alarm.notify_one();
        }
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
        self.trace.digest()
    }

    /// Takes note of what happened at `at`.
    pub fn note(&mut self, at: Timestamp, line: &impl Display) {
        self.trace.note(at, line);
    }

    pub fn api_call(&mut self, method: &Method, path: &[String], write: bool) {
        let status = path.last().is_some_and(|p| p == "status");
        *match (write, status, method) {
            (false, ..) => &mut self.reads,
            (true, true, _) => &mut self.status_writes,
            (true, false, &Method::DELETE) => &mut self.deletes,
            (true, false, _) => &mut self.applies,
        } += 1;
        if self.exact && !write {
            self.check(Some(format!("8, one call: {} was read", path.join("/"))));
        }
    }

    pub fn write_by(&mut self, instance: usize, leader: Option<usize>, now: Timestamp) {
        if leader != Some(instance) {
            self.check(Some(format!(
                "7, two leaders: instance {instance} wrote at {now} while {leader:?} held the lease"
            )));
        }
    }

    /// Whether what happened at `at` must have been noticed by `now`.
    fn was_noticed(&self, at: Timestamp, now: Timestamp) -> bool {
        now.duration_since(self.blind_until.map_or(at, |until| until.max(at))) >= NOTICED
    }

    pub fn issuer_called(&mut self, form: &BTreeMap<String, String>, now: Timestamp) {
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
            let calls = self.recent.len();
            self.check(Some(format!("6, overrun: {calls} calls within a second at {now}")));
        }
    }
}

/// Times in statuses are whole seconds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);
/// An event that is lost shows in the next list, three minutes later.
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
    // No type is ever changed: one of another makes room.
    if end <= now || object.secret_name() != key.1 || secret.kind != truth::kind(spec) {
        return None;
    }
    let what = format!("2, never lose: {key:?}, valid until {end}, was deleted at {now}");
    // A permission that came back is known when its event, or the next list, arrives.
    let known = |again: &&(Timestamp, Timestamp)| !state.auditor.was_noticed(again.1, now);
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
    wanted.iter().filter_map(|w| truth::held(state, secret, &w.data_key)).map(|s| of(&s)).min()
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
