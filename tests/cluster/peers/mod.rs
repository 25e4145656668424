//! Sources against peers: what plays the peer is first accepted by a client that AWS wrote.

mod code_artifact;
mod cognito;
mod custom;
mod echo;
mod ecr;
mod eks;
pub(super) mod identity_center;
mod iot;
mod minio;
mod moto;
mod node;
mod openid;
mod pod_identity;
mod rds;
mod rgw;
mod roles_anywhere;
mod vault;
mod web_identity_token;

use super::stage::Stage;
use crate::harness::python::run as python;
use crate::harness::{background, canary, issuer, scratch, softhsm};
use aws_credential_types::Credentials;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Hands out sessions of one role that AWS (as ministack plays it) knows and honours.
#[derive(Clone)]
pub struct Desk {
    sts: aws_sdk_sts::Client,
    role: String,
}

/// A session.
pub struct Session {
    id: String,
    secret: String,
    token: String,
    /// When it ends.
    pub expiration: Timestamp,
    arn: String,
}

impl Desk {
    /// A desk for a role of this name.
    pub async fn of(stage: &Stage, role: &str) -> Self {
        let account = stage.issuer.account(&stage.account);
        let clerk = format!("clerk-{}", role.to_lowercase());
        let user: Credentials = account.user(&clerk).await;
        let role = account
            .role(role)
            .trusting(account.user_arn(&clerk))
            .allowing(&["s3:*", "sts:*"])
            .create()
            .await;
        Self { sts: issuer::sts(stage.issuer.url(), user), role }
    }

    async fn session(&self) -> Session {
        self.session_of(3600).await
    }

    /// A session that lives for so many seconds; ministack grants any.
    pub async fn session_of(&self, seconds: i32) -> Session {
        let request = self
            .sts
            .assume_role()
            .role_arn(&self.role)
            .role_session_name("peer")
            .duration_seconds(seconds);
        let answer = request.send().await.expect("a session");
        let given = answer.credentials().expect("credentials");
        for secret in [given.secret_access_key(), given.session_token()] {
            canary::register(secret);
        }
        Session {
            id: given.access_key_id().to_owned(),
            secret: given.secret_access_key().to_owned(),
            token: given.session_token().to_owned(),
            expiration: Timestamp::from_second(given.expiration().secs()).expect("a time"),
            arn: answer.assumed_role_user().expect("a user").arn().to_owned(),
        }
    }
}

impl Session {
    /// In the JSON of the credential process protocol.
    pub fn process_json(&self) -> Value {
        json!({
            "Version": 1, "AccessKeyId": self.id, "SecretAccessKey": self.secret, "SessionToken": self.token,
            "Expiration": self.expiration.to_string(),
        })
    }

    /// As AWS IoT and Roles Anywhere write it.
    fn small(&self) -> Value {
        json!({
            "accessKeyId": self.id, "secretAccessKey": self.secret, "sessionToken": self.token,
            "expiration": self.expiration.to_string(),
        })
    }
}

/// A policy that allows the stage's namespace something.
pub async fn allow(stage: &Stage, name: &str, allow: Value) {
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": format!("{}-{name}", stage.namespace.name)},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name}},
                "allow": allow,
                "withdrawAfter": "Immediate",
            },
        }))
        .await;
}

/// The stage, with a controller that knows a SoftHSM token `bench` as module `softhsm`. It holds
/// the keys of these files under their labels; Secret `pin` holds the PIN.
async fn with_token(stage: Stage, keys: Vec<(String, PathBuf)>) -> Stage {
    canary::register(softhsm::PIN);
    let (module, config) = background::blocking(move || {
        let keys: Vec<(&str, &Path)> =
            keys.iter().map(|(label, file)| (label.as_str(), file.as_path())).collect();
        softhsm::token(&keys)
    })
    .await;
    let registry = json!({"pkcs11Modules": {"softhsm": module}}).to_string();
    let registry = scratch::write(scratch::subfolder("registry").join("registry.yaml"), registry);
    let stage = stage
        .started(|program| {
            let program = program.args([
                "--no-leader-election",
                "--registry",
                &registry.display().to_string(),
            ]);
            let libraries = module.parent().expect("a folder").display().to_string();
            program
                .env("SOFTHSM2_CONF", config.display().to_string())
                .env("LD_LIBRARY_PATH", libraries)
        })
        .await;
    stage.secret("pin", &[("pin", softhsm::PIN), ("wrong", "0000")]).await;
    stage
}

/// The key of that label in the token, as a specification names it.
fn in_token(label: &str, pin: &str) -> Value {
    json!({"module": "softhsm", "tokenLabel": "bench", "keyLabel": label, "pinSecretRef": {"name": "pin", "key": pin}})
}

/// Writes and reads an object of a store with what the Secret holds.
async fn uses_s3(stage: &Stage, url: &str, name: &str) {
    let published: Value =
        serde_json::from_str(&stage.published(name).await["credentials.json"]).expect("JSON");
    let text = |member: &str| published[member].as_str().expect("text").to_owned();
    let keys = [text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken")];
    let environment = [
        ("AWS_ACCESS_KEY_ID", &*keys[0]),
        ("AWS_SECRET_ACCESS_KEY", &*keys[1]),
        ("AWS_SESSION_TOKEN", &*keys[2]),
    ];
    let read = python("s3.py", &[url, &format!("{name}-bucket")], &environment).await;
    assert_eq!(read, json!("hello"));
}

/// The published credentials are those of the principal that AWS names for them.
pub(super) async fn honoured(stage: &Stage, name: &str) -> String {
    let ready = stage.until(name, "True", "Issued").await;
    let published: Value =
        serde_json::from_str(&stage.published(name).await["credentials.json"]).expect("JSON");
    let text = |member: &str| published[member].as_str().expect("text").to_owned();
    let keys = Credentials::new(
        text("AccessKeyId"),
        text("SecretAccessKey"),
        Some(text("SessionToken")),
        None,
        "published",
    );
    let answer = issuer::sts(stage.issuer.url(), keys)
        .get_caller_identity()
        .send()
        .await
        .expect("AWS knows them");
    let arn = answer.arn().expect("an ARN").to_owned();
    assert_eq!(ready.status.and_then(|s| s.principal).and_then(|p| p.arn).as_ref(), Some(&arn));
    arn
}
