//! Runs the Python scripts of `tests/python`.

use super::{background, programs};
use serde_json::Value;
use std::path::Path;

/// Runs a script with these arguments, and nothing of the caller's environment but `environment`
/// and `PATH`, and reads the JSON that it prints.
///
/// # Panics
/// Where it fails, with what it said.
pub async fn run(script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let program = background::blocking(|| programs::python("python")).await;
    let output = tokio::process::Command::new(program)
        .arg(path)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .output()
        .await
        .expect("a run");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
