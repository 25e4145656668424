//! `version`: of this program and, where the user may see it, of the controller.

use super::Global;
use super::cluster::Cluster;
use super::error::{Error, Result};
use super::output::{self, Format};
use super::terminal::visible;
use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Label and value that the chart and `deploy/` put on the controller's Deployment.
pub(super) const CONTROLLER: &str = "app.kubernetes.io/name=refreshable";
/// Label that names the controller's version.
pub(super) const VERSION_LABEL: &str = "app.kubernetes.io/version";
/// A version is not worth waiting longer for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The version of this program and, where you may see its Deployment, of the controller.
#[derive(Args, Debug)]
pub struct Version {
    /// Print only this program's version, without a cluster.
    #[arg(long)]
    client: bool,
    /// Form of the output.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Version {
    /// Runs the command.
    ///
    /// # Errors
    /// If the output cannot be written. A cluster that does not answer is only reported.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let mut found = json!({"clientVersion": env!("CARGO_PKG_VERSION")});
        if !self.client {
            found["controllers"] = match tokio::time::timeout(PATIENCE, controllers(global)).await {
                Ok(Ok(list)) => list.into(),
                Ok(Err(Error::Server { status, .. })) => json!({"unknown": status.message}),
                Ok(Err(error)) => json!({"unknown": error.to_string()}),
                Err(_) => json!({"unknown": Error::Slow(PATIENCE).to_string()}),
            };
        }
        match self.output {
            Some(format) => output::print(&format.write(&found)?)?,
            None => output::show(&text(&found))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The controllers that run in the cluster.
async fn controllers(global: &Global) -> Result<Vec<Value>> {
    let cluster = Cluster::of(global).await?;
    let list = cluster.list(&cluster.everywhere::<Deployment>(), Some(CONTROLLER)).await?;
    Ok(list.items.iter().map(controller).collect())
}

fn controller(deployment: &Deployment) -> Value {
    let pod = deployment.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    let ready = deployment.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0);
    json!({
        "namespace": deployment.namespace(),
        "name": deployment.name_any(),
        "version": deployment.labels().get(VERSION_LABEL),
        "image": pod.and_then(|p| p.containers.first()).and_then(|c| c.image.clone()),
        "readyReplicas": ready,
    })
}

fn text(found: &Value) -> String {
    let word = |value: &Value| visible(value.as_str().unwrap_or("unknown")).into_owned();
    let mut lines = format!("Client Version: {}\n", word(&found["clientVersion"]));
    match &found["controllers"] {
        Value::Array(list) if list.is_empty() => {
            lines.push_str(
                "Controller: no Deployment with label app.kubernetes.io/name=refreshable\n",
            );
        }
        Value::Array(list) => {
            for one in list {
                lines.push_str(&format!(
                    "Controller Version: {} (Deployment {}/{}, {} ready)\n",
                    word(&one["version"]),
                    word(&one["namespace"]),
                    word(&one["name"]),
                    one["readyReplicas"],
                ));
            }
        }
        Value::Object(why) => {
            lines.push_str(&format!("Controller: not visible ({})\n", word(&why["unknown"])))
        }
        _ => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_of_the_controller_is_said() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"namespace": "refreshable", "name": "refreshable", "labels": {VERSION_LABEL: "0.1.0"}},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "example.com/r:0.1.0"}]}}},
            "status": {"readyReplicas": 2},
        }))
        .expect("a Deployment");
        let seen = json!({"clientVersion": "0.1.0", "controllers": [controller(&deployment)]});
        assert_eq!(
            text(&seen),
            "Client Version: 0.1.0\nController Version: 0.1.0 (Deployment refreshable/refreshable, 2 ready)\n"
        );
        assert_eq!(seen["controllers"][0]["image"], "example.com/r:0.1.0");
        assert_eq!(text(&json!({"clientVersion": "1"})), "Client Version: 1\n");
        let blind = json!({"clientVersion": "1", "controllers": {"unknown": "forbidden"}});
        assert!(text(&blind).ends_with("Controller: not visible (forbidden)\n"));
    }
}
