//! A crash between each two calls to the issuer and the API server: what was done is not done
//! again, and nothing is lost.

use super::deployments::SimDeployment;
use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use serde_json::json;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Cost of a course: issuer calls, writes of Secrets, deletions.
type Cost = [usize; 3];

fn cost(world: &World) -> Cost {
    let audit = &world.shared.lock().auditor;
    [audit.issuer_calls, audit.applies, audit.deletes]
}

/// Runs a course once without a crash, and once with a crash after each number of its calls: what
/// the first cost, and for each of the others after how many calls it crashed, what it cost, and
/// its world.
fn crashed_after_each_call(
    prepare: impl AsyncFn(&mut World) -> Key,
    course: impl AsyncFn(&mut World, &Key),
) -> (Cost, Vec<(usize, Cost, World)>) {
    runtime().block_on(async {
        let run = async |crash: Option<usize>| {
            let mut world = World::new(41, Setup::default());
            let key = prepare(&mut world).await;
            let before = cost(&world);
            world.shared.lock().dies_after = crash;
            course(&mut world, &key).await;
            let after = cost(&world);
            let struck = crash.is_some() && world.shared.lock().dies_after.take().is_none();
            // Time goes on in all worlds at once.
            world.instances.clear();
            (struck, std::array::from_fn(|n| after[n] - before[n]), world)
        };
        let (_, usual, _) = run(None).await;
        let mut crashed = Vec::new();
        for calls in 0.. {
            let (struck, cost, world) = run(Some(calls)).await;
            if !struck {
                break;
            }
            crashed.push((calls, cost, world));
        }
        (usual, crashed)
    })
}

/// Settled worlds, in which a crash cost the sessions that no Secret held yet, and nothing else.
fn assert_lossless(
    key: &str,
    [issuer, applies, deletes]: Cost,
    crashed: Vec<(usize, Cost, World)>,
) {
    for (calls, cost, world) in crashed {
        let lost = if calls <= issuer { calls } else { 0 };
        assert_eq!(cost, [issuer + lost, applies, deletes], "a crash after {calls} calls");
        users::assert_settled(&world, &[("team-a".to_owned(), key.to_owned())]);
    }
}

#[test]
fn of_a_first_issue() {
    let make = async |world: &mut World, _: &Key| drop(users::make(world, "team-a", "x", 3600));
    let run = async |world: &mut World, key: &Key| {
        make(world, key).await;
        world.run(MINUTE).await;
    };
    let (usual, crashed) = crashed_after_each_call(async |_| ("team-a".into(), "x".into()), run);
    assert_eq!((usual, crashed.len()), ([1, 1, 0], 3), "issuer, Secret, status");
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_a_first_issue_of_profiles() {
    let run = async |world: &mut World, _: &Key| {
        users::make_profiles(world, "team-a", "x", 3, 3600);
        world.run(MINUTE).await;
    };
    let (usual, crashed) = crashed_after_each_call(async |_| ("team-a".into(), "x".into()), run);
    assert_eq!(
        (usual, crashed.len()),
        ([4, 1, 0], 6),
        "the shared role, three profiles, Secret, status"
    );
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_a_first_issue_of_a_token() {
    let run = async |world: &mut World, _: &Key| {
        users::make_token(world, "team-a", "x", 3600);
        world.run(MINUTE).await;
    };
    let (usual, crashed) = crashed_after_each_call(async |_| ("team-a".into(), "x".into()), run);
    assert_eq!((usual, crashed.len()), ([2, 1, 0], 4), "the role, the token, Secret, status");
    assert_lossless("x", usual, crashed);
}

/// A resource of an hour's sessions that is published.
async fn published(world: &mut World) -> Key {
    let key = users::make(world, "team-a", "x", 3600);
    world.run(MINUTE).await;
    key
}

#[test]
fn of_a_renewal() {
    let (usual, crashed) =
        crashed_after_each_call(published, async |world, _| world.run(MINUTE * 45).await);
    assert_eq!((usual, crashed.len()), ([1, 1, 0], 3));
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_a_renewal_of_profiles() {
    let prepare = async |world: &mut World| {
        let key = users::make_profiles(world, "team-a", "x", 3, 3600);
        world.run(MINUTE).await;
        key
    };
    let (usual, crashed) =
        crashed_after_each_call(prepare, async |world, _| world.run(MINUTE * 45).await);
    assert_eq!((usual, crashed.len()), ([4, 1, 0], 6));
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_a_requested_refresh() {
    let (usual, crashed) = crashed_after_each_call(published, async |world, key| {
        world.shared.lock().put_credential(key, |o| {
            o["metadata"]["annotations"]["refreshable.dev/requested-at"] = "now".into();
        });
        world.run(MINUTE).await;
    });
    assert_eq!((usual, crashed.len()), ([1, 1, 0], 3));
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_another_role() {
    let (usual, crashed) = crashed_after_each_call(published, async |world, key| {
        world.shared.lock().put_credential(key, |o| {
            o["spec"]["roles"][0]["roleArn"] = "arn:aws:iam::111122223333:role/other".into();
        });
        world.run(MINUTE).await;
    });
    assert_eq!((usual, crashed.len()), ([1, 1, 0], 3));
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_a_withdrawal() {
    let (usual, crashed) = crashed_after_each_call(published, async |world, _| {
        world.shared.lock().delete_policy("all");
        world.run(MINUTE * 12).await;
    });
    assert_eq!(usual, [0, 0, 1], "the Secret is deleted");
    assert_eq!(crashed.len(), 4, "status, list, Secret, status");
    for (calls, cost, world) in crashed {
        assert_eq!(cost, usual, "a crash after {calls} calls");
        let state = world.shared.lock();
        assert!(state.secrets.is_empty(), "a crash after {calls} calls");
        let (_, object) = state.typed.iter().next().expect("the resource");
        let conditions = &object.status.as_ref().expect("a status").conditions;
        let ready = conditions.iter().find(|c| c.type_ == "Ready").expect("a condition");
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "NotPermitted"));
    }
}

#[test]
fn of_another_name_of_the_secret() {
    let (usual, crashed) = crashed_after_each_call(published, async |world, key| {
        world.shared.lock().put_credential(key, |o| o["spec"]["secret"]["name"] = "y".into());
        world.run(MINUTE).await;
    });
    assert_eq!(usual, [1, 1, 1], "a new Secret, and the old one deleted");
    assert!(crashed.len() >= 4, "{} calls", crashed.len());
    for (_, _, world) in &crashed {
        let names: Vec<String> =
            world.shared.lock().secrets.keys().map(|(_, name)| name.clone()).collect();
        assert_eq!(names, ["y"]);
    }
    assert_lossless("x", usual, crashed);
}

#[test]
fn of_another_type_of_the_secret() {
    let (usual, crashed) = crashed_after_each_call(published, async |world, key| {
        world.shared.lock().put_credential(key, |o| o["spec"]["secret"]["type"] = "Opaque".into());
        world.run(MINUTE).await;
    });
    assert_eq!(usual, [1, 3, 1], "refused, rehearsed and written; the old one is deleted before");
    assert_eq!(crashed.len(), 6, "issuer, three writes, a deletion, status");
    for (calls, [issuer, applies, deletes], world) in crashed {
        // A session is lost until it is written, and another is obtained.
        let lost = usize::from((1..=4).contains(&calls));
        let again = match calls {
            2 => 1,
            3 => 2,
            _ => 0,
        };
        assert_eq!([issuer, applies, deletes], [1 + lost, 3 + again, 1], "a crash after {calls}");
        users::assert_settled(&world, &[("team-a".to_owned(), "x".to_owned())]);
    }
}

#[test]
fn of_a_restart_of_a_workload() {
    let prepare = async |world: &mut World| {
        let key = published(world).await;
        {
            let mut state = world.shared.lock();
            let version = state.next_version();
            state.deployments.insert(key.clone(), SimDeployment::new(version));
            state.put_credential(&key, |o| {
                o["spec"]["restart"] = json!([{"kind": "Deployment", "name": "x"}])
            });
        }
        world.run(MINUTE).await;
        key
    };
    let (usual, crashed) =
        crashed_after_each_call(prepare, async |world, _| world.run(MINUTE * 45).await);
    assert_eq!(usual[0], 1, "one rotation");
    assert!(
        crashed.len() >= 5,
        "issuer, Secret, status, and the Deployment read and patched: {}",
        crashed.len()
    );
    for (calls, [issuer, ..], world) in &crashed {
        assert_eq!(*issuer, if *calls <= 1 { 1 + calls } else { 1 }, "a crash after {calls} calls");
        let state = world.shared.lock();
        let restarts: Vec<usize> = state.deployments.values().map(|d| d.restarts).collect();
        assert_eq!(restarts, [1], "a crash after {calls} calls");
    }
}

#[test]
fn of_many_at_once() {
    runtime().block_on(async {
        let mut world = World::new(24, Setup::default());
        let keys: Vec<Key> = (0..10)
            .map(|n| users::make_profiles(&world, "team-a", &format!("many-{n}"), 8, 900))
            .collect();
        world.run(MINUTE).await;
        // A renewal of all takes 110 calls.
        for _ in 0..50 {
            let before = world.instances[0].number;
            {
                let mut state = world.shared.lock();
                state.dies_after = Some(state.random.usize(0..300));
            }
            while world.instances[0].number == before {
                world.run(MINUTE).await;
            }
        }
        world.run(HOUR).await;
        users::assert_settled(&world, &keys);
    });
}
