//! The controller as Pods from its chart, out of an image that no container engine built.

use super::ground;
use crate::harness::node::images;
use crate::node::ground::HOME;
use std::path::Path;

#[tokio::test]
#[ignore = "runs on the node of node::pods_on_a_node"]
async fn the_chart_s_pods_run_from_the_image_and_one_of_them_leads() {
    let ground = ground().await;
    let pods = ground.pods(HOME).await.list(&Default::default()).await.expect("Pods");
    assert_eq!(pods.items.len(), 2, "two replicas");
    let image = images::own("controller", Path::new(env!("CARGO_BIN_EXE_refreshable-controller")));
    assert_eq!(
        image.name,
        format!("docker.io/refreshable/controller:{}", env!("CARGO_PKG_VERSION"))
    );
    for pod in &pods.items {
        let status = pod.status.as_ref().expect("a status");
        let container = &status.container_statuses.as_ref().expect("containers")[0];
        assert!(container.ready && container.restart_count == 0, "{container:?}");
        assert_eq!(container.image, image.name, "by the chart's own tag");
        let name = pod.metadata.name.as_deref().expect("a name");
        let version = ground
            .cluster
            .kubectl(&[
                "exec",
                "--namespace",
                HOME,
                name,
                "--",
                "/refreshable-controller",
                "--version",
            ])
            .await;
        assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    }
    let lease = ground
        .cluster
        .kubectl(&[
            "get",
            "lease",
            "--namespace",
            HOME,
            "refreshable",
            "--output",
            "jsonpath={.spec.holderIdentity}",
        ])
        .await;
    assert!(
        pods.items.iter().any(|pod| pod.metadata.name.as_deref() == Some(lease.as_str())),
        "{lease} leads"
    );
    let test = ground.helm(&["status", "refreshable", "--namespace", HOME]).await;
    assert!(test.contains("STATUS: deployed"), "{test}");
}
