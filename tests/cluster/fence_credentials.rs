//! RefreshableCredentials of other people, from which admission keeps the controller's
//! ServiceAccount: shown with its own token.

use super::fence::{allowed, refused};
use super::installed::Installed;
use super::stage::{SOON, Stage};
use crate::harness::eventually;
use kube::Error;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use refreshable_api::{ClusterRefreshableCredential, RefreshableCredential};
use serde_json::{Value, json};

const ALONE: &str = "RefreshableCredentials alone that a ClusterRefreshableCredential made";
const ROLE: &str = "arn:aws:iam::111122223333:role/reports";

async fn apply(
    api: &Api<RefreshableCredential>,
    name: &str,
    owners: Value,
) -> Result<RefreshableCredential, Error> {
    let body = json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": name, "ownerReferences": owners}, "spec": {"roles": [{"roleArn": ROLE}]},
    });
    api.patch(name, &PatchParams::apply("thief").force(), &Patch::Apply(body)).await
}

async fn merge(
    api: &Api<RefreshableCredential>,
    name: &str,
    patch: Value,
) -> Result<RefreshableCredential, Error> {
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
}

#[tokio::test]
async fn a_stolen_token_writes_no_credential_but_those_of_a_cluster_resource() {
    let stage = Stage::without_controller().await;
    let installed = Installed::on(&stage, json!({})).await;
    let thief: Api<RefreshableCredential> =
        Api::namespaced(installed.client().await, &stage.namespace.name);
    let spec = json!({"namespaceSelector": {"matchLabels": {"none": "true"}}, "template": {"spec": {"roles": [{"roleArn": ROLE}]}}});
    let cluster = format!("{}-metrics", stage.namespace.name);
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "ClusterRefreshableCredential",
            "metadata": {"name": cluster}, "spec": spec,
        }))
        .await;
    let clusters: Api<ClusterRefreshableCredential> = Api::all(stage.namespace.client.clone());
    let uid = clusters.get(&cluster).await.expect("it is there").metadata.uid;
    let owner = |kind: &str, controller: bool| json!([{"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "name": cluster, "uid": uid, "controller": controller}]);

    eventually(SOON, "the admission policy is heeded", async || {
        match apply(&thief, "first", json!([])).await {
            Err(Error::Api(status)) if status.message.contains(ALONE) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for owners in
        [json!([]), owner("ClusterRefreshableCredential", false), owner("CredentialPolicy", true)]
    {
        refused(apply(&thief, "bare", owners).await, ALONE);
    }
    // Those of a tenant are neither written nor taken over nor deleted.
    stage.credential("theirs", json!({"roles": [{"roleArn": ROLE}]})).await;
    let suspend = json!({"spec": {"suspend": true}});
    refused(merge(&thief, "theirs", suspend.clone()).await, ALONE);
    let made = owner("ClusterRefreshableCredential", true);
    refused(apply(&thief, "theirs", made.clone()).await, ALONE);
    refused(thief.delete("theirs", &DeleteParams::default()).await.map(drop), ALONE);
    // What a ClusterRefreshableCredential made is its own, and stays that.
    allowed(apply(&thief, "made", made).await);
    allowed(merge(&thief, "made", suspend).await);
    refused(merge(&thief, "made", json!({"metadata": {"ownerReferences": null}})).await, ALONE);
    allowed(thief.delete("made", &DeleteParams::default()).await.map(drop));
    // People's rights are as they were.
    stage.patch("theirs", json!({"spec": {"suspend": true}})).await;
    clusters.delete(&cluster, &DeleteParams::default()).await.expect("deleted");
}
