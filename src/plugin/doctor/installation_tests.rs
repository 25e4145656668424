use super::super::check::Verdict::{self, Failure, NotChecked, Warning};
use super::*;
use crate::check::Kind;
use serde_json::json;

fn judged(check: &Check, verdict: Verdict, words: &str) {
    assert_eq!(check.verdict, verdict, "{check:?}");
    assert!(check.message.contains(words), "{words:?} is not in {check:?}");
}

fn unwell(why: &str) -> String {
    why.to_owned()
}

/// The CRD as an API server has it, changed.
fn changed(kind: Kind, change: impl FnOnce(&mut Value)) -> Definition {
    let own = kind.definition();
    let mut found = own.clone();
    found["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
    change(&mut found);
    Definition { own, found: Ok(Some(found)) }
}

fn credential(change: impl FnOnce(&mut Value)) -> [Definition; 3] {
    [
        changed(Kind::Credential, change),
        changed(Kind::Policy, |_| {}),
        changed(Kind::Cluster, |_| {}),
    ]
}

#[test]
fn the_crds_must_be_those_of_this_build() {
    let schema = |crd: &mut Value| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    judged(&definitions(&credential(|_| {}), false), Verdict::Ok, "serve v1alpha1");
    let unserved = credential(|c| c["spec"]["versions"][0]["served"] = false.into());
    judged(&definitions(&unserved, false), Failure, "does not serve v1alpha1");
    let new = credential(|c| c["status"] = Value::Null);
    judged(&definitions(&new, false), Failure, "is not established");
    let older = credential(|c| {
        let mut all = schema(c);
        all["properties"]["spec"]["properties"]["roles"]["items"]["properties"]
            .as_object_mut()
            .expect("properties")
            .remove("externalId");
        c["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = all;
    });
    judged(&definitions(&older, false), Failure, "it lacks spec.roles[].externalId");
    let newer = credential(|c| {
        let mut all = schema(c);
        all["properties"]["spec"]["properties"]["more"] = json!({"type": "string"});
        c["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = all;
    });
    judged(&definitions(&newer, false), Warning, "does not know spec.more");
    let ruled = credential(|c| {
        let mut all = schema(c);
        all["properties"]["spec"]["x-kubernetes-validations"] = json!([{"rule": "true"}]);
        c["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = all;
    });
    judged(&definitions(&ruled, false), Warning, "other validation rules");
}

#[test]
fn missing_crds_are_well_only_before_an_installation() {
    let with = |found: [Known<Option<Value>>; 3]| {
        let [one, two, three] = found;
        [(Kind::Credential, one), (Kind::Policy, two), (Kind::Cluster, three)]
            .map(|(kind, found)| Definition { own: kind.definition(), found })
    };
    let none = with([Ok(None), Ok(None), Ok(None)]);
    judged(&definitions(&none, true), Verdict::Ok, "installed yet");
    judged(&definitions(&none, false), Failure, "refreshablecredentials.refreshable.dev, cred");
    let mut half = credential(|_| {});
    half[1].found = Ok(None);
    judged(&definitions(&half, true), Failure, "credentialpolicies.refreshable.dev not installed");
    let hidden = with([Err(unwell("forbidden")), Ok(None), Ok(None)]);
    judged(&definitions(&hidden, false), NotChecked, "forbidden");
}

fn controller() -> Controller {
    Controller {
        namespace: "refreshable".into(),
        name: "rf".into(),
        account: "sa".into(),
        version: Some("0.1.0".into()),
        ready: 2,
        wanted: 2,
        lease: Some("rf".into()),
        region: None,
        port: 8080,
        selector: String::new(),
        within: None,
        reads_namespaces: true,
    }
}

#[test]
fn the_controller_must_be_ready_and_of_this_version() {
    let of = |all: &[Controller], before| controllers(&Ok(all.to_vec()), "0.1.0", before);
    judged(&of(&[controller()], false), Verdict::Ok, "refreshable/rf: 2 of 2 ready, version 0.1.0");
    judged(&of(&[], true), Verdict::Ok, "installed yet");
    judged(&of(&[], false), Failure, "no Deployment");
    judged(&of(&[Controller { ready: 0, ..controller() }], false), Failure, "0 of 2 ready");
    judged(&of(&[Controller { ready: 1, ..controller() }], false), Warning, "1 of 2 ready");
    let other = Controller { version: Some("0.2.0".into()), ..controller() };
    judged(&of(&[controller(), other], false), Warning, "version 0.2.0; this plugin is 0.1.0");
    let unlabelled = Controller { version: None, ..controller() };
    judged(&of(&[unlabelled], false), Warning, "version unknown");
    judged(&controllers(&Err(unwell("slow")), "0.1.0", false), NotChecked, "slow");
}

fn whole() -> Fence {
    let user = vec!["request.userInfo.username == 'system:serviceaccount:refreshable:sa'".into()];
    Fence {
        policies: vec![("rf-tokens".into(), user.clone()), ("rf-secrets".into(), user)],
        bindings: ["rf-tokens", "rf-secrets"].map(|n| (n.to_owned(), vec!["Deny".into()])).into(),
        ..Fence::default()
    }
}

#[test]
fn the_fence_must_be_whole_bound_and_for_the_controller() {
    let of = |change: &dyn Fn(&mut Fence)| {
        let mut fence = whole();
        change(&mut fence);
        super::fence(&Ok(fence), &[controller()])
    };
    judged(&of(&|_| {}), Verdict::Ok, "are there and bound");
    judged(&of(&|f| f.policies.truncate(1)), Failure, "rf-secrets is missing");
    judged(&of(&|f| f.bindings.truncate(1)), Failure, "rf-secrets has no binding that denies");
    judged(&of(&|f| f.bindings[0].1 = vec!["Audit".into()]), Failure, "rf-tokens has no binding");
    judged(&of(&|f| f.policies[0].1.clear()), Failure, "rf-tokens is for another user");
    judged(&of(&|f| *f = Fence::default()), Warning, "the controller of refreshable/rf");
    judged(&super::fence(&Err(unwell("forbidden")), &[controller()]), NotChecked, "forbidden");
}

#[test]
fn what_rbac_grants_besides_must_be_fenced_too() {
    let of = |change: &dyn Fn(&mut Fence)| {
        let mut fence = whole();
        fence.reach = vec![("refreshable/rf".into(), "workloads"), ("another/rf".into(), "pods")];
        let user = fence.policies[0].1.clone();
        fence.policies.push(("rf-workloads".into(), user));
        fence.bindings.push(("rf-workloads".into(), vec!["Deny".into()]));
        change(&mut fence);
        super::fence(&Ok(fence), &[controller()])
    };
    judged(&of(&|_| {}), Verdict::Ok, "are there and bound");
    judged(&of(&|f| f.policies.truncate(2)), Failure, "rf-workloads is missing");
    judged(&of(&|f| f.bindings.truncate(2)), Failure, "rf-workloads has no binding that denies");
    judged(&of(&|f| f.policies[2].1.clear()), Failure, "rf-workloads is for another user");
    let pods = |f: &mut Fence| f.reach.push(("refreshable/rf".into(), "pods"));
    judged(&of(&pods), Failure, "rf-pods is missing");
    let unknown = |f: &mut Fence| f.unknown = Some(unwell("forbidden"));
    judged(&of(&unknown), NotChecked, "what the controller may change: forbidden");
    judged(&of(&|f| *f = Fence { reach: f.reach.clone(), ..Fence::default() }), Warning, "bound");
}

#[test]
fn limits_are_checked_where_the_fence_is() {
    let of = |change: &dyn Fn(&mut Fence), controller: Controller| {
        let mut fence = whole();
        fence.policies.push(("rf-limits".into(), Vec::new()));
        fence.bindings.push(("rf-limits".into(), vec!["Deny".into()]));
        change(&mut fence);
        limits(&Ok(fence), &[controller])
    };
    judged(&of(&|_| {}, controller()), Verdict::Ok, "are checked");
    let missing = of(&|f| f.policies.truncate(2), controller());
    judged(&missing, Failure, "rf-limits is missing");
    judged(&of(&|f| f.bindings.truncate(2), controller()), Failure, "has no binding that denies");
    let without = |f: &mut Fence| *f = Fence::default();
    judged(&of(&without, controller()), NotChecked, "has a fence");
    let blind = Controller { reads_namespaces: false, ..controller() };
    judged(&of(&|f| f.policies.truncate(2), blind), NotChecked, "has a fence");
    judged(&limits(&Err(unwell("forbidden")), &[controller()]), NotChecked, "forbidden");
}

#[test]
fn a_deployment_says_where_its_lease_and_its_pods_are() {
    let deployment = |args: Value| {
        serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "rf", "labels": {"app.kubernetes.io/version": "0.1.0"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"a": "b", "c": "d"}},
                "template": {"spec": {"serviceAccountName": "sa", "containers": [{
                    "name": "controller", "args": args, "ports": [{"containerPort": 9000}],
                    "env": [
                        {"name": "REFRESHABLE_LEASE_NAME", "value": "lease"},
                        {"name": "AWS_REGION", "value": "eu-west-1"},
                        {"name": "REFRESHABLE_WATCH_NAMESPACES", "value": "team-a,team-b"},
                        {"name": "REFRESHABLE_NO_POLICIES", "value": "true"},
                    ],
                }]}},
            },
            "status": {"readyReplicas": 1},
        }))
        .map(|d| Controller::of(&d))
        .expect("a Deployment")
    };
    let read = deployment(json!([]));
    let expected = Controller {
        namespace: "ns".into(),
        lease: Some("lease".into()),
        region: Some("eu-west-1".into()),
        ready: 1,
        port: 9000,
        selector: "a=b,c=d".into(),
        within: Some("team-a".into()),
        reads_namespaces: false,
        ..controller()
    };
    assert_eq!(read, expected);
    assert_eq!(deployment(json!(["--no-leader-election"])).lease, None);
}
