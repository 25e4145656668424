//! The truth, by the issuer's books and the API server's objects: whose sessions a Secret holds,
//! what its resource asks for, what policies allow, and when the design has it renewed.
//!
//! None of it is computed by the product: a rule that is wrong there must not be wrong here as well.

use super::ecr;
use super::secrets::SimSecret;
use super::state::{Key, SimSession, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Times in files, statuses and annotations are whole seconds; so are expirations.
const ROUNDING: SignedDuration = SignedDuration::from_secs(2);
/// Where a token for registries is published.
const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// Where a token that was signed is published, and how long its service takes it.
const TOKEN: &str = "token";
const SIGNED: SignedDuration = SignedDuration::from_mins(15);
/// The data key of the template of ids.
pub const IDS: &str = "ids";
/// AWS's default lifetime of a session of a role, in seconds.
const DEFAULT_SECONDS: i64 = 3600;

/// One session that a resource asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key of the Secret's data under which its process JSON is published.
    pub data_key: String,
    /// The profile, or nothing where there are none.
    pub profile: String,
    pub role: String,
    pub seconds: i64,
}

impl Wanted {
    fn by(data_key: String, profile: &str, role: &Value) -> Self {
        Self {
            data_key,
            profile: profile.to_owned(),
            role: role["roleArn"].as_str().unwrap_or_default().to_owned(),
            seconds: role["durationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS),
        }
    }

    /// Whether `session` is what is asked for.
    pub fn is_met_by(&self, session: &SimSession) -> bool {
        session.role == self.role && session.seconds == self.seconds
    }
}

/// The sessions that a specification asks for.
pub fn wanted(spec: &Value) -> Vec<Wanted> {
    let none = Value::Null;
    let shared = spec["roles"].as_array().and_then(|r| r.last()).unwrap_or(&none);
    let Some(profiles) = spec["profiles"].as_array() else {
        let data_key = match spec["token"].as_object() {
            None => "credentials.json",
            Some(token) if token.contains_key("ecr") => DOCKER_CONFIG,
            Some(_) => TOKEN,
        };
        return vec![Wanted::by(data_key.to_owned(), "", shared)];
    };
    let of = |profile: &Value| {
        let name = profile["name"].as_str().unwrap_or_default();
        let role = profile["roles"].as_array().and_then(|r| r.last()).unwrap_or(shared);
        Wanted::by(format!("{name}.json"), name, role)
    };
    profiles.iter().map(of).collect()
}

/// The type of the Secret that a specification asks for.
pub fn kind(spec: &Value) -> &str {
    let given = match spec["token"].as_object() {
        None => "refreshable.dev/aws-credentials",
        Some(token) if token.contains_key("ecr") => "kubernetes.io/dockerconfigjson",
        Some(_) => "refreshable.dev/aws-token",
    };
    spec["secret"]["type"].as_str().unwrap_or(given)
}

/// The part of a specification that decides which sessions are obtained and how they are written: a change of
/// it costs one attempt.
pub fn request(spec: &Value) -> Value {
    let mut request = spec.clone();
    for other in ["refresh", "suspend", "restart"] {
        request.as_object_mut().map(|members| members.remove(other));
    }
    request
}

/// How many calls of issuers a specification costs: one for each role, and one for the password of
/// registries that the last of them buys. Other tokens here are signed, and cost none.
pub fn calls(spec: &Value) -> usize {
    let count = |of: &Value| of["roles"].as_array().map_or(0, Vec::len);
    let profiles = spec["profiles"].as_array().into_iter().flatten().map(count).sum::<usize>();
    count(spec) + profiles + usize::from(spec["token"]["ecr"].is_object())
}

/// The session that what stands under `data_key` belongs to, as the issuer gave it; of a token that
/// it signed, with the token's end.
pub fn held(state: &State, secret: &SimSecret, data_key: &str) -> Option<SimSession> {
    if data_key != TOKEN {
        return state.sessions.get(&key_id(secret, data_key)?).cloned();
    }
    let (id, signed_at) = signature(&text(secret, data_key)?)?;
    let session = state.sessions.get(&id)?.clone();
    let expiration = session.expiration.min(signed_at + SIGNED);
    Some(SimSession { lifetime: expiration.duration_since(signed_at), expiration, ..session })
}

/// The key that signed a URL, and when.
fn signature(url: &str) -> Option<(String, Timestamp)> {
    let query = url.split_once('?')?.1;
    let members: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let id = members.get("X-Amz-Credential")?.split('/').next()?.to_owned();
    let time =
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", members.get("X-Amz-Date")?).ok()?;
    Some((id, time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
}

/// The text under a key of the Secret's data.
fn text(secret: &SimSecret, data_key: &str) -> Option<String> {
    let (text, _) = secret.fields.get(&format!("data/{data_key}"))?;
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// The access key id that the process JSON under `data_key` names, or that the password or token
/// there was bought with.
pub fn key_id(secret: &SimSecret, data_key: &str) -> Option<String> {
    let text = text(secret, data_key)?;
    if data_key == TOKEN {
        return signature(&text).map(|(id, _)| id);
    }
    let json: Value = serde_json::from_str(&text).ok()?;
    if let Some(registries) = json["auths"].as_object() {
        let password = registries.values().next()?["password"].as_str()?;
        return ecr::bought_with(password).map(str::to_owned);
    }
    Some(json["AccessKeyId"].as_str()?.to_owned())
}

/// All of a Secret's data.
pub fn data(secret: &SimSecret) -> BTreeMap<String, String> {
    let data = secret.fields.iter().filter(|(path, _)| path.starts_with("data/"));
    data.map(|(path, (value, _))| (path.clone(), value.clone())).collect()
}

/// The roles that all sessions of a specification go through, with the lifetimes that it asks for.
pub fn shared(spec: &Value) -> Vec<(String, i64)> {
    let roles = spec["roles"].as_array().into_iter().flatten();
    let wanted = roles.map(|role| Wanted::by(String::new(), "", role));
    wanted.map(|wanted| (wanted.role, wanted.seconds)).collect()
}

/// The same, as the issuer last gave them to the resource with this session name.
pub fn last_shared(state: &State, name: &str, spec: &Value) -> Vec<(String, i64)> {
    let given = |role: String| {
        let seconds = state.last_seconds.get(&(name.to_owned(), role.clone()))?;
        Some((role, *seconds))
    };
    shared(spec).into_iter().filter_map(|(role, _)| given(role)).collect()
}

/// Whether `secret` is what a specification asks for: each session, those that they came from, the
/// type and the labels.
pub fn is_as_asked(state: &State, spec: &Value, secret: &SimSecret) -> bool {
    let labels = spec["secret"]["labels"].as_object();
    labels.into_iter().flatten().all(|(name, value)| {
        secret.fields.get(&format!("labels/{name}")).is_some_and(|(has, _)| value == has)
    }) && secret.kind == kind(spec)
        && template_is_written(spec, secret)
        && state.auditor.shared_of(secret) == Some(&shared(spec))
        && wanted(spec)
            .iter()
            .all(|w| held(state, secret, &w.data_key).is_some_and(|s| w.is_met_by(&s)))
}

/// A template that writes the ids of all keys, and `end` behind them.
pub fn template_of_ids(end: &str) -> String {
    format!("{{% for p in profiles %}}{{{{ p.accessKeyId }}}} {{% endfor %}}{end}")
}

/// Whether the Secret has what the template of ids asks for, and nothing where there is none.
fn template_is_written(spec: &Value, secret: &SimSecret) -> bool {
    let Some(template) = spec["secret"]["template"][IDS].as_str() else {
        return text(secret, IDS).is_none();
    };
    let ids = wanted(spec).into_iter().filter_map(|w| key_id(secret, &w.data_key));
    let ids: String = ids.map(|id| id + " ").collect();
    let end = template.rsplit("%}").next().unwrap_or_default();
    text(secret, IDS) == Some(ids + end)
}

/// `spec.refresh.before`.
pub fn before(spec: &Value) -> Option<SignedDuration> {
    spec["refresh"]["before"].as_str()?.parse().ok()
}

/// The time left of a lifetime at its refresh point (promise 1 of the design): a third, at least 20
/// minutes, at most half.
pub fn remaining(lifetime: SignedDuration, before: Option<SignedDuration>) -> SignedDuration {
    let twenty_minutes = SignedDuration::from_secs(1200);
    before.unwrap_or((lifetime / 3).max(twenty_minutes)).min(lifetime / 2)
}

/// The part of a lifetime by which a renewal may be drawn early: a twentieth.
pub fn drawn_early(lifetime: SignedDuration) -> SignedDuration {
    lifetime / 20
}

impl SimSession {
    /// The earliest time at which it may be renewed for its age.
    pub fn earliest(&self, before: Option<SignedDuration>) -> Timestamp {
        let lifetime = self.lifetime;
        self.expiration - remaining(lifetime, before) - drawn_early(lifetime) - ROUNDING
    }

    /// The least that may ever be left of it.
    pub fn floor(&self, before: Option<SignedDuration>) -> SignedDuration {
        let lifetime = self.lifetime;
        remaining(lifetime, before) - drawn_early(lifetime)
    }
}

/// Whether the policies that are there allow a resource the roles that it asks for.
pub fn is_permitted(state: &State, key: &Key, spec: &Value) -> bool {
    let none = Vec::new();
    let list = |of: &Value| of["roles"].as_array().unwrap_or(&none).clone();
    let profiles = spec["profiles"].as_array().unwrap_or(&none);
    let roles = list(spec).into_iter().chain(profiles.iter().flat_map(list));
    let serving: Vec<&Value> = state
        .policies
        .values()
        .map(|p| &p["spec"])
        .filter(|p| selects(&p["namespaceSelector"], &key.0))
        .collect();
    let allowed = |arn: &str| {
        let rules = serving.iter().flat_map(|p| p["allow"]["roles"].as_array().unwrap_or(&none));
        let patterns = rules.flat_map(|r| r["arns"].as_array().unwrap_or(&none));
        patterns.filter_map(Value::as_str).any(|pattern| matches(pattern, arn))
    };
    roles.into_iter().all(|role| allowed(role["roleArn"].as_str().unwrap_or_default()))
}

/// Whether a selector by namespace name, or for all, selects `namespace`.
fn selects(selector: &Value, namespace: &str) -> bool {
    let labels = selector["matchLabels"].as_object();
    labels.is_none_or(|labels| {
        labels.iter().all(|(l, v)| l == "kubernetes.io/metadata.name" && v == namespace)
    })
}

/// Whether `text` matches `pattern`, in which `*` stands for anything within a part of the path.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((literal, rest)) => text.strip_prefix(literal).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.take_while(|at| !left[..*at].contains('/')).any(|at| matches(rest, &left[at..]))
        }),
    }
}

#[test]
fn the_arithmetic_is_the_design_s() {
    let [minute, hour] = [SignedDuration::from_mins(1), SignedDuration::from_hours(1)];
    for (lifetime, left) in
        [(hour, 20 * minute), (12 * hour, 4 * hour), (15 * minute, 450 * minute / 60)]
    {
        assert_eq!(remaining(lifetime, None), left, "{lifetime}");
    }
    assert_eq!(remaining(hour, Some(25 * minute)), 25 * minute);
    assert_eq!(remaining(hour, Some(50 * minute)), 30 * minute);
    for (pattern, text, matched) in [
        ("arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a", true),
        ("arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a/b", false),
        ("arn:aws:iam::*:role/p1-*", "arn:aws:iam::1:role/p1-7", true),
        ("arn:aws:iam::*:role/p1-*", "arn:aws:iam::1:role/p11-7", false),
    ] {
        assert_eq!(matches(pattern, text), matched, "{pattern} {text}");
    }
}
