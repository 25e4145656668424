//! Days and months without faults: each rotation comes when it is due, and costs what it must.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::truth;
use super::users;
use crate::harness::environment::number;
use jiff::SignedDuration;
use refreshable_controller::{LeaseTimings, Settings};
use std::ops::RangeInclusive;
use std::time::Duration;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The longest that a renewal may come after its refresh point where many come at once.
const LATEST: SignedDuration = SignedDuration::from_secs(5);

/// How often a resource with sessions of `seconds` gets new ones within `time`, the first of them
/// within `begun`: the refresh point is drawn early by up to 5 %.
pub fn rotations(
    seconds: i64,
    time: SignedDuration,
    begun: SignedDuration,
) -> RangeInclusive<usize> {
    let lifetime = SignedDuration::from_secs(seconds);
    let used = lifetime - truth::remaining(lifetime, None);
    // AWS tells the expiration in full seconds.
    let shortest = used - lifetime / 20 - SignedDuration::from_secs(1);
    let longest = used + LATEST;
    let whole = |time: SignedDuration, part: SignedDuration| {
        1 + usize::try_from(time.as_millis() / part.as_millis()).expect("a count")
    };
    whole(time - begun, longest)..=whole(time, shortest)
}

/// Issuer calls, writes of Secrets, writes of statuses, and all other calls so far.
pub fn counts(world: &World) -> [usize; 4] {
    let audit = &world.shared.lock().auditor;
    [audit.issuer_calls, audit.applies, audit.status_writes, audit.reads + audit.deletes]
}

/// Runs a new world for a day, of resources whose Secrets live for `seconds`: each rotation costs
/// `calls` of issuers and two writes, and none is late.
pub async fn assert_a_day_costs(
    world: &mut World,
    (resources, seconds): (usize, i64),
    calls: usize,
) {
    world.run(DAY).await;
    let [issuer_calls, applies, status_writes, others] = counts(world);
    let expected = rotations(seconds, DAY, SignedDuration::from_mins(1));
    assert!(
        (resources * expected.start()..=resources * expected.end()).contains(&applies),
        "{applies}, each {expected:?}"
    );
    assert_eq!((issuer_calls, status_writes, others), (applies * calls, applies, 0));
    let latest = world.shared.lock().auditor.latest;
    assert!(latest < SignedDuration::from_secs(1), "{latest}");
}

/// A controller that renews its lease every minute: a month has 43,200 of them.
fn patient() -> Setup {
    let minute = Duration::from_secs(60);
    let lease = LeaseTimings::new(10 * minute, 6 * minute, minute).expect("timings");
    Setup { lease, ..Setup::default() }
}

/// Runs a world of these lifetimes for `time`, and counts.
async fn without_faults(seed: u64, lifetimes: impl Iterator<Item = i64>, time: SignedDuration) {
    let began = std::time::Instant::now();
    let mut world = World::new(seed, patient());
    world.shared.lock().auditor.exact = true;
    let resources: Vec<(Key, i64)> = lifetimes
        .enumerate()
        .map(|(number, seconds)| {
            (users::make(&world, "team-a", &format!("m-{number}"), seconds), seconds)
        })
        .collect();
    assert!(!resources.is_empty());
    world.run(time).await;
    let keys: Vec<Key> = resources.iter().map(|(key, _)| key.clone()).collect();
    users::assert_settled(&world, &keys);
    let state = world.shared.lock();
    let audit = &state.auditor;
    let many = i64::try_from(resources.len()).expect("a count");
    let begun =
        LATEST + SignedDuration::from_secs(many / i64::from(Settings::default().calls_per_second));
    for ((namespace, name), seconds) in &resources {
        let expected = rotations(*seconds, time, begun);
        let made = audit.calls_of.get(&format!("{namespace}.{name}")).copied().unwrap_or_default();
        assert!(
            expected.contains(&made),
            "{name}, sessions of {seconds} s: {made} rotations, not {expected:?}"
        );
    }
    let all = audit.issuer_calls;
    assert_eq!(audit.calls_of.values().sum::<usize>(), all, "nobody else was asked for");
    assert_eq!((audit.applies, audit.status_writes), (all, all), "two writes for each rotation");
    assert_eq!((audit.reads, audit.deletes), (0, 0), "no other call");
    assert!(audit.latest < LATEST, "{}", audit.latest);
    println!(
        "{many} resources for {} days: {all} rotations, latest {:#}, in {:.0} s",
        time.as_hours() / 24,
        audit.latest,
        began.elapsed().as_secs_f64()
    );
}

/// AWS's longest session for most of them, the usual hour for some.
fn mixed(many: usize) -> impl Iterator<Item = i64> {
    (0..many).map(|number| if number % 100 == 0 { 3600 } else { 43200 })
}

#[test]
fn the_bounds_of_rotations_are_those_of_the_design() {
    // 37 to 40 minutes of an hour, 7 h 24 min to 8 h of twelve.
    assert_eq!(rotations(3600, DAY, SignedDuration::ZERO), 36..=39);
    assert_eq!(rotations(43200, DAY * 30, SignedDuration::from_secs(30)), 90..=98);
    assert_eq!(rotations(900, DAY, SignedDuration::ZERO), 190..=214);
}

#[test]
fn each_rotation_of_an_hour_costs_one_call_and_two_writes() {
    runtime().block_on(without_faults(1, std::iter::repeat_n(3600, 50), DAY * 3));
}

/// So many times as many resources as usual: `REFRESHABLE_MONTHS=10` has ten thousand for two days.
fn times(many: usize) -> usize {
    many * number::<usize>("REFRESHABLE_MONTHS").unwrap_or(1)
}

#[test]
fn a_thousand_resources_over_two_days() {
    runtime().block_on(without_faults(6, mixed(times(1000)), DAY * 2));
}

#[test]
fn a_hundred_resources_over_thirty_days() {
    runtime().block_on(without_faults(7, mixed(times(100)), DAY * 30));
}
