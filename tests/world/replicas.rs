//! Several replicas: one leads, and another takes over when it cannot, or may not.

use super::driver::{Setup, World};
use super::leases;
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A world of replicas, and resources of which one is renewed every few seconds.
async fn world(seed: u64, replicas: usize) -> (World, Vec<Key>) {
    let mut world = World::new(seed, Setup::default());
    for _ in 1..replicas {
        world.add_instance(Setup::default());
    }
    let keys: Vec<Key> =
        (0..100).map(|n| users::make(&world, "team-a", &format!("l-{n}"), 900)).collect();
    world.run(MINUTE * 15).await;
    users::assert_settled(&world, &keys);
    (world, keys)
}

fn holder(world: &World) -> Option<usize> {
    leases::holder(&world.shared.lock())
}

#[test]
fn a_leader_that_loses_the_lease_alone_writes_nothing_more_and_another_goes_on() {
    runtime().block_on(async {
        for seed in 70..75 {
            let (mut world, keys) = world(seed, 3).await;
            let first = holder(&world).expect("one leads");
            let back = world.now() + MINUTE * 5;
            world.leading().cut_off_from_lease(&world.shared, back);
            // The auditor objects to each write of one that does not hold the lease.
            world.run(MINUTE).await;
            let second = holder(&world).expect("one leads");
            assert_ne!(first, second, "another leads");
            world.run(MINUTE * 30).await;
            users::assert_settled(&world, &keys);
            assert_eq!(holder(&world), Some(second), "who comes back waits");
            let numbers: Vec<usize> = world.instances.iter().map(|i| i.number).collect();
            assert!(numbers.len() == 3 && !numbers.contains(&first), "it began anew: {numbers:?}");
        }
    });
}

#[test]
fn a_leader_that_is_asked_to_end_hands_over_at_once() {
    runtime().block_on(async {
        let (mut world, keys) = world(76, 2).await;
        for _ in 0..5 {
            let first = holder(&world).expect("one leads");
            world.hand_over();
            // Two pauses between attempts to get it, and the lists.
            world.run(SignedDuration::from_secs(6)).await;
            assert!(holder(&world).is_some_and(|now| now != first), "{:?}", holder(&world));
        }
        world.run(MINUTE * 30).await;
        users::assert_settled(&world, &keys);
    });
}

#[test]
fn a_leader_that_stands_still_past_its_lease_writes_nothing_when_it_goes_on() {
    runtime().block_on(async {
        for seed in 77..81 {
            let (mut world, keys) = world(seed, 1).await;
            for stops in 0..20 {
                // The issuer has been asked, and its answer comes when somebody else leads.
                let calls = |world: &World| world.shared.lock().auditor.issuer_calls;
                let before = calls(&world);
                while calls(&world) == before {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                world.stand_still(SignedDuration::from_secs(16 + stops)).await;
                world.run(MINUTE * 2).await;
            }
            world.run(MINUTE * 15).await;
            users::assert_settled(&world, &keys);
        }
    });
}
