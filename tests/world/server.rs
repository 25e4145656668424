//! The simulated API server does what a real one does where the controller meets it.

use super::apiserver;
use super::driver::{Setup, World};
use super::promises::runtime;
use super::refusals::{Denial, LARGEST};
use super::state::Key;
use super::users;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::core::PartialObjectMetaExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_api::names::{FIELD_MANAGER, owner_field_manager};
use serde_json::{Value, json};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A world with one resource whose Secret is published.
async fn published() -> (World, Key, Api<Secret>) {
    let mut world = World::new(31, Setup::default());
    world.tolerant = true;
    let key = users::make(&world, "team-a", "x", 3600);
    world.run(MINUTE).await;
    users::assert_settled(&world, std::slice::from_ref(&key));
    let secrets = Api::namespaced(apiserver::client(world.shared.clone(), 0), "team-a");
    (world, key, secrets)
}

/// Applies data as the controller does: what refused it, as code, reason and message.
async fn apply(
    secrets: &Api<Secret>,
    name: &str,
    data: Value,
) -> Result<Secret, (u16, String, String)> {
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data});
    let parameters = PatchParams::apply(&owner_field_manager("somebody")).force();
    secrets.patch(name, &parameters, &Patch::Apply(body)).await.map_err(refused)
}

fn refused(error: kube::Error) -> (u16, String, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}

#[test]
fn a_secret_with_a_finalizer_terminates_until_the_finalizer_goes() {
    runtime().block_on(async {
        let (world, key, secrets) = published().await;
        let uid = secrets.get("x").await.expect("there").metadata.uid;
        world.shared.lock().change_secret(&key, |s| s.finalizers.push("example.com/hold".into()));
        let answer = secrets.delete("x", &DeleteParams::default()).await.expect("accepted");
        let waits = answer.left().expect("the object, as long as it is there");
        let since = waits.metadata.deletion_timestamp.clone().expect("since when");
        assert_eq!(
            waits.metadata.finalizers.as_deref(),
            Some(&["example.com/hold".to_owned()][..])
        );
        // Deleted once more, and written: it is the same, and terminates since then.
        secrets.delete("x", &DeleteParams::default()).await.expect("accepted");
        apply(&secrets, "x", json!({"more": "eA=="}))
            .await
            .expect("what terminates can be written");
        let still = secrets.get("x").await.expect("there");
        assert_eq!((still.metadata.uid, still.metadata.deletion_timestamp), (uid, Some(since)));
        world.shared.lock().change_secret(&key, |s| s.finalizers.clear());
        assert!(secrets.get_opt("x").await.expect("an answer").is_none());
    });
}

#[test]
fn a_dry_run_is_judged_and_writes_nothing() {
    runtime().block_on(async {
        let (world, key, secrets) = published().await;
        let before = world.shared.lock().secrets[&key].clone();
        let parameters = PatchParams::apply("somebody").force().dry_run();
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
            "data": {"more": "eA=="}});
        secrets.patch("x", &parameters, &Patch::Apply(&body)).await.expect("it would be taken");
        world.shared.lock().faults.secret_writes = Some(Denial::Policy);
        secrets.patch("x", &parameters, &Patch::Apply(&body)).await.expect_err("denied");
        let after = world.shared.lock().secrets[&key].clone();
        assert_eq!((after.version, after.fields), (before.version, before.fields));
    });
}

#[test]
fn an_immutable_secret_keeps_its_data_and_takes_labels() {
    runtime().block_on(async {
        let (world, key, secrets) = published().await;
        world.shared.lock().change_secret(&key, |s| s.immutable = true);
        let (code, reason, message) =
            apply(&secrets, "x", json!({"more": "eA=="})).await.expect_err("immutable");
        assert_eq!((code, reason.as_str()), (422, "Invalid"));
        assert!(message.contains("field is immutable when `immutable` is set"), "{message}");
        assert_eq!(secrets.get("x").await.expect("there").immutable, Some(true));
        let labelled = kube::core::ObjectMeta {
            labels: Some([("a".into(), "b".into())].into()),
            ..Default::default()
        };
        let labelled = Patch::Apply(labelled.into_request_partial::<Secret>());
        let taken = secrets
            .patch_metadata("x", &PatchParams::apply("labels"), &labelled)
            .await
            .expect("a label");
        assert_eq!(taken.metadata.labels.expect("labels").get("a").map(String::as_str), Some("b"));
    });
}

#[test]
fn a_secret_of_more_than_a_mebibyte_is_refused() {
    runtime().block_on(async {
        let (_world, _, secrets) = published().await;
        let of = |bytes: usize| json!({"large": STANDARD.encode(vec![b'a'; bytes])});
        apply(&secrets, "large", of(LARGEST)).await.expect("the largest");
        let (code, reason, message) =
            apply(&secrets, "larger", of(LARGEST + 1)).await.expect_err("too large");
        assert_eq!((code, reason.as_str()), (422, "Invalid"));
        assert_eq!(
            message,
            "Secret \"larger\" is invalid: data: Too long: may not be more than 1048576 bytes"
        );
    });
}

#[test]
fn denied_writes_of_secrets_are_refused_with_their_words() {
    runtime().block_on(async {
        let (world, _, secrets) = published().await;
        for (denial, code, words, changes) in [
            (Denial::Forbidden, 403, "cannot patch resource \"secrets\" in API group \"\"", true),
            (
                Denial::Policy,
                422,
                "ValidatingAdmissionPolicy 'no' with binding 'no' denied request: no",
                true,
            ),
            (
                Denial::Webhook,
                403,
                "admission webhook \"no.example.com\" denied the request: no",
                true,
            ),
            (Denial::Quota, 403, "exceeded quota: no, requested: secrets=1", false),
            (Denial::TooLarge, 422, "may not be more than 1048576 bytes", true),
        ] {
            world.shared.lock().faults.secret_writes = Some(denial);
            let created = apply(&secrets, "new", json!({"a": "eA=="})).await.expect_err("denied");
            assert!(created.0 == code && created.2.contains(words), "{denial:?}: {created:?}");
            let changed = apply(&secrets, "x", json!({"a": "eA=="})).await;
            assert_eq!(changed.is_err(), changes, "{denial:?}: {changed:?}");
            assert!(
                !world.shared.lock().secrets.contains_key(&("team-a".into(), "new".into())),
                "{denial:?}"
            );
        }
        world.shared.lock().faults.secret_writes = None;
        apply(&secrets, "new", json!({"a": "eA=="})).await.expect("nothing denies it");
    });
}

#[test]
fn denied_writes_of_a_status_change_nothing() {
    runtime().block_on(async {
        let (world, key, _) = published().await;
        let api: Api<RefreshableCredential> =
            Api::namespaced(apiserver::client(world.shared.clone(), 0), "team-a");
        let before = world.shared.lock().credentials[&key].clone();
        let patch = Patch::Merge(json!({"status": {"secretName": "y"}}));
        let parameters = PatchParams::apply(FIELD_MANAGER);
        for (denial, code) in
            [(Denial::Forbidden, 403), (Denial::Policy, 422), (Denial::Webhook, 403)]
        {
            world.shared.lock().faults.status_writes = Some(denial);
            let refused = api
                .patch_status("x", &parameters, &patch)
                .await
                .map_err(refused)
                .expect_err("denied");
            assert_eq!(refused.0, code, "{denial:?}: {refused:?}");
            assert_eq!(world.shared.lock().credentials[&key], before, "{denial:?}");
        }
        world.shared.lock().faults.status_writes = None;
        api.patch_status("x", &parameters, &patch).await.expect("nothing denies it");
    });
}

#[test]
fn a_write_that_lands_can_be_answered_with_an_error() {
    runtime().block_on(async {
        let (world, key, secrets) = published().await;
        world.shared.lock().faults.api_fails_after_writing = 1000;
        let (code, ..) = apply(&secrets, "x", json!({"more": "eA=="})).await.expect_err("an error");
        assert!([500, 504].contains(&code), "{code}");
        assert_eq!(world.shared.lock().secrets[&key].part("data/")["more"], "eA==");
        secrets.get("x").await.expect("reads are no writes");
    });
}

#[test]
fn a_crash_strikes_before_the_call_that_it_is_set_for() {
    runtime().block_on(async {
        // A first issue is three calls: AssumeRole, the Secret, the status.
        for calls in 0..3 {
            let mut world = World::new(32, Setup::default());
            world.shared.lock().dies_after = Some(calls);
            let key = users::make(&world, "team-a", "x", 3600);
            // So short that the next life has not begun.
            let first = world.instances[0].number;
            let counts = |world: &World| {
                let audit = &world.shared.lock().auditor;
                [audit.issuer_calls, audit.applies, audit.status_writes]
            };
            while world.instances[0].number == first {
                world.run(SignedDuration::from_millis(1)).await;
            }
            world.run(MINUTE).await;
            users::assert_settled(&world, &[key]);
            // What was done before is not lost: a session that no Secret holds is asked for anew,
            // and nothing else.
            let all = [[1, 1, 1], [2, 1, 1], [1, 1, 1]][calls];
            assert_eq!(counts(&world), all, "a crash after {calls} calls");
            assert_eq!(world.shared.lock().dies_after, None);
        }
    });
}
