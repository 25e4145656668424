//! The crates that a program is made of, as cargo resolved them.

use crate::Result;
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of them.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// An SPDX expression: how it may be used.
    pub licence: Option<String>,
    /// Its description in its Cargo.toml.
    pub description: Option<String>,
    /// Where it is developed.
    pub repository: Option<String>,
    /// Where its sources lie on this machine.
    pub folder: PathBuf,
    /// The [`reference`](Self::reference)s of what it is built on.
    pub needs: BTreeSet<String>,
}

impl Crate {
    /// Name and version, as a package URL: `pkg:cargo/serde@1.0.0`.
    pub fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// The package of `manifest` (a Cargo.toml) and all that is linked into it on `target`
/// (`x86_64-unknown-linux-gnu`), by
/// [`Crate::reference`]: what only builds, derives or tests is left out, and the versions are those
/// of Cargo.lock.
///
/// The sidecar is built without the default features.
///
/// # Errors
/// Where cargo says no: Cargo.lock is not current, for one.
pub fn of(
    manifest: &Path,
    target: &str,
    program: &str,
) -> Result<(Crate, BTreeMap<String, Crate>)> {
    let options = ["--locked", "--filter-platform", target].map(str::to_owned);
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).other_options(options);
    if program == "agent" {
        command.features(CargoOpt::NoDefaultFeatures);
    }
    let metadata = command.exec()?;
    let root =
        metadata.root_package().ok_or("the manifest is a workspace without a package")?.id.clone();
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.clone()];
    let built = built(manifest, target, program)?;
    while let Some(id) = waiting.pop() {
        if found.contains_key(&id) {
            continue;
        }
        let mut needs = linked(&metadata, &id)?;
        needs.retain(|id| {
            built.contains(&(metadata[id].name.to_string(), metadata[id].version.to_string()))
        });
        waiting.extend(needs.iter().cloned());
        let described = describe(&metadata, &id, &needs);
        found.insert(id, described);
    }
    let root = found.remove(&root).ok_or("the package is not among its own crates")?;
    Ok((root, found.into_values().map(|found| (found.reference(), found)).collect()))
}

/// Name and version of what is built for the program. The metadata tell of the whole workspace at
/// once: there, every crate has the features that any member asks for.
fn built(manifest: &Path, target: &str, program: &str) -> Result<BTreeSet<(String, String)>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["tree", "--quiet", "--locked", "--package", "refreshable", "--manifest-path"])
        .arg(manifest);
    command.args([
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--target",
        target,
    ]);
    if program == "agent" {
        command.arg("--no-default-features");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let one = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
    };
    Ok(text.lines().filter_map(one).collect())
}

fn linked(metadata: &Metadata, id: &PackageId) -> Result<Vec<PackageId>> {
    let resolve = metadata.resolve.as_ref().ok_or("cargo resolved nothing")?;
    let node = resolve.nodes.iter().find(|node| node.id == *id).ok_or("an unknown package")?;
    let normal = node
        .deps
        .iter()
        .filter(|d| d.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
    // Macros run in the compiler; nothing of them is linked.
    let linked = normal
        .filter(|d| !metadata[&d.pkg].targets.iter().any(cargo_metadata::Target::is_proc_macro));
    Ok(linked.map(|d| d.pkg.clone()).collect())
}

fn describe(metadata: &Metadata, id: &PackageId, needs: &[PackageId]) -> Crate {
    let package = &metadata[id];
    let reference =
        |id: &PackageId| format!("pkg:cargo/{}@{}", metadata[id].name, metadata[id].version);
    Crate {
        name: package.name.to_string(),
        version: package.version.to_string(),
        // The form of before 2018 is still about.
        licence: package.license.as_ref().map(|licence| licence.replace('/', " OR ")),
        description: package
            .description
            .as_ref()
            .map(|d| d.split_whitespace().collect::<Vec<_>>().join(" ")),
        repository: package.repository.clone(),
        folder: package.manifest_path.parent().map(PathBuf::from).unwrap_or_default(),
        needs: needs.iter().map(reference).collect(),
    }
}
