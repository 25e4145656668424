//! The brake on withdrawals: a permission that is taken back by mistake may come back, and a large
//! mistake waits for a confirmation. The auditor holds each deletion to the same.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use serde_json::{Value, json};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A world of `count` resources with sessions of twelve hours, each allowed by policy `p-<number
/// modulo of>`.
async fn world(count: usize, policies: usize, after: Option<&str>) -> (World, Vec<Key>) {
    let mut world = World::new(17, Setup::default());
    world.shared.lock().delete_policy("all");
    for number in 0..policies {
        put(&world, number, after);
    }
    let make = |n: usize| {
        users::make(&world, ["team-a", "team-b"][n % 2], &format!("p{}-{n}", n % policies), 43200)
    };
    let keys: Vec<Key> = (0..count).map(make).collect();
    world.run(MINUTE * 10).await;
    users::assert_settled(&world, &keys);
    (world, keys)
}

/// Policy `p-<number>` for the roles of its resources.
fn put(world: &World, number: usize, after: Option<&str>) {
    let allow = json!({"roles": [{"arns": [format!("arn:aws:iam::*:role/p{number}-*")]}]});
    let mut spec = json!({"namespaceSelector": {}, "allow": allow});
    if let Some(after) = after {
        spec["withdrawAfter"] = after.into();
    }
    world.shared.lock().put_policy(&format!("p-{number}"), spec);
}

fn published(world: &World) -> usize {
    world.shared.lock().secrets.len()
}

fn calls(world: &World) -> usize {
    world.shared.lock().auditor.issuer_calls
}

/// The reasons of Ready, each once.
fn reasons(world: &World) -> Vec<String> {
    let state = world.shared.lock();
    let ready = |o: &Value| {
        let conditions = o["status"]["conditions"].as_array().expect("conditions").clone();
        let ready = conditions.into_iter().find(|c| c["type"] == "Ready").expect("a condition");
        format!(
            "{}/{}",
            ready["status"].as_str().expect("a status"),
            ready["reason"].as_str().expect("a reason")
        )
    };
    let mut reasons: Vec<String> = state.credentials.values().map(ready).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

#[test]
fn a_permission_that_comes_back_in_time_costs_nothing() {
    runtime().block_on(async {
        let (mut world, keys) = world(30, 1, None).await;
        let before = calls(&world);
        world.shared.lock().delete_policy("p-0");
        world.run(MINUTE * 9).await;
        assert_eq!(
            (published(&world), reasons(&world)),
            (30, vec!["True/WithdrawalPending".to_owned()])
        );
        put(&world, 0, None);
        world.run(MINUTE).await;
        assert_eq!((calls(&world), reasons(&world)), (before, vec!["True/Issued".to_owned()]));
        users::assert_settled(&world, &keys);
        // The next time begins anew.
        world.shared.lock().delete_policy("p-0");
        world.run(MINUTE * 9).await;
        assert_eq!(published(&world), 30);
    });
}

#[test]
fn a_large_mistake_waits_for_its_confirmation_and_is_renewed_by_nobody() {
    runtime().block_on(async {
        let (mut world, _) = world(40, 2, None).await;
        let before = calls(&world);
        world.shared.lock().delete_policy("p-0");
        world.run(HOUR * 9).await;
        assert_eq!(published(&world), 40, "half of all: they stay");
        assert_eq!(reasons(&world), ["True/Issued", "True/WithdrawalHeld"]);
        assert_eq!(calls(&world), before + 20, "those that are allowed are renewed, and no other");
        let confirmed = {
            let mut state = world.shared.lock();
            let now = state.now();
            state.order("confirmedAt", &now.to_string());
            state.auditor.confirmed = Some(now);
            now
        };
        world.run(MINUTE).await;
        assert_eq!(
            (published(&world), reasons(&world)),
            (20, vec!["False/NotPermitted".into(), "True/Issued".into()])
        );
        // Another mistake is not confirmed by that.
        assert!(world.now() > confirmed);
        world.shared.lock().delete_policy("p-1");
        world.run(HOUR).await;
        assert_eq!(published(&world), 20);
    });
}

#[test]
fn paused_withdrawals_go_on_when_the_pause_is_over() {
    runtime().block_on(async {
        let (mut world, _) = world(4, 1, None).await;
        world.shared.lock().order("paused", "true");
        world.shared.lock().delete_policy("p-0");
        world.run(HOUR).await;
        assert_eq!(
            (published(&world), reasons(&world)),
            (4, vec!["True/WithdrawalHeld".to_owned()])
        );
        // A new leader knows of it.
        world.crash();
        world.run(HOUR).await;
        assert_eq!(published(&world), 4);
        world.shared.lock().order("paused", "false");
        world.run(SignedDuration::from_secs(5)).await;
        assert_eq!(published(&world), 0);
    });
}

#[test]
fn what_a_deleted_policy_set_holds_for_what_it_allowed() {
    runtime().block_on(async {
        let (mut world, _) = world(8, 2, Some("Immediate")).await;
        world.shared.lock().auditor.grace = Some(SignedDuration::ZERO);
        world.shared.lock().delete_policy("p-0");
        world.run(SignedDuration::from_secs(5)).await;
        assert_eq!(
            (published(&world), reasons(&world)),
            (4, vec!["False/NotPermitted".into(), "True/Issued".into()])
        );
        // A grace period that runs is cut short.
        put(&world, 1, Some("2h"));
        let narrowed =
            |after: &str| json!({"namespaceSelector": {}, "allow": {}, "withdrawAfter": after});
        world.shared.lock().put_policy("p-1", narrowed("2h"));
        world.run(HOUR).await;
        assert_eq!(published(&world), 4);
        world.shared.lock().put_policy("p-1", narrowed("Immediate"));
        world.run(SignedDuration::from_secs(5)).await;
        assert_eq!(published(&world), 0);
    });
}

#[test]
fn a_crash_makes_the_grace_period_no_longer() {
    runtime().block_on(async {
        let (mut world, _) = world(4, 1, None).await;
        world.shared.lock().delete_policy("p-0");
        for _ in 0..4 {
            world.run(MINUTE * 2).await;
            world.crash();
        }
        assert_eq!(published(&world), 4);
        world.run(MINUTE * 3).await;
        assert_eq!(published(&world), 0);
    });
}

/// A mistake that is made piece by piece is one.
#[test]
fn slices_add_up() {
    runtime().block_on(async {
        let (mut world, _) = world(100, 20, Some("Immediate")).await;
        world.shared.lock().auditor.grace = Some(SignedDuration::ZERO);
        for number in 0..10 {
            world.shared.lock().delete_policy(&format!("p-{number}"));
            world.run(SignedDuration::from_secs(15)).await;
        }
        assert_eq!(published(&world), 80, "five at a time, up to a fifth");
        world.run(HOUR).await;
        assert_eq!(published(&world), 80, "thirty more than a fifth are left");
        for number in 6..10 {
            put(&world, number, None);
        }
        world.run(MINUTE * 2).await;
        assert_eq!(published(&world), 70, "what is left is little");
    });
}
