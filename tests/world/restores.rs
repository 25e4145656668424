//! The API server's data are replaced by older ones, as etcd has them that is restored from a
//! snapshot. Its versions go back, and watches that go on from a version that is still to come show
//! nothing (kubernetes/kubernetes#107457).

use super::auditor::Written;
use super::driver::{Setup, World};
use super::history::{Kind, Shown};
use super::promises::runtime;
use super::secrets::SimSecret;
use super::state::{Key, State};
use super::users;
use jiff::SignedDuration;
use refreshable_api::RefreshableCredential;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Other writes in a cluster meanwhile.
const OTHER_WRITES: u64 = 100_000;

/// All that an API server has of a world whose namespaces and policies stay.
struct Snapshot {
    version: u64,
    credentials: BTreeMap<Key, Value>,
    typed: BTreeMap<Key, Arc<RefreshableCredential>>,
    secrets: BTreeMap<Key, SimSecret>,
    written: BTreeMap<Key, Written>,
    lease: Option<Value>,
    shown: BTreeMap<(Kind, String, String), Arc<Shown>>,
}

impl Snapshot {
    fn of(state: &State) -> Self {
        Self {
            version: state.version,
            credentials: state.credentials.clone(),
            typed: state.typed.clone(),
            secrets: state.secrets.clone(),
            written: state.auditor.written.clone(),
            lease: state.lease.clone(),
            shown: state.log.shown.clone(),
        }
    }

    fn restore(self, state: &mut State) {
        state.version = self.version;
        state.credentials = self.credentials;
        state.typed = self.typed;
        state.secrets = self.secrets;
        state.auditor.written = self.written;
        state.lease = self.lease;
        state.log.go_back(self.shown, self.version);
        let now = state.now();
        state.disturbed = state.credentials.keys().map(|key| (key.clone(), now)).collect();
        state.changed.notify_waiters();
    }
}

fn renew_more_often(world: &World, key: &Key) {
    let shorter = |o: &mut Value| o["spec"]["roles"][0]["durationSeconds"] = 1800.into();
    world.shared.lock().put_credential(key, shorter);
}

#[test]
fn after_a_restore_of_older_data_all_is_as_these_and_their_users_say() {
    for namespaced in [false, true] {
        runtime().block_on(async {
            let mut world = World::new(91, Setup { namespaced, ..Setup::default() });
            let mut keys: Vec<Key> = (0..20)
                .map(|n| {
                    let (namespace, seconds) = (users::NAMESPACES[n % 2], [900, 43200][n / 10]);
                    users::make(&world, namespace, &format!("r-{n:02}"), seconds)
                })
                .collect();
            world.run(MINUTE * 2).await;
            users::assert_settled(&world, &keys);
            let snapshot = Snapshot::of(&world.shared.lock());
            // Those of a quarter of an hour are renewed, and more happens that is lost.
            world.shared.lock().delete_credential(&keys[19]);
            keys[10..12].iter().for_each(|key| renew_more_often(&world, key));
            keys.push(users::make(&world, "team-a", "lost", 3600));
            world.run(MINUTE * 10).await;
            users::assert_settled(&world, &keys);
            let setup = world.instances[0].setup.clone();
            let calls = {
                let mut state = world.shared.lock();
                state.version += OTHER_WRITES;
                snapshot.restore(&mut state);
                let until = state.now() + setup.takeover();
                state.auditor.hinder_until(until);
                state.auditor.issuer_calls
            };
            // What is asked for after it is noticed, though no watch of before it can show it.
            renew_more_often(&world, &keys[12]);
            world.shared.lock().delete_secret(&keys[13]);
            keys.push(users::make(&world, "team-a", "new", 3600));
            world.run(MINUTE * 2).await;
            users::assert_settled(&world, &keys);
            assert!(
                !world.shared.lock().credentials.contains_key(&("team-a".into(), "lost".into()))
            );
            let calls = world.shared.lock().auditor.issuer_calls - calls;
            // The three, and the ten that have two minutes left of their fifteen.
            assert_eq!(calls, 3 + 10, "{namespaced}");
            world.run(MINUTE * 60).await;
            users::assert_settled(&world, &keys);
        });
    }
}
