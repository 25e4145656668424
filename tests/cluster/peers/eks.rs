//! Bearer tokens of EKS clusters: judged as a cluster does, by STS, beside one of the AWS CLI, and
//! read by kubectl.

use super::python;
use crate::cluster::stage::Stage;
use crate::harness::certificates::Authority;
use crate::harness::standin::StandIn;
use crate::harness::{canary, programs, scratch};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const REGION: &str = "eu-west-1";

fn asking(role: &str, eks: Value) -> Value {
    json!({"roles": [{"roleArn": role}], "token": {"eks": eks}})
}

/// A folder as a mounted Secret is: each key in a file.
fn mounted(folder: &Path, published: &BTreeMap<String, String>) -> PathBuf {
    let folder = folder.join("mounted");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (key, text) in published {
        std::fs::write(folder.join(key), text).expect("a file");
    }
    folder
}

#[tokio::test]
async fn a_cluster_sees_whose_token_it_is_and_aws_s_own_client_makes_the_same() {
    let stage = Stage::set().await;
    let role = stage.role("deployer").await;
    stage.credential("prod", asking(&role, json!({"clusterName": "prod", "region": REGION}))).await;
    let ready = stage.until("prod", "True", "Issued").await;

    let secret = stage.namespace.api::<Secret>().get("prod").await.expect("a Secret");
    assert_eq!(secret.type_.as_deref(), Some("refreshable.dev/aws-token"));
    let annotations = secret.metadata.annotations.expect("annotations");
    assert_eq!(annotations["refreshable.dev/token"], "eks");
    let published = stage.published("prod").await;
    canary::register(&published["token"]);
    assert_eq!(published.keys().collect::<Vec<_>>(), ["token"]);
    let status = ready.status.expect("a status");
    let left = status.expiration.expect("an end").0.duration_since(Timestamp::now());
    assert!(
        left <= SignedDuration::from_mins(15) && left > SignedDuration::from_mins(13),
        "{left}"
    );
    let message = &status.conditions[0].message;
    assert!(message.contains("a token (eks) of arn:aws:sts::"), "{message}");

    let folder = mounted(&scratch::subfolder("eks"), &published);
    let file = folder.join("token").display().to_string();
    let judged = python("eks.py", &[stage.aws.url(), "prod", REGION, &file], &[]).await;
    assert_eq!(judged["ours"], judged["theirs"]);
    let caller = judged["caller"].as_str().expect("an answer");
    assert!(caller.contains(":assumed-role/deployer/"), "{caller}");
    let elsewhere = judged["at another cluster"].as_str().expect("an answer");
    assert!(elsewhere.starts_with("403 "), "the cluster's name is signed: {elsewhere}");
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1, "nothing else is called");
    stage.strike().await;
}

#[tokio::test]
async fn kubectl_takes_the_kubeconfig_and_reads_its_token_again() {
    let folder = scratch::subfolder("eks-kubectl");
    let authority = Authority::new(&folder);
    let identity = authority.server("server", &["127.0.0.1"]);
    let server = StandIn::over_tls(&identity, |_| async { (200, json!({"major": "1"})) }).await;
    let stage = Stage::set().await;
    let role = stage.role("deployer").await;
    let cluster = json!({
        "clusterName": "prod", "region": REGION, "server": server.url(),
        "certificateAuthorityData": STANDARD.encode(authority.certificate()),
    });
    let mut spec = asking(&role, cluster);
    spec["secret"] = json!({"labels": {"argocd.argoproj.io/secret-type": "cluster"}});
    stage.credential("prod", spec).await;
    stage.until("prod", "True", "Issued").await;
    let first = stage.published("prod").await;
    canary::register(&first["token"]);
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["config", "kubeconfig", "name", "server", "token"]
    );

    let bearers = || -> Vec<String> {
        let asked = server.asked("GET /version");
        asked.iter().map(|a| a.header("authorization").to_owned()).collect()
    };
    let mounted = mounted(&folder, &first);
    let ask = async || {
        let output = tokio::process::Command::new(programs::kubernetes("kubectl"))
            .args(["--kubeconfig", &mounted.join("kubeconfig").display().to_string()])
            .args(["get", "--raw", "/version"])
            .output()
            .await
            .expect("kubectl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    ask().await;
    assert_eq!(bearers(), [format!("Bearer {}", first["token"])]);

    // A mounted Secret changes under a program that holds the kubeconfig.
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
    stage.patch("prod", again).await;
    stage
        .until_it("prod", "the request is handled", |c| {
            let handled = c.status.as_ref().and_then(|s| s.last_handled_refresh_at.as_deref());
            handled == Some("again")
        })
        .await;
    let second = stage.published("prod").await;
    canary::register(&second["token"]);
    assert_ne!(first["token"], second["token"]);
    std::fs::write(mounted.join("token"), &second["token"]).expect("a file");
    ask().await;
    assert_eq!(bearers()[1], format!("Bearer {}", second["token"]));
    // And whoever has the one file alone reads the token in it.
    std::fs::remove_file(mounted.join("token")).expect("the file was there");
    ask().await;
    assert_eq!(bearers()[2], format!("Bearer {}", first["token"]));

    let config: Value = serde_json::from_str(&second["config"]).expect("JSON");
    assert_eq!(config["bearerToken"], second["token"].as_str());
    assert_eq!((second["name"].as_str(), second["server"].as_str()), ("prod", server.url()));
    stage.strike().await;
}
