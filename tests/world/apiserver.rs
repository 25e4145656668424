//! The API server, behind the real `kube::Client`.

use super::history::Kind;
use super::leases;
use super::refusals::{Denial, Written};
use super::secrets::SimSecret;
use super::state::{Key, Shared, State};
use super::watches::{Answer, Question, whole};
use super::{choices, clusters, deployments};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use std::time::Duration;

/// How long a call hangs that never ends.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// After so long without an answer, the HTTP client gives a list or a watch up.
const SILENCE: Duration = Duration::from_secs(150);
/// How long a watch that failed keeps everybody from being noticed: until it is begun again.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(75);
const AFTER_SILENCE: SignedDuration = SignedDuration::from_secs(225);
/// In seconds: a write that lands so late has been given up by whoever sent it.
const LANDS_LATE: Range<i64> = 20..90;

/// A client of instance `instance`.
pub fn client(world: Shared, instance: usize) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let world = world.clone();
        async move { answer(&world, instance, request).await }
    });
    Client::new(service, "default")
}

struct Asked {
    instance: usize,
    method: Method,
    path: Vec<String>,
    manager: String,
    force: bool,
    dry_run: bool,
    partial: bool,
    body: Value,
}

async fn answer(
    world: &Shared,
    instance: usize,
    request: Request<Body>,
) -> Result<Answer, tower::BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let query: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let parameter = |name: &str| {
        query.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()).unwrap_or_default()
    };
    let accept = parts.headers.get("accept").and_then(|a| a.to_str().ok()).unwrap_or_default();
    let asked = Asked {
        instance,
        method: parts.method,
        path: parts.uri.path().trim_matches('/').split('/').map(str::to_owned).collect(),
        manager: parameter("fieldManager"),
        force: parameter("force") == "true",
        dry_run: parameter("dryRun") == "All",
        partial: accept.contains("PartialObjectMetadata"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let question = Question::of(instance, &path, parameter, asked.partial);
    match path.as_slice() {
        ["apis", "coordination.k8s.io", ..] => lease(world, instance, &asked).await,
        ["apis", "events.k8s.io", ..] => Ok(event(world, &asked)),
        [
            "apis",
            _,
            _,
            plural @ ("credentialpolicies" | "clusterrefreshablecredentials"),
            name,
            "status",
        ] => {
            let kind = Kind::of(plural).expect("a kind that is watched");
            Ok(status_of_cluster(world, instance, (kind, name), &asked.body))
        }
        _ => match question {
            Some(question) => watched(world, instance, question).await,
            None => Ok(call(world, asked).await),
        },
    }
}

/// A call of the reconciler.
async fn call(world: &Shared, asked: Asked) -> Answer {
    let instance = asked.instance;
    let write = asked.method != Method::GET;
    if !world.lock().lives_to_call() {
        return std::future::pending().await;
    }
    let (fails, loses, hangs, fails_late) = {
        let mut state = world.lock();
        let now = state.now();
        let line = format!("{instance}: {} {}", asked.method, asked.path[3..].join("/"));
        state.auditor.note(now, &line);
        state.auditor.api_call(&asked.method, &asked.path, write);
        if write {
            let leader = leases::holder(&state);
            state.auditor.write_by(instance, leader, now);
        }
        let faults = state.faults;
        (
            state.happens(faults.api_fails),
            write && state.happens(faults.api_loses_answers),
            state.happens(faults.api_fails / 4),
            write && state.happens(faults.api_fails_after_writing),
        )
    };
    if fails || loses || hangs || fails_late {
        super::auditor::api_setback(&mut world.lock(), &asked.path);
    }
    if hangs {
        tokio::time::sleep(FOR_EVER).await;
    }
    if fails {
        return failure(world);
    }
    let (there, back) = travel(&mut world.lock(), instance, write);
    let landing = land(world.clone(), asked, there);
    let (code, body) = match there.is_zero() {
        true => landing.await,
        // On its way it needs no caller that waits for its end.
        false => tokio::spawn(landing).await.expect("no panic"),
    };
    if loses {
        tokio::time::sleep(FOR_EVER).await;
    }
    if fails_late && code < 400 {
        let (code, reason) =
            [(500, "InternalError"), (504, "Timeout")][world.lock().random.usize(0..2)];
        return refusal(code, reason, "a fault after the write");
    }
    pass(back).await;
    respond(code, &body)
}

/// How long a call takes to the API server, and its answer back.
fn travel(state: &mut State, instance: usize, write: bool) -> (SignedDuration, SignedDuration) {
    let chance = state.faults.api_lands_late;
    let (there, back) = (answer_delay(state, instance), answer_delay(state, instance));
    if write && state.happens(chance) {
        let late = LANDS_LATE.start..LANDS_LATE.end;
        return (SignedDuration::from_secs(state.random.i64(late)), back);
    }
    (there, back)
}

fn answer_delay(state: &mut State, instance: usize) -> SignedDuration {
    let longest = state.links[&instance].longest_answer;
    choices::delay(&mut state.choices, &mut state.random, longest)
}

async fn pass(time: SignedDuration) {
    if !time.is_zero() {
        tokio::time::sleep(Duration::try_from(time).expect("a delay")).await;
    }
}

/// The call arrives after `there`, and is carried out.
async fn land(world: Shared, asked: Asked, there: SignedDuration) -> (u16, Value) {
    pass(there).await;
    let late = there.as_secs() >= LANDS_LATE.start;
    let (code, body) = handle(&world, &asked, late);
    let mut state = world.lock();
    let now = state.now();
    state.auditor.note(now, &Answered { code, asked: &asked, body: &body });
    if asked.method != Method::GET && (code >= 400 || late) {
        super::auditor::api_setback(&mut state, &asked.path);
    }
    (code, body)
}

/// An answer, in words.
struct Answered<'a> {
    code: u16,
    asked: &'a Asked,
    body: &'a Value,
}

impl Display for Answered<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "answered {} {}", self.code, self.body["message"])?;
        for condition in self.asked.body["status"]["conditions"].as_array().into_iter().flatten() {
            let part = |name: &str| condition[name].as_str().unwrap_or_default();
            write!(f, "; {} {}: {}", part("type"), part("reason"), part("message"))?;
        }
        Ok(())
    }
}

/// Errors that pass. A token is not taken while the API server's keys change.
const PASSING: [(u16, &str); 4] = [
    (401, "Unauthorized"),
    (429, "TooManyRequests"),
    (500, "InternalError"),
    (503, "ServiceUnavailable"),
];

/// A fault that passes.
fn failure(world: &Shared) -> Answer {
    let (code, reason) = PASSING[world.lock().random.usize(0..PASSING.len())];
    refusal(code, reason, "a fault")
}

/// Whether a call beside the reconciler's meets a fault, and whether it hangs.
fn strikes(state: &mut State) -> (bool, bool) {
    let chance = state.faults.watches_fail;
    (state.happens(chance), state.happens(chance / 4))
}

async fn lease(world: &Shared, instance: usize, asked: &Asked) -> Result<Answer, tower::BoxError> {
    let (fails, hangs) = {
        let mut state = world.lock();
        if state.links[&instance].leaseless_until > state.now() {
            return Err("no way there".into());
        }
        let struck = strikes(&mut state);
        if struck.0 || struck.1 {
            leases::setback(&mut state);
        }
        struck
    };
    if hangs {
        tokio::time::sleep(FOR_EVER).await;
    }
    if fails {
        return Ok(failure(world));
    }
    let answer = leases::answer(&mut world.lock(), &asked.method, &asked.body);
    Ok(match answer {
        Ok((code, body)) => respond(code, &body),
        Err((code, reason)) => refusal(code, reason, "the lease"),
    })
}

/// A list or a watch of a controller.
async fn watched(
    world: &Shared,
    instance: usize,
    question: Question,
) -> Result<Answer, tower::BoxError> {
    let (away, (fails, hangs)) = {
        let mut state = world.lock();
        let away = state.links[&instance].away_until > state.now();
        let struck = strikes(&mut state);
        let delay = match struck {
            (_, true) => AFTER_SILENCE,
            (true, _) => AFTER_FAILURE,
            _ => SignedDuration::ZERO,
        };
        if !delay.is_zero() {
            let until = state.now() + delay;
            state.auditor.hinder_until(until);
        }
        (away, struck)
    };
    if hangs {
        tokio::time::sleep(SILENCE).await;
    }
    if away || hangs {
        return Err("the connection is gone".into());
    }
    if fails {
        return Ok(failure(world));
    }
    Ok(question.answer(world).await)
}

/// An Event: it may be seen by whoever may see the namespace.
fn event(world: &Shared, asked: &Asked) -> Answer {
    if asked.body.to_string().contains(super::sts::CANARY) {
        let leak = "5, never leaked: a secret stands in an event".to_owned();
        world.lock().auditor.check(Some(leak));
    }
    respond(201, &asked.body)
}

/// The status of an object of a kind that belongs to no namespace.
fn status_of_cluster(
    world: &Shared,
    instance: usize,
    (kind, name): (Kind, &str),
    body: &Value,
) -> Answer {
    let mut state = world.lock();
    let (leader, now) = (leases::holder(&state), state.now());
    state.auditor.write_by(instance, leader, now);
    let Some(mut object) = state.of_cluster(kind).get(name).cloned() else {
        return refusal(404, "NotFound", "not found");
    };
    if body["metadata"]["uid"].as_str().is_some_and(|uid| object["metadata"]["uid"] != uid) {
        return refusal(409, "Conflict", "uid precondition");
    }
    merge(&mut object["status"], &body["status"]);
    if state.of_cluster(kind)[name] != object {
        state.write_of_cluster(kind, name, object);
    }
    respond(200, &state.of_cluster(kind)[name])
}

fn respond(code: u16, body: &Value) -> Answer {
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(whole(body.to_string()))
        .expect("a response")
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
    (code, body)
}

fn refusal(code: u16, reason: &str, message: &str) -> Answer {
    let (code, body) = status(code, reason, message);
    respond(code, &body)
}

fn handle(world: &Shared, asked: &Asked, late: bool) -> (u16, Value) {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (&asked.method, path.as_slice()) {
        (&Method::GET, ["apis", _, _, "namespaces", ns, "refreshablecredentials", name]) => {
            match world.lock().credentials.get(&key(ns, name)) {
                Some(object) => (200, object.clone()),
                None => status(404, "NotFound", "not found"),
            }
        }
        (&Method::PATCH, ["apis", _, _, "namespaces", ns, "refreshablecredentials", name]) => {
            let mut state = world.lock();
            assert!(asked.force, "what others changed is taken back");
            match clusters::apply(&mut state, &key(ns, name), &asked.body) {
                Ok(object) => (200, metadata_of(&object)),
                Err((code, reason, message)) => status(code, reason, &message),
            }
        }
        (&Method::DELETE, ["apis", _, _, "namespaces", ns, "refreshablecredentials", name]) => {
            match clusters::delete(&mut world.lock(), &key(ns, name), &asked.body) {
                Ok(answer) => (200, answer),
                Err((code, reason, message)) => status(code, reason, &message),
            }
        }
        (
            &Method::PATCH,
            ["apis", _, _, "namespaces", ns, "refreshablecredentials", name, "status"],
        ) => patch_status(world, &key(ns, name), &asked.body),
        (&Method::GET, ["api", "v1", "namespaces", ns, "secrets"]) => {
            let state = world.lock();
            let items: Vec<Value> = state
                .secrets
                .iter()
                .filter(|(k, _)| k.0 == *ns)
                .map(|(_, s)| s.shown(asked.partial))
                .collect();
            (200, json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}))
        }
        (&Method::GET, ["api", "v1", "namespaces", ns, "secrets", name]) => {
            match world.lock().secrets.get(&key(ns, name)) {
                Some(secret) => (200, secret.shown(asked.partial)),
                None => status(404, "NotFound", "not found"),
            }
        }
        (&Method::PATCH, ["api", "v1", "namespaces", ns, "secrets", name]) => {
            apply(world, &key(ns, name), asked, late)
        }
        (&Method::POST, ["api", "v1", "namespaces", ns, "secrets"]) => create(world, ns, asked),
        (&Method::DELETE, ["api", "v1", "namespaces", ns, "secrets", name]) => {
            let mut state = world.lock();
            let key = key(ns, name);
            let Some(secret) = state.secrets.get(&key).cloned() else {
                return status(404, "NotFound", "not found");
            };
            if asked.body["preconditions"]["uid"].as_str().is_some_and(|u| u != secret.uid) {
                return status(409, "Conflict", "uid precondition");
            }
            let verdict = super::auditor::deletion(&state, &key, &secret);
            state.auditor.check(verdict);
            state.delete_secret(&key);
            match state.secrets.get(&key) {
                Some(waits) => (200, waits.shown(asked.partial)),
                None => (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
            }
        }
        (&Method::GET, ["apis", "apps", "v1", "namespaces", ns, "deployments", name]) => {
            let state = world.lock();
            let key = key(ns, name);
            match state.deployments.get(&key) {
                Some(deployment) => (200, deployment.shown(&key, state.now())),
                None => status(404, "NotFound", "not found"),
            }
        }
        (&Method::PATCH, ["apis", "apps", "v1", "namespaces", ns, "deployments", name]) => {
            match deployments::patch(&mut world.lock(), &key(ns, name), &asked.body) {
                Ok(shown) => (200, shown),
                Err(()) => status(409, "Conflict", "it was changed"),
            }
        }
        (method, path) => panic!("the simulated API server does not know {method} {path:?}"),
    }
}

/// An object's metadata alone.
fn metadata_of(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"],
    })
}

fn key(namespace: &str, name: &str) -> Key {
    (namespace.to_owned(), name.to_owned())
}

/// Refusal of a write of a Secret, before the API server looks at what is written, or after.
fn denied(denial: Option<Denial>, early: bool, exists: bool, key: &Key) -> Option<(u16, Value)> {
    let denial = denial
        .filter(|d| (*d == Denial::Forbidden) == early && (!exists || d.refuses_changes()))?;
    let what = Written {
        group: "",
        resource: "secrets",
        subresource: "",
        namespace: &key.0,
        name: &key.1,
    };
    let (code, reason, message) = denial.of(what);
    Some(status(code, reason, &message))
}

fn apply(world: &Shared, key: &Key, asked: &Asked, late: bool) -> (u16, Value) {
    let mut state = world.lock();
    let existing = state.secrets.get(key).cloned();
    let denial = state.faults.secret_writes;
    if let Some(refused) = denied(denial, true, existing.is_some(), key) {
        return refused;
    }
    match SimSecret::apply(existing.as_ref(), &asked.body, &asked.manager, asked.force) {
        Err((code, reason, message)) => status(code, reason, &message),
        Ok(mut secret) => {
            if let Some(refused) = denied(denial, false, existing.is_some(), key) {
                return refused;
            }
            (secret.namespace, secret.name) = key.clone();
            if asked.dry_run {
                return (200, secret.shown(asked.partial));
            }
            let sender = super::auditor::Sender { instance: asked.instance, given_up: late };
            let verdict =
                super::auditor::publication(&mut state, key, (existing.as_ref(), &secret), sender);
            state.auditor.check(verdict);
            let secret = state.put_secret(secret);
            (200, secret.shown(asked.partial))
        }
    }
}

/// Creates a Secret that nobody owns.
fn create(world: &Shared, namespace: &str, asked: &Asked) -> (u16, Value) {
    let mut state = world.lock();
    let name = asked.body["metadata"]["name"].as_str().unwrap_or_default();
    if state.secrets.contains_key(&key(namespace, name)) {
        return status(409, "AlreadyExists", "it exists");
    }
    let mut secret =
        SimSecret::apply(None, &asked.body, "create", false).expect("nothing is in its way");
    (secret.namespace, secret.name) = key(namespace, name);
    (201, state.put_secret(secret).shown(asked.partial))
}

fn patch_status(world: &Shared, key: &Key, body: &Value) -> (u16, Value) {
    let mut state = world.lock();
    let verdict = super::auditor::status(key, body);
    state.auditor.check(verdict);
    let Some(object) = state.credentials.get(key) else {
        return status(404, "NotFound", "not found");
    };
    if body["metadata"]["uid"]
        .as_str()
        .is_some_and(|u| Some(u) != object["metadata"]["uid"].as_str())
    {
        return status(409, "Conflict", "uid precondition");
    }
    if let Some(denial) = state.faults.status_writes {
        let what = Written {
            group: "refreshable.dev",
            resource: "refreshablecredentials",
            subresource: "status",
            namespace: &key.0,
            name: &key.1,
        };
        let (code, reason, message) = denial.of(what);
        return status(code, reason, &message);
    }
    state.put_credential(key, |object| merge(&mut object["status"], &body["status"]));
    (200, state.credentials[key].clone())
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members = target.as_object_mut().expect("an object");
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
