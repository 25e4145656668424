//! Storms: hours of mishaps, drawn from a seed, and then calm. The promises hold throughout, and
//! what is mended settles.
//!
//! `REFRESHABLE_SEED=<n>` runs one of them again, `REFRESHABLE_SEEDS=<count>` so many others. One
//! that fails is run again with ever fewer of its mishaps, and the fewest that still fail are
//! printed: `REFRESHABLE_STEPS=<n,n,...>` keeps those alone.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users::{self, Mishap};
use crate::harness::environment::number;
use jiff::SignedDuration;
use refreshable_controller::Settings;
use refreshable_rules::size_limit::SizeLimit;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// How many mishaps a storm has.
const MISHAPS: usize = 40;
/// The longest pause after a mishap is two to the power of this, in seconds: 17 minutes.
const LONGEST_PAUSE: u32 = 10;
/// Most runs to find the fewest mishaps.
const MOST_TRIES: usize = 60;

/// One mishap, and the pause after it.
#[derive(Clone, Debug)]
struct Step {
    mishap: Mishap,
    pause: SignedDuration,
}

/// A deed: something done with a world and its resources.
pub type Deed<'a> = dyn Fn(&World, &[Key]) + 'a;

/// Mishaps in a world, in their order.
#[derive(Clone)]
pub struct Storm<'a> {
    seed: u64,
    setup: Setup,
    replicas: usize,
    steps: Vec<Step>,
    prepare: &'a Deed<'a>,
    settled: &'a Deed<'a>,
}

impl<'a> Storm<'a> {
    /// The storm of this seed.
    pub fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut step = || Step {
            mishap: Mishap::draw(&mut random),
            // As many short ones as long ones: what happens at once, and what has time to settle.
            pause: SignedDuration::from_millis(
                random.i64(0..1000) * (1 << random.u32(0..=LONGEST_PAUSE)),
            ),
        };
        let steps = (0..MISHAPS).map(|_| step()).collect();
        let setup = Setup {
            longest_delay: SignedDuration::from_secs(3),
            // An event may come before the answer to the write that it tells of.
            longest_answer: SignedDuration::from_secs(1),
            loses_events: 20,
            repeats_events: 20,
            namespaced: seed % 2 == 1,
            settings: Settings {
                size_limit: SizeLimit::parse(users::MOST_BYTES).ok(),
                ..Settings::default()
            },
            ..Setup::default()
        };
        // Each number with all namespaces watched at once, and one by one.
        let replicas = [1, 1, 2, 3][usize::try_from(seed / 2 % 4).expect("a number")];
        Self { seed, setup, replicas, steps, prepare: &|_, _| (), settled: &|_, _| () }
    }

    /// The same, with what is done before, and what is expected after.
    pub fn with(self, prepare: &'a Deed<'a>, settled: &'a Deed<'a>) -> Self {
        Self { prepare, settled, ..self }
    }

    /// The same mishaps over a controller that is set up otherwise.
    fn over(self, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self { setup: change(self.setup), ..self }
    }

    fn keeping(&self, steps: &[usize]) -> Self {
        let steps = steps.iter().filter_map(|n| self.steps.get(*n).cloned()).collect();
        Self { steps, ..self.clone() }
    }

    /// Runs it. A digest of all that happened.
    ///
    /// # Panics
    /// Where a promise is broken, or the world does not settle.
    fn run(&self) -> u64 {
        runtime().block_on(async {
            let mut world = World::new(self.seed, self.setup.clone());
            (1..self.replicas).for_each(|_| world.add_instance(self.setup.clone()));
            let place = |n: usize| ["team-a", "team-b"][n % 2];
            let mut keys: Vec<Key> = [900, 3600, 43200, 900, 3600, 900]
                .into_iter()
                .enumerate()
                .map(|(n, seconds)| users::make(&world, place(n), &format!("c-{n}"), seconds))
                .collect();
            keys.push(users::make_profiles(&world, "team-a", "many", 3, 900));
            keys.push(users::make_token(&world, "team-b", "images", 3600));
            keys.push(users::make_signed(&world, "team-a", "database", 3600));
            (self.prepare)(&world, &keys);
            world.run(MINUTE).await;
            for step in &self.steps {
                if let Some(time) = users::mishap(&mut world, &keys, &step.mishap) {
                    world.stand_still(time).await;
                }
                world.run(step.pause).await;
            }
            users::mend(&world, &keys);
            // The longest pause after what was mended.
            world.run(MINUTE * 11).await;
            users::assert_settled(&world, &keys);
            world.run(MINUTE * 45).await;
            users::assert_settled(&world, &keys);
            (self.settled)(&world, &keys);
            world.shared.lock().auditor.digest()
        })
    }

    /// Its failure, if it fails.
    fn failure(&self) -> Option<String> {
        let run = AssertUnwindSafe(|| self.run());
        let panic = catch_unwind(run).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
        Some(text.unwrap_or_else(|| "a panic without words".to_owned()))
    }

    /// The fewest of its steps that were found to fail still, and how (delta debugging: Zeller,
    /// Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
    fn fewest(&self, failure: String) -> (Vec<usize>, String) {
        let mut kept: Vec<usize> = (0..self.steps.len()).collect();
        let (mut last, mut tries) = (failure, 0);
        let mut size = kept.len().div_ceil(2);
        while size > 0 && tries < MOST_TRIES {
            let mut from = 0;
            while from < kept.len() && tries < MOST_TRIES {
                let gone = from..(from + size).min(kept.len());
                let fewer = [&kept[..gone.start], &kept[gone.end..]].concat();
                tries += 1;
                match self.keeping(&fewer).failure() {
                    Some(failure) => (kept, last) = (fewer, failure),
                    None => from += size,
                }
            }
            size /= 2;
        }
        (kept, last)
    }

    /// # Panics
    /// Where it fails, with the fewest of its mishaps.
    pub fn assert_harmless(&self) {
        if let Ok(list) = std::env::var("REFRESHABLE_STEPS") {
            let steps: Vec<usize> = list.split(',').filter_map(|n| n.parse().ok()).collect();
            self.keeping(&steps).run();
            return;
        }
        let Some(failure) = self.failure() else { return };
        let (steps, fewest) = self.fewest(failure.clone());
        let list: Vec<String> = steps.iter().map(usize::to_string).collect();
        panic!(
            "storm {}: {failure}\nwith REFRESHABLE_SEED={} REFRESHABLE_STEPS={} alone: {fewest}\n{:#?}",
            self.seed,
            self.seed,
            list.join(","),
            self.keeping(&steps).steps
        );
    }
}

/// The seeds to run: the usual ones, or as many as `REFRESHABLE_SEEDS` says from their first on, or
/// the one that `REFRESHABLE_SEED` names.
pub fn seeds(usual: std::ops::Range<u64>) -> Vec<u64> {
    match (number("REFRESHABLE_SEED"), number::<u64>("REFRESHABLE_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (usual.start..usual.start + count).collect(),
        (None, None) => usual.collect(),
    }
}

/// Where the seeds of this commit begin, so that each commit runs others.
fn of_this_commit() -> u64 {
    let git = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
    let text = git.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let digits = text.ok().and_then(|t| u64::from_str_radix(t.get(..8)?, 16).ok());
    // Without a repository any others will do.
    digits.unwrap_or(1_000_000)
}

fn run_all(seeds: &[u64]) {
    let began = std::time::Instant::now();
    for seed in seeds {
        Storm::of(*seed).assert_harmless();
    }
    println!(
        "{} storms from seed {} on, in {:.1} s",
        seeds.len(),
        seeds[0],
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn in_a_hundred_storms_the_promises_hold_and_the_world_settles() {
    run_all(&seeds(0..100));
}

#[test]
fn in_a_hundred_storms_of_this_commit_as_well() {
    let first = of_this_commit();
    run_all(&seeds(first..first + 100));
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in seeds(100..105) {
        let digest = |seed| Storm::of(seed).run();
        let first = digest(seed);
        assert_eq!(first, digest(seed), "seed {seed}");
        assert_ne!(first, digest(seed + 1), "seeds {seed} and the next");
    }
}

/// A flaw by its name, and how a controller gets it.
type Flawed = (&'static str, fn(Setup) -> Setup);

/// Flaws that a storm must bring to light.
fn flawed() -> [Flawed; 2] {
    [
        ("forgets what its fence refused", |s| Setup { forgets_refused: true, ..s }),
        ("keeps what has gone from the list", |s| Setup { keeps_the_gone: true, ..s }),
    ]
}

#[test]
fn a_storm_finds_a_flaw_and_names_the_mishap_that_shows_it() {
    let mut caught = BTreeSet::new();
    let mut fewest = usize::MAX;
    for (what, flaw) in flawed() {
        let found = (0..20).map(|seed| Storm::of(seed).over(flaw)).find_map(|storm| {
            let failure = storm.failure()?;
            Some(storm.fewest(failure))
        });
        if let Some((steps, failure)) = found {
            println!("{what}: {} of {MISHAPS} mishaps do: {failure}", steps.len());
            caught.insert(what);
            fewest = fewest.min(steps.len());
        }
    }
    println!("caught {} of {}", caught.len(), flawed().len());
    assert_eq!(caught.len(), flawed().len(), "{caught:?}");
    assert!(fewest <= 3, "{fewest} mishaps are not the fewest");
}
