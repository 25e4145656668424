//! Reads every call and checks the promises of the design against what is true.
//!
//! It uses the crate's own arithmetic (when something is due, what a specification's digest is) but
//! never the controller's view: it looks at the API server's objects and the issuer's sessions.

use super::secrets::SimSecret;
use super::state::{Key, State};
use super::sts::CANARY;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use refreshable_api::{CredentialPolicy, ProfileSpec, RefreshableCredential, RestartStatus};
use refreshable_rules::ownership::{self, Content};
use refreshable_rules::policy::{self, Permission};
use refreshable_rules::{fingerprint, plan, profiles, timing};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// After trouble ended, this long is granted before a late renewal counts: the longest pause of a
/// class.
const GRACE: SignedDuration = SignedDuration::from_mins(75);

/// A promise that was seen broken.
pub type Verdict = Option<String>;

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
    /// When something was last wrong with the world.
    pub trouble: Option<Timestamp>,
    /// When the issuer last denied each role: what asks for it is not late for its own fault.
    pub denied: BTreeMap<String, Timestamp>,
    /// Since when policies have denied each resource.
    pub unpermitted: BTreeMap<Key, Timestamp>,
    /// When each was last allowed again what was denied to it.
    pub permitted_again: BTreeMap<Key, Timestamp>,
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

/// An issuer call must have a cause that is true.
pub fn issuer_call(state: &State, form: &BTreeMap<String, String>) -> Verdict {
    let session = form.get("RoleSessionName")?;
    let (namespace, name) = session.split_once('.')?;
    let key = (namespace.to_owned(), name.to_owned());
    // Deleted while the call was on its way.
    let object = state.typed.get(&key)?;
    let secret = state.secrets.get(&(key.0.clone(), object.secret_name()))?;
    let now = state.now();
    let content = content_of(object, secret)?;
    let causes = [
        content.request != fingerprint::of_request(&object.spec),
        plan::refresh_at(object, &content) <= now,
        object.requested_at().is_some_and(|r| content.handled_refresh.as_deref() != Some(r)),
        checksum(secret) != content.checksum,
        object.status.as_ref().is_some_and(|s| s.failures.is_some()),
        !profiles::lacking(object, &content).is_empty(),
        state
            .made_from
            .get(&key)
            .is_some_and(|data| *data != super::inputs::used_data(state, object)),
    ];
    if causes.contains(&true) {
        return None;
    }
    let due = plan::refresh_at(object, &content);
    Some(format!(
        "3, never early: {session} was asked for at {now} without a cause; it is due at {due}"
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
    let object = state.typed.get(&(key.0.clone(), owner.clone()))?.clone();
    let content = content_of(&object, after)?;
    // Labels of a Secret are put right whatever it holds.
    let stayed = before
        .and_then(|b| content_of(&object, b))
        .is_some_and(|old| old.checksum == content.checksum);
    if content.expiration <= now && !stayed {
        return Some(format!(
            "2, never lose: {key:?} was overwritten at {now} with what expired at {}",
            content.expiration
        ));
    }
    let name = format!("{}.{owner}", key.0);
    for (data_key, role, asked) in published(&object, &content) {
        let Some(id) = key_id(after, &data_key) else { continue };
        let session = state.sessions.get(&id);
        if session.is_none_or(|s| s.name != name || (asked && s.role != role)) {
            return Some(format!(
                "4, wrong identity: {key:?} got {session:?} in {data_key} instead of {role} as {name} at {now}"
            ));
        }
    }
    let data = super::inputs::used_data(state, &object);
    state.made_from.insert((key.0.clone(), owner.clone()), data);
    let spent = state.auditor.spent.remove(&name).unwrap_or_default();
    let roles = object.spec.roles.len()
        + object.spec.profiles.iter().flatten().map(|p| p.roles.len()).sum::<usize>();
    if state.auditor.exact && spent != roles {
        return Some(format!(
            "8, one call: {key:?} cost {spent} issuer calls for {roles} roles at {now}"
        ));
    }
    let old = content_of(&object, before?)?;
    let asked = content.request == fingerprint::of_request(&object.spec);
    if asked
        && old.request == content.request
        && old.profiles.is_empty()
        && content.expiration < old.expiration
    {
        return Some(format!(
            "2, never lose: {key:?} was overwritten with what expires earlier at {now}"
        ));
    }
    lost_profile(&object, before?, (&old, &content), now)
        .or_else(|| late(state, &object, &old, now))
}

/// Where credentials are published, of which role they must be, and whether they are what is asked
/// for now.
fn published(object: &RefreshableCredential, content: &Content) -> Vec<(String, String, bool)> {
    let last = |roles: &[refreshable_api::Role]| {
        roles.last().map(|r| r.role_arn.clone()).unwrap_or_default()
    };
    let Some(profiles) = &object.spec.profiles else {
        let asked = content.request == fingerprint::of_request(&object.spec);
        return vec![("credentials.json".to_owned(), last(&object.spec.roles), asked)];
    };
    let of = |p: &ProfileSpec| {
        let asked = content
            .profiles
            .get(&p.name)
            .is_some_and(|r| r.request == fingerprint::of_profile(&object.spec, p));
        (format!("{}.json", p.name), last(&p.roles), asked)
    };
    profiles.iter().map(of).collect()
}

/// A profile that failed keeps what it had, as long as that is valid, intact and still asked for.
fn lost_profile(
    object: &RefreshableCredential,
    before: &SimSecret,
    (old, new): (&Content, &Content),
    now: Timestamp,
) -> Verdict {
    if checksum(before) != old.checksum {
        return None;
    }
    for profile in object.spec.profiles.iter().flatten() {
        let asked = fingerprint::of_profile(&object.spec, profile);
        let Some(had) =
            old.profiles.get(&profile.name).filter(|r| r.expiration > now && r.request == asked)
        else {
            continue;
        };
        if new.profiles.get(&profile.name).is_none_or(|has| has.expiration < had.expiration) {
            let (name, until) = (&profile.name, had.expiration);
            return Some(format!(
                "2, never lose: profile {name}, valid until {until}, was lost at {now}"
            ));
        }
    }
    None
}

/// Nothing may have less left than its floor while all is well.
pub fn late(
    state: &mut State,
    object: &RefreshableCredential,
    content: &Content,
    now: Timestamp,
) -> Verdict {
    if !calm(state, now)
        || content.request != fingerprint::of_request(&object.spec)
        || !may_renew(state, object, now)
    {
        return None;
    }
    let due = plan::refresh_at(object, content);
    state.auditor.latest = state.auditor.latest.max(now.duration_since(due));
    let before = object
        .spec
        .refresh
        .as_ref()
        .and_then(|r| r.before.as_deref())
        .and_then(timing::parse_before);
    let who = object.metadata.name.as_deref().unwrap_or_default();
    let judge = |what: &str, issued_at: Timestamp, expiration: Timestamp| {
        let (lifetime, left) =
            (expiration.duration_since(issued_at), expiration.duration_since(now));
        let floor = timing::floor(lifetime, before);
        (left < floor)
            .then(|| format!("1, never late: {who}{what} has {left} left of {lifetime} at {now}; its floor is {floor}"))
    };
    let Some(profiles) = &object.spec.profiles else {
        return judge("", content.issued_at, content.expiration);
    };
    let denied = |p: &&ProfileSpec| {
        let last = p.roles.iter().filter_map(|r| state.auditor.denied.get(&r.role_arn)).max();
        last.is_some_and(|t| now.duration_since(*t) <= GRACE)
    };
    profiles.iter().filter(|p| !denied(p)).find_map(|p| match content.profiles.get(&p.name) {
        Some(record) => {
            judge(&format!(", profile {},", p.name), record.issued_at, record.expiration)
        }
        None => Some(format!("1, never late: {who}, profile {}, has nothing at {now}", p.name)),
    })
}

/// Looks at every resource for one that is late, or forgotten: what nothing is done for again shows
/// in no call.
pub fn sweep(state: &mut State) {
    let now = state.now();
    let renewed = state.typed.iter().filter(|(_, o)| !o.spec.suspended());
    let renewed: Vec<_> = renewed.map(|(key, object)| (key.clone(), object.clone())).collect();
    for (key, object) in renewed {
        let secret = state.secrets.get(&(key.0.clone(), object.secret_name()));
        let content = secret.and_then(|secret| content_of(&object, secret));
        let verdict = content.as_ref().and_then(|content| late(state, &object, content, now));
        state.auditor.check(verdict);
        let verdict = forgotten(state, &key, &object, content.as_ref(), now);
        state.auditor.check(verdict);
        let verdict = left_behind(state, &object, now);
        state.auditor.check(verdict);
    }
}

/// Whether `object` is permitted, and has been for long enough to be renewed.
fn may_renew(state: &State, object: &RefreshableCredential, now: Timestamp) -> bool {
    let name = |part: &Option<String>| part.clone().unwrap_or_default();
    let key = (name(&object.metadata.namespace), name(&object.metadata.name));
    let again = state.auditor.permitted_again.get(&key);
    !state.auditor.unpermitted.contains_key(&key)
        && again.is_none_or(|at| now.duration_since(*at) > AT_ONCE)
}

fn calm(state: &State, now: Timestamp) -> bool {
    state.auditor.trouble.is_none_or(|t| now.duration_since(t) > GRACE)
}

/// A while after something happened to it, a status that says that all is well is true.
fn forgotten(
    state: &State,
    key: &Key,
    object: &RefreshableCredential,
    content: Option<&Content>,
    now: Timestamp,
) -> Verdict {
    let status = object.status.as_ref()?;
    let well = status
        .conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True" && c.reason == "Issued");
    let since = state.disturbed.get(key).copied().unwrap_or(Timestamp::UNIX_EPOCH);
    if !well || !calm(state, now) || now.duration_since(since) < SignedDuration::from_mins(5) {
        return None;
    }
    match content {
        None => Some(format!(
            "2, never lose: {key:?} has no Secret since {since}, and its status says that all is well"
        )),
        Some(c) => (c.request != fingerprint::of_request(&object.spec)).then(|| {
            format!("1, never late: {key:?} holds at {now} what it does not ask for since {since}")
        }),
    }
}

/// No workload is left with what has expired.
fn left_behind(state: &State, object: &RefreshableCredential, now: Timestamp) -> Verdict {
    let status = object.status.as_ref()?;
    let published = status.last_refresh_time.as_ref()?.0;
    let behind = |r: &&RestartStatus| {
        let expired = r.expiration.as_ref().is_some_and(|t| t.0 <= now);
        expired && r.restarted_for.as_ref().is_some_and(|t| t.0 < published)
    };
    let one = status.restarts.iter().flatten().find(behind).filter(|_| calm(state, now))?;
    Some(format!(
        "restart: {one:?} was not restarted at {now} for what was published at {published}"
    ))
}

/// A resource that is allowed again is renewed within so long, if it was due meanwhile.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(1);
/// The default grace period of a withdrawal.
const WITHDRAWAL_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// A Secret with valid credentials that are permitted is not deleted. One whose permission was
/// taken back goes after the grace period, and not together with more than a fifth of all, unless
/// there are few.
pub fn deletion(state: &State, key: &Key, secret: &SimSecret) -> Verdict {
    let owner = secret.annotation("refreshable.dev/owner-name")?;
    let owner = (key.0.clone(), owner.to_owned());
    let object = state.typed.get(&owner)?;
    let content = content_of(object, secret)?;
    let now = state.now();
    if content.expiration <= now || object.secret_name() != key.1 {
        return None;
    }
    let what =
        format!("2, never lose: {key:?}, valid until {}, was deleted at {now}", content.expiration);
    if is_permitted(state, object) {
        return Some(what);
    }
    let since = *state.auditor.unpermitted.get(&owner)?;
    let denied_for = now.duration_since(since);
    if denied_for < state.auditor.grace.unwrap_or(WITHDRAWAL_GRACE) {
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
    for (key, object) in &state.typed {
        match is_permitted(state, object) {
            true if unpermitted.remove(key).is_some() => {
                state.auditor.permitted_again.insert(key.clone(), now);
            }
            true => {}
            false => drop(unpermitted.entry(key.clone()).or_insert(now)),
        }
    }
    state.auditor.unpermitted = unpermitted;
}

/// Whether the policies that are there allow a resource what it asks for.
fn is_permitted(state: &State, object: &RefreshableCredential) -> bool {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let labels = [("kubernetes.io/metadata.name".to_owned(), namespace)].into();
    let policies: Vec<Arc<CredentialPolicy>> = state
        .policies
        .values()
        .map(|p| Arc::new(serde_json::from_value(p.clone()).expect("a policy")))
        .collect();
    !matches!(policy::judge(object, &labels, &policies).permission, Permission::Denied(_))
}

/// No secret stands in a status.
pub fn status(key: &Key, body: &Value) -> Verdict {
    body.to_string()
        .contains(CANARY)
        .then(|| format!("5, never leaked: a secret stands in the status of {key:?}"))
}

/// What a Secret holds, by its own account.
pub fn content_of(object: &RefreshableCredential, secret: &SimSecret) -> Option<Content> {
    let meta: ObjectMeta = serde_json::from_value(secret.metadata()).ok()?;
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    ownership::view(&meta, uid).own()?.content.clone()
}

fn checksum(secret: &SimSecret) -> String {
    let data: Vec<(String, Vec<u8>)> = secret
        .part("data/")
        .into_iter()
        .map(|(k, v)| (k, STANDARD.decode(v.as_str().unwrap_or_default()).unwrap_or_default()))
        .collect();
    fingerprint::of_data(data.iter().map(|(k, v)| (k, v.as_slice())))
}

/// The access key id that the process JSON under `key` names.
fn key_id(secret: &SimSecret, key: &str) -> Option<String> {
    let (text, _) = secret.fields.get(&format!("data/{key}"))?;
    let json: Value = serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()?;
    Some(json["AccessKeyId"].as_str()?.to_owned())
}
