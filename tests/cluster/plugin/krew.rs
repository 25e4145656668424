//! The archives and the manifest by which krew installs the plugin.

use super::program;
use crate::harness::{background, programs, scratch};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn packed(folder: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/krew/manifest");
    let platforms = ["linux-amd64", "linux-arm64"].map(|p| format!("{p}={}", program()));
    let output = Command::new(script)
        .args(["v1.2.3", "https://releases.example.com/v1.2.3"])
        .arg(folder)
        .args(platforms)
        .output()
        .expect("a run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_saphyr::from_str(
        &std::fs::read_to_string(folder.join("refreshable.yaml")).expect("a manifest"),
    )
    .expect("YAML")
}

fn sh(line: &str, folder: &Path) -> String {
    let output = Command::new("sh").args(["-c", line]).current_dir(folder).output().expect("a run");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// krew itself takes both, and what it has installed is kubectl's plugin.
#[tokio::test]
async fn krew_installs_what_was_packed() {
    background::blocking(|| {
        let folder = scratch::subfolder("krew");
        packed(&folder);
        let root = folder.join("root");
        let run = |program: &Path, arguments: &[&str]| {
            let path = [root.join("bin"), programs::controlplane()]
                .map(|p| p.display().to_string())
                .join(":");
            let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
            let mut command = Command::new(program);
            command
                .args(arguments)
                .current_dir(&folder)
                .env("KREW_ROOT", &root)
                .env("HOME", &folder)
                .env("PATH", path);
            let output = command.output().expect("a run");
            assert!(
                output.status.success(),
                "{arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).expect("text")
        };
        let archive = "--archive=kubectl-refreshable-linux-amd64.tar.gz";
        let arch = if cfg!(target_arch = "aarch64") {
            archive.replace("amd64", "arm64")
        } else {
            archive.to_owned()
        };
        run(&programs::krew(), &["install", "--manifest=refreshable.yaml", &arch]);
        assert!(root.join("receipts/refreshable.yaml").exists(), "krew knows it");
        let version = run(Path::new("kubectl"), &["refreshable", "version", "--client"]);
        assert!(version.starts_with("Client Version: "), "{version}");
    })
    .await;
}

/// The rules are those of krew's own validation of manifests.
#[tokio::test]
async fn the_manifest_is_one_that_krew_takes_and_names_what_was_packed() {
    background::blocking(|| {
        let folder: PathBuf = scratch::subfolder("krew");
        let manifest = packed(&folder);
        assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
        assert_eq!(
            (manifest["kind"].as_str(), manifest["metadata"]["name"].as_str()),
            (Some("Plugin"), Some("refreshable"))
        );
        let spec = &manifest["spec"];
        assert_eq!(spec["version"], "v1.2.3");
        let short = spec["shortDescription"].as_str().expect("a short description");
        assert!(short.len() <= 50 && !short.ends_with('.'), "krew's guide asks for one short phrase: {short}");
        let description = spec["description"].as_str().expect("a description");
        assert!(description.lines().count() > 1 && description.lines().all(|l| l.len() <= 80), "{description}");
        let platforms = spec["platforms"].as_array().expect("platforms");
        assert_eq!(platforms.len(), 2);
        for (platform, arch) in platforms.iter().zip(["amd64", "arm64"]) {
            let labels = &platform["selector"]["matchLabels"];
            assert_eq!((labels["os"].as_str(), labels["arch"].as_str()), (Some("linux"), Some(arch)));
            let archive = format!("kubectl-refreshable-linux-{arch}.tar.gz");
            assert_eq!(platform["uri"], format!("https://releases.example.com/v1.2.3/{archive}"));
            let digest = sh(&format!("sha256sum {archive} | cut -d' ' -f1"), &folder);
            assert_eq!(platform["sha256"].as_str(), Some(digest.trim()));
            let files: Vec<String> = sh(&format!("tar -tzf {archive}"), &folder).lines().map(str::to_owned).collect();
            for file in platform["files"].as_array().expect("files") {
                assert!(
                    files.contains(&file["from"].as_str().expect("a name").to_owned()) && file["to"] == ".",
                    "{file}"
                );
            }
            assert_eq!(platform["bin"], "kubectl-refreshable");
        }
        let version =
            sh("tar -xzf kubectl-refreshable-linux-amd64.tar.gz && ./kubectl-refreshable version --client", &folder);
        assert!(version.starts_with("Client Version: "), "{version}");
        let again = scratch::subfolder("krew");
        assert_eq!(packed(&again), manifest, "the same programs give the same archives");
    })
    .await;
}
