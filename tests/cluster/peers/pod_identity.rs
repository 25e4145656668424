//! EKS Pod Identity, against a stand-in for EKS Auth that botocore's own client accepts.

use super::{Desk, Stage, allow, honoured, python};
use crate::harness::standin::{Asked, StandIn};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// EKS Auth of cluster `edge`: it reads the token as EKS does, but for its signature.
async fn eks_auth(desk: Desk) -> StandIn {
    StandIn::start(move |asked| {
        let desk = desk.clone();
        async move {
            if asked.what != "POST /clusters/edge/assume-role-for-pod-identity" {
                return (404, json!({"__type": "ResourceNotFoundException", "message": "no such cluster"}));
            }
            let signed = asked.header("authorization").contains("/eks-auth/aws4_request");
            let claims = claims(&asked);
            let account = claims["kubernetes.io"]["serviceaccount"]["name"].as_str().unwrap_or_default();
            if !signed || claims["aud"] != json!(["pods.eks.amazonaws.com"]) {
                return (400, json!({"__type": "InvalidTokenException", "message": "audience"}));
            }
            if account != "app" {
                return (400, json!({"__type": "AccessDeniedException", "message": "no association"}));
            }
            let session = desk.session().await;
            let answer = json!({
                "subject": {"namespace": claims["kubernetes.io"]["namespace"], "serviceAccount": account},
                "audience": "pods.eks.amazonaws.com",
                "podIdentityAssociation": {"associationArn": "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/edge/a-1", "associationId": "a-1"},
                "assumedRoleUser": {"arn": session.arn, "assumeRoleId": "AROAEXAMPLE:peer"},
                "credentials": {
                    "accessKeyId": session.id, "secretAccessKey": session.secret, "sessionToken": session.token,
                    "expiration": session.expiration.as_second(),
                },
            });
            (200, answer)
        }
    })
    .await
}

fn claims(asked: &Asked) -> Value {
    let body = asked.json();
    let token = body["token"].as_str().unwrap_or_default();
    crate::harness::canary::register(token);
    let payload =
        token.split('.').nth(1).and_then(|p| URL_SAFE_NO_PAD.decode(p).ok()).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_default()
}

#[tokio::test]
async fn a_service_account_gets_the_role_that_eks_associates() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "associated").await;
    let eks = eks_auth(desk).await;
    let namespace = stage.namespace.name.as_str();
    for name in ["app", "stranger"] {
        stage.cluster.kubectl(&["create", "serviceaccount", name, "--namespace", namespace]).await;
    }
    let token = stage.cluster.token(namespace, "app", &["pods.eks.amazonaws.com"]).await;
    let accepted = python("eks_auth.py", &[eks.url(), "edge", &token], &[]).await;
    assert_eq!(accepted["serviceAccount"], "app", "botocore's client accepts the stand-in");

    let stage = stage
        .started(|program| {
            program.env("AWS_ENDPOINT_URL_EKS_AUTH", eks.url()).args(["--no-leader-election"])
        })
        .await;
    let source = |cluster: &str, account: &str| json!({"source": {"podIdentity": {"clusterName": cluster, "serviceAccountRef": {"name": account}}}});
    stage.credential("app", source("edge", "app")).await;
    let denied = stage.until("app", "False", "NotPermitted").await;
    assert!(
        denied.status.expect("a status").conditions[0]
            .message
            .contains("spec.allow.sources: [\"PodIdentity\"]")
    );
    allow(&stage, "pods", json!({"sources": ["PodIdentity"]})).await;
    assert!(honoured(&stage, "app").await.contains(":assumed-role/associated/"));
    stage.credential("stranger", source("edge", "stranger")).await;
    stage.until("stranger", "False", "AccessDenied").await;
    stage.credential("lost", source("nowhere", "app")).await;
    let lost = stage.until("lost", "False", "InvalidSpecification").await;
    let failure = lost.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(failure.code.as_deref(), Some("ResourceNotFoundException"));
    assert_eq!(failure.request_id.as_deref(), Some("stand-in"));
    stage.strike().await;
}
