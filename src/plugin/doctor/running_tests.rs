use super::super::check::Verdict::{self, Failure, NotChecked, Warning};
use super::*;
use refreshable_rules::fixtures::{credential, failed, minute, record, reported, unreachable};
use serde_json::json;

fn judged(check: &Check, verdict: Verdict, words: &str) {
    assert_eq!(check.verdict, verdict, "{check:?}");
    assert!(check.message.contains(words), "{words:?} is not in {check:?}");
}

fn controller() -> Controller {
    Controller {
        namespace: "ns".into(),
        name: "rf".into(),
        account: "sa".into(),
        version: None,
        ready: 1,
        wanted: 1,
        lease: Some("rf".into()),
        region: None,
        port: 8080,
        selector: String::new(),
        within: None,
        reads_namespaces: true,
    }
}

#[test]
fn a_lease_must_be_held_and_renewed_lately() {
    let now = minute(10);
    let held = |seconds: i64| Held {
        holder: Some("pod-a".into()),
        renewed: Some(now - SignedDuration::from_secs(seconds)),
        duration: Some(SignedDuration::from_secs(15)),
    };
    let of = |found: Option<Held>| lease(&controller(), &Ok(found), now);
    judged(&of(Some(held(2))), Verdict::Ok, "Lease ns/rf is held by pod-a, renewed 2s ago");
    judged(&of(Some(held(15))), Verdict::Ok, "renewed 15s ago");
    judged(&of(Some(held(-40))), Verdict::Ok, "renewed 0s ago");
    judged(&of(Some(held(16))), Failure, "renewed 16s ago, which is longer than its 15s");
    judged(&of(Some(Held { duration: None, ..held(16) })), Failure, "longer than its 15s");
    judged(&of(Some(Held { holder: Some(String::new()), ..held(1) })), Failure, "is not held");
    judged(&of(Some(Held { renewed: None, ..held(1) })), Failure, "was never renewed");
    judged(&of(None), Failure, "is not held by any replica");
    judged(&lease(&controller(), &Err("forbidden".into()), now), NotChecked, "forbidden");
    let alone = Controller { lease: None, ..controller() };
    judged(&lease(&alone, &Ok(None), now), Verdict::Ok, "without leader election");
}

#[test]
fn replicas_say_of_themselves_whether_their_watches_stand() {
    let replica = |ready: Known<Result<(), String>>, metrics: Known<String>| Replica {
        pod: "pod-a".into(),
        ready,
        metrics,
    };
    let of = |all: &[Replica]| watches(&Ok(all.to_vec()));
    let text = "refreshable_watch_failures_total{resource=\"a\"} 2\nrefreshable_watch_failures_total{resource=\"b\"} 1\nother 7\n";
    let quiet = replica(Ok(Ok(())), Ok("refreshable_leader 1\n".into()));
    judged(&of(std::slice::from_ref(&quiet)), Verdict::Ok, "1 replicas report ready");
    let broke = replica(Ok(Ok(())), Ok(text.into()));
    judged(&of(&[quiet.clone(), broke]), Verdict::Ok, "3 watches broke");
    let unknown = replica(Ok(Ok(())), Err("served over TLS".into()));
    let uncounted = "watches that broke were not counted: served over TLS";
    judged(&of(&[quiet.clone(), unknown]), Verdict::Ok, uncounted);
    let waits = replica(
        Ok(Err("the watches have not had their first lists yet".into())),
        Ok(String::new()),
    );
    judged(&of(&[quiet, waits]), Failure, "pod-a is not ready: the watches have not had");
    let far = replica(Err("forbidden".into()), Err("forbidden".into()));
    judged(&of(&[far]), NotChecked, "pod-a cannot be asked by the API server's proxy: forbidden");
    judged(&of(&[]), NotChecked, "no Pod");
    judged(&watches(&Err("slow".into())), NotChecked, "slow");
}

fn issued() -> RefreshableCredential {
    let object = credential(json!({}));
    let record = record(&object);
    reported(object, &record)
}

fn renewal_fails() -> RefreshableCredential {
    let object = credential(json!({}));
    let record = record(&object);
    failed(reported(object, &record), &unreachable(), Some(&record), minute(40))
}

fn never_issued() -> RefreshableCredential {
    failed(credential(json!({})), &unreachable(), None, minute(40))
}

#[test]
fn resources_that_fail_are_counted_by_reason() {
    let of = |all: Vec<RefreshableCredential>| credentials(&Ok(all), minute(41));
    let all_well = of(vec![issued(), issued()]);
    judged(&all_well[0], Verdict::Ok, "2 resources, none of them fails");
    let mut suspended = never_issued();
    suspended.spec.suspend = Some(true);
    judged(&of(vec![suspended])[0], Verdict::Ok, "none of them fails");
    let mixed = of(vec![renewal_fails(), never_issued(), never_issued(), credential(json!({}))]);
    assert_eq!(mixed.len(), 3, "{mixed:#?}");
    judged(&mixed[0], Failure, "2 not ready (IssuerUnavailable): ");
    assert_eq!(mixed[0].page.as_deref(), Some("docs/troubleshooting.md#issuerunavailable"));
    judged(&mixed[1], Warning, "1 without a status: ");
    judged(&mixed[2], Warning, "1 fail to renew (IssuerUnavailable): ");
    judged(&credentials(&Err("forbidden".into()), minute(1))[0], NotChecked, "forbidden");
}

#[test]
fn names_and_reasons_are_bounded() {
    let mut many: Vec<RefreshableCredential> = vec![never_issued(); 4];
    for reason in
        ["AccessDenied", "Throttled", "InputMissing", "InputInvalid", "NotPermitted", "Expired"]
    {
        let mut object = never_issued();
        let status = object.status.as_mut().expect("a status");
        status.failures.as_mut().expect("failures").reason = reason.to_owned();
        many.push(object);
    }
    let found = credentials(&Ok(many), minute(41));
    assert_eq!(found.len(), MOST + 1, "{found:#?}");
    judged(&found[0], Failure, "4 not ready (IssuerUnavailable): ");
    assert!(found[0].message.ends_with(", ...") && found[0].message.matches('/').count() == 3);
    judged(&found[MOST], Failure, "2 more, by 2 other reasons");
}
