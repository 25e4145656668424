//! The chart's objects on a stage, and a controller that runs as the ServiceAccount among them.

use super::stage::{SOON, Stage};
use crate::harness::controller::Builder;
use crate::harness::{Controller, eventually, helm, scratch};
use kube::Client;
use serde_json::{Value, json};

/// Objects that the chart made for one stage.
pub struct Installed {
    /// The name of the release, of the namespace that it lies in, and of its ServiceAccount.
    pub name: String,
    /// Its objects.
    pub objects: Vec<Value>,
    kubeconfig: std::path::PathBuf,
}

impl Installed {
    /// Applies the chart with these values, but for its CRDs (which all tests share) and its Pods.
    pub async fn on(stage: &Stage, mut values: Value) -> Self {
        values["crds"] = json!({"enabled": false});
        let home = stage.cluster.namespace("installed").create().await;
        let objects = helm::template(&home.name, &home.name, &values).await;
        let applied: Vec<_> =
            objects.iter().filter(|o| o["kind"] != "Deployment").cloned().collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": applied});
        let file =
            scratch::write(scratch::subfolder("installed").join("list.json"), list.to_string());
        stage
            .cluster
            .kubectl(&["apply", "--server-side", "--filename", &file.display().to_string()])
            .await;
        let kubeconfig = stage.cluster.kubeconfig_for(&home.name, &home.name).await;
        let installed = Self { name: home.name, objects, kubeconfig };
        if installed.objects.iter().any(|o| o["kind"] == "ValidatingAdmissionPolicy") {
            installed.fence_stands(stage).await;
        }
        installed
    }

    /// The API server takes a moment to heed new admission policies.
    async fn fence_stands(&self, stage: &Stage) {
        let namespace = &stage.namespace.name;
        let service_account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "probe", "namespace": namespace}});
        stage.apply(service_account).await;
        let client = self.client().await;
        eventually(SOON, "the admission policies are heeded", async || {
            let secret = json!({"metadata": {"name": "probe"}, "type": "Opaque"});
            let [token, secret] = [
                (
                    format!("/api/v1/namespaces/{namespace}/serviceaccounts/probe/token"),
                    json!({"spec": {"audiences": ["probe"]}}),
                ),
                (format!("/api/v1/namespaces/{namespace}/secrets?dryRun=All"), secret),
            ]
            .map(|(path, body)| {
                http::Request::post(path)
                    .header("content-type", "application/json")
                    .body(body.to_string().into_bytes())
            });
            let mut answers = Vec::new();
            for request in [token, secret] {
                answers.push(match client.request::<Value>(request.expect("a request")).await {
                    Err(kube::Error::Api(status))
                        if status.message.contains("ValidatingAdmissionPolicy") =>
                    {
                        None
                    }
                    other => Some(format!("{other:?}")),
                });
            }
            answers.into_iter().flatten().next().map_or(Ok(()), Err)
        })
        .await;
    }

    /// A client that is the controller's ServiceAccount.
    pub async fn client(&self) -> Client {
        crate::harness::cluster::client(&self.kubeconfig).await
    }

    /// Starts the stage's controller as that ServiceAccount, with the environment that the chart
    /// gives its Pods.
    pub async fn start(&self, stage: &Stage) -> Controller {
        self.start_as(stage.program()).await
    }

    /// The same with this program, for example one that watches every namespace.
    pub async fn start_as(&self, program: Builder) -> Controller {
        let deployment =
            self.objects.iter().find(|o| o["kind"] == "Deployment").expect("a Deployment");
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let mut program = program.kubeconfig(&self.kubeconfig).args(["--log-level", "debug"]);
        for variable in env.as_array().into_iter().flatten() {
            let name = variable["name"].as_str().expect("a name");
            match (name, variable["value"].as_str()) {
                ("POD_NAME", _) => program = program.env(name, "installed"),
                ("REFRESHABLE_LEASE_NAMESPACE", _) => program = program.env(name, &self.name),
                // An argument says it.
                ("REFRESHABLE_LOG_LEVEL", _) => {}
                (_, Some(value)) => program = program.env(name, value),
                other => panic!("{other:?}"),
            }
        }
        program.start().await
    }
}
