//! A fault of the controller itself, at one resource of many.

use super::driver::{Setup, World};
use super::promises::runtime;
use super::state::Key;
use super::users;
use jiff::SignedDuration;
use refreshable_api::RefreshableCredentialStatus;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn status(world: &World, key: &Key) -> RefreshableCredentialStatus {
    world.shared.lock().typed[key].status.clone().expect("a status")
}

fn condition(status: &RefreshableCredentialStatus, kind: &str) -> Option<(String, String)> {
    let condition = status.conditions.iter().find(|c| c.type_ == kind)?;
    Some((condition.status.clone(), condition.reason.clone()))
}

fn says(status: &str, reason: &str) -> Option<(String, String)> {
    Some((status.to_owned(), reason.to_owned()))
}

#[test]
fn a_panic_stalls_its_own_resource_and_no_other() {
    runtime().block_on(async {
        let mut world = World::new(11, Setup::default());
        let keys: Vec<Key> =
            (0..20).map(|n| users::make(&world, "team-a", &format!("p-{n}"), 3600)).collect();
        world.shared.lock().faults.panicking_roles = Some("role/broken");
        let broken = users::make(&world, "team-b", "broken", 3600);
        world.run(HOUR * 6).await;
        users::assert_settled(&world, &keys);
        let stalled = status(&world, &broken);
        assert_eq!(condition(&stalled, "Ready"), says("False", "InternalError"));
        assert_eq!(condition(&stalled, "Stalled"), says("True", "InternalError"));
        let failures = stalled.failures.expect("a failure");
        assert!(failures.message.contains("fault of its own"), "{}", failures.message);
        // First after two and a half to five minutes, then ever later up to an hour.
        assert!((5..=20).contains(&failures.count), "{}", failures.count);
        let page = world.instances[0].metrics_page();
        assert!(
            page.contains(&format!("refreshable_reconcile_panics_total {}\n", failures.count)),
            "each is counted: {page}"
        );
    });
}

#[test]
fn who_panicked_keeps_what_is_valid_and_is_tried_again_at_a_change() {
    runtime().block_on(async {
        let mut world = World::new(12, Setup::default());
        let key = users::make(&world, "team-a", "hurt", 3600);
        world.run(MINUTE).await;
        world.shared.lock().faults.panicking_roles = Some("role/hurt");
        world.run(MINUTE * 45).await;
        let ailing = status(&world, &key);
        assert_eq!(
            condition(&ailing, "Ready"),
            says("True", "RefreshFailing"),
            "what it has is still valid"
        );
        assert_eq!(condition(&ailing, "Stalled"), says("True", "InternalError"));
        world.shared.lock().faults.panicking_roles = None;
        world.shared.lock().put_credential(&key, |object| {
            object["metadata"]["annotations"]["refreshable.dev/requested-at"] = "now".into();
        });
        world.run(SignedDuration::from_secs(5)).await;
        users::assert_settled(&world, std::slice::from_ref(&key));
        assert_eq!(status(&world, &key).failures, None);
    });
}
