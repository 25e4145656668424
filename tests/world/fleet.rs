//! A ClusterRefreshableCredential over very many namespaces, and what becomes of it when those, or
//! what it made, change.

use super::driver::{Setup, World};
use super::history::Kind;
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use serde_json::{Value, json};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const NAME: &str = "metrics";

fn spec() -> Value {
    let role =
        json!({"roleArn": "arn:aws:iam::111122223333:role/{namespace}", "durationSeconds": 3600});
    json!({
        "namespaceSelector": {"matchLabels": {"metrics": "true"}},
        "template": {"metadata": {"labels": {"team": "platform"}}, "spec": {"roles": [role]}},
    })
}

fn named(n: usize) -> String {
    format!("n-{n:04}")
}

/// A world with so many selected namespaces, and the resource that selects them.
fn world(seed: u64, count: usize, setup: Setup) -> (World, Vec<Key>) {
    let world = World::new(seed, setup);
    let keys: Vec<Key> = (0..count).map(|n| (named(n), NAME.to_owned())).collect();
    let mut state = world.shared.lock();
    for (namespace, _) in &keys {
        state.put_namespace(namespace);
        state.label_namespace(namespace, json!({"metrics": "true"}));
    }
    state.put_cluster(NAME, spec());
    drop(state);
    (world, keys)
}

/// The reason of the resource's condition Ready, and how many are ready of all.
fn said(world: &World) -> (String, String) {
    let state = world.shared.lock();
    let status = &state.clusters.objects[NAME]["status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&status["conditions"][0]["reason"]), text(&status["readyOfAll"]))
}

fn assert_said(world: &World, reason: &str, ready_of_all: &str) {
    assert_eq!(said(world), (reason.to_owned(), ready_of_all.to_owned()));
}

/// Each of them is there, and has what it asks for.
fn assert_served(world: &World, keys: &[Key]) {
    let missing = keys.iter().find(|key| !world.shared.lock().credentials.contains_key(*key));
    assert_eq!(missing, None);
    users::assert_settled(world, keys);
}

fn unlabel(world: &World, keys: &[Key]) {
    let mut state = world.shared.lock();
    keys.iter().for_each(|key| state.label_namespace(&key.0, json!({})));
}

/// Writes that were made for what ClusterRefreshableCredentials ask for.
fn writes(world: &World) -> usize {
    world.shared.lock().clusters.writes.values().sum()
}

#[test]
fn two_thousand_namespaces_get_theirs_each_with_one_write_and_one_call() {
    runtime().block_on(async {
        let (mut world, keys) = world(71, 2000, Setup::default());
        world.run(MINUTE * 5).await;
        assert_served(&world, &keys);
        assert_said(&world, "AllReady", "2000/2000");
        assert_eq!((writes(&world), world.shared.lock().auditor.issuer_calls), (2000, 2000));
        // Each has a session of its own, of its namespace's role.
        {
            let state = world.shared.lock();
            let key = &state.credentials[&keys[7]];
            assert_eq!(key["spec"]["roles"][0]["roleArn"], "arn:aws:iam::111122223333:role/n-0007");
            assert_eq!(state.auditor.calls_of["n-0007.metrics"], 1);
        }

        // They are renewed as any others are, and that is nothing to write or to tell.
        let told = world.shared.lock().clusters.objects[NAME].clone();
        world.run(HOUR).await;
        assert_served(&world, &keys);
        assert_eq!(writes(&world), 2000);
        assert_eq!(world.shared.lock().clusters.objects[NAME], told);

        // A hundred lose the label: theirs go, and others stay.
        let (gone, rest) = keys.split_at(100);
        unlabel(&world, gone);
        world.run(MINUTE * 2).await;
        {
            let state = world.shared.lock();
            assert!(
                gone.iter()
                    .all(|k| !state.credentials.contains_key(k) && !state.secrets.contains_key(k))
            );
        }
        assert_served(&world, rest);
        assert_said(&world, "AllReady", "1900/1900");
        assert_eq!(writes(&world), 2100);

        // With the resource goes all that it made.
        world.shared.lock().delete_cluster(NAME);
        world.run(MINUTE).await;
        assert!(world.shared.lock().secrets.is_empty());
    });
}

#[test]
fn what_is_changed_or_deleted_is_put_back_and_what_others_add_stays() {
    runtime().block_on(async {
        let (mut world, keys) = world(72, 5, Setup::default());
        world.run(MINUTE).await;
        {
            let mut state = world.shared.lock();
            state.put_credential(&keys[0], |o| {
                o["spec"]["roles"][0]["roleArn"] = "arn:aws:iam::111122223333:role/theirs".into();
            });
            state.put_credential(&keys[1], |o| o["spec"]["refresh"] = json!({"before": "25m"}));
            state.delete_credential(&keys[2]);
            state.put_credential(&keys[3], |o| o["metadata"]["labels"] = json!({"team": "theirs"}));
        }
        world.run(MINUTE).await;
        assert_served(&world, &keys);
        assert_eq!(writes(&world), 5 + 3, "two are put back, and one is made again");
        {
            let state = world.shared.lock();
            let role = |key| state.credentials[key]["spec"]["roles"][0]["roleArn"].clone();
            assert_eq!(role(&keys[0]), "arn:aws:iam::111122223333:role/n-0000");
            assert_eq!(state.credentials[&keys[1]]["spec"]["refresh"]["before"], "25m");
            assert_eq!(state.credentials[&keys[3]]["metadata"]["labels"]["team"], "platform");
        }

        // Another template is another specification, and a member that is taken out goes.
        let mut suspended = spec();
        suspended["template"]["spec"]["suspend"] = true.into();
        world.shared.lock().put_cluster(NAME, suspended);
        world.run(MINUTE).await;
        let suspends = |world: &World| {
            let state = world.shared.lock();
            keys.iter().filter(|key| state.credentials[*key]["spec"]["suspend"] == true).count()
        };
        assert_eq!(suspends(&world), 5);
        world.shared.lock().put_cluster(NAME, spec());
        world.run(MINUTE).await;
        assert_eq!(suspends(&world), 0);
        assert_served(&world, &keys);
    });
}

#[test]
fn somebody_else_s_of_that_name_stays_and_is_told_of_and_is_followed_once_it_has_gone() {
    runtime().block_on(async {
        let (mut world, mut keys) = world(73, 5, Setup::default());
        let theirs = users::make(&world, &named(3), NAME, 900);
        world.run(MINUTE).await;
        assert_served(&world, &keys);
        assert_said(&world, "NotAllReady", "4/5");
        {
            let state = world.shared.lock();
            let told = &state.clusters.objects[NAME]["status"]["notReady"];
            assert_eq!(
                (&told[0]["namespace"], &told[0]["reason"]),
                (&json!("n-0003"), &json!("NameTaken"))
            );
            assert_eq!(state.credentials[&theirs]["spec"]["roles"][0]["durationSeconds"], 900);
        }
        // It does not go with the label either.
        unlabel(&world, &keys[3..4]);
        world.run(MINUTE).await;
        assert_served(&world, &keys);
        assert_said(&world, "AllReady", "4/4");
        world.shared.lock().label_namespace(&named(3), json!({"metrics": "true"}));
        world.shared.lock().delete_credential(&theirs);
        world.run(MINUTE).await;
        assert_said(&world, "AllReady", "5/5");
        keys.sort();
        assert_served(&world, &keys);
    });
}

#[test]
fn a_selector_that_cannot_be_read_takes_nothing_away() {
    runtime().block_on(async {
        let (mut world, keys) = world(74, 5, Setup::default());
        world.run(MINUTE).await;
        let mut unreadable = spec();
        let expression = json!({"key": "metrics", "operator": "Is", "values": ["true"]});
        unreadable["namespaceSelector"] = json!({"matchExpressions": [expression]});
        world.shared.lock().put_cluster(NAME, unreadable);
        world.run(MINUTE).await;
        assert_said(&world, "InvalidSelector", "5/5");
        assert_served(&world, &keys);
        assert_eq!(writes(&world), 5);
    });
}

#[test]
fn a_namespace_that_ends_while_it_is_served_holds_up_no_other() {
    runtime().block_on(async {
        let (mut world, keys) = world(75, 20, Setup::default());
        {
            let mut state = world.shared.lock();
            (0..5).for_each(|n| state.terminate(&named(n)));
        }
        world.run(MINUTE).await;
        let (ending, rest) = keys.split_at(5);
        assert_served(&world, rest);
        assert_said(&world, "NotAllReady", "15/20");
        {
            let mut state = world.shared.lock();
            (5..10).for_each(|n| state.terminate(&named(n)));
            (0..10).for_each(|n| state.delete_namespace(&named(n)));
        }
        world.run(MINUTE).await;
        assert_served(&world, &rest[5..]);
        assert_said(&world, "AllReady", "10/10");
        let tried = ending.iter().map(|k| world.shared.lock().clusters.writes[&k.0]).max();
        assert!(tried.is_some_and(|tried| tried <= 7), "{tried:?} tries in a minute");
    });
}

/// Calls fail, answers are lost, and the process crashes while it writes.
#[test]
fn faults_and_crashes_lose_nothing_and_make_nothing_twice() {
    runtime().block_on(async {
        for seed in 76..86 {
            let setup = Setup { loses_events: 20, ..Setup::default() };
            let (mut world, keys) = world(seed, 100, setup);
            {
                let mut state = world.shared.lock();
                state.faults.api_fails = 50;
                state.faults.api_loses_answers = 50;
                state.faults.watches_fail = 20;
            }
            for _ in 0..5 {
                world.run(SignedDuration::from_secs(7)).await;
                world.crash();
            }
            unlabel(&world, &keys[..20]);
            world.run(MINUTE * 10).await;
            {
                let mut state = world.shared.lock();
                state.faults.api_fails = 0;
                state.faults.api_loses_answers = 0;
                state.faults.watches_fail = 0;
            }
            world.run(MINUTE * 15).await;
            assert_served(&world, &keys[20..]);
            assert_said(&world, "AllReady", "80/80");
            let state = world.shared.lock();
            assert_eq!(state.credentials.len(), 80, "seed {seed}");
        }
    });
}

/// The view does not show yet what somebody has just made, in the template's own words.
#[test]
fn what_somebody_makes_meanwhile_is_not_taken_over() {
    runtime().block_on(async {
        let (mut world, keys) = world(87, 2, Setup::default());
        unlabel(&world, &keys[..1]);
        world.run(MINUTE).await;
        {
            let mut state = world.shared.lock();
            let (instance, until) = (world.instances[0].number, state.now() + MINUTE * 5);
            state.log.silence(instance, until, &[Kind::Credential]);
        }
        let theirs = users::make(&world, &named(0), NAME, 3600);
        world.shared.lock().put_credential(&theirs, |o| {
            o["spec"]["roles"][0]["roleArn"] = "arn:aws:iam::111122223333:role/n-0000".into();
        });
        world.shared.lock().label_namespace(&named(0), json!({"metrics": "true"}));
        for minutes in [1, 6] {
            world.run(MINUTE * minutes).await;
            assert_said(&world, "NotAllReady", "1/2");
            assert_eq!(
                world.shared.lock().credentials[&theirs]["metadata"]["ownerReferences"],
                json!(null)
            );
        }
    });
}

/// One that takes nothing is tried again at growing intervals, and changes elsewhere are not.
#[test]
fn a_namespace_without_room_holds_up_no_other() {
    runtime().block_on(async {
        let (mut world, keys) = world(88, 4, Setup::default());
        unlabel(&world, &keys[3..]);
        world.shared.lock().clusters.full.insert(named(0));
        world.run(MINUTE * 20).await;
        assert_said(&world, "NotAllReady", "2/3");
        {
            let state = world.shared.lock();
            let told = &state.clusters.objects[NAME]["status"]["notReady"][0];
            assert_eq!(
                (&told["namespace"], &told["reason"]),
                (&json!("n-0000"), &json!("Refused"))
            );
            let tried = state.clusters.writes[&named(0)];
            assert!((8..20).contains(&tried), "{tried} tries in twenty minutes");
        }
        for _ in 0..3 {
            world.shared.lock().label_namespace(&named(3), json!({"metrics": "true"}));
            world.run(SignedDuration::from_secs(20)).await;
            assert_served(&world, &keys[1..]);
            unlabel(&world, &keys[3..]);
            world.run(MINUTE).await;
        }
        world.shared.lock().clusters.full.clear();
        world.run(MINUTE * 3).await;
        assert_served(&world, &keys[..3]);
        assert_said(&world, "AllReady", "3/3");
    });
}

#[test]
fn where_they_are_not_served_nothing_is_written() {
    for setup in [
        Setup { serves_clusters: false, ..Setup::default() },
        Setup { namespaced: true, ..Setup::default() },
    ] {
        runtime().block_on(async {
            let (mut world, _) = world(89, 2, setup);
            world.shared.lock().label_namespace("team-a", json!({"metrics": "true"}));
            world.run(MINUTE * 5).await;
            let state = world.shared.lock();
            assert!(state.credentials.is_empty() && state.clusters.writes.is_empty());
            assert_eq!(state.clusters.objects[NAME]["status"], json!(null));
        });
    }
}
