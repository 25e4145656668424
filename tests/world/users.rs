//! The people in a world: they make resources, change, delete and corrupt them; and mishaps.

use super::driver::World;
use super::secrets::SimSecret;
use super::state::{Faults, Key};
use super::truth;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use refreshable_api::RefreshableCredential;
use refreshable_rules::ownership::{self, Content};
use serde_json::{Value, json};

/// Size that the resources of a namespace may have in storms, and that of a note which is more.
pub const MOST_BYTES: &str = "16Ki";
const CROWD: usize = 20_000;

/// The namespaces of a world.
pub const NAMESPACES: [&str; 2] = ["team-a", "team-b"];

/// Makes a resource with a role that lives for `seconds`.
pub fn make(world: &World, namespace: &str, name: &str, seconds: i64) -> Key {
    let key = (namespace.to_owned(), name.to_owned());
    let arn = format!("arn:aws:iam::111122223333:role/{name}");
    world.shared.lock().put_credential(&key, |object| {
        object["spec"] = json!({"roles": [{"roleArn": arn, "durationSeconds": seconds}]});
    });
    key
}

/// Makes a resource with a role that lives for `seconds`, and the registry token that it buys.
pub fn make_token(world: &World, namespace: &str, name: &str, seconds: i64) -> Key {
    let key = make(world, namespace, name, seconds);
    let registry = json!({"accountId": "111122223333", "region": "eu-west-1"});
    world.shared.lock().put_credential(&key, |object| {
        object["spec"]["token"] = json!({"ecr": {"registries": [registry]}});
    });
    key
}

/// Makes a resource with a role that lives for `seconds`, and the password of a database that it
/// signs.
pub fn make_signed(world: &World, namespace: &str, name: &str, seconds: i64) -> Key {
    let key = make(world, namespace, name, seconds);
    let database = json!({"host": "db.example.com", "region": "eu-west-1", "user": "app"});
    world.shared.lock().put_credential(&key, |object| {
        object["spec"]["token"] = json!({"rds": database});
    });
    key
}

/// Makes a resource with a shared role and `count` profiles of a role each, which live for
/// `seconds`.
pub fn make_profiles(
    world: &World,
    namespace: &str,
    name: &str,
    count: usize,
    seconds: i64,
) -> Key {
    let key = (namespace.to_owned(), name.to_owned());
    let profile = |n: usize| {
        let arn = format!("arn:aws:iam::{:012}:role/p{n}", 200_000_000_000 + n);
        json!({"name": format!("p{n}"), "roles": [{"roleArn": arn, "durationSeconds": seconds}]})
    };
    let profiles: Vec<_> = (0..count).map(profile).collect();
    world.shared.lock().put_credential(&key, |object| {
        let hub = json!({"roleArn": "arn:aws:iam::111122223333:role/hub", "durationSeconds": 3600});
        object["spec"] = json!({"roles": [hub], "profiles": profiles});
    });
    key
}

/// One thing that somebody does, or that happens: which, to whom, and how.
#[derive(Clone, Copy, Debug)]
pub struct Mishap {
    kind: u32,
    target: usize,
    number: u32,
}

impl Mishap {
    /// One by chance.
    pub fn draw(random: &mut fastrand::Rng) -> Self {
        Self {
            kind: random.u32(0..17),
            target: random.usize(0..1000),
            number: random.u32(0..1_000_000),
        }
    }
}

/// Lets it happen to one of `keys`. For how long all machines stand still because of it.
pub fn mishap(world: &mut World, keys: &[Key], mishap: &Mishap) -> Option<SignedDuration> {
    let mut state = world.shared.lock();
    let number = mishap.number;
    let mut random = fastrand::Rng::with_seed(number.into());
    let key = keys[mishap.target % keys.len()].clone();
    let now = state.now();
    let line = format_args!("mishap {} of {}.{}, {number}", mishap.kind, key.0, key.1);
    state.auditor.note(now, &line);
    let secret = (key.0.clone(), key.1.clone());
    match mishap.kind {
        0 => {
            let seconds = [900, 1800, 3600, 7200, 43200][random.usize(0..5)];
            change(&mut state, &key, |o| o["spec"]["roles"][0]["durationSeconds"] = seconds.into());
        }
        1 => state.delete_secret(&secret),
        2 => {
            if let Some(mut altered) = state.secrets.get(&secret).filter(|s| !s.immutable).cloned()
            {
                altered
                    .fields
                    .insert("data/credentials".into(), ("YWx0ZXJlZA==".into(), "kubectl".into()));
                state.put_secret(altered);
            }
        }
        3 => {
            if let Some(mut labelled) = state.secrets.get(&secret).cloned() {
                labelled
                    .fields
                    .insert("labels/team".into(), (number.to_string(), "kubectl".into()));
                state.put_secret(labelled);
            }
        }
        4 => change(&mut state, &key, |o| {
            o["metadata"]["annotations"]["refreshable.dev/requested-at"] =
                number.to_string().into();
        }),
        5 => {
            if let Some(object) = state.credentials.get(&key).cloned() {
                state.delete_credential(&key);
                state.put_credential(&key, |new| new["spec"] = object["spec"].clone());
            }
        }
        6 => change(&mut state, &key, |o| {
            o["spec"]["suspend"] = (!o["spec"]["suspend"].as_bool().unwrap_or(false)).into();
        }),
        7 => {
            let chances = [0, 0, 50, 200];
            let mut draw = || chances[random.usize(0..chances.len())];
            state.faults = Faults {
                api_fails: draw(),
                watches_fail: draw(),
                api_loses_answers: draw(),
                api_lands_late: draw() / 4,
                issuer_throttles: draw(),
                issuer_breaks: draw(),
                issuer_hangs: draw() / 4,
                issuer_garbage: draw(),
                issuer_lies: draw(),
                ..Faults::default()
            };
        }
        8 => state.faults.issuer_dead = !state.faults.issuer_dead,
        9 => {
            if state.policies.is_empty() {
                allow_all(&mut state);
            } else if number.is_multiple_of(5) {
                state.delete_policy("all");
            }
        }
        10 => {
            let now = state.now();
            drop(state);
            let leading = world.leading();
            match number % 3 {
                0 => leading.relist(&world.shared),
                1 => leading.relist_some(&world.shared),
                _ => leading.cut_off(&world.shared, now + SignedDuration::from_mins(5)),
            }
        }
        11 => change(&mut state, &key, |o| {
            let touched = number.to_string();
            if number.is_multiple_of(5) {
                // Another type is another Secret of the same name.
                let kinds = [json!("Opaque"), json!("example.com/aws"), Value::Null];
                o["spec"]["secret"]["type"] = kinds[random.usize(0..kinds.len())].clone();
                return;
            }
            // Tokens have files of their own.
            if o["spec"]["token"].is_null() && number.is_multiple_of(2) {
                let text = truth::template_of_ids(&touched);
                o["spec"]["secret"]["template"][truth::IDS] = text.into();
            } else {
                o["spec"]["secret"]["labels"]["touched"] = touched.into();
            }
        }),
        12 => {
            drop(state);
            world.hinder_renewals(SignedDuration::from_secs(i64::from(number % 600)));
        }
        13 => return Some(SignedDuration::from_secs(i64::from(number % 90))),
        14 => {
            drop(state);
            world.hand_over();
        }
        // Its namespace takes more than it may, or no longer.
        15 => change(&mut state, &key, |o| {
            if !take_note_out(o) {
                o["metadata"]["annotations"]["note"] = "x".repeat(CROWD).into();
            }
        }),
        _ => {
            drop(state);
            world.crash();
        }
    }
    None
}

fn change(state: &mut super::state::State, key: &Key, change: impl FnOnce(&mut serde_json::Value)) {
    if state.credentials.contains_key(key) {
        state.put_credential(key, change);
    }
}

/// Takes out what makes a resource large. Whether there was any.
fn take_note_out(object: &mut Value) -> bool {
    let annotations = object["metadata"]["annotations"].as_object_mut();
    annotations.and_then(|all| all.remove("note")).is_some()
}

fn allow_all(state: &mut super::state::State) {
    let allow = json!({"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]});
    state.put_policy("all", json!({"namespaceSelector": {}, "allow": allow}));
}

/// All is well again.
pub fn mend(world: &World, keys: &[Key]) {
    let mut state = world.shared.lock();
    state.faults = Faults::default();
    if state.policies.is_empty() {
        allow_all(&mut state);
    }
    for key in keys {
        let Some(object) = state.credentials.get(key) else { continue };
        let (suspended, note) =
            (object["spec"]["suspend"] == true, &object["metadata"]["annotations"]["note"]);
        if note.is_string() {
            state.put_credential(key, |o| {
                take_note_out(o);
            });
        }
        if suspended {
            state.put_credential(key, |o| o["spec"]["suspend"] = false.into());
        }
    }
}

/// Every resource is Ready, and its Secret holds valid credentials of what it asks for.
pub fn assert_settled(world: &World, keys: &[Key]) {
    let state = world.shared.lock();
    let now = state.now();
    for key in keys {
        let Some(object) = state.typed.get(key) else { continue };
        let status = object.status.as_ref().expect("a status");
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        assert!(
            ready.is_some_and(|c| c.status == "True" && c.reason == "Issued"),
            "{key:?} at {now}: {status:#?}"
        );
        assert_eq!(status.observed_generation, object.metadata.generation, "{key:?}");
        let secret = state.secrets.get(&(key.0.clone(), object.secret_name())).expect("a Secret");
        let spec = &state.credentials[key]["spec"];
        assert!(truth::is_as_asked(&state, spec, secret), "{key:?} at {now}: {spec}");
        for wanted in truth::wanted(spec) {
            let session = truth::held(&state, secret, &wanted.data_key).expect("a session");
            assert!(session.expiration > now, "{key:?} at {now}: {session:?}");
        }
    }
}

/// The record that a Secret holds for the controller.
pub fn content_of(object: &RefreshableCredential, secret: &SimSecret) -> Option<Content> {
    let meta: ObjectMeta = serde_json::from_value(secret.metadata()).ok()?;
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    ownership::view(&meta, uid).own()?.content.clone()
}
