//! The run's files: one folder in the system's folder for temporary files.
//!
//! It goes when the run ends, however it ends, unless `REFRESHABLE_KEEP` is set. A
//! destructor would not do: what is shared by all tests is never dropped, and an
//! interrupted run drops nothing. So a shell waits for the end of a pipe that closes with
//! this process, and cleans up.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Keeps the run's folder: set it to look at logs and data after a failure.
pub const KEEP: &str = "REFRESHABLE_KEEP";

struct Run {
    folder: PathBuf,
    // Holds the other end of the janitor's pipe.
    _janitor: Option<Child>,
}

fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::Builder::new()
            .prefix("refreshable-")
            .tempdir()
            .expect("a folder for the run")
            .keep();
        let keep = std::env::var_os(KEEP).is_some();
        if keep {
            eprintln!("the run's files: {}", folder.display());
        }
        let janitor = (!keep).then(|| janitor(&folder));
        Run { folder, _janitor: janitor }
    })
}

fn janitor(folder: &Path) -> Child {
    // The children are killed in the same moment and may still write: hence the second try.
    // An interrupt from the terminal reaches the janitor too, and must not stop it.
    let script =
        r#"trap '' INT TERM HUP; read -r _; sleep 0.5; rm -rf "$1" || { sleep 2; rm -rf "$1"; }"#;
    Command::new("sh")
        .args(["-c", script, "janitor"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell to clean up after the run")
}

/// The folder of this run.
pub fn folder() -> &'static Path {
    &run().folder
}

/// A new, empty folder inside the run's.
pub fn subfolder(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder().join(format!("{number:03}-{name}"));
    std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// Writes a file of the run and gives its path back.
pub fn write(path: PathBuf, content: impl AsRef<[u8]>) -> PathBuf {
    std::fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}
