//! Tokens that sessions buy: what they cost, and that one which cannot be bought takes nothing away.

use super::driver::{Setup, World};
use super::months::assert_a_day_costs;
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn each_rotation_costs_the_chain_and_one_call_for_the_token() {
    runtime().block_on(async {
        let mut world = World::new(95, Setup::default());
        world.shared.lock().auditor.exact = true;
        let keys: Vec<Key> =
            (0..10).map(|n| users::make_token(&world, "team-a", &format!("t-{n}"), 3600)).collect();
        assert_a_day_costs(&mut world, (10, 3600), 1 + 1).await;
        users::assert_settled(&world, &keys);
    });
}

#[test]
fn a_token_that_is_denied_stays_as_it_is_and_is_bought_when_it_can_be() {
    runtime().block_on(async {
        let mut world = World::new(96, Setup::default());
        let token = users::make_token(&world, "team-a", "images", 3600);
        let other = users::make(&world, "team-a", "x", 3600);
        let keys = [token.clone(), other];
        world.run(MINUTE).await;
        users::assert_settled(&world, &keys);
        let before = world.shared.lock().secrets[&token].version;
        world.shared.lock().faults.tokens_denied = true;
        world.run(MINUTE * 50).await;
        {
            let state = world.shared.lock();
            assert_eq!(state.secrets[&token].version, before, "what is valid stays");
            let status = state.typed[&token].status.as_ref().expect("a status");
            let failures = status.failures.as_ref().expect("failures");
            assert_eq!(failures.class.to_string(), "Denied");
            // A session and a token each time: pauses of ten seconds that double, up to ten minutes.
            let calls = state.auditor.calls_of["team-a.images"];
            assert!((10..=20).contains(&calls), "{calls} calls");
        }
        users::mend(&world, &keys);
        world.run(MINUTE * 11).await;
        users::assert_settled(&world, &keys);
        world.run(HOUR).await;
        users::assert_settled(&world, &keys);
    });
}

#[test]
fn a_signed_token_is_renewed_by_its_own_end_and_costs_the_chain_alone() {
    runtime().block_on(async {
        let mut world = World::new(97, Setup::default());
        world.shared.lock().auditor.exact = true;
        // The sessions live far longer than what they sign.
        let keys: Vec<Key> = (0..5)
            .map(|n| users::make_signed(&world, "team-a", &format!("d-{n}"), 43_200))
            .collect();
        assert_a_day_costs(&mut world, (5, 900), 1).await;
        users::assert_settled(&world, &keys);
    });
}
