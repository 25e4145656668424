//! Restarts after rotations: one each, whatever happens.

use super::deployments::SimDeployment;
use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::{Key, State};
use super::storm::{Storm, seeds};
use super::users;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use refreshable_rules::timing::down_to_second;
use serde_json::json;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Gives a resource a Deployment of its name to restart.
pub(super) fn restarting(state: &mut State, key: &Key) {
    let version = state.next_version();
    state.deployments.insert(key.clone(), SimDeployment::new(version));
    state.put_credential(key, |o| {
        o["spec"]["restart"] = json!([{"kind": "Deployment", "name": key.1}])
    });
}

#[test]
fn each_rotation_restarts_once_and_a_crash_not_at_all() {
    runtime().block_on(async {
        let mut world = World::new(11, Setup::default());
        let keys: Vec<Key> =
            (0..20).map(|n| users::make(&world, "team-a", &format!("r-{n}"), 3600)).collect();
        keys.iter().for_each(|key| restarting(&mut world.shared.lock(), key));
        world.run(SignedDuration::from_mins(1)).await;
        let counts = |world: &World| {
            let audit = &world.shared.lock().auditor;
            (audit.issuer_calls, audit.reads, audit.status_writes)
        };
        let restarts = |world: &World| {
            world.shared.lock().deployments.values().map(|d| d.restarts).sum::<usize>()
        };
        let before = counts(&world);
        assert_eq!((restarts(&world), before.1), (0, 0), "the first credentials restart nothing");
        world.run(DAY).await;
        let (made, after) = (restarts(&world), counts(&world));
        let rotations = after.0 - before.0;
        assert_eq!(
            (made, after.1, after.2 - before.2),
            (rotations, rotations, 2 * rotations),
            "one of each"
        );
        for _ in 0..5 {
            world.crash();
            world.run(SignedDuration::from_secs(1)).await;
        }
        assert_eq!(restarts(&world), made);
    });
}

#[test]
fn whatever_happens_nothing_is_restarted_twice_and_nothing_is_left_behind() {
    let restarts = std::cell::Cell::new(0);
    let seeds = seeds(200..230);
    for seed in &seeds {
        println!("storm {seed}; REFRESHABLE_SEED={seed} runs it again");
        let settled = |world: &World, keys: &[Key]| {
            let now = world.now();
            let state = world.shared.lock();
            for key in keys {
                let Some(object) = state.typed.get(key) else { continue };
                let secret = &state.secrets[&(key.0.clone(), object.secret_name())];
                let content = users::content_of(object, secret).expect("readable");
                let issued = down_to_second(content.issued_at);
                let said =
                    object.status.as_ref().and_then(|s| s.restarts.as_ref()).expect("a status")[0]
                        .clone();
                let followed = said.restarted_for.as_ref().map(|t| t.0).expect("a time");
                let held = said.expiration.as_ref().map(|t| t.0).expect("a time");
                assert!(
                    followed == issued || now < held,
                    "{key:?} was not restarted for {issued}: {said:?}"
                );
                let uid = object.metadata.uid.as_deref().expect("a UID");
                let done = state.deployments[key].restarted_for(uid);
                let expected = (followed > state.started_with[uid]).then_some(followed);
                // One whose answer was lost, and which the next rotation overtook, shows there alone.
                assert!(done >= expected, "{key:?}: {done:?}, {said:?}; {issued} is published");
            }
            let all = state.deployments.values().map(|d| d.restarts).sum::<usize>();
            restarts.set(restarts.get() + all);
        };
        let prepare = |world: &World, keys: &[Key]| {
            let mut state = world.shared.lock();
            for (number, key) in keys.iter().enumerate() {
                restarting(&mut state, key);
                state.deployments.get_mut(key).expect("it is there").stuck = number % 3 == 0;
            }
        };
        Storm::of(*seed).with(&prepare, &settled).assert_harmless();
    }
    assert!(restarts.get() > 20 * seeds.len(), "{}", restarts.get());
}

#[test]
fn a_rollout_that_never_ends_holds_no_restart_up_for_longer_than_its_pods_can_wait() {
    runtime().block_on(async {
        let mut world = World::new(13, Setup::default());
        let lengths = [900, 3600, 43200];
        let keys: Vec<Key> = lengths
            .iter()
            .map(|seconds| users::make(&world, "team-a", &format!("r-{seconds}"), *seconds))
            .collect();
        for key in &keys {
            let mut state = world.shared.lock();
            restarting(&mut state, key);
            state.deployments.get_mut(key).expect("it is there").stuck = true;
        }
        // The auditor looks at the end of each part for what is left with something expired.
        for _ in 0..3 * 24 * 12 {
            world.run(SignedDuration::from_mins(5)).await;
        }
        let state = world.shared.lock();
        let restarts: usize = keys.iter().map(|key| state.deployments[key].restarts).sum();
        let rotations = state.auditor.issuer_calls - keys.len();
        assert!(
            rotations > 400 && (rotations - keys.len()..=rotations).contains(&restarts),
            "{restarts} of {rotations}"
        );
        for key in &keys {
            let said = state.typed[key]
                .status
                .as_ref()
                .and_then(|s| s.restarts.clone())
                .expect("a status");
            let message = said[0].message.clone().expect("a message");
            assert!(message.contains("still under way"), "{message}");
        }
    });
}

#[test]
fn a_workload_that_is_never_restarted_is_caught() {
    runtime().block_on(async {
        let mut world = World::new(14, Setup::default());
        world.tolerant = true;
        let key = users::make(&world, "team-a", "r", 3600);
        restarting(&mut world.shared.lock(), &key);
        world.run(SignedDuration::from_mins(5)).await;
        // It is gone: what can be done about it is told, and its Pods are left with what expires
        // all the same.
        world.shared.lock().deployments.clear();
        world.run(HOUR).await;
        let violations = world.shared.lock().auditor.violations.clone();
        assert!(
            violations
                .iter()
                .any(|v| v.starts_with("restart: ") && v.contains("was not restarted")),
            "{violations:?}"
        );
    });
}

#[test]
fn a_second_restart_for_one_rotation_is_caught() {
    runtime().block_on(async {
        let mut world = World::new(12, Setup::default());
        world.tolerant = true;
        let key = users::make(&world, "team-a", "r", 3600);
        restarting(&mut world.shared.lock(), &key);
        world.run(HOUR).await;
        let patch = {
            let state = world.shared.lock();
            assert_eq!(state.auditor.violations, Vec::<String>::new());
            let shown = state.deployments[&key].shown(&key, state.now());
            json!({"spec": {"template": {"metadata": {"annotations": shown["spec"]["template"]["metadata"]["annotations"]}}}})
        };
        let client = super::apiserver::client(world.shared.clone(), 0);
        let deployments = Api::<Deployment>::namespaced(client, "team-a");
        deployments.patch_metadata("r", &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
        let violations = world.shared.lock().auditor.violations.clone();
        assert!(violations.iter().any(|v| v.contains("twice") || v.contains("under way")), "{violations:?}");
    });
}
