//! An API server that is away and comes back: what happened before the watches are back is made
//! good, once.

use super::scale::{all_ready, make};
use super::stage::{SOON, Stage, ready};
use crate::harness::gate::Gate;
use crate::harness::{Cluster, eventually, scratch};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams};
use refreshable_api::RefreshableCredential;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More than one page of a list.
const MANY: usize = 700;
/// kube's watches try again after half a minute at most.
const BACK: Duration = Duration::from_secs(120);

/// The same kubeconfig, but that it leads through `gate`.
pub(super) fn through(gate: &Gate, cluster: &Cluster, kubeconfig: &Path) -> PathBuf {
    let config = std::fs::read_to_string(kubeconfig).expect("a kubeconfig");
    let url = format!("https://{}", gate.address());
    let config = config.replace(cluster.control_plane.url(), &url);
    scratch::write(scratch::subfolder("gate").join("kubeconfig"), config)
}

fn name(number: usize) -> String {
    format!("many-{number:05}")
}

/// ARN of the principal whose credentials are published, from the status.
fn principal(object: &RefreshableCredential) -> String {
    object
        .status
        .as_ref()
        .and_then(|s| s.principal.as_ref())
        .and_then(|p| p.arn.clone())
        .unwrap_or_default()
}

async fn reissued(api: &Api<RefreshableCredential>, changed: &[String], role: &str) {
    let part = format!("/{role}/");
    eventually(BACK, &format!("ten have sessions of {role}"), async || {
        let list = api.list(&ListParams::default()).await.map_err(|e| e.to_string())?;
        let done = list
            .iter()
            .filter(|c| principal(c).contains(&part) && ready(c).is_some_and(|r| r.0 == "True"));
        let done: BTreeSet<String> = done.filter_map(|c| c.metadata.name.clone()).collect();
        if done == changed.iter().cloned().collect() { Ok(()) } else { Err(format!("{done:?}")) }
    })
    .await;
}

async fn uid(secrets: &Api<Secret>, name: &str) -> Option<String> {
    secrets.get_opt(name).await.expect("an answer").and_then(|s| s.metadata.uid)
}

#[tokio::test]
async fn what_happened_before_the_watches_are_back_is_made_good_once() {
    let stage = Stage::apart().await;
    let cluster = stage.cluster;
    let other = cluster.namespace("other").create().await.name;
    let control_plane = &cluster.control_plane;
    let upstream = control_plane.url().trim_start_matches("https://").to_owned();
    let gate = Gate::before(&upstream).await;
    let kubeconfig = through(&gate, cluster, control_plane.admin_kubeconfig());
    let first = stage.role("first").await;
    let (api, secrets) = (stage.credentials(), stage.namespace.api::<Secret>());
    make(&api, MANY, &first).await;

    // First with two namespaces, each with watches of its own, then with watches of everything.
    for (round, role) in ["second", "third"].into_iter().enumerate() {
        let program = stage.bare_program().kubeconfig(&kubeconfig).arg("--no-leader-election");
        let controller = match round {
            0 => program.args([
                "--watch-namespace",
                &stage.namespace.name,
                "--watch-namespace",
                &other,
            ]),
            _ => program,
        };
        let controller = controller.start().await;
        all_ready(&api, MANY, Duration::from_secs(240)).await;
        let arn = stage.role(role).await;
        let before = stage.aws.calls_of("AssumeRole").len();

        gate.close();
        control_plane.restart_api_server().await;
        let lost = name(600 + round);
        let gone = uid(&secrets, &lost).await.expect("it is there");
        secrets.delete(&lost, &DeleteParams::default()).await.expect("deleted");
        let changed: Vec<String> = (0..10).map(|n| name(n * 70)).collect();
        for name in &changed {
            stage.patch(name, json!({"spec": {"roles": [{"roleArn": arn}]}})).await;
        }
        gate.open();

        reissued(&api, &changed, role).await;
        eventually(SOON, "the Secret is back", async || match uid(&secrets, &lost).await {
            Some(new) if new != gone => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        // Everything else is as it was: ten changes and one repair, one call each.
        assert_eq!(stage.aws.calls_of("AssumeRole").len() - before, 11, "round {round}");
        controller.assert_clean().await;
        assert!(controller.stop().await.success());
    }
    stage.strike_cluster();
}
