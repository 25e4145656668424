//! Policies that change: each resource of which one says something else is looked at, and no other.

use super::driver::{Setup, World};
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A world in which each namespace has a policy of its own, and ten resources of which every second
/// one has a long name.
async fn world(setup: Setup) -> (World, Vec<Key>) {
    let mut world = World::new(11, setup);
    world.shared.lock().delete_policy("all");
    put(&world, "a", "team-a", arns(&["arn:aws:iam::*:role/*"]));
    put(&world, "b", "team-b", arns(&["arn:aws:iam::*:role/*"]));
    let keys: Vec<Key> = (0..20)
        .map(|n| {
            users::make(
                &world,
                ["team-a", "team-b"][n % 2],
                &format!("{}-{n}", ["x", "long"][n / 2 % 2]),
                43200,
            )
        })
        .collect();
    world.run(MINUTE * 10).await;
    users::assert_settled(&world, &keys);
    world.instances[0].take_looks();
    (world, keys)
}

fn put(world: &World, name: &str, namespace: &str, allow: Value) {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    world.shared.lock().put_policy(name, json!({"namespaceSelector": selector, "allow": allow}));
}

fn arns(list: &[&str]) -> Value {
    json!({"roles": [{"arns": list}]})
}

fn looked_at(world: &mut World) -> BTreeSet<Key> {
    world.instances[0].take_looks().into_keys().collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

#[test]
fn only_those_are_planned_again_that_the_change_concerns() {
    runtime().block_on(async {
        let (mut world, keys) = world(Setup::default()).await;
        let calls = world.shared.lock().auditor.issuer_calls;
        for (what, allow) in [
            ("nothing", arns(&["arn:aws:iam::*:role/*"])),
            ("another role", arns(&["arn:aws:iam::*:role/*", "arn:aws:iam::1:role/y"])),
            ("the same in other words", arns(&["arn:aws:iam::111122223333:role/*"])),
            (
                "something that nobody needs",
                json!({"roles": [{"arns": ["arn:aws:iam::*:role/*"]}], "processes": ["vault"]}),
            ),
        ] {
            put(&world, "a", "team-a", allow);
            world.run(MINUTE).await;
            assert_eq!(looked_at(&mut world), BTreeSet::new(), "{what}");
        }
        // A policy of no namespace's at all, and one for a role that nobody has.
        put(&world, "c", "team-c", arns(&["arn:aws:iam::*:role/*"]));
        put(&world, "d", "team-a", arns(&["arn:aws:iam::*:role/nobody"]));
        world.run(MINUTE).await;
        assert_eq!(looked_at(&mut world), BTreeSet::new());

        put(&world, "a", "team-a", arns(&["arn:aws:iam::*:role/x-*"]));
        world.run(MINUTE).await;
        let taken: BTreeSet<Key> = keys
            .iter()
            .filter(|(namespace, name)| namespace == "team-a" && name.starts_with("long"))
            .cloned()
            .collect();
        assert_eq!(
            (taken.len(), looked_at(&mut world)),
            (5, taken.clone()),
            "those that lose their permission"
        );
        assert_eq!(world.shared.lock().auditor.deletes, 0, "it may come back");
        world.run(MINUTE * 10).await;
        assert_eq!(looked_at(&mut world), taken, "those whose time is over");
        {
            let state = world.shared.lock();
            for key in &keys {
                assert_eq!(state.secrets.contains_key(key), !taken.contains(key), "{key:?}");
            }
            assert_eq!(
                (state.auditor.deletes, state.auditor.issuer_calls),
                (5, calls),
                "and nobody was asked"
            );
        }

        put(&world, "d", "team-a", arns(&["arn:aws:iam::*:role/long-*"]));
        world.run(MINUTE).await;
        assert_eq!(looked_at(&mut world), taken, "those that have it back");
        users::assert_settled(&world, &keys);
    });
}

/// A watch that loses an event lists everything anew: what was deleted meanwhile is noticed by what
/// is not in the list.
#[test]
fn a_policy_that_was_deleted_unseen_is_missed_at_the_next_list() {
    runtime().block_on(async {
        let (mut world, keys) = world(Setup { loses_events: 1000, ..Setup::default() }).await;
        let shared = world.shared.clone();
        world.instances[0].relist(&shared);
        world.run(MINUTE).await;
        world.instances[0].take_looks();
        world.shared.lock().delete_policy("a");
        world.run(MINUTE).await;
        assert!(world.shared.lock().secrets.contains_key(&keys[0]), "the event is lost");
        world.instances[0].relist(&shared);
        world.run(MINUTE * 11).await;
        let state = world.shared.lock();
        for key in &keys {
            assert_eq!(state.secrets.contains_key(key), key.0 == "team-b", "{key:?}");
        }
    });
}
