//! Small worlds in every order of what comes next: each of the first events, calls and answers after
//! something was done comes at once, or late.

use super::choices::Choices;
use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users;
use crate::harness::environment::number;
use jiff::SignedDuration;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Between two things that are done: less than a late event takes, more than one that comes at once.
const BETWEEN: SignedDuration = SignedDuration::from_millis(700);
/// How many delays are chosen; `REFRESHABLE_CHOICES` says how many others.
const CHOICES: u32 = 8;
/// Most calls of the issuer for a deed, and for the renewal that follows.
const MOST_CALLS: usize = 2;

/// Something done to the first resource of a world.
type Deed = fn(&mut World, &Key);

/// Runs the deeds, one after the other, in each way in which what follows can come.
///
/// # Panics
/// Where a promise is broken in one of them, or the world does not settle.
fn in_every_order(deeds: &[Deed]) {
    by_replicas_in_every_order(1, deeds);
}

/// The same with so many replicas, of which one leads. `REFRESHABLE_ORDER` names one order.
fn by_replicas_in_every_order(replicas: usize, deeds: &[Deed]) {
    let choices: u32 = number("REFRESHABLE_CHOICES").unwrap_or(CHOICES);
    let orders = match number("REFRESHABLE_ORDER") {
        Some(order) => order..order + 1,
        None => 0..1 << choices,
    };
    let count = orders.len();
    for order in orders {
        let run = AssertUnwindSafe(|| run(replicas, deeds, Choices::new(order, choices)));
        if let Err(panic) = catch_unwind(run) {
            println!("REFRESHABLE_CHOICES={choices} REFRESHABLE_ORDER={order} runs this one again");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{count} orders");
}

/// Runs them in one way.
fn run(replicas: usize, deeds: &[Deed], choices: Choices) {
    runtime().block_on(async {
        let setup = Setup { longest_delay: SECOND * 3, longest_answer: SECOND, ..Setup::default() };
        let mut world = World::new(51, setup.clone());
        (1..replicas).for_each(|_| world.add_instance(setup.clone()));
        world.shared.lock().choices = Some(Choices::new(0, 0));
        let keys = [900, 3600].map(|s| users::make(&world, "team-a", &format!("c-{s}"), s));
        world.run(MINUTE).await;
        users::assert_settled(&world, &keys);
        let before = world.shared.lock().auditor.issuer_calls;
        world.shared.lock().choices = Some(choices);
        for deed in deeds {
            deed(&mut world, &keys[0]);
            world.run(BETWEEN).await;
        }
        world.run(MINUTE).await;
        users::assert_settled(&world, &keys);
        // Until each has been renewed.
        world.run(MINUTE * 9).await;
        users::assert_settled(&world, &keys);
        let calls = world.shared.lock().auditor.issuer_calls - before;
        assert!(calls <= MOST_CALLS * (deeds.len() + 1), "{calls} calls");
    });
}

fn made_anew(world: &mut World, key: &Key) {
    let mut state = world.shared.lock();
    let spec = state.credentials[key]["spec"].clone();
    state.delete_credential(key);
    state.put_credential(key, |new| new["spec"] = spec);
}

fn asks_for_longer(world: &mut World, key: &Key) {
    world
        .shared
        .lock()
        .put_credential(key, |o| o["spec"]["roles"][0]["durationSeconds"] = 1800.into());
}

fn loses_its_secret(world: &mut World, key: &Key) {
    world.shared.lock().delete_secret(key);
}

fn publishes_elsewhere(world: &mut World, key: &Key) {
    world.shared.lock().put_credential(key, |o| o["spec"]["secret"]["name"] = "elsewhere".into());
}

fn loses_its_permission(world: &mut World, _: &Key) {
    world.shared.lock().delete_policy("all");
}

fn is_permitted(world: &mut World, _: &Key) {
    let allow = json!({"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]});
    let spec = json!({"namespaceSelector": {}, "allow": allow});
    world.shared.lock().put_policy("all", spec);
}

fn is_labelled_by_somebody(world: &mut World, key: &Key) {
    world.shared.lock().change_secret(key, |secret| {
        secret.fields.insert("labels/team".into(), ("x".into(), "kubectl".into()));
    });
}

fn loses_its_controller(world: &mut World, _: &Key) {
    world.crash();
}

fn is_handed_over(world: &mut World, _: &Key) {
    world.hand_over();
}

fn has_its_leader_cut_off(world: &mut World, _: &Key) {
    let back = world.now() + MINUTE;
    world.leading().cut_off_from_lease(&world.shared, back);
}

#[test]
fn a_resource_that_is_made_anew() {
    in_every_order(&[made_anew]);
}

#[test]
fn a_resource_that_is_made_anew_and_changes() {
    in_every_order(&[made_anew, asks_for_longer]);
}

#[test]
fn a_secret_that_is_deleted_and_a_specification_that_changes() {
    in_every_order(&[loses_its_secret, asks_for_longer]);
}

#[test]
fn another_name_and_a_label_on_the_former_secret() {
    in_every_order(&[is_labelled_by_somebody, publishes_elsewhere]);
}

#[test]
fn a_permission_that_goes_and_comes_back_while_the_secret_is_deleted() {
    in_every_order(&[loses_its_permission, loses_its_secret, is_permitted]);
}

#[test]
fn a_controller_that_crashes_while_the_specification_changes() {
    in_every_order(&[asks_for_longer, loses_its_controller]);
}

#[test]
fn a_leader_that_hands_over_while_the_specification_changes() {
    by_replicas_in_every_order(2, &[asks_for_longer, is_handed_over]);
}

#[test]
fn a_leader_that_loses_the_lease_while_the_secret_is_deleted_and_another_leads() {
    by_replicas_in_every_order(2, &[loses_its_secret, has_its_leader_cut_off, asks_for_longer]);
}

#[test]
fn one_of_three_replicas_that_crashes_while_the_resource_is_made_anew() {
    by_replicas_in_every_order(3, &[made_anew, loses_its_controller]);
}
