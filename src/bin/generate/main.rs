//! Writes what is generated from the Rust types: the CRDs, the chart's copy of them, the API
//! reference. With `--check` it writes nothing and fails where a file is not current, or where a
//! CRD breaks what its last release promised.

#![forbid(unsafe_code)]

mod baseline;
mod compatibility;
mod crds;
#[cfg(test)]
#[path = "../not_dumpable.rs"]
mod not_dumpable;
mod reference;

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes the files that are generated from the Rust types.
#[derive(Parser)]
struct Arguments {
    /// Write nothing; fail where a file is not what would be written.
    #[arg(long)]
    check: bool,
    /// Record the CRDs as those of a release, which later ones are held to.
    #[arg(long, conflicts_with = "check")]
    record_release: bool,
    /// The project's root.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let stale: Vec<_> = files().into_iter().filter(|f| !f.is_current(&arguments.root)).collect();
    if arguments.check {
        for file in &stale {
            eprintln!(
                "{} is not current: run `make generate` and commit what it writes",
                file.path
            );
        }
        let broken = baseline::objections(&arguments.root);
        for objection in &broken {
            eprintln!("{objection}");
        }
        return if stale.is_empty() && broken.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    for file in &stale {
        if let Err(error) = file.write(&arguments.root) {
            eprintln!("{}: {error}", file.path);
            return ExitCode::FAILURE;
        }
        eprintln!("{} written", file.path);
    }
    if arguments.record_release {
        for file in baseline::files() {
            if let Err(error) = file.write(&arguments.root) {
                eprintln!("{}: {error}", file.path);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// A file that is generated.
struct File {
    path: String,
    content: String,
}

impl File {
    fn is_current(&self, root: &Path) -> bool {
        std::fs::read_to_string(root.join(&self.path)).is_ok_and(|content| content == self.content)
    }

    fn write(&self, root: &Path) -> std::io::Result<()> {
        let path = root.join(&self.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, &self.content)
    }
}

fn files() -> Vec<File> {
    let crds = crds::all();
    let mut files = Vec::new();
    for (name, crd) in &crds {
        files.push(File { path: format!("crds/{name}.yaml"), content: crds::yaml(crd) });
        let path = format!("charts/refreshable/templates/crds/{name}.yaml");
        files.push(File { path, content: crds::template(crd) });
    }
    let crds: Vec<_> = crds.into_iter().map(|(_, crd)| crd).collect();
    files.push(File { path: "docs/reference/api.md".into(), content: reference::page(&crds) });
    files
}
