//! Output of `migrate`: `check` and the API server take it, and it holds no secret.

use super::super::plugin::User;
use super::super::stage::Stage;
use crate::harness::{canary, scratch};
use serde_json::{Value, json};
use std::path::Path;

/// A migration's output, once both have taken it.
async fn taken(stage: &Stage, user: &User, arguments: &[&str]) -> (String, String) {
    let run = user.run(&[&["migrate"], arguments].concat()).await;
    assert_eq!(run.code, 0, "{}", run.errors);
    for text in [&run.output, &run.errors] {
        canary::assert_clean(text, "what is migrated");
    }
    let file = scratch::write(scratch::subfolder("migrated").join("out.yaml"), &run.output)
        .display()
        .to_string();
    let checked = user.run(&["check", "-f", &file]).await;
    assert_eq!(checked.code, 0, "{}\n{}", checked.output, run.output);
    let (ok, _, error) =
        stage.cluster.try_kubectl(&["apply", "--dry-run=server", "-f", &file]).await;
    assert!(ok, "{error}\n{}", run.output);
    (run.output, run.errors)
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    scratch::write(folder.join(name), text).display().to_string()
}

/// A CronJob that renews a password of ECR with the key in the Secret `legacy`.
fn renewal(namespace: &str) -> Value {
    let script = "kubectl delete secret --ignore-not-found regcred
kubectl create secret docker-registry regcred --docker-username=AWS \\
  --docker-server=111122223333.dkr.ecr.eu-west-1.amazonaws.com \\
  --docker-password=\"$(aws ecr get-login-password --region eu-west-1)\"";
    let key = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "legacy", "key": key}}});
    let container = json!({
        "name": "renew", "image": "registry.example.com/aws-kubectl:1", "command": ["/bin/sh", "-c", script],
        "env": [
            key("AWS_ACCESS_KEY_ID", "access-key-id"), key("AWS_SECRET_ACCESS_KEY", "secret-access-key"),
            {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
        ],
    });
    let pod = json!({"restartPolicy": "Never", "containers": [container]});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "ecr-login", "namespace": namespace},
        "spec": {"schedule": "0 */6 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    })
}

#[tokio::test]
async fn what_others_use_becomes_manifests() {
    let stage = Stage::without_controller().await;
    let user = User::administrator(&stage);
    let namespace = stage.namespace.name.clone();
    let folder = scratch::subfolder("migrate");

    let roles = format!(
        "apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {{name: app, namespace: {namespace}}}\nspec:\n  roleReference: app-role\n  roleSessionDuration: 7200\n---\napiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {{name: other, namespace: {namespace}}}\nspec:\n  roleReference: arn:aws:iam::444455556666:role/other\n"
    );
    let roles = file(&folder, "roles.yaml", &roles);
    let (output, notes) =
        taken(&stage, &user, &["aws-iam-role", "-f", &roles, "--account", "111122223333"]).await;
    assert_eq!(output.matches("kind: RefreshableCredential").count(), 2, "{output}");
    assert!(notes.contains("--cascade=orphan"), "{notes}");

    canary::register("a-long-lived-secret-access-key");
    stage
        .secret(
            "legacy",
            &[
                ("access-key-id", "AKIAQYLPMN5HHHFPZAM2"),
                ("secret-access-key", "a-long-lived-secret-access-key"),
            ],
        )
        .await;
    let (output, notes) = taken(&stage, &user, &["access-key", "legacy"]).await;
    assert!(
        output.contains("accessKeyIdKey: access-key-id") && notes.contains("trust-policy"),
        "{output}{notes}"
    );

    let renewal = renewal(&namespace);
    stage.apply(renewal.clone()).await;
    let (output, notes) = taken(&stage, &user, &["ecr", "ecr-login"]).await;
    for part in ["accessKeyIdKey: access-key-id", "name: regcred-ecr", "region: eu-west-1"] {
        assert!(output.contains(part), "{part}\n{output}");
    }
    for part in ["variable HTTPS_PROXY is left out", "instead of regcred"] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
    let renewal = file(&folder, "renewal.json", &renewal.to_string());
    let (same, _) = taken(&stage, &user, &["ecr", "-n", &namespace, "-f", &renewal]).await;
    assert_eq!(same, output);

    let call = "from boto3_refresh_session import RefreshableSession\nsession = RefreshableSession(\n    assume_role_kwargs={'RoleArn': 'arn:aws:iam::111122223333:role/reports', 'DurationSeconds': 3600, 'ExternalId': '4f2a'},\n    sts_client_kwargs={'region_name': 'eu-west-1', 'aws_secret_access_key': 'a-long-lived-secret-access-key'},\n)\n";
    let call = file(&folder, "session.py", call);
    let (output, _) =
        taken(&stage, &user, &["boto3", "-n", &namespace, "--name", "reports", "-f", &call]).await;
    assert!(
        output.contains("externalId: 4f2a") && output.contains("name: reports-key"),
        "{output}"
    );
    // As its README shows it: assigned first, passed later, with dots for what is left out.
    let program = "import boto3_refresh_session as brs\n\nregion_name = 'eu-west-1'\nassume_role_kwargs = {\n  'RoleArn': 'arn:aws:iam::111122223333:role/reports',\n  'DurationSeconds': '<your-selection>',\n  ...\n}\nsts_client_kwargs = {'region_name': region_name, ...}\nsession = brs.RefreshableSession(\n  assume_role_kwargs=assume_role_kwargs, # required\n  sts_client_kwargs=sts_client_kwargs,\n  region_name=region_name,\n  ...\n)\n";
    let program = file(&folder, "readme.py", program);
    let (output, notes) =
        taken(&stage, &user, &["boto3", "-n", &namespace, "--name", "readme", "-f", &program])
            .await;
    assert!(
        output.contains("region: eu-west-1") && notes.contains("does not show"),
        "{output}{notes}"
    );
    for (name, arguments) in [
        (
            "iot",
            json!({"method": "iot", "endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com", "role_alias": "edge", "certificate": "c.pem", "private_key": "k.pem", "thing_name": "sensor"}),
        ),
        (
            "iot-hsm",
            json!({"method": "iot", "endpoint": "iot.example.com", "role_alias": "edge", "certificate": "c.pem", "pkcs11": {"pkcs11_lib": "/usr/lib/libtpm.so", "token_label": "t", "private_key_label": "k"}}),
        ),
        (
            "vault",
            json!({"method": "custom", "custom_credentials_method": "vault.credentials", "custom_credentials_method_args": {"role": "reports"}}),
        ),
        (
            "minio",
            json!({"assume_role_kwargs": {"RoleArn": "arn:minio:iam:::role/abcdef123456"}, "sts_client_kwargs": {"endpoint_url": "https://minio.example.com"}}),
        ),
        (
            "mfa",
            json!({"assume_role_kwargs": {"RoleArn": "arn:aws:iam::111122223333:role/x", "SerialNumber": "arn:aws:iam::111122223333:mfa/me", "TokenCode": "123456"}}),
        ),
    ] {
        let arguments = file(&folder, &format!("{name}.json"), &arguments.to_string());
        taken(&stage, &user, &["boto3", "-n", &namespace, "--name", name, "-f", &arguments]).await;
    }

    let failed = user.run(&["migrate", "aws-iam-role", "-f", &roles]).await.failed();
    assert!(failed.contains("give --account"), "{failed}");
    let no_role = file(&folder, "wrong.py", "RefreshableSession(assume_role_kwargs=kwargs)\n");
    let failed = user.run(&["migrate", "boto3", "--name", "x", "-f", &no_role]).await.failed();
    assert!(failed.contains("write it out"), "{failed}");
}
