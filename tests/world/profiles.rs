//! Many accounts in one Secret: what they cost, and that one which fails neither loses what it had
//! nor holds the others back.

use super::driver::{Setup, World};
use super::months::{assert_a_day_costs, counts};
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use refreshable_rules::ownership::Content;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn content(world: &World, key: &Key) -> Content {
    let state = world.shared.lock();
    users::content_of(&state.typed[key], &state.secrets[key]).expect("readable")
}

#[test]
fn each_rotation_costs_the_shared_chain_and_one_call_for_each_profile() {
    runtime().block_on(async {
        let mut world = World::new(21, Setup::default());
        world.shared.lock().auditor.exact = true;
        for number in 0..10 {
            users::make_profiles(&world, "team-a", &format!("many-{number}"), 5, 3600);
        }
        assert_a_day_costs(&mut world, (10, 3600), 1 + 5).await;
    });
}

#[test]
fn a_restart_costs_nothing_also_while_a_profile_fails() {
    runtime().block_on(async {
        let mut world = World::new(22, Setup::default());
        let sound = users::make_profiles(&world, "team-a", "sound", 5, 3600);
        world.run(MINUTE).await;
        let before = counts(&world);
        assert_eq!(before, [6, 1, 1, 0]);
        for _ in 0..10 {
            world.crash();
            world.run(MINUTE).await;
            assert_eq!(world.instances[0].take_looks().len(), 1, "it has looked");
            let shared = world.shared.clone();
            world.instances[0].relist(&shared);
        }
        assert_eq!(counts(&world), before, "{:?}", content(&world, &sound));

        // One that fails is asked for again at its own pace, not at each start.
        world.shared.lock().faults.denied_roles = Some("role/p2");
        users::make_profiles(&world, "team-b", "partly", 5, 3600);
        world.run(HOUR / 3).await;
        let [calls, ..] = counts(&world);
        for _ in 0..10 {
            world.crash();
            world.run(SignedDuration::from_secs(1)).await;
        }
        let [after, ..] = counts(&world);
        assert!(after - calls <= 2, "{} calls for 10 starts", after - calls);
    });
}

#[test]
fn a_profile_that_is_denied_keeps_what_it_had_and_holds_nobody_back() {
    runtime().block_on(async {
        let mut world = World::new(23, Setup::default());
        let keys: Vec<Key> = (0..5)
            .map(|n| users::make_profiles(&world, "team-a", &format!("many-{n}"), 5, 3600))
            .collect();
        world.run(MINUTE).await;
        let first: Vec<Content> = keys.iter().map(|k| content(&world, k)).collect();
        world.shared.lock().faults.denied_roles = Some("role/p2");
        // Every one of them is due by now, and p2 is still valid.
        world.run(MINUTE * 50).await;
        for (key, first) in keys.iter().zip(&first) {
            let now = content(&world, key);
            assert_eq!(
                now.profiles["p2"].expiration, first.profiles["p2"].expiration,
                "{key:?}: kept"
            );
            assert!(now.profiles["p2"].failed, "{key:?}");
            for other in ["p0", "p1", "p3", "p4"] {
                assert!(
                    now.profiles[other].expiration > first.profiles[other].expiration,
                    "{key:?}: {other}"
                );
            }
        }
        // For a day: the auditor sees that no other profile is ever late.
        world.run(DAY).await;
        for key in &keys {
            assert!(
                !content(&world, key).profiles.contains_key("p2"),
                "{key:?}: what has expired is not published"
            );
        }
        let denied = world.now();
        world.shared.lock().faults.denied_roles = None;
        world.run(MINUTE * 11).await;
        users::assert_settled(&world, &keys);
        for key in &keys {
            assert!(
                content(&world, key).profiles["p2"].issued_at >= denied,
                "{key:?}: it is back after at most ten minutes"
            );
        }
    });
}
