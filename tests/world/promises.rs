//! The promises, over simulated days.

use super::driver::{Setup, World};
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use refreshable_controller::Settings;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

#[test]
fn a_crash_a_relist_and_a_new_leader_cost_nothing() {
    runtime().block_on(async {
        let mut world = World::new(2, Setup::default());
        for number in 0..50 {
            users::make(&world, "team-a", &format!("a-{number}"), 43200);
        }
        world.run(HOUR).await;
        let calls = |world: &World| {
            let state = world.shared.lock();
            (state.auditor.issuer_calls, state.auditor.applies, state.auditor.status_writes)
        };
        let before = calls(&world);
        assert_eq!(before, (50, 50, 50));
        for _ in 0..10 {
            world.crash();
            world.run(MINUTE).await;
            assert_eq!(world.instances[0].take_looks().len(), 50, "it has looked at each");
            let shared = world.shared.clone();
            world.instances[0].relist(&shared);
            world.run(MINUTE).await;
        }
        world.add_instance(Setup::default());
        world.run(MINUTE).await;
        world.instances[0].stop();
        world.run(HOUR).await;
        assert_eq!(calls(&world), before);
    });
}

#[test]
fn after_an_outage_the_backlog_drains_within_the_budget() {
    runtime().block_on(async {
        let settings = Settings { calls_per_second: 2, burst: 2, ..Settings::default() };
        let mut world = World::new(4, Setup { settings, ..Setup::default() });
        let keys: Vec<Key> =
            (0..100).map(|n| users::make(&world, "team-a", &format!("o-{n}"), 3600)).collect();
        world.shared.lock().auditor.most_per_second = Some(4);
        world.run(HOUR).await;
        world.shared.lock().faults.issuer_dead = true;
        world.run(HOUR * 2).await;
        users::mend(&world, &keys);
        // The longest pause of what is transient is a minute; then a hundred calls at 2 a second.
        world.run(MINUTE + SignedDuration::from_secs(100 / 2 + 5)).await;
        users::assert_settled(&world, &keys);
        // Longer than the auditor's grace: from then on nothing may be late.
        world.run(HOUR * 4).await;
        users::assert_settled(&world, &keys);
    });
}

#[test]
fn a_tenant_that_fails_does_not_starve_the_others() {
    runtime().block_on(async {
        let mut world = World::new(5, Setup { concurrency: 4, ..Setup::default() });
        for number in 0..100 {
            users::make(&world, "team-b", &format!("b-{number}"), 900);
        }
        world.shared.lock().faults.denied_namespace = Some("team-b");
        let keys: Vec<Key> =
            (0..20).map(|n| users::make(&world, "team-a", &format!("a-{n}"), 900)).collect();
        // The auditor counts lateness all the time: team-a must never be late.
        world.run(HOUR * 8).await;
        users::assert_settled(&world, &keys);
    });
}
