//! Each promise broken on purpose: the auditor must object, or its silence means nothing.

use super::driver::{Setup, World};
use super::sts::SimSts;
use super::users;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use jiff::SignedDuration;
use kube::api::{Api, DeleteParams};
use refreshable_controller::Settings;
use refreshable_rules::withdrawal::Limits;
use serde_json::json;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Runs a world that is broken by `breaks`, and returns what the auditor objected to.
fn objections(setup: Setup, breaks: impl AsyncFn(&mut World)) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(7, setup);
        world.tolerant = true;
        for number in 0..20 {
            users::make(&world, "team-a", &format!("x-{number}"), 3600);
        }
        breaks(&mut world).await;
        world.shared.lock().auditor.violations.clone()
    })
}

fn assert_objects(promise: &str, objections: &[String]) {
    assert!(objections.iter().any(|o| o.starts_with(promise)), "{promise}: {objections:?}");
}

#[test]
fn what_is_sound_meets_no_objection() {
    let objections = objections(Setup::default(), async |world| world.run(HOUR * 24).await);
    assert!(objections.is_empty(), "{objections:?}");
}

#[test]
fn a_controller_with_one_worker_for_all_is_late() {
    let held = std::time::Duration::from_secs(3600);
    let settings = Settings { slow_after: held, ..Settings::default() };
    let setup = Setup { concurrency: 1, settings, ..Setup::default() };
    let seen = objections(setup, async |world| {
        world.run(SignedDuration::from_mins(5)).await;
        // An issuer so slow that one worker cannot keep up.
        world.shared.lock().latency = std::time::Duration::from_secs(8);
        for number in 20..800 {
            users::make(world, "team-a", &format!("x-{number}"), 3600);
        }
        world.run(HOUR * 3).await;
    });
    assert_objects("1, never late", &seen);
}

#[test]
fn a_controller_that_deletes_what_is_valid_is_caught() {
    let seen = objections(Setup::default(), async |world| {
        world.run(HOUR).await;
        let client = super::apiserver::client(world.shared.clone(), 0);
        let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, "team-a");
        secrets.delete("x-1", &DeleteParams::default()).await.expect("deleted");
    });
    assert_objects("2, never lose", &seen);
}

#[test]
fn a_controller_that_asks_without_a_cause_is_early() {
    let seen = objections(Setup::default(), async |world| {
        world.run(SignedDuration::from_mins(5)).await;
        ask_the_issuer(world, "x-1").await;
    });
    assert_objects("3, never early", &seen);
}

/// Asks the issuer for the session of team-a's resource `name`, as its controller would.
async fn ask_the_issuer(world: &World, name: &str) {
    let form = format!(
        "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2F{name}&RoleSessionName=team-a.{name}"
    );
    SimSts(world.shared.clone())
        .call(HttpRequest::new(SdkBody::from(form)))
        .await
        .expect("a session");
}

#[test]
fn sessions_of_another_role_are_caught() {
    let seen = objections(Setup::default(), async |world| {
        world.shared.lock().faults.issuer_swaps = true;
        world.run(HOUR).await;
    });
    assert_objects("4, wrong identity", &seen);
}

#[test]
fn a_secret_in_a_status_is_caught() {
    let seen = objections(Setup::default(), async |world| {
        world.shared.lock().put_credential(&("team-a".to_owned(), "x-1".to_owned()), |object| {
            object["metadata"]["annotations"] =
                json!({"refreshable.dev/requested-at": super::sts::CANARY});
        });
        world.run(HOUR).await;
    });
    assert_objects("5, never leaked", &seen);
}

#[test]
fn a_secret_in_the_log_is_caught() {
    let seen = objections(Setup::default(), async |world| {
        tracing::info!(token = format!("{}-token", super::sts::CANARY), "published");
        world.run(HOUR).await;
    });
    assert_objects("5, never leaked: a secret stands in the log", &seen);
}

#[test]
fn a_controller_that_withdraws_what_is_permitted_is_caught() {
    let seen = objections(Setup::default(), async |world| {
        world.run(HOUR).await;
        // Another namespace's permission goes; team-a's Secret goes with it, which nobody took
        // anything from.
        let allow = json!({"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]});
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "team-a"}});
        world
            .shared
            .lock()
            .put_policy("all", json!({"namespaceSelector": selector, "allow": allow}));
        let client = super::apiserver::client(world.shared.clone(), 0);
        let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, "team-a");
        secrets.delete("x-1", &DeleteParams::default()).await.expect("deleted");
    });
    assert_objects("2, never lose", &seen);
}

/// The auditor's objections after all resources lost their permission under a controller with these
/// limits.
fn objections_to_withdrawals(withdrawal: Limits) -> Vec<String> {
    let settings = Settings { withdrawal, ..Settings::default() };
    objections(Setup { settings, ..Setup::default() }, async |world| {
        world.run(SignedDuration::from_mins(1)).await;
        world.shared.lock().delete_policy("all");
        world.run(SignedDuration::from_mins(15)).await;
    })
}

#[test]
fn a_brake_without_a_grace_period_is_caught() {
    let limits = Limits { after: SignedDuration::ZERO, most_percent: 100, ..Limits::default() };
    assert_objects("2, withdrawn too soon", &objections_to_withdrawals(limits));
}

#[test]
fn a_brake_without_a_limit_is_caught() {
    let limits = Limits { most_percent: 100, ..Limits::default() };
    assert_objects("2, withdrawn too many", &objections_to_withdrawals(limits));
}

#[test]
fn a_budget_that_is_none_is_caught() {
    let settings = Settings { calls_per_second: 100_000, burst: 100_000, ..Settings::default() };
    let seen = objections(Setup { settings, ..Setup::default() }, async |world| {
        world.shared.lock().auditor.most_per_second = Some(10);
        world.run(HOUR).await;
    });
    assert_objects("6, overrun", &seen);
}

#[test]
fn a_second_leader_that_writes_is_caught() {
    let seen = objections(Setup::default(), async |world| {
        world.add_instance(Setup { forced: true, ..Setup::default() });
        world.run(HOUR).await;
    });
    assert_objects("7, two leaders", &seen);
}

#[test]
fn a_controller_that_keeps_what_is_no_longer_listed_is_caught() {
    let setup = Setup { keeps_the_gone: true, namespaced: true, ..Setup::default() };
    let seen = objections(setup, async |world| {
        world.run(SignedDuration::from_mins(5)).await;
        let back = world.now() + SignedDuration::from_secs(10);
        world.instances[0].cut_off(&world.shared, back);
        world.shared.lock().delete_secret(&("team-a".to_owned(), "x-1".to_owned()));
        world.run(SignedDuration::from_mins(10)).await;
    });
    assert_objects("2, never lose", &seen);
}

#[test]
fn a_controller_that_forgets_what_its_fence_refused_is_caught() {
    let setup = Setup { forgets_refused: true, ..Setup::default() };
    let seen = objections(setup, async |world| super::lapses::lapse_while_due(world).await);
    assert_objects("1, never late", &seen);
}

#[test]
fn a_read_too_many_is_caught() {
    let seen = objections(Setup::default(), async |world| {
        world.shared.lock().auditor.exact = true;
        world.run(HOUR).await;
        let sound = std::mem::take(&mut world.shared.lock().auditor.violations);
        assert_eq!(sound, Vec::<String>::new());
        let client = super::apiserver::client(world.shared.clone(), 0);
        let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, "team-a");
        secrets.get("x-1").await.expect("read");
    });
    assert_objects("8, one call: api/v1/namespaces/team-a/secrets/x-1 was read", &seen);
}

/// Runs a world of resources with profiles that is broken by `breaks`.
fn objections_to_profiles(breaks: impl AsyncFn(&mut World)) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(8, Setup::default());
        world.tolerant = true;
        for number in 0..5 {
            users::make_profiles(&world, "team-a", &format!("x-{number}"), 4, 3600);
        }
        world.run(SignedDuration::from_mins(5)).await;
        assert!(world.shared.lock().auditor.violations.is_empty());
        breaks(&mut world).await;
        world.shared.lock().auditor.violations.clone()
    })
}

#[test]
fn a_profile_that_is_dropped_because_it_failed_is_caught() {
    let seen = objections_to_profiles(async |world| {
        let key = ("team-a".to_owned(), "x-1".to_owned());
        let (uid, mut secret) = {
            let state = world.shared.lock();
            (state.typed[&key].metadata.uid.clone().expect("a UID"), state.secrets[&key].clone())
        };
        // What a controller would write that forgets whoever failed.
        let records =
            secret.fields.get_mut("annotations/refreshable.dev/profiles").expect("records");
        let mut kept: serde_json::Value = serde_json::from_str(&records.0).expect("JSON");
        kept.as_object_mut().expect("records by name").remove("p2").expect("one of them");
        records.0 = kept.to_string();
        let metadata = secret.metadata();
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "type": secret.kind, "data": secret.part("data/"),
            "metadata": {"name": "x-1", "uid": metadata["uid"], "labels": metadata["labels"], "annotations": metadata["annotations"]},
        });
        let client = super::apiserver::client(world.shared.clone(), 0);
        let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, "team-a");
        let manager = refreshable_api::names::owner_field_manager(&uid);
        let parameters = kube::api::PatchParams::apply(&manager).force();
        secrets.patch("x-1", &parameters, &kube::api::Patch::Apply(body)).await.expect("applied");
    });
    assert_objects("2, never lose: profile p2", &seen);
}

#[test]
fn a_profile_that_holds_the_others_back_is_caught() {
    let seen = objections_to_profiles(async |world| {
        // The shared role is refused on account of one profile, so that all of them end.
        world.shared.lock().faults.denied_roles = Some("role/hub");
        world.run(HOUR).await;
    });
    assert_objects("1, never late: x-", &seen);
    assert!(seen.iter().any(|o| o.contains("profile p0")), "{seen:?}");
}

#[test]
fn a_profile_with_another_s_session_is_caught() {
    let seen = objections_to_profiles(async |world| {
        world.shared.lock().faults.issuer_swaps = true;
        world.run(HOUR).await;
    });
    assert_objects("4, wrong identity", &seen);
}

#[test]
fn a_call_too_many_for_a_profile_is_caught() {
    let seen = objections_to_profiles(async |world| {
        world.shared.lock().auditor.exact = true;
        let form = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fhub&RoleSessionName=team-a.x-1";
        let request = HttpRequest::new(SdkBody::from(form));
        SimSts(world.shared.clone()).call(request).await.expect("a session");
        world.run(HOUR).await;
    });
    assert_objects("8, one call", &seen);
}
