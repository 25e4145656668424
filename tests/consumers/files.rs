//! The three files, read by parsers that are not ours: botocore's and the AWS SDK for Rust's.

use crate::cluster::stage::Stage;
use crate::harness::{python, scratch};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A published Secret in the folder that it says it will be mounted at.
struct Mounted {
    stage: Stage,
    folder: PathBuf,
    data: BTreeMap<String, String>,
}

impl Mounted {
    async fn with_profile(profile: Option<&str>) -> Self {
        let stage = Stage::set().await;
        let role = stage.role("reader").await;
        stage.allow(&[&role]).await;
        let folder = scratch::subfolder("mounted");
        let mut secret = json!({"mountPath": folder});
        if let Some(profile) = profile {
            secret["profile"] = profile.into();
        }
        let spec =
            json!({"roles": [{"roleArn": role}], "secret": secret, "sts": {"region": "eu-west-1"}});
        stage.credential("reader", spec).await;
        stage.until("reader", "True", "Issued").await;
        let data = stage.published("reader").await;
        for (name, content) in &data {
            scratch::write(folder.join(name), content);
        }
        Self { stage, folder, data }
    }

    /// Content of `credentials.json`, which the other two must agree with.
    fn expected(&self) -> Value {
        serde_json::from_str(&self.data["credentials.json"]).expect("process JSON")
    }
}

fn assert_same(found: &Value, expected: &Value, which: &str) {
    for member in ["AccessKeyId", "SecretAccessKey", "SessionToken"] {
        assert!(
            found[member].is_string() && found[member] == expected[member],
            "{which}: {member} is another one"
        );
    }
}

async fn botocore_reads(profile: Option<&str>) {
    let mounted = Mounted::with_profile(profile).await;
    let folder = mounted.folder.display().to_string();
    let found = python::run("parse_files.py", &[&folder, profile.unwrap_or("default")], &[]).await;
    let expected = mounted.expected();
    for (file, method) in [("credentials", "shared-credentials-file"), ("config", "custom-process")]
    {
        assert_same(&found[file], &expected, file);
        assert_eq!(found[file]["method"], method);
    }
    assert_eq!(found["config"]["region"], "eu-west-1");
    mounted.stage.strike().await;
}

async fn the_rust_sdk_reads(profile: Option<&str>) {
    let mounted = Mounted::with_profile(profile).await;
    let expected = mounted.expected();
    for (file, kind) in
        [("credentials", EnvConfigFileKind::Credentials), ("config", EnvConfigFileKind::Config)]
    {
        let files = EnvConfigFiles::builder().with_file(kind, mounted.folder.join(file)).build();
        let provider = ProfileFileCredentialsProvider::builder()
            .profile_files(files)
            .profile_name(profile.unwrap_or("default"))
            .build();
        let found = provider.provide_credentials().await.expect("credentials");
        let found = json!({
            "AccessKeyId": found.access_key_id(),
            "SecretAccessKey": found.secret_access_key(),
            "SessionToken": found.session_token(),
        });
        assert_same(&found, &expected, file);
    }
    mounted.stage.strike().await;
}

#[tokio::test]
async fn botocore_reads_the_default_profile() {
    botocore_reads(None).await;
}

#[tokio::test]
async fn botocore_reads_a_profile_of_another_name() {
    botocore_reads(Some("reports")).await;
}

#[tokio::test]
async fn the_rust_sdk_reads_the_default_profile() {
    the_rust_sdk_reads(None).await;
}

#[tokio::test]
async fn the_rust_sdk_reads_a_profile_of_another_name() {
    the_rust_sdk_reads(Some("reports")).await;
}
