use super::*;
use crate::rules::fixtures::{UID, credential, minute, record, reported};

const ROLE: &str = "arn:aws:iam::111122223333:role/reader";

fn restarting() -> RefreshableCredential {
    credential(json!({"roles": [{"roleArn": ROLE}], "restart": [{"kind": "Deployment", "name": "reports"}]}))
}

fn content(object: &RefreshableCredential, issued: i64) -> Content {
    let mut content = record(object).content.expect("content");
    (content.issued_at, content.expiration) = (minute(issued), minute(issued + 60));
    content
}

#[test]
fn the_first_credentials_restart_nothing_and_each_rotation_does_once() {
    let mut object = restarting();
    assert!(pending(&object, &content(&object, 0)).is_empty(), "nothing is known yet");
    let first = record(&object);
    object = reported(object, &first);
    assert!(pending(&object, &content(&object, 0)).is_empty(), "Pods start with the first ones");
    let rotated = content(&object, 40);
    assert_eq!(pending(&object, &rotated), [&object.spec.restart[0]]);
    let mut said = status(&object, Some(&rotated)).expect("a status");
    assert_eq!(said[0].restarted_for, Some(Time(minute(0))), "a status write alone forgets no restart");
    said[0].restarted_for = Some(Time(minute(40)));
    object.status.as_mut().expect("a status").restarts = Some(said);
    assert!(pending(&object, &rotated).is_empty());
    assert_eq!(pending(&object, &content(&object, 80)).len(), 1);
}

#[test]
fn a_workload_that_is_named_later_is_restarted_from_the_next_rotation_on() {
    let plain = credential(json!({"roles": [{"roleArn": ROLE}]}));
    let mut object = reported(plain.clone(), &record(&plain));
    assert_eq!(status(&object, None), None);
    object.spec.restart = restarting().spec.restart;
    let said = status(&object, Some(&content(&object, 0)));
    object.status.as_mut().expect("a status").restarts = said;
    assert!(pending(&object, &content(&object, 0)).is_empty());
    assert_eq!(pending(&object, &content(&object, 1)).len(), 1, "rotated since it was named");
}

#[test]
fn one_that_is_no_longer_named_is_forgotten() {
    let object = restarting();
    let mut object = reported(object.clone(), &record(&object));
    object.spec.restart.clear();
    assert_eq!(status(&object, Some(&content(&object, 40))), None);
}

#[test]
fn restarts_every_few_minutes_are_warned_about() {
    let object = restarting();
    let mut short = content(&object, 0);
    assert_eq!(warning(&object, &short), None);
    short.expiration = minute(15);
    assert!(warning(&object, &short).expect("a warning").starts_with("spec.restart restarts workloads every "));
    assert_eq!(warning(&credential(json!({"roles": [{"roleArn": ROLE}]})), &short), None);
}

fn workload(value: Value) -> Workload {
    serde_json::from_value(value).expect("a workload")
}

fn deployment(change: impl FnOnce(&mut Value)) -> Workload {
    let mut value = json!({
        "metadata": {"generation": 4, "resourceVersion": "77"},
        "spec": {"replicas": 3, "template": {"metadata": {}}},
        "status": {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
    });
    change(&mut value);
    workload(value)
}

#[test]
fn a_workload_is_restarted_only_when_it_stands_still() {
    let under_way = Verdict::Wait("its last rollout is still under way");
    let paused = Verdict::Wait("its rollouts are paused: `kubectl rollout resume` lets it restart");
    let set = |path: &'static str, to: Value| {
        deployment(move |d| *d.pointer_mut(path).expect("a member") = to).judge(UID, minute(40))
    };
    assert_eq!(deployment(|_| ()).judge(UID, minute(40)), Verdict::Restart);
    assert_eq!(set("/status/observedGeneration", json!(3)), under_way);
    assert_eq!(set("/status/updatedReplicas", json!(2)), under_way);
    assert_eq!(set("/status/availableReplicas", json!(2)), under_way);
    assert_eq!(set("/status/replicas", json!(4)), under_way, "an old one still ends");
    assert_eq!(deployment(|d| d["spec"]["paused"] = true.into()).judge(UID, minute(40)), paused);
    assert_eq!(set("/spec/replicas", json!(0)), Verdict::Restart, "scaled to nothing");
}

#[test]
fn a_rollout_that_gave_up_may_need_the_new_credentials() {
    let stuck = deployment(|d| {
        d["status"]["availableReplicas"] = 0.into();
        d["status"]["conditions"] =
            json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    });
    assert_eq!(stuck.judge(UID, minute(40)), Verdict::Restart);
}

#[test]
fn daemon_sets_are_counted_by_nodes_and_on_delete_rolls_out_by_hand() {
    let daemons = |updated: i64, available: i64, strategy: &str| {
        workload(json!({
            "metadata": {"generation": 1},
            "spec": {"updateStrategy": {"type": strategy}},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 5,
                "updatedNumberScheduled": updated, "numberAvailable": available},
        }))
        .judge(UID, minute(40))
    };
    assert_eq!(daemons(5, 5, "RollingUpdate"), Verdict::Restart);
    assert!(matches!(daemons(4, 5, "RollingUpdate"), Verdict::Wait(_)));
    assert!(matches!(daemons(5, 4, "RollingUpdate"), Verdict::Wait(_)));
    assert_eq!(daemons(4, 4, "OnDelete"), Verdict::Restart);
}

#[test]
fn the_patch_is_kubectl_s_and_says_for_what_it_was() {
    let before = deployment(|_| ());
    let patch = before.restart(UID, minute(40), minute(41));
    assert_eq!(patch["metadata"]["resourceVersion"], "77");
    let annotations = &patch["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["kubectl.kubernetes.io/restartedAt"], minute(41).to_string());
    let after = deployment(|d| d["spec"]["template"]["metadata"]["annotations"] = annotations.clone());
    assert_eq!(after.judge(UID, minute(40)), Verdict::Done);
    assert_eq!(after.judge(UID, minute(80)), Verdict::Restart, "for the next rotation");
    assert_eq!(after.judge("another-resource", minute(40)), Verdict::Restart);
}
