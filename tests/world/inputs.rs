//! Input Secrets: other data costs one call, whatever else happens to them none; and a wrong one
//! that is corrected is noticed in time.

use super::driver::{HOME, Setup, World};
use super::promises::runtime;
use super::secrets::SimSecret;
use super::state::{Key, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use refreshable_api::RefreshableCredential;
use refreshable_rules::plan::INPUT_POLL;
use serde_json::json;
use std::collections::BTreeMap;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const WRONG: &str = "AKIAWRONG00000000000";
const RIGHT: &str = "AKIARIGHT00000000000";

/// Data that `object` reads of its inputs, as the API server holds them.
pub fn used_data(state: &State, object: &RefreshableCredential) -> BTreeMap<String, String> {
    let source = object.spec.source();
    let Some(key) = &source.access_key else { return BTreeMap::new() };
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let Some(secret) = state.secrets.get(&(namespace, key.secret_ref.name.clone())) else {
        return BTreeMap::new();
    };
    let used = [&key.access_key_id_key, &key.secret_access_key_key];
    let value = |k: &String| Some((k.clone(), secret.fields.get(&format!("data/{k}"))?.0.clone()));
    used.into_iter().filter_map(value).collect()
}

fn input() -> Key {
    ("team-a".to_owned(), "key".to_owned())
}

/// Changes one field of the input, which is made where it does not exist.
fn set(world: &World, path: &str, value: &str) {
    let mut state = world.shared.lock();
    let (namespace, name) = input();
    let mut secret = state.secrets.get(&input()).cloned().unwrap_or_else(|| SimSecret {
        namespace,
        name,
        kind: "Opaque".to_owned(),
        ..SimSecret::default()
    });
    let value = if path.starts_with("data/") { STANDARD.encode(value) } else { value.to_owned() };
    secret.fields.insert(path.to_owned(), (value, "kubectl".to_owned()));
    state.put_secret(secret);
}

fn set_key(world: &World, id: &str) {
    set(world, "data/AWS_SECRET_ACCESS_KEY", "a-long-lived-key-a-long-lived-key-0000000");
    set(world, "data/AWS_ACCESS_KEY_ID", id);
}

/// A resource that starts from the key in the input.
fn make(world: &World) -> Key {
    let key = ("team-a".to_owned(), "keyed".to_owned());
    world.shared.lock().put_credential(&key, |object| {
        object["spec"] = json!({
            "source": {"accessKey": {"secretRef": {"name": "key"}}},
            "roles": [{"roleArn": "arn:aws:iam::111122223333:role/keyed", "durationSeconds": 43200}],
        });
    });
    key
}

fn calls(world: &World) -> usize {
    world.shared.lock().auditor.issuer_calls
}

fn reads(world: &World) -> usize {
    world.shared.lock().auditor.reads
}

/// A world with one resource whose input is watched or not, and which has its credentials.
async fn published(watched: bool, setup: Setup) -> World {
    let mut world = World::new(21, setup);
    set_key(&world, RIGHT);
    if watched {
        set(&world, "labels/refreshable.dev/watch", "true");
    }
    make(&world);
    world.run(MINUTE).await;
    assert_eq!(calls(&world), 1);
    world
}

#[test]
fn only_other_data_of_an_input_costs_a_call_and_it_costs_one() {
    for watched in [true, false] {
        runtime().block_on(async {
            let mut world = published(watched, Setup::default()).await;
            let pause = if watched { SECOND } else { INPUT_POLL };
            for number in 0..5 {
                let before = reads(&world);
                set(&world, "annotations/touched", &number.to_string());
                world.run(pause * 2).await;
                let read = reads(&world) - before;
                assert!(
                    calls(&world) == 1 && (1..=3).contains(&read),
                    "watched {watched}, {number}: {read} reads"
                );
            }
            set(&world, "data/unused", "another key of the same Secret");
            world.run(pause * 2).await;
            assert_eq!(calls(&world), 1, "watched {watched}: a key that is not used");
            world.crash();
            world.run(MINUTE).await;
            assert_eq!(calls(&world), 1, "watched {watched}: after a restart");
            set(&world, "data/AWS_ACCESS_KEY_ID", "AKIAOTHER00000000000");
            world.run(pause * 2).await;
            assert_eq!(calls(&world), 2, "watched {watched}: a key that is used");
            world.run(HOUR).await;
            world.shared.lock().delete_secret(&input());
            world.run(HOUR).await;
            assert_eq!(calls(&world), 2, "watched {watched}: what was made from it is still valid");
            set_key(&world, "AKIAOTHER00000000000");
            world.run(pause * 2).await;
            assert_eq!(calls(&world), 2, "watched {watched}: made anew with the same data");
            let state = world.shared.lock();
            let key =
                &state.secrets[&(HOME.to_owned(), "refreshable-controller-input-key".to_owned())];
            assert!(key.owners.is_empty() && key.kind == "refreshable.dev/input-key");
        });
    }
}

#[test]
fn an_input_that_does_not_change_is_not_read() {
    runtime().block_on(async {
        let mut world = published(true, Setup::default()).await;
        let before = reads(&world);
        world.run(HOUR).await;
        assert_eq!(reads(&world), before, "watched: nothing is read");
        let mut world = published(false, Setup::default()).await;
        let before = reads(&world);
        world.run(HOUR).await;
        assert!(
            (10..=13).contains(&(reads(&world) - before)),
            "one look in five minutes: {}",
            reads(&world) - before
        );
    });
}

#[test]
fn a_wrong_input_that_is_corrected_is_noticed_in_time() {
    for (watched, within) in [(true, SECOND * 2), (false, INPUT_POLL + SECOND * 2)] {
        runtime().block_on(async {
            let mut world = World::new(22, Setup::default());
            world.shared.lock().faults.denied_key = Some(WRONG);
            set_key(&world, WRONG);
            if watched {
                set(&world, "labels/refreshable.dev/watch", "true");
            }
            let key = make(&world);
            world.run(HOUR * 3).await;
            let failures = |world: &World| {
                world.shared.lock().typed[&key]
                    .status
                    .as_ref()
                    .and_then(|s| s.failures.clone())
                    .expect("it fails")
            };
            // A failure long enough ago that its pauses are as long as they get.
            let mut before = failures(&world);
            loop {
                world.run(SECOND).await;
                let now = failures(&world);
                if now.count > before.count {
                    before = now;
                    break;
                }
            }
            let pause = before.next_try_time.0.duration_since(world.now());
            assert!(before.count > 8 && pause > SignedDuration::from_secs(290), "{pause}");

            let made = calls(&world);
            set(&world, "annotations/touched", "1");
            world.run(SECOND * 5).await;
            world.crash();
            world.run(SECOND * 30).await;
            assert_eq!(
                calls(&world),
                made,
                "watched {watched}: a label or a restart ends no pause"
            );
            assert_eq!(failures(&world).count, before.count);

            set_key(&world, RIGHT);
            world.run(within).await;
            assert_eq!(calls(&world), made + 1, "watched {watched}: tried within {within:#}");
            let state = world.shared.lock();
            assert!(
                state.typed[&key].status.as_ref().is_some_and(|s| s.failures.is_none()),
                "and it works"
            );
        });
    }
}

#[test]
fn a_missing_input_that_is_made_is_noticed_in_time() {
    runtime().block_on(async {
        let mut world = World::new(23, Setup::default());
        make(&world);
        world.run(HOUR).await;
        assert_eq!(calls(&world), 0);
        set_key(&world, RIGHT);
        world.run(INPUT_POLL).await;
        assert_eq!(calls(&world), 1);
    });
}

#[test]
fn a_controller_that_takes_a_label_for_a_change_is_caught() {
    runtime().block_on(async {
        // Without its key it can only compare versions.
        let mut world = published(true, Setup { has_home: false, ..Setup::default() }).await;
        world.tolerant = true;
        set(&world, "annotations/touched", "1");
        world.run(MINUTE).await;
        let violations = world.shared.lock().auditor.violations.clone();
        assert!(
            violations.iter().any(|v| v.starts_with("3, never early: team-a.keyed")),
            "{violations:?}"
        );
    });
}
