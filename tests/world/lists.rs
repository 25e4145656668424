//! Lists that are begun anew: what happened in the gap is made good, once, and nothing else is
//! done.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users::{self, NAMESPACES};
use jiff::SignedDuration;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A settled world of twenty resources in two namespaces, whose lists take up to half a minute.
async fn world(namespaced: bool) -> (World, Vec<Key>) {
    let setup =
        Setup { namespaced, longest_delay: SignedDuration::from_secs(30), ..Setup::default() };
    let mut world = World::new(31, setup);
    let keys: Vec<Key> = (0..20)
        .map(|n| users::make(&world, NAMESPACES[n % 2], &format!("g-{n:02}"), 43200))
        .collect();
    world.run(MINUTE * 5).await;
    users::assert_settled(&world, &keys);
    (world, keys)
}

fn counts(world: &World) -> [usize; 4] {
    let audit = &world.shared.lock().auditor;
    [audit.issuer_calls, audit.applies, audit.status_writes, audit.reads]
}

#[test]
fn what_happened_while_the_watches_were_away_is_made_good_once() {
    for namespaced in [false, true] {
        runtime().block_on(async {
            let (mut world, keys) = world(namespaced).await;
            let [calls, applies, ..] = counts(&world);
            let back = world.now() + MINUTE;
            world.instances[0].cut_off(back);
            for key in &keys[..4] {
                world.shared.lock().delete_secret(key);
            }
            for key in &keys[4..10] {
                let shorter = |o: &mut serde_json::Value| {
                    o["spec"]["roles"][0]["durationSeconds"] = 3600.into()
                };
                world.shared.lock().put_credential(key, shorter);
            }
            world.shared.lock().delete_credential(&keys[10]);
            world.shared.lock().delete_credential(&keys[11]);
            world.run(MINUTE * 5).await;
            users::assert_settled(&world, &keys);
            let [calls_now, applies_now, ..] = counts(&world);
            assert_eq!(
                (calls_now - calls, applies_now - applies),
                (10, 10),
                "one call for each, {namespaced}"
            );
            let known: usize = world.instances[0].known();
            assert_eq!(known, 18, "what was deleted is forgotten");
        });
    }
}

#[test]
fn a_list_of_what_is_known_costs_nothing_also_where_it_is_begun_again_and_again() {
    for namespaced in [false, true] {
        runtime().block_on(async {
            let (mut world, keys) = world(namespaced).await;
            let before = counts(&world);
            world.instances[0].take_looks();
            for round in 0..20 {
                let shared = world.shared.clone();
                match round % 2 {
                    0 => world.instances[0].relist(&shared),
                    _ => world.instances[0].relist_some(&shared),
                }
                // Some of them are given up before they are complete.
                world.run(SignedDuration::from_secs(round)).await;
            }
            world.run(MINUTE).await;
            assert_eq!(counts(&world), before);
            assert!(
                world.instances[0].take_looks().is_empty(),
                "nothing changed, and nothing is looked at"
            );
            users::assert_settled(&world, &keys);
        });
    }
}
