//! Secrets that cannot be written for a while: what was obtained is kept for a minute, and nothing
//! is obtained at the pace at which writes fail.

use super::driver::{Setup, World};
use super::history::Kind;
use super::promises::runtime;
use super::secrets::SimSecret;
use super::state::{Faults, Key};
use super::users;
use jiff::SignedDuration;
use refreshable_controller::Settings;
use refreshable_rules::size_limit::SizeLimit;
use serde_json::json;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn calls(world: &World) -> usize {
    world.shared.lock().auditor.issuer_calls
}

fn ask(world: &World, key: &Key, value: &str) {
    world.shared.lock().put_credential(key, |o| {
        o["metadata"]["annotations"]["refreshable.dev/requested-at"] = value.into();
    });
}

fn handled(world: &World, key: &Key) -> Option<String> {
    let state = world.shared.lock();
    users::content_of(&state.typed[key], &state.secrets[key]).expect("readable").handled_refresh
}

fn api_server_fails(world: &World, thousandths: u32) {
    world.shared.lock().faults = Faults { api_fails: thousandths, ..Faults::default() };
}

#[test]
fn credentials_that_cannot_be_written_are_kept_and_written_later() {
    runtime().block_on(async {
        for (name, profiles) in [("one", 0), ("many", 3)] {
            let mut world = World::new(31, Setup::default());
            let key = match profiles {
                0 => users::make(&world, "team-a", name, 3600),
                n => users::make_profiles(&world, "team-a", name, n, 3600),
            };
            world.run(MINUTE).await;
            let each = calls(&world);
            ask(&world, &key, "1");
            api_server_fails(&world, 1000);
            world.run(SECOND * 40).await;
            assert_eq!(calls(&world), each * 2, "{name}: one attempt");
            assert_eq!(handled(&world, &key), None, "{name}: nothing could be written");
            api_server_fails(&world, 0);
            world.run(SECOND * 15).await;
            assert_eq!(
                handled(&world, &key).as_deref(),
                Some("1"),
                "{name}: what was obtained is published"
            );
            world.run(MINUTE * 5).await;
            assert_eq!(calls(&world), each * 2, "{name}: and nothing was obtained again");
            users::assert_settled(&world, &[key]);
        }
    });
}

#[test]
fn a_first_issue_that_cannot_be_written_outlasts_its_namespace_becoming_too_large() {
    runtime().block_on(async {
        let settings = Settings { size_limit: SizeLimit::parse("10k").ok(), ..Settings::default() };
        let mut world = World::new(37, Setup { settings, ..Setup::default() });
        api_server_fails(&world, 1000);
        let key = users::make(&world, "team-a", "one", 3600);
        world.run(SECOND * 10).await;
        assert_eq!(calls(&world), 1, "it was obtained");
        // Asked for anew, it has no pause: the plan is that the namespace gets nothing new.
        ask(&world, &key, "1");
        // Large from the start: of two events the first would tell of a small one.
        let other: Key = ("team-a".to_owned(), "other".to_owned());
        world.shared.lock().put_credential(&other, |o| {
            o["metadata"]["annotations"]["note"] = "x".repeat(10_000).into();
            o["spec"] = json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/other"}]});
        });
        world.run(SECOND * 10).await;
        assert!(!world.shared.lock().secrets.contains_key(&key), "nothing could be written");
        api_server_fails(&world, 0);
        world.run(SECOND * 15).await;
        // What was obtained first is published, so that the request is met like any other.
        assert_eq!(handled(&world, &key).as_deref(), Some("1"), "it is published");
        assert_eq!(calls(&world), 2, "nothing was obtained for the other one");
        assert!(!world.shared.lock().secrets.contains_key(&other), "the other one waits");
    });
}

#[test]
fn failed_profile_reads_do_not_discard_what_others_were_given() {
    runtime().block_on(async {
        let mut world = World::new(32, Setup::default());
        let key = users::make_profiles(&world, "team-a", "many", 5, 3600);
        world.run(MINUTE).await;
        let each = calls(&world);
        world.shared.lock().faults =
            Faults { denied_roles: Some("role/p2"), api_fails: 1000, ..Faults::default() };
        ask(&world, &key, "1");
        world.run(SECOND * 40).await;
        assert_eq!(calls(&world), each * 2);
        world.shared.lock().faults.api_fails = 0;
        world.run(SECOND * 15).await;
        assert_eq!(
            handled(&world, &key).as_deref(),
            Some("1"),
            "four fresh ones and an old one are published"
        );
        let fresh = {
            let state = world.shared.lock();
            let content =
                users::content_of(&state.typed[&key], &state.secrets[&key]).expect("readable");
            content.profiles.values().filter(|r| !r.failed).count()
        };
        assert_eq!(fresh, 4);
    });
}

#[test]
fn a_write_that_came_through_unanswered_does_not_cost_a_profile() {
    runtime().block_on(async {
        let mut world = World::new(36, Setup::default());
        let key = users::make_profiles(&world, "team-a", "many", 3, 3600);
        world.run(MINUTE).await;
        world.shared.lock().faults =
            Faults { denied_roles: Some("role/p2"), api_loses_answers: 1000, ..Faults::default() };
        ask(&world, &key, "1");
        world.run(SECOND * 30).await;
        world.shared.lock().faults.api_loses_answers = 0;
        world.run(SECOND * 40).await;
        assert_eq!(handled(&world, &key).as_deref(), Some("1"));
        // That p2 keeps what it had is the auditor's to see.
        let state = world.shared.lock();
        let content =
            users::content_of(&state.typed[&key], &state.secrets[&key]).expect("readable");
        assert!(content.profiles["p2"].failed && !content.profiles["p1"].failed, "{content:?}");
    });
}

#[test]
fn an_outage_of_the_api_server_costs_an_attempt_a_minute_at_most() {
    runtime().block_on(async {
        let mut world = World::new(33, Setup::default());
        let key = users::make(&world, "team-a", "one", 3600);
        world.run(MINUTE).await;
        ask(&world, &key, "1");
        api_server_fails(&world, 1000);
        world.run(MINUTE * 10).await;
        let seen = calls(&world) - 1;
        assert!((1..=10).contains(&seen), "{seen} calls in ten minutes");
        users::mend(&world, std::slice::from_ref(&key));
        world.run(MINUTE * 3).await;
        assert_eq!(handled(&world, &key).as_deref(), Some("1"));
        users::assert_settled(&world, &[key]);
    });
}

#[test]
fn altered_secret_is_issued_whole_while_a_profile_fails() {
    runtime().block_on(async {
        let mut world = World::new(34, Setup::default());
        world.shared.lock().faults.denied_roles = Some("role/p2");
        let key = users::make_profiles(&world, "team-a", "many", 5, 3600);
        world.run(MINUTE).await;
        let mut altered = world.shared.lock().secrets[&key].clone();
        altered.fields.insert("data/credentials".into(), ("YWx0ZXJlZA==".into(), "kubectl".into()));
        world.shared.lock().put_secret(altered);
        // The one that was denied can be had again at the very moment.
        world.shared.lock().faults = Faults::default();
        world.run(MINUTE * 15).await;
        let state = world.shared.lock();
        let content =
            users::content_of(&state.typed[&key], &state.secrets[&key]).expect("readable");
        assert_eq!(content.profiles.len(), 5, "none is published alone: {content:?}");
    });
}

#[test]
fn two_writers_that_fight_are_damped() {
    runtime().block_on(async {
        let mut world = World::new(35, Setup::default());
        let key = users::make(&world, "team-a", "fought", 3600);
        world.run(MINUTE).await;
        let before = calls(&world);
        for _ in 0..120 {
            let mut altered = world.shared.lock().secrets[&key].clone();
            altered
                .fields
                .insert("data/credentials".into(), ("YWx0ZXJlZA==".into(), "kubectl".into()));
            world.shared.lock().put_secret(altered);
            world.run(SECOND / 2).await;
        }
        let seen = calls(&world) - before;
        assert!((3..=7).contains(&seen), "{seen} calls in a minute");
    });
}

#[test]
fn labels_of_the_secret_are_put_right_without_the_issuer() {
    runtime().block_on(async {
        let mut world = World::new(36, Setup::default());
        let key = users::make(&world, "team-a", "labelled", 3600);
        world
            .shared
            .lock()
            .put_credential(&key, |o| o["spec"]["secret"]["labels"] = json!({"team": "a"}));
        world.run(MINUTE).await;
        let before = calls(&world);
        for label in ["labels/team", "labels/app.kubernetes.io/managed-by"] {
            let mut changed = world.shared.lock().secrets[&key].clone();
            changed.fields.remove(label);
            world.shared.lock().put_secret(changed);
            world.run(MINUTE).await;
            let state = world.shared.lock();
            assert!(state.secrets[&key].fields.contains_key(label), "{label} is put right");
        }
        assert_eq!(calls(&world), before);
    });
}

#[test]
fn deletion_that_never_was_costs_no_call() {
    runtime().block_on(async {
        let mut world = World::new(37, Setup::default());
        let key = users::make(&world, "team-a", "misled", 3600);
        world.run(MINUTE).await;
        let before = calls(&world);
        let secret = world.shared.lock().secrets[&key].clone();
        world.shared.lock().mislead(world.instances[0].number, &secret);
        world.run(MINUTE * 5).await;
        assert_eq!(calls(&world), before, "the Secret is read before the issuer is asked");
        assert_eq!(world.shared.lock().secrets[&key].uid, secret.uid);
    });
}

/// A world in which one resource's credentials are obtained and cannot be written, while another's
/// Secret has come under its name; the resource, and the other one.
async fn obtained_beside_another_s(seed: u64) -> (World, Key, Key) {
    let mut world = World::new(seed, Setup::default());
    let other = users::make(&world, "team-a", "other", 3600);
    world.run(MINUTE).await;
    api_server_fails(&world, 1000);
    let key = users::make(&world, "team-a", "one", 3600);
    world.run(SECOND * 3).await;
    assert_eq!(calls(&world), 2, "it is obtained, and cannot be written");
    {
        // As the watch of own Secrets shows it.
        let mut state = world.shared.lock();
        let secret = state.secrets[&other].clone();
        state.put_secret(SimSecret { name: key.1.clone(), uid: String::new(), ..secret });
    }
    (world, key, other)
}

#[test]
fn what_was_obtained_outlives_another_s_secret_that_is_gone_again() {
    runtime().block_on(async {
        let (mut world, key, other) = obtained_beside_another_s(38).await;
        world.run(SECOND * 3).await;
        world.shared.lock().delete_secret(&key);
        world.run(SECOND * 3).await;
        api_server_fails(&world, 0);
        world.run(MINUTE).await;
        assert_eq!(calls(&world), 2, "what was obtained is published");
        users::assert_settled(&world, &[key, other]);
    });
}

#[test]
fn a_write_that_came_through_counts_more_than_a_view_that_is_behind() {
    runtime().block_on(async {
        let (mut world, key, other) = obtained_beside_another_s(39).await;
        world.run(SECOND).await;
        // From here on the view shows it, and nothing else.
        let end = world.now() + MINUTE * 3;
        let instance = world.instances[0].number;
        world.shared.lock().log.silence(instance, end, &[Kind::Secret]);
        world.shared.lock().auditor.blind_until = Some(end);
        world.shared.lock().delete_secret(&key);
        api_server_fails(&world, 0);
        world.run(SECOND * 20).await;
        users::assert_settled(&world, &[key.clone(), other.clone()]);
        world.run(MINUTE * 10).await;
        assert_eq!(calls(&world), 2, "nothing was obtained again");
        users::assert_settled(&world, &[key, other]);
    });
}
