//! Images that Pods run: `deploy/image` makes them, without a container engine.

use crate::harness::{programs, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shell and its tools, under whose name the sandboxes of Pods run too.
pub const SHELL: &str = "docker.io/bench/shell:1";
/// Python with boto3, and the shell's tools (`credential_process` wants `cat`).
pub const PYTHON: &str = "docker.io/bench/python:1";
/// The project's own images, without the name of the program.
pub const OWN: &str = "docker.io/refreshable";
/// When the images were made, they say: seconds since 1970.
const CREATED: &str = "1000000000";

/// An image in a file.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name with registry and tag.
    pub name: String,
    /// The archive of its OCI layout.
    pub archive: PathBuf,
    /// The digest of its manifest.
    pub digest: String,
}

/// busybox. What it runs unless told is a long sleep: enough for a sandbox.
pub fn shell() -> Image {
    let folder = scratch::subfolder("image-shell");
    let entrypoint = ["/bin/busybox", "sleep", "2147483647"];
    pack(SHELL, &[busybox(&folder)], &entrypoint, &[])
}

/// Python as the tests' own environment has it, with boto3 and what it stands on.
pub fn python() -> Image {
    let folder = scratch::subfolder("image-python");
    let rest = folder.join("python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/python-image");
    let output = Command::new(script)
        .arg(programs::python("python"))
        .arg(&rest)
        .output()
        .expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let interpreter = String::from_utf8(output.stdout).expect("a path");
    let environment = ["PYTHONPATH=/site", "PYTHONUNBUFFERED=1", "PATH=/bin"];
    pack(PYTHON, &[busybox(&folder), rest], &[interpreter.trim()], &environment)
}

/// The shell in an image that no node has: it is to be pulled.
pub fn pulled() -> Image {
    let folder = scratch::subfolder("image-pulled");
    let entrypoint = ["/bin/busybox", "sleep", "2147483647"];
    pack("registry.example.com/pulled:1", &[busybox(&folder)], &entrypoint, &["PULLED=yes"])
}

/// The image of one of the project's programs: `controller`, `agent` or `kubectl`.
pub fn own(name: &str, binary: &Path) -> Image {
    let archive = scratch::subfolder("image").join(format!("{name}.tar"));
    let repository = format!("{OWN}/{name}");
    let mut tool = Command::new(programs::image_tool());
    tool.args([
        "--manifest",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        "build",
        "--program",
        name,
    ])
    .args(["--created", CREATED, "--repository", &repository, "--binary"])
    .args([
        stripped(binary).as_path(),
        Path::new("--base"),
        &programs::image_base(),
        Path::new("--out"),
        &archive,
    ]);
    image(tool, format!("{repository}:{}", env!("CARGO_PKG_VERSION")), archive)
}

fn pack(name: &str, layers: &[PathBuf], entrypoint: &[&str], environment: &[&str]) -> Image {
    let archive = scratch::subfolder("image").join("image.tar");
    let mut tool = Command::new(programs::image_tool());
    tool.args(["pack", "--name", name, "--out"]).arg(&archive);
    for layer in layers {
        tool.arg("--layer").arg(layer);
    }
    for part in entrypoint {
        tool.args(["--entrypoint", part]);
    }
    for variable in environment {
        tool.args(["--env", variable]);
    }
    image(tool, name.into(), archive)
}

fn image(mut tool: Command, name: String, archive: PathBuf) -> Image {
    let output = tool.output().expect("the image tool starts");
    assert!(
        output.status.success(),
        "the image {name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let digest = String::from_utf8(output.stdout).expect("a digest").trim().to_owned();
    Image { name, archive, digest }
}

/// Without what only a debugger reads, as a release is.
fn stripped(binary: &Path) -> PathBuf {
    let name = binary.file_name().expect("a program");
    let target = scratch::subfolder("stripped").join(name);
    let status = Command::new("strip")
        .arg("-o")
        .args([&target, binary])
        .status()
        .expect("strip (binutils) starts");
    assert!(status.success(), "strip {}", binary.display());
    target
}

fn busybox(folder: &Path) -> PathBuf {
    let program = programs::containers().join("bin/busybox");
    let root = folder.join("busybox");
    let bin = root.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::copy(&program, bin.join("busybox")).expect("busybox");
    let list = Command::new(&program).arg("--list").output().expect("busybox starts");
    for name in
        String::from_utf8(list.stdout).expect("names").lines().filter(|name| *name != "busybox")
    {
        std::os::unix::fs::symlink("busybox", bin.join(name)).expect("a link");
    }
    root
}
