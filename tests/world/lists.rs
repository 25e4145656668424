//! Lists that are begun anew: what happened in the gap is made good, once, and nothing else is
//! done.

use super::driver::{Setup, World};
use super::history::Kind;
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
            world.instances[0].cut_off(&world.shared, back);
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
            let cost = (calls_now - calls, applies_now - applies);
            // Where the list of Secrets is there first, the two whose Secrets went with them are
            // still known, and nothing is asked for them.
            assert_eq!(cost, (10, 10), "one call for each, {namespaced}");
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

/// Its own status may be shown to a controller late: long after it has published, and while it
/// publishes again. What it reads instead holds for the attempt that follows, too.
#[test]
fn a_status_that_the_watch_does_not_show_is_not_lost() {
    runtime().block_on(async {
        let setup = Setup { longest_delay: SignedDuration::from_secs(3), ..Setup::default() };
        let mut world = World::new(33, setup);
        let key = users::make(&world, "team-a", "x", 43200);
        let written = |world: &World| world.shared.lock().auditor.status_writes;
        super::restarts::restarting(&mut world.shared.lock(), &key);
        while written(&world) == 0 {
            world.run(SignedDuration::from_millis(1)).await;
        }
        let back = world.now() + MINUTE * 2;
        let instance = world.instances[0].number;
        world.shared.lock().log.silence(instance, back, &[Kind::Credential]);
        // Longer than the view may take to catch up.
        world.run(MINUTE).await;
        world.shared.lock().delete_secret(&key);
        world.run(MINUTE * 4).await;
        users::assert_settled(&world, std::slice::from_ref(&key));
        let restarts = world.shared.lock().deployments[&key].restarts;
        assert_eq!(restarts, 1, "its Pods hold what was published first");
    });
}

/// A Secret may come and go while the watch is away: no event tells of it, and no list.
#[test]
fn a_secret_that_came_and_went_in_the_gap_is_published_again() {
    for (namespaced, deleted_after) in [(false, 10), (true, 10), (false, 60), (true, 60)] {
        runtime().block_on(async {
            let mut world = World::new(34, Setup { namespaced, ..Setup::default() });
            world.run(MINUTE).await;
            let back = world.now() + SignedDuration::from_secs(deleted_after + 50);
            let instance = world.instances[0].number;
            world.shared.lock().log.silence(instance, back, &[Kind::Secret]);
            let key = users::make(&world, "team-a", "x", 43200);
            world.run(SignedDuration::from_secs(deleted_after)).await;
            assert!(world.shared.lock().secrets.contains_key(&key), "it is published");
            world.shared.lock().delete_secret(&key);
            world.run(MINUTE * 2).await;
            users::assert_settled(&world, std::slice::from_ref(&key));
            assert_eq!(counts(&world)[..2], [2, 2], "{namespaced}, after {deleted_after} s");
        });
    }
}

#[test]
fn what_is_gone_unseen_is_asked_for_no_more() {
    for made_anew in [false, true] {
        runtime().block_on(async {
            let mut world = World::new(33, Setup::default());
            let keys: Vec<Key> =
                ["stays", "goes"].map(|name| users::make(&world, "team-a", name, 3600)).to_vec();
            world.run(MINUTE).await;
            let [calls, ..] = counts(&world);
            let (end, instance) = (world.now() + MINUTE * 3, world.instances[0].number);
            {
                // That the Secret is gone is seen, and that its resource is gone is not.
                let mut state = world.shared.lock();
                state.log.silence(instance, end, &[Kind::Credential]);
                state.auditor.blind_until = Some(end);
                let spec = state.credentials[&keys[1]]["spec"].clone();
                state.delete_credential(&keys[1]);
                if made_anew {
                    state.put_credential(&keys[1], |new| new["spec"] = spec);
                }
            }
            world.run(MINUTE * 2).await;
            assert_eq!(counts(&world)[0], calls, "made anew: {made_anew}");
            world.run(MINUTE * 3).await;
            users::assert_settled(&world, &keys);
            assert_eq!(counts(&world)[0], calls + usize::from(made_anew));
            assert_eq!(world.instances[0].known(), 1 + usize::from(made_anew));
        });
    }
}

#[test]
fn a_secret_that_goes_before_its_write_is_answered_is_published_again() {
    for seed in 0..8 {
        runtime().block_on(async {
            let longest_answer = SignedDuration::from_secs(2);
            let mut world = World::new(seed, Setup { longest_answer, ..Setup::default() });
            let key = users::make(&world, "team-a", "goes", 3600);
            while !world.shared.lock().secrets.contains_key(&key) {
                world.run(SignedDuration::from_millis(100)).await;
            }
            world.shared.lock().delete_secret(&key);
            world.run(MINUTE).await;
            users::assert_settled(&world, &[key]);
            assert_eq!(counts(&world)[0], 2, "seed {seed}");
        });
    }
}
