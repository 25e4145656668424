//! The lease's fence lapses while resources come due, and comes back: the API server stood still
//! for a moment.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::users;
use jiff::SignedDuration;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Sessions of an hour, all issued by now, come due after 37 to 40 minutes: meanwhile nobody can
/// renew the lease.
pub(super) async fn lapse_while_due(world: &mut World) {
    world.run(SignedDuration::from_mins(36)).await;
    world.hinder_renewals(MINUTE * 5);
    world.run(HOUR).await;
}

#[test]
fn what_a_closed_fence_refuses_is_done_when_it_opens() {
    runtime().block_on(async {
        let mut world = World::new(9, Setup::default());
        let keys: Vec<_> =
            (0..60).map(|n| users::make(&world, "team-a", &format!("l-{n}"), 3600)).collect();
        world.run(SignedDuration::from_mins(36)).await;
        let counts = |world: &World| {
            let state = world.shared.lock();
            (state.auditor.issuer_calls, state.auditor.applies, state.auditor.status_writes)
        };
        assert_eq!(counts(&world), (60, 60, 60));
        // Nobody else holds the lease; to the fence it is the same.
        world.hinder_renewals(MINUTE * 5);
        world.run(MINUTE * 5).await;
        assert_eq!(counts(&world), (60, 60, 60), "nothing is written, and no issuer asked in vain");
        world.run(SignedDuration::from_secs(4)).await;
        assert_eq!(counts(&world), (120, 120, 120), "each is renewed at once, and costs one call");
        world.run(HOUR).await;
        users::assert_settled(&world, &keys);
    });
}

#[test]
fn a_status_that_a_closed_fence_refused_is_written_when_it_opens() {
    runtime().block_on(async {
        let mut world = World::new(10, Setup::default());
        let key = users::make(&world, "team-a", "denied", 3600);
        world.run(MINUTE).await;
        world.hinder_renewals(MINUTE * 2);
        // The last renewal still counts for a moment.
        world.run(SignedDuration::from_secs(20)).await;
        world.shared.lock().put_credential(&key, |object| object["spec"]["suspend"] = true.into());
        world.run(MINUTE).await;
        let generation = |world: &World| {
            let state = world.shared.lock();
            let object = &state.typed[&key];
            (object.status.as_ref().and_then(|s| s.observed_generation), object.metadata.generation)
        };
        assert_eq!(generation(&world), (Some(1), Some(2)));
        world.run(MINUTE).await;
        assert_eq!(generation(&world), (Some(2), Some(2)));
    });
}

#[test]
fn a_write_that_a_lapse_ended_is_made_up_for_as_soon_as_the_lease_is_renewed() {
    runtime().block_on(async {
        let mut world = World::new(11, Setup::default());
        let key = users::make(&world, "team-a", "unwritten", 3600);
        world.run(SignedDuration::from_mins(36)).await;
        let counts = |world: &World| {
            let state = world.shared.lock();
            (state.auditor.issuer_calls, state.auditor.applies)
        };
        assert_eq!(counts(&world), (1, 1));
        // It is renewed, and the API server takes no write.
        world.shared.lock().faults.api_fails = 1000;
        while counts(&world).0 == 1 {
            world.run(SignedDuration::from_secs(1)).await;
        }
        world.hinder_renewals(MINUTE * 10);
        // The last renewal still counts for a moment.
        world.run(SignedDuration::from_secs(30)).await;
        world.shared.lock().faults.api_fails = 0;
        world.run(SignedDuration::from_secs(570)).await;
        let before = world.shared.lock().secrets[&key].version;
        world.run(SignedDuration::from_secs(4)).await;
        assert_ne!(world.shared.lock().secrets[&key].version, before, "it is not paused for again");
        world.run(HOUR).await;
        users::assert_settled(&world, &[key]);
    });
}
