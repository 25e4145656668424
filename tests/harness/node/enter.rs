//! Runs tests of this program again inside a namespace where a node can be.

use crate::harness::{background, programs, scratch};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The script that makes the namespace.
fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/enter")
}

/// Why this machine cannot run a node, where it cannot.
pub fn obstacle() -> Option<String> {
    let said = programs::said("tests/node/obstacle", &[]);
    (!said.is_empty()).then_some(said)
}

/// Whether this runs inside such a namespace.
pub fn inside() -> bool {
    std::env::var_os("NODE_CGROUP").is_some()
}

/// This program again, inside such a namespace; it ends with this one.
pub fn again() -> tokio::process::Command {
    let mut command = tokio::process::Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(script())
        .arg(std::env::current_exe().expect("this program"));
    command
}

/// Runs the ignored tests of this module inside a namespace with a node, or says by name and reason
/// that it does not. With `REFRESHABLE_NODE=required` in the environment that is a failure.
///
/// # Panics
/// Where one of them fails, with all that they said.
pub async fn run(module: &str) {
    // Not by a macro: what a test prints by macros is only shown where it fails.
    let say = |text: &str| {
        std::io::stderr().write_all(format!("{text}\n").as_bytes()).expect("a standard error")
    };
    if let Some(obstacle) = background::blocking(obstacle).await {
        let skipped = format!("node tier: SKIPPED {module}: {obstacle}");
        assert!(std::env::var_os("REFRESHABLE_NODE").is_none_or(|v| v != "required"), "{skipped}");
        say(&skipped);
        return;
    }
    // What must be built is built once, outside.
    background::blocking(programs::of_a_node).await;
    let began = Instant::now();
    let log = scratch::subfolder("node").join("tests.log");
    let file = std::fs::File::create(&log).expect("a log");
    let status = again()
        .args([&format!("{module}::"), "--ignored", "--test-threads", "16", "--nocapture"])
        .stdin(std::process::Stdio::null())
        .stdout(file.try_clone().expect("a second handle"))
        .stderr(file)
        .status()
        .await
        .expect("setpriv starts");
    let said = std::fs::read_to_string(&log).expect("a log");
    let passed = said
        .lines()
        .any(|line| line.starts_with("test result: ok.") && !line.contains(" 0 passed"));
    assert!(status.success() && passed, "in the namespace of {module}:\n{said}");
    for line in
        said.lines().filter(|line| line.contains("node tier:") || line.starts_with("test result:"))
    {
        say(&format!("{line} ({module}, {} s)", began.elapsed().as_secs()));
    }
}
