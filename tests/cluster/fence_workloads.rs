//! Limits at admission for the controller's ServiceAccount where it may restart workloads and
//! annotate Pods: whoever steals its token restarts, and changes nothing else.

use super::fence::{allowed, refused};
use super::installed::Installed;
use super::restart::{in_namespace, pod, workload};
use super::stage::{SOON, Stage};
use crate::harness::eventually;
use kube::Error;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
const RESTARTED_FOR: &str = "restarted-for.refreshable.dev/0b2d0f3e-1111-4222-8333-444455556666";
const TIME: &str = "2026-01-01T00:00:00Z";

/// Objects of one kind, in the hands of whoever stole the token and of an administrator.
struct Target {
    thief: Api<DynamicObject>,
    admin: Api<DynamicObject>,
    name: String,
}

impl Target {
    async fn of(stage: &Stage, installed: &Installed, api: (&str, &str), name: &str) -> Self {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(api.0, "v1", api.1));
        let namespace = stage.namespace.name.as_str();
        let thief = Api::namespaced_with(installed.client().await, namespace, &resource);
        let admin = Api::namespaced_with(stage.cluster.client().await, namespace, &resource);
        Self { thief, admin, name: name.to_owned() }
    }

    async fn tries(&self, patch: &Value) -> Result<DynamicObject, Error> {
        let patch = Patch::Strategic(patch);
        self.thief.patch(&self.name, &PatchParams::default(), &patch).await
    }

    /// Waits until the API server heeds the policy, by an attack that is a dry run.
    async fn is_fenced(&self, attack: &Value) {
        let parameters = PatchParams { dry_run: true, ..PatchParams::default() };
        eventually(SOON, "the admission policy is heeded", async || {
            match self.thief.patch(&self.name, &parameters, &Patch::Strategic(attack)).await {
                Err(Error::Api(status)) if status.message.contains("ValidatingAdmissionPolicy") => {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    async fn administers(&self, patch: Value) {
        self.admin
            .patch(&self.name, &PatchParams::default(), &Patch::Strategic(patch))
            .await
            .expect("an administrator changes anything");
    }
}

fn template(template: Value) -> Value {
    json!({"spec": {"template": template}})
}

fn restart(annotations: Value) -> Value {
    template(json!({"metadata": {"annotations": annotations}}))
}

/// Changes that would make a workload somebody else's.
fn takeovers() -> Vec<Value> {
    let volume = json!({"name": "loot", "secret": {"secretName": "theirs"}});
    let init = json!({"name": "init", "image": "registry.example.com/thief"});
    let mut all: Vec<Value> = [
        json!({"containers": [{"name": "main", "image": "registry.example.com/thief"}]}),
        json!({"containers": [{"name": "main", "command": ["sh"]}]}),
        json!({"containers": [{"name": "more", "image": "registry.example.com/thief"}]}),
        json!({"initContainers": [init]}),
        json!({"volumes": [volume]}),
        json!({"serviceAccountName": "other"}),
        json!({"hostNetwork": true}),
    ]
    .map(|spec| template(json!({"spec": spec})))
    .into();
    all.push(template(json!({"metadata": {"labels": {"more": "x"}}})));
    all.push(json!({"spec": {"minReadySeconds": 7}}));
    all.push(json!({"metadata": {"labels": {"more": "x"}}}));
    all.push(json!({"metadata": {"annotations": {RESTARTED_AT: TIME}}}));
    all.push(json!({"metadata": {"finalizers": ["example.com/thief"]}}));
    // A restart does not cover for it.
    let mut both = restart(json!({RESTARTED_AT: TIME}));
    both["spec"]["template"]["spec"] = json!({"hostPID": true});
    all.push(both);
    all
}

#[tokio::test]
async fn a_stolen_token_restarts_workloads_and_changes_nothing_else() {
    let stage = Stage::without_controller().await;
    let installed = Installed::on(&stage, json!({"restart": {"enabled": true}})).await;
    let home = installed.name.as_str();
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        stage.apply(workload(&stage, kind, "reader", 0)).await;
        let reader = Target::of(&stage, &installed, ("apps", kind), "reader").await;
        reader.is_fenced(&takeovers()[0]).await;
        reader.administers(restart(json!({"kept": "1"}))).await;
        for attack in takeovers() {
            refused(reader.tries(&attack).await, "nothing of a workload but the annotations");
        }
        for annotations in [
            json!({"kept": "2"}),
            json!({"kept": null}),
            json!({"sidecar.istio.io/inject": "true"}),
            json!({RESTARTED_AT: "$(cat /etc/passwd)"}),
            json!({"restarted-for.refreshable.dev/x": TIME}),
        ] {
            refused(reader.tries(&restart(annotations)).await, "no annotation of a Pod template");
        }
        // As the controller does after each of two rotations.
        for time in [TIME, "2026-01-01T01:00:00Z"] {
            let rotation = restart(json!({RESTARTED_AT: time, RESTARTED_FOR: time}));
            let patched = allowed(reader.tries(&rotation).await);
            let annotations = &patched.data["spec"]["template"]["metadata"]["annotations"];
            assert_eq!(annotations[RESTARTED_AT], time, "{annotations}");
            assert_eq!(annotations["kept"], "1", "{annotations}");
        }
        let gone = json!({RESTARTED_AT: null});
        refused(reader.tries(&restart(gone)).await, "no annotation of a Pod template");
        reader.administers(takeovers()[0].clone()).await;

        // The release's own namespace is out of reach, as the system's are.
        let mut own = workload(&stage, kind, "own", 0);
        own["metadata"]["namespace"] = home.into();
        stage.apply(own).await;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind));
        let own = Api::namespaced_with(installed.client().await, home, &resource);
        let own = Target { thief: own.clone(), admin: own, name: "own".to_owned() };
        let words = format!("may not restart workloads in namespace {home}: ");
        refused(own.tries(&restart(json!({RESTARTED_AT: TIME}))).await, &words);
    }
}

#[tokio::test]
async fn a_stolen_token_annotates_pods_and_changes_nothing_else() {
    let stage = Stage::without_controller().await;
    let installed = Installed::on(&stage, json!({"promptPropagation": true})).await;
    let mut unmounted = pod("unmounted", Some("Prompt"), "x");
    unmounted["metadata"]["annotations"] = json!({"other": "x"});
    for one in [pod("told", Some("Prompt"), "x"), pod("plain", None, "x"), unmounted] {
        stage.apply(in_namespace(&stage, one)).await;
    }
    let target = async |name| Target::of(&stage, &installed, ("", "Pod"), name).await;
    let told = target("told").await;
    let annotated = |annotations: Value| json!({"metadata": {"annotations": annotations}});
    let image = json!({"name": "main", "image": "registry.example.com/thief"});
    let image = json!({"spec": {"containers": [image]}});
    told.is_fenced(&image).await;
    for attack in [
        image,
        json!({"spec": {"activeDeadlineSeconds": 1}}),
        json!({"metadata": {"labels": {"more": "x"}}}),
        json!({"metadata": {"labels": {"refreshable.dev/propagation": null}}}),
        json!({"metadata": {"finalizers": ["example.com/thief"]}}),
        annotated(json!({"refreshable.dev/mounts": "y"})),
        annotated(json!({"refreshable.dev/mounts": null})),
        annotated(json!({"example.com/other": "x"})),
        annotated(json!({"refreshable.dev/propagated": "now"})),
        annotated(json!({"refreshable.dev/propagated": TIME, "other": "x"})),
    ] {
        refused(told.tries(&attack).await, "nothing of a Pod but the annotation");
    }
    let tell = |time: &str| annotated(json!({"refreshable.dev/propagated": time}));
    for time in [TIME, "2026-01-01T01:00:00Z"] {
        allowed(told.tries(&tell(time)).await);
    }
    for name in ["plain", "unmounted"] {
        let other = target(name).await;
        refused(other.tries(&tell(TIME)).await, "the label refreshable.dev/propagation=Prompt");
    }
    told.administers(json!({"metadata": {"labels": {"more": "x"}}})).await;
}
