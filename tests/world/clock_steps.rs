//! The controller's clock is wrong, and is set while sessions live. What is published says when it
//! ends by the issuer's clock, and is renewed by it.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use refreshable_controller::Settings;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn many(world: &World, count: usize) -> Vec<Key> {
    (0..count)
        .map(|n| users::make(world, "team-a", &format!("s-{n}"), [3600, 43200][n % 2]))
        .collect()
}

fn set_clock(world: &mut World, by: SignedDuration) {
    world.instances[0].set_clock(by);
}

/// Issuer calls and Secret writes so far.
fn costs(world: &World) -> (usize, usize) {
    let state = world.shared.lock();
    (state.auditor.issuer_calls, state.auditor.applies)
}

fn assert_as_cheap_as_ever(world: &World, keys: &[Key]) {
    users::assert_settled(world, keys);
    let (calls, writes) = costs(world);
    assert_eq!(calls, writes, "each call was worth it");
    let latest = world.shared.lock().auditor.latest;
    assert!(latest < SignedDuration::from_secs(10), "{latest}");
}

#[test]
fn a_clock_that_is_set_makes_nothing_late_and_costs_no_call() {
    runtime().block_on(async {
        let mut world = World::new(13, Setup::default());
        let keys = many(&world, 40);
        world.shared.lock().auditor.exact = true;
        world.run(MINUTE * 10).await;
        for step in
            [HOUR * 2, -HOUR * 5, HOUR * 26, -MINUTE * 7, -HOUR * 24, SignedDuration::from_secs(3)]
        {
            set_clock(&mut world, step);
            // The auditor, who has the right time, objects to each call that has no cause, and to
            // each that is late.
            world.run(HOUR * 7).await;
            assert_as_cheap_as_ever(&world, &keys);
        }
    });
}

#[test]
fn a_clock_that_was_wrong_from_the_start_is_corrected() {
    for off in [HOUR * 2, -HOUR * 2, -HOUR * 24 * 365 * 50] {
        runtime().block_on(async {
            let mut world = World::new(14, Setup { clock_off: off, ..Setup::default() });
            let keys = many(&world, 40);
            world.shared.lock().auditor.exact = true;
            world.run(HOUR * 5).await;
            assert_as_cheap_as_ever(&world, &keys);
            set_clock(&mut world, -off);
            world.run(HOUR * 5).await;
            assert_as_cheap_as_ever(&world, &keys);
        });
    }
}

#[test]
fn a_restart_with_a_clock_that_is_behind_costs_nothing_and_makes_nothing_late() {
    runtime().block_on(async {
        let mut world = World::new(15, Setup { clock_off: -HOUR * 2, ..Setup::default() });
        let keys = many(&world, 40);
        world.run(MINUTE * 10).await;
        for _ in 0..5 {
            world.crash();
            world.run(HOUR * 5).await;
            assert_as_cheap_as_ever(&world, &keys);
        }
    });
}

#[test]
fn a_backlog_drains_at_its_pace_whatever_the_clock_says() {
    for step in [-HOUR * 3, HOUR * 3] {
        runtime().block_on(async {
            let settings = Settings { calls_per_second: 5, burst: 5, ..Settings::default() };
            let mut world = World::new(16, Setup { settings, ..Setup::default() });
            world.shared.lock().auditor.most_per_second = Some(10);
            let keys = many(&world, 600);
            world.run(MINUTE).await;
            let before = costs(&world).0;
            assert!((300..=310).contains(&before), "five a second: {before}");
            set_clock(&mut world, step);
            world.run(MINUTE + SignedDuration::from_secs(10)).await;
            users::assert_settled(&world, &keys);
            assert_eq!(costs(&world).0, 600);
        });
    }
}
