use super::*;
use crate::fixtures::{UID, credential, minute, record, reported};

const ROLE: &str = "arn:aws:iam::111122223333:role/reader";

fn restarting() -> RefreshableCredential {
    credential(
        json!({"roles": [{"roleArn": ROLE}], "restart": [{"kind": "Deployment", "name": "reports"}]}),
    )
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
    assert_eq!(
        said[0].restarted_for,
        Some(Time(minute(0))),
        "a status write alone forgets no restart"
    );
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
    assert!(
        warning(&object, &short)
            .expect("a warning")
            .starts_with("spec.restart restarts workloads every ")
    );
    let mut signed = object.clone();
    let eks = json!({"eks": {"clusterName": "prod", "region": "eu-west-1"}});
    signed.spec.token = Some(serde_json::from_value(eks).expect("a token"));
    let of_token = warning(&signed, &short).expect("a warning");
    assert!(of_token.ends_with("have the program read the token's file again"), "{of_token}");
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

/// Verdict at minute 41 on the rotation of minute 40, where the wait for a rollout ends at minute
/// 50.
fn verdict(kind: WorkloadKind, workload: &Workload) -> Verdict {
    workload.judge(kind, UID, minute(40), minute(50), minute(41))
}

#[test]
fn a_deployment_is_restarted_when_it_stands_still() {
    let judged =
        |change: &dyn Fn(&mut Value)| verdict(WorkloadKind::Deployment, &deployment(change));
    let set = |path: &'static str, to: i64| {
        judged(&|d| *d.pointer_mut(path).expect("a member") = to.into())
    };
    assert_eq!(judged(&|_| ()), Verdict::Restart);
    assert_eq!(set("/status/observedGeneration", 3), Verdict::RollsOut);
    assert_eq!(set("/status/updatedReplicas", 2), Verdict::RollsOut);
    assert_eq!(set("/status/availableReplicas", 2), Verdict::RollsOut);
    assert_eq!(set("/status/replicas", 4), Verdict::RollsOut, "an old one still ends");
    assert_eq!(judged(&|d| d["spec"]["paused"] = true.into()), Verdict::Paused);
    assert_eq!(set("/spec/replicas", 0), Verdict::Restart, "scaled to nothing");
}

#[test]
fn a_rollout_that_gave_up_may_need_the_new_credentials() {
    let stuck = deployment(|d| {
        d["status"]["availableReplicas"] = 0.into();
        d["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    });
    assert_eq!(verdict(WorkloadKind::Deployment, &stuck), Verdict::Restart);
}

fn stateful(updated: i64, ready: i64, strategy: Value) -> Workload {
    workload(json!({
        "metadata": {"generation": 2},
        "spec": {"replicas": 3, "updateStrategy": strategy},
        "status": {"observedGeneration": 2, "replicas": 3, "currentReplicas": 3 - updated,
            "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready},
    }))
}

#[test]
fn a_stateful_set_with_a_partition_has_rolled_out_when_the_pods_above_it_have() {
    let with = |partition: i64| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
    for (updated, ready, strategy, expected) in [
        (3, 3, json!({"type": "RollingUpdate"}), Verdict::Restart),
        (3, 3, with(0), Verdict::Restart),
        (2, 3, with(0), Verdict::RollsOut),
        (1, 3, with(2), Verdict::Restart),
        (3, 3, with(2), Verdict::Restart),
        (0, 3, with(2), Verdict::RollsOut),
        (1, 2, with(2), Verdict::RollsOut),
        (0, 3, with(3), Verdict::Restart),
        (0, 3, with(7), Verdict::Restart),
        (0, 2, json!({"type": "OnDelete"}), Verdict::Restart),
    ] {
        let judged =
            verdict(WorkloadKind::StatefulSet, &stateful(updated, ready, strategy.clone()));
        assert_eq!(judged, expected, "{updated} of 3 updated, {ready} ready, {strategy}");
    }
    let unseen =
        workload(json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}));
    assert_eq!(verdict(WorkloadKind::StatefulSet, &unseen), Verdict::RollsOut);
}

fn daemons(updated: i64, available: i64, strategy: &str) -> Workload {
    workload(json!({
        "metadata": {"generation": 1},
        "spec": {"updateStrategy": {"type": strategy, "rollingUpdate": {"maxUnavailable": "20%", "maxSurge": 0}}},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 5,
            "updatedNumberScheduled": updated, "numberAvailable": available},
    }))
}

#[test]
fn daemon_sets_are_counted_by_nodes_and_on_delete_rolls_out_by_hand() {
    let judged = |updated, available, strategy| {
        verdict(WorkloadKind::DaemonSet, &daemons(updated, available, strategy))
    };
    assert_eq!(judged(5, 5, "RollingUpdate"), Verdict::Restart);
    assert_eq!(judged(4, 5, "RollingUpdate"), Verdict::RollsOut);
    assert_eq!(judged(5, 4, "RollingUpdate"), Verdict::RollsOut);
    assert_eq!(judged(4, 4, "OnDelete"), Verdict::Restart);
}

#[test]
fn a_rollout_that_does_not_end_is_waited_for_until_the_deadline_and_no_longer() {
    let never_ready = deployment(|d| d["status"]["availableReplicas"] = 2.into());
    let unseen = deployment(|d| d["status"]["observedGeneration"] = 3.into());
    let paused = deployment(|d| d["spec"]["paused"] = true.into());
    let done = deployment(|d| {
        d["status"]["availableReplicas"] = 2.into();
        let annotation = format!("{}{UID}", names::RESTARTED_FOR_PREFIX);
        d["spec"]["template"]["metadata"]["annotations"][annotation] =
            minute(40).to_string().into();
    });
    let dead_node = daemons(4, 4, "RollingUpdate");
    let one_short =
        stateful(3, 2, json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}));
    for (kind, workload, before, after) in [
        (WorkloadKind::Deployment, &never_ready, Verdict::RollsOut, Verdict::Insist),
        (WorkloadKind::Deployment, &unseen, Verdict::RollsOut, Verdict::Insist),
        (WorkloadKind::DaemonSet, &dead_node, Verdict::RollsOut, Verdict::Insist),
        (WorkloadKind::StatefulSet, &one_short, Verdict::RollsOut, Verdict::Insist),
        (WorkloadKind::Deployment, &paused, Verdict::Paused, Verdict::Paused),
        (WorkloadKind::Deployment, &done, Verdict::Done, Verdict::Done),
    ] {
        let at = |now| workload.judge(kind, UID, minute(40), minute(50), now);
        assert_eq!((at(minute(49)), at(minute(50))), (before, after), "{workload:?}");
    }
}

#[test]
fn a_restart_waits_for_half_of_what_is_left_of_what_the_pods_hold() {
    let object = restarting();
    let rotated = content(&object, 40);
    for (held_until, deadline) in [(60, 50), (42, 41), (40, 40), (10, 40)] {
        assert_eq!(
            super::deadline(minute(held_until), &rotated),
            minute(deadline),
            "held until minute {held_until}"
        );
    }
}

#[test]
fn the_status_knows_until_when_the_pods_hold_what_they_have() {
    let object = restarting();
    let mut object = reported(object.clone(), &record(&object));
    let rotated = content(&object, 40);
    let mut said = status(&object, Some(&rotated)).expect("a status").remove(0);
    assert_eq!(
        said.expiration,
        Some(Time(minute(60))),
        "of the first ones, issued at minute 0 for an hour"
    );
    assert_eq!(held_until(&said, &rotated), minute(60));
    follows(&mut said, &rotated);
    assert_eq!(
        (said.restarted_for.clone(), said.expiration.clone()),
        (Some(Time(minute(40))), Some(Time(minute(100))))
    );
    object.status.as_mut().expect("a status").restarts = Some(vec![said.clone()]);
    let later = status(&object, Some(&content(&object, 80))).expect("a status").remove(0);
    assert_eq!(later, said, "a rotation alone changes nothing of it");
    said.expiration = None;
    assert_eq!(
        held_until(&said, &content(&object, 80)),
        minute(100),
        "as an earlier version left it"
    );
}

#[test]
fn the_patch_is_kubectl_s_and_says_for_what_it_was() {
    let before = deployment(|_| ());
    let patch = before.restart(UID, minute(40), minute(41));
    assert_eq!(patch["metadata"]["resourceVersion"], "77");
    let annotations = &patch["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["kubectl.kubernetes.io/restartedAt"], minute(41).to_string());
    let after =
        deployment(|d| d["spec"]["template"]["metadata"]["annotations"] = annotations.clone());
    let judged = |uid, issued_at| {
        after.judge(WorkloadKind::Deployment, uid, issued_at, minute(90), minute(41))
    };
    assert_eq!(judged(UID, minute(40)), Verdict::Done);
    assert_eq!(judged(UID, minute(80)), Verdict::Restart, "for the next rotation");
    assert_eq!(judged("another-resource", minute(40)), Verdict::Restart);
}
