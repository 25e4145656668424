use super::super::tests::cluster;
use super::*;
use serde_json::json;

const ROLE: &str = "arn:aws:iam::111122223333:role/{namespace}";

fn metrics() -> ClusterRefreshableCredential {
    cluster(json!({"namespaceSelector": {"matchLabels": {"metrics": "true"}},
        "template": {"spec": {"roles": [{"roleArn": ROLE}]}}}))
}

/// A cluster's namespaces and resources.
#[derive(Default)]
struct Seen {
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    objects: BTreeMap<(String, String), Arc<RefreshableCredential>>,
}

impl Seen {
    fn namespace(mut self, name: &str, selected: bool) -> Self {
        let labels = [("metrics".to_owned(), selected.to_string())];
        self.namespaces.insert(name.to_owned(), labels.into());
        self
    }

    fn put(&mut self, manifest: Value) {
        let object: RefreshableCredential = serde_json::from_value(manifest).expect("a resource");
        let key = (object.namespace().unwrap_or_default(), object.name_any());
        self.objects.insert(key, Arc::new(object));
    }

    fn plan(&self, cluster: &ClusterRefreshableCredential) -> Plan {
        let own: Vec<_> = self
            .objects
            .values()
            .filter(|o| owner_uid(&o.metadata) == cluster.metadata.uid.as_deref())
            .cloned()
            .collect();
        let name = cluster.credential_name();
        let namespaces = self.namespaces.iter().map(|(name, labels)| (name.as_str(), labels));
        let at = |namespace: &str| self.objects.get(&(namespace.to_owned(), name.clone())).cloned();
        plan(cluster, namespaces, &own, at).expect("a selector that can be read")
    }

    /// Carries the writes out as the API server does, and says this of each.
    fn carry_out(&mut self, plan: Plan, ready: &str, reason: &str) {
        for (at, mut write) in plan.writes.into_iter().enumerate() {
            let uid = format!("uid-{at}-{}", write.name);
            let metadata = &mut write.manifest["metadata"];
            if metadata["uid"].is_null() {
                metadata["uid"] = uid.into();
            }
            write.manifest["status"] = json!({"conditions": [{"type": "Ready", "status": ready,
                "reason": reason, "message": "so it is", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
            self.put(write.manifest);
        }
    }
}

fn names(plan: &Plan) -> (Vec<&str>, Vec<&str>) {
    let writes = plan.writes.iter().map(|w| w.namespace.as_str());
    (writes.collect(), plan.deletions.iter().map(|d| d.namespace.as_str()).collect())
}

fn reasons(plan: &Plan) -> Vec<(&str, &str)> {
    plan.troubles.values().map(|t| (t.namespace.as_str(), t.reason.as_str())).collect()
}

#[test]
fn each_selected_namespace_gets_one_and_then_nothing_more_is_to_do() {
    let mut seen = Seen::default().namespace("a", true).namespace("b", true).namespace("c", false);
    let plan = seen.plan(&metrics());
    assert_eq!((names(&plan).0, plan.namespaces, plan.ready), (vec!["a", "b"], 2, 0));
    assert!(plan.writes.iter().all(|w| !w.known && w.name == "metrics"));
    assert_eq!(reasons(&plan), [("a", "Pending"), ("b", "Pending")]);
    seen.carry_out(plan, "True", "Issued");
    let plan = seen.plan(&metrics());
    assert_eq!((names(&plan), plan.ready), ((vec![], vec![]), 2));
    assert!(plan.troubles.is_empty());
}

#[test]
fn one_that_is_not_ready_tells_its_own_reason() {
    let mut seen = Seen::default().namespace("a", true);
    let plan = seen.plan(&metrics());
    seen.carry_out(plan, "False", "NotPermitted");
    let plan = seen.plan(&metrics());
    assert_eq!((reasons(&plan), plan.ready), (vec![("a", "NotPermitted")], 0));
    assert_eq!(plan.troubles["a"].message.as_deref(), Some("so it is"));
}

#[test]
fn a_namespace_that_is_no_longer_selected_loses_it_and_one_out_of_view_does_not() {
    let mut seen = Seen::default().namespace("a", true).namespace("b", true);
    let plan = seen.plan(&metrics());
    seen.carry_out(plan, "True", "Issued");
    let mut seen = seen.namespace("a", false);
    seen.namespaces.remove("b");
    let plan = seen.plan(&metrics());
    assert_eq!((names(&plan), plan.namespaces), ((vec![], vec!["a"]), 0));
    assert_eq!(plan.deletions[0].uid, "uid-0-metrics");
}

#[test]
fn what_somebody_else_made_is_neither_written_nor_deleted() {
    let mut seen = Seen::default().namespace("a", true).namespace("b", false);
    for namespace in ["a", "b"] {
        seen.put(json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"namespace": namespace, "name": "metrics", "uid": "theirs"}, "spec": {}}));
    }
    let plan = seen.plan(&metrics());
    assert_eq!((names(&plan), reasons(&plan)), ((vec![], vec![]), vec![("a", "NameTaken")]));
    // Another ClusterRefreshableCredential is somebody else, too.
    let mut other = metrics();
    other.metadata.uid = Some("other-uid".to_owned());
    let mut seen = Seen::default().namespace("a", true);
    let first = seen.plan(&other);
    seen.carry_out(first, "True", "Issued");
    assert_eq!(reasons(&seen.plan(&metrics())), [("a", "NameTaken")]);
}

#[test]
fn a_changed_template_and_a_changed_resource_are_written_again_under_their_uid() {
    let mut seen = Seen::default().namespace("a", true);
    let plan = seen.plan(&metrics());
    seen.carry_out(plan, "True", "Issued");
    let mut changed = metrics();
    changed.spec.template.spec.suspend = Some(true);
    let plan = seen.plan(&changed);
    assert!(plan.writes[0].known);
    assert_eq!(plan.writes[0].manifest["metadata"]["uid"], "uid-0-metrics");
    assert_eq!((reasons(&plan), plan.ready), (vec![("a", "Pending")], 0));
    // A template that asks for less changes it, too, though everything that is left is there.
    seen.carry_out(plan, "True", "Issued");
    assert_eq!(names(&seen.plan(&metrics())).0, ["a"]);
}

#[test]
fn under_another_name_the_earlier_one_goes_once_the_new_one_is_ready_or_it_is_in_its_way() {
    let mut renamed = metrics();
    renamed.spec.credential_name = Some("aws".to_owned());
    for (ready, reason, goes) in [
        ("True", "Issued", true),
        ("False", "SecretConflict", true),
        ("False", "AccessDenied", false),
    ] {
        let mut seen = Seen::default().namespace("a", true);
        let plan = seen.plan(&metrics());
        seen.carry_out(plan, "True", "Issued");
        let plan = seen.plan(&renamed);
        assert_eq!(names(&plan), (vec!["a"], vec![]), "it is not there yet");
        seen.carry_out(plan, ready, reason);
        let plan = seen.plan(&renamed);
        assert_eq!(plan.deletions.iter().any(|d| d.name == "metrics"), goes, "{reason}");
        assert!(plan.writes.is_empty() && plan.deletions.iter().all(|d| d.name != "aws"));
    }
}

#[test]
fn what_is_being_deleted_is_waited_for() {
    let mut seen = Seen::default().namespace("a", true);
    let plan = seen.plan(&metrics());
    seen.carry_out(plan, "True", "Issued");
    let key = ("a".to_owned(), "metrics".to_owned());
    let mut going = Arc::unwrap_or_clone(seen.objects.remove(&key).expect("it is there"));
    going.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time");
    seen.objects.insert(key, Arc::new(going));
    let plan = seen.plan(&metrics());
    assert_eq!((names(&plan), reasons(&plan)), ((vec![], vec![]), vec![("a", "Pending")]));
    let seen = seen.namespace("a", false);
    assert!(seen.plan(&metrics()).deletions.is_empty(), "it goes already");
}

#[test]
fn a_selector_that_cannot_be_read_plans_nothing() {
    let mut unreadable = metrics();
    let expressions = json!([{"key": "a", "operator": "Equals", "values": ["x"]}]);
    unreadable.spec.namespace_selector.match_expressions =
        serde_json::from_value(expressions).expect("expressions");
    assert!(plan(&unreadable, [], &[], |_| None).is_err());
}
