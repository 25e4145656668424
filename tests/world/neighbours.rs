//! Whatever one namespace does, the others get theirs in time.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use refreshable_controller::Settings;
use refreshable_rules::attempts_limit::AttemptsLimit;
use std::time::Duration;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A world in which the issuer never answers `team-a`, whose four hundred resources ask for
/// everything that there is.
fn beside_four_hundred_that_hang(seed: u64, setup: Setup) -> World {
    let world = World::new(seed, setup);
    world.shared.lock().faults.hanging_namespace = Some("team-a");
    (0..400).for_each(|n| drop(users::make(&world, "team-a", &format!("hangs-{n}"), 3600)));
    world
}

fn ten(world: &World, name: &str) -> Vec<Key> {
    (0..10).map(|n| users::make(world, "team-b", &format!("{name}-{n}"), 3600)).collect()
}

/// How many of `keys` have their Secret.
fn published(world: &World, keys: &[Key]) -> usize {
    let state = world.shared.lock();
    keys.iter().filter(|key| state.secrets.contains_key(*key)).count()
}

#[test]
fn an_issuer_that_hangs_for_one_namespace_delays_no_other() {
    runtime().block_on(async {
        let mut world = beside_four_hundred_that_hang(61, Setup::default());
        let mut all = ten(&world, "first");
        world.run(SECOND * 2).await;
        assert_eq!(published(&world, &all), 10, "at once");
        for minutes in [1, 5, 10, 61] {
            world.run(SignedDuration::from_mins(minutes)).await;
            let keys = ten(&world, &format!("after-{minutes}"));
            world.run(SECOND * 2).await;
            assert_eq!(published(&world, &keys), 10, "after {minutes} minutes");
            all.extend(keys);
        }
        world.run(HOUR * 4).await;
        users::assert_settled(&world, &all);
        let latest = world.shared.lock().auditor.latest;
        // Its share is half of what the endpoint takes, which may be one at a time: ten that are due
        // at once wait for ten that hang, a second each.
        assert!(latest < SECOND * 11, "{latest}");
    });
}

/// Sixty a minute: six at once, and one a second after that.
#[test]
fn a_limited_namespace_keeps_to_its_limit_and_renews_in_time() {
    runtime().block_on(async {
        let attempts_limit = AttemptsLimit::parse("60").ok();
        let settings = Settings { attempts_limit, ..Settings::default() };
        let mut world = World::new(62, Setup { settings, ..Setup::default() });
        let make = |name: String| users::make(&world, "team-a", &name, 3600);
        let many: Vec<Key> = (0..60).map(|n| make(format!("many-{n}"))).collect();
        let few = ten(&world, "few");
        world.run(SECOND * 10).await;
        let (limited, other) = (published(&world, &many), published(&world, &few));
        assert!((14..=17).contains(&limited) && other == 10, "{limited} and {other}");
        world.run(SECOND * 50).await;
        assert_eq!(published(&world, &many), 60);
        // Sixty resources make more than one attempt a minute: the limit leaves room for them.
        world.run(HOUR * 4).await;
        users::assert_settled(&world, &many);
        users::assert_settled(&world, &few);
    });
}

#[test]
fn a_slot_that_is_held_to_the_end_starves_the_neighbours() {
    runtime().block_on(async {
        let settings = Settings { slow_after: Duration::from_secs(3600), ..Settings::default() };
        let setup = Setup { settings, ..Setup::default() };
        let mut world = beside_four_hundred_that_hang(61, setup);
        world.run(SECOND * 2).await;
        let keys = ten(&world, "waits");
        world.run(SECOND * 2).await;
        assert_eq!(published(&world, &keys), 0, "the mutant that the test above would catch");
    });
}

#[test]
fn ten_thousand_of_one_namespace_displace_no_renewal_of_another() {
    runtime().block_on(async {
        let mut world = World::new(62, Setup::default());
        let keys = ten(&world, "renewed");
        world.run(SignedDuration::from_mins(36)).await;
        // They come due within the next minutes; meanwhile the other namespace has enough to ask
        // for to use up a whole rate limit for longer than that.
        world.shared.lock().auditor.latest = SignedDuration::ZERO;
        (0..10_000).for_each(|n| drop(users::make(&world, "team-a", &format!("many-{n}"), 3600)));
        world.run(SECOND * 20).await;
        let mine = |world: &World| {
            let state = world.shared.lock();
            keys.iter().map(|k| state.auditor.calls_of[&format!("{}.{}", k.0, k.1)]).sum::<usize>()
        };
        let before = mine(&world);
        world.run(SignedDuration::from_mins(6)).await;
        assert_eq!((before < 20, mine(&world)), (true, 20), "each was renewed once");
        let latest = world.shared.lock().auditor.latest;
        assert!(latest < SECOND * 2, "{latest}");
    });
}
