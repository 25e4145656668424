//! The promises, over simulated days.

use super::driver::{Setup, World};
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use refreshable_controller::Settings;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// The seeds to run: those given, or the one that `REFRESHABLE_SEED` names.
pub fn seeds(usual: std::ops::Range<u64>) -> Vec<u64> {
    match std::env::var("REFRESHABLE_SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => vec![seed],
        None => usual.collect(),
    }
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
        let second = world.instances[1].number;
        world.shared.lock().leader = second;
        world.run(HOUR).await;
        assert_eq!(calls(&world), before);
    });
}

/// A world of `seed`: three days of mishaps, then calm. Its digest.
fn storm(seed: u64) -> u64 {
    storm_over(seed, |_, _| (), |_, _| ())
}

/// The same, with what `prepare` does to its resources before and `settled` expects of them after.
pub fn storm_over(
    seed: u64,
    prepare: impl Fn(&World, &[Key]),
    settled: impl Fn(&World, &[Key]),
) -> u64 {
    runtime().block_on(async {
        let namespaced = seed % 2 == 1;
        let setup = Setup {
            longest_delay: SignedDuration::from_secs(3),
            loses_events: 20,
            namespaced,
            ..Setup::default()
        };
        let mut world = World::new(seed, setup);
        let mut keys: Vec<Key> = (0..20)
            .map(|n| {
                users::make(
                    &world,
                    ["team-a", "team-b"][n % 2],
                    &format!("c-{n}"),
                    [900, 3600, 43200][n % 3],
                )
            })
            .collect();
        keys.extend([900, 3600].map(|seconds| {
            users::make_profiles(&world, "team-a", &format!("many-{seconds}"), 3, seconds)
        }));
        prepare(&world, &keys);
        world.run(MINUTE).await;
        for _ in 0..120 {
            let now = world.now();
            world.shared.lock().auditor.trouble = Some(now);
            users::mishap(&mut world, &keys);
            let pause = world.shared.lock().random.i64(1..3600);
            world.run(SignedDuration::from_secs(pause)).await;
        }
        users::mend(&world, &keys);
        let now = world.now();
        world.shared.lock().auditor.trouble = Some(now);
        world.run(HOUR * 3).await;
        users::assert_settled(&world, &keys);
        settled(&world, &keys);
        world.shared.lock().auditor.digest()
    })
}

#[test]
fn whatever_happens_the_promises_hold_and_the_world_settles() {
    let began = std::time::Instant::now();
    let seeds = seeds(0..6);
    for seed in &seeds {
        println!("world {seed}; REFRESHABLE_SEED={seed} runs it again");
        storm(*seed);
    }
    println!("{} worlds of three days in {:.1} s", seeds.len(), began.elapsed().as_secs_f64());
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in seeds(100..101) {
        let first = storm(seed);
        assert_eq!(first, storm(seed), "seed {seed}");
        assert_ne!(first, storm(seed + 1), "seeds {seed} and the next");
    }
}

#[test]
fn after_an_outage_the_backlog_drains_within_the_budget() {
    runtime().block_on(async {
        let settings = Settings { calls_per_second: 6, burst: 6, ..Settings::default() };
        let mut world = World::new(4, Setup { settings, ..Setup::default() });
        let keys: Vec<Key> =
            (0..300).map(|n| users::make(&world, "team-a", &format!("o-{n}"), 3600)).collect();
        world.shared.lock().auditor.most_per_second = Some(12);
        world.run(HOUR).await;
        let mended = world.now() + HOUR * 6;
        world.shared.lock().auditor.trouble = Some(mended);
        world.shared.lock().faults.issuer_dead = true;
        world.run(HOUR * 6).await;
        users::mend(&world, &keys);
        // The longest pause of what is transient is a minute; then three hundred calls at 6 a
        // second.
        world.run(MINUTE + SignedDuration::from_secs(300 / 6 + 5)).await;
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
        for number in 0..200 {
            users::make(&world, "team-b", &format!("b-{number}"), 900);
        }
        world.shared.lock().faults.denied_namespace = Some("team-b");
        let keys: Vec<Key> =
            (0..20).map(|n| users::make(&world, "team-a", &format!("a-{n}"), 900)).collect();
        // The auditor counts lateness all the time: team-a must never be late.
        world.run(DAY).await;
        users::assert_settled(&world, &keys);
    });
}
