//! The AWS engine of Vault and OpenBao, as their API's documentation has it: its answers, and its
//! refusals. The sessions in them are ones that AWS (as ministack plays it) honours.

use super::{Desk, Stage, allow, honoured};
use crate::harness::standin::{Asked, StandIn};
use crate::harness::{canary, eventually};
use serde_json::{Value, json};

const TOKEN: &str = "hvs.CAESIJ-the-token-of-the-tenant";

/// Vault with an AWS engine at `aws/`, whose sessions live for so many seconds.
async fn vault(desk: Desk) -> StandIn {
    canary::register(TOKEN);
    StandIn::start(move |asked: Asked| {
        let desk = desk.clone();
        async move {
            let refused = |status, error: &str| (status, json!({"errors": [error]}));
            if asked.header("x-vault-token") != TOKEN {
                return refused(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
            }
            let seconds = match asked.what.as_str() {
                "GET /v1/aws/creds/reports" | "GET /v1/aws/sts/reports" | "GET /v1/team-a/aws/sts/reports" => 3600,
                "GET /v1/aws/sts/short" => 30,
                "GET /v1/aws/creds/user" => return (200, lease(768 * 3600, user())),
                "GET /v1/aws/sts/sealed" => return refused(503, "Vault is sealed"),
                "GET /v1/aws/sts/standby" => return (473, json!({"errors": []})),
                "GET /v1/aws/sts/denied" => {
                    return refused(400, "Error assuming role: AccessDenied: not authorized to perform sts:AssumeRole");
                }
                "GET /v1/aws/sts/nobody" => return refused(400, "Role 'nobody' not found"),
                _ => return (404, json!({"errors": []})),
            };
            let session = desk.session_of(seconds).await;
            let data = json!({
                "access_key": session.id, "secret_key": session.secret, "security_token": session.token,
                "session_token": session.token, "arn": session.arn, "ttl": seconds - 1,
            });
            (200, lease(seconds - 1, data))
        }
    })
    .await
}

/// A key of an IAM user, as the credential type `iam_user` makes one.
fn user() -> Value {
    json!({"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "the-long-lived-secret-of-a-user", "security_token": null})
}

fn lease(seconds: i32, data: Value) -> Value {
    json!({
        "request_id": "62460e2e-24aa-9ffd-6ecb-d65c6cbf3b2e", "lease_id": "aws/sts/reports/Gm5AtRVLnWRFsa2pfqF6uWeP",
        "renewable": false, "lease_duration": seconds, "data": data, "wrap_info": null, "warnings": null, "auth": null,
        "mount_type": "aws",
    })
}

#[tokio::test]
async fn leases_of_vault_s_aws_engine_are_published_renewed_and_its_refusals_told() {
    let stage = Stage::set().await;
    let desk = Desk::of(&stage, "leased").await;
    let vault = vault(desk).await;
    canary::register("the-long-lived-secret-of-a-user");
    allow(&stage, "vault", json!({"urls": [format!("{}/v1", vault.url())]})).await;
    stage
        .secret(
            "vault-token",
            &[("token", &format!("{TOKEN}\n")), ("revoked", "hvs.another-token-altogether")],
        )
        .await;
    let spec = |path: &str, key: &str| {
        json!({"source": {"custom": {"http": {
            "url": format!("{}/v1/{path}", vault.url()), "format": "Vault",
            "headers": [{"name": "X-Vault-Token", "valueSecretRef": {"name": "vault-token", "key": key}}],
        }}}})
    };
    for (name, path) in [
        ("creds", "aws/creds/reports"),
        ("sts", "aws/sts/reports"),
        ("space", "team-a/aws/sts/reports"),
    ] {
        stage.credential(name, spec(path, "token")).await;
        assert!(honoured(&stage, name).await.contains(":assumed-role/leased/"), "{name}");
        let expiration = stage
            .credentials()
            .get(name)
            .await
            .expect("it is there")
            .status
            .and_then(|s| s.expiration);
        let left = expiration.expect("an end").0.duration_since(jiff::Timestamp::now()).as_secs();
        assert!((3500..3600).contains(&left), "{name}: {left} s left");
    }

    stage.credential("short", spec("aws/sts/short", "token")).await;
    stage.until("short", "True", "Issued").await;
    let first = stage.key_id("short").await;
    eventually(super::super::stage::SOON, "the lease is renewed before it ends", async || {
        let now = stage.key_id("short").await;
        if now == first { Err(now) } else { Ok(()) }
    })
    .await;

    for (name, path, key, reason, words) in [
        (
            "revoked",
            "aws/sts/reports",
            "revoked",
            "AccessDenied",
            "permission denied * invalid token",
        ),
        (
            "policy",
            "aws/sts/reports",
            "revoked",
            "AccessDenied",
            "Vault policy allows to read this path",
        ),
        ("user", "aws/creds/user", "token", "InvalidSpecification", "credential_type assumed_role"),
        ("sealed", "aws/sts/sealed", "token", "IssuerUnavailable", "Vault is sealed"),
        ("standby", "aws/sts/standby", "token", "IssuerUnavailable", "HTTP 473"),
        (
            "denied",
            "aws/sts/denied",
            "token",
            "InvalidSpecification",
            "not authorized to perform sts:AssumeRole",
        ),
        ("nobody", "aws/sts/nobody", "token", "InvalidSpecification", "Role 'nobody' not found"),
        (
            "mount",
            "elsewhere/sts/reports",
            "token",
            "InvalidSpecification",
            "the path at which the AWS engine is mounted",
        ),
    ] {
        stage.credential(name, spec(path, key)).await;
        let failing = stage.until(name, "False", reason).await;
        let message = failing.status.and_then(|s| s.failures).expect("a failure").message;
        assert!(message.contains(words), "{name}: {message}");
    }
    assert_eq!(
        vault.asked("GET /v1/aws/creds/user").len(),
        1,
        "each further attempt would make another user"
    );
    stage.strike().await;
}
