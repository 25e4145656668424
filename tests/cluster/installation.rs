//! Types the documented commands to install, upgrade and uninstall, block by block, in a cluster of
//! its own, where helm's `--wait` waits for controllers that really run.

use super::plugin::doctor::Doctor;
use super::typist::Page;
use crate::harness::helm::{Helm, PREVIOUS, Version};
use crate::harness::pods::Pods;
use crate::harness::standin::StandIn;
use crate::harness::{Cluster, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// A page that is typed in parts.
struct Parts {
    page: Page,
    kubeconfig: PathBuf,
    environment: Vec<(&'static str, String)>,
    typed: BTreeSet<usize>,
}

impl Parts {
    fn of(name: &str, cluster: &Cluster, eks: &StandIn) -> Self {
        let environment = vec![
            ("AWS_ENDPOINT_URL_EKS", eks.url().to_owned()),
            ("AWS_ENDPOINT_URL_STS", eks.url().to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "example".to_owned()),
        ];
        let kubeconfig = cluster.control_plane.admin_kubeconfig().to_owned();
        Self { page: Page::of(name), kubeconfig, environment, typed: BTreeSet::new() }
    }

    /// Types the one block that begins so.
    async fn types(&mut self, beginning: &str) -> String {
        let found: Vec<usize> = (0..self.page.blocks.len())
            .filter(|n| self.page.blocks[*n].starts_with(beginning))
            .collect();
        assert_eq!(found.len(), 1, "one block begins with {beginning:?}: {:#?}", self.page.blocks);
        self.typed.insert(found[0]);
        self.page.types(&self.page.blocks[found[0]], &self.kubeconfig, &self.environment).await
    }

    fn all_typed(&self) {
        let all = (0..self.page.blocks.len()).collect();
        assert_eq!(self.typed, all, "every block is typed: {:#?}", self.page.blocks);
    }
}

#[tokio::test]
async fn what_the_pages_say_to_install_with_is_typed() {
    let cluster = Arc::new(Cluster::bare().await);
    let eks = StandIn::start(|_| async {
        (200, json!({"association": {"associationId": "a-0123456789abcdef0"}}))
    })
    .await;
    let of = |name: &str| Parts::of(name, &cluster, &eks);
    let (mut install, mut upgrade, mut readme) =
        (of("docs/install.md"), of("docs/upgrade.md"), of("README.md"));
    let doctor = Doctor { cluster: &cluster, sts: eks.url() };
    doctor.finds_nothing_installed().await;
    install.types("kubectl refreshable doctor --pre").await;
    let pods =
        Pods::run(&cluster, "refreshable", env!("CARGO_BIN_EXE_refreshable-controller")).await;

    // Who comes from the chart before.
    let helm = Helm::on(&cluster, Version::Three).await;
    helm.run(&[
        "install",
        "refreshable",
        PREVIOUS,
        "--namespace",
        "refreshable",
        "--create-namespace",
        "--wait",
    ])
    .await;
    upgrade
        .types(
            "helm upgrade refreshable charts/refreshable --namespace refreshable --take-ownership",
        )
        .await;
    upgrade
        .types("helm upgrade refreshable charts/refreshable --namespace refreshable --reuse-values")
        .await;
    install.types("aws eks create-pod-identity-association").await;
    let asked = eks.asked("POST /clusters/my-cluster/pod-identity-associations");
    assert_eq!(asked[0].json()["serviceAccount"], "refreshable");
    install.types("kubectl create secret generic refreshable-aws").await;
    install.types("helm uninstall").await;

    // Who installs with helm, and who does with kubectl.
    install.types("helm install").await;
    doctor.finds_all_well().await;
    install.types("kubectl refreshable doctor\n").await;
    install.types("helm uninstall").await;
    readme.types("helm install").await;
    readme.types("kubectl apply -f deploy/examples").await;
    install.types("helm uninstall").await;
    install.types("kubectl apply --server-side").await;
    upgrade.types("kubectl apply --server-side --force-conflicts").await;
    eventually(SOON, "two Pods run", async || {
        let running = pods.running().len();
        if running == 2 { Ok(()) } else { Err(running.to_string()) }
    })
    .await;

    // Broken one after the other.
    let fence = "validatingadmissionpolicybinding/refreshable-secrets";
    cluster.kubectl(&["delete", fence]).await;
    doctor.finds("fence", "refreshable-secrets has no binding that denies").await;
    cluster.kubectl(&["delete", "validatingadmissionpolicy/refreshable-limits"]).await;
    doctor.finds("limits", "refreshable-limits is missing").await;
    drop(pods);
    let stale =
        json!({"spec": {"holderIdentity": "gone", "renewTime": "2026-01-01T00:00:00.000000Z"}});
    let patch = ["patch", "lease/refreshable", "--namespace", "refreshable", "--type", "merge"];
    cluster.kubectl(&[&patch[..], &["--patch", &stale.to_string()]].concat()).await;
    doctor.finds("lease", "is held by gone, renewed").await;
    install.types("kubectl delete crd").await;
    doctor.finds("crds", "clusterrefreshablecredentials.refreshable.dev not installed").await;

    let said = upgrade.types("refreshable-generate --record-release").await;
    assert!(said.contains("Successfully packaged chart"), "{said}");
    for page in [install, upgrade, readme] {
        page.all_typed();
    }
}
