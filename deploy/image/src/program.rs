//! The image of one of the programs.

use crate::elf::Needs;
use crate::image::Image;
use crate::layer::Layer;
use crate::tree::Tree;
use crate::{Result, base, bom, crates, licences};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the image documents itself.
const DOCUMENTS: &str = "usr/share/doc/refreshable";

/// A program, and all else that goes into its image.
#[derive(Clone, Debug)]
pub struct Program {
    /// `controller`, `agent` or `kubectl`.
    pub name: String,
    /// The program itself.
    pub binary: PathBuf,
    /// The project's Cargo.toml.
    pub manifest: PathBuf,
    /// The folder of the base (`deploy/image/base`).
    pub base: PathBuf,
    /// The image's repository, `docker.io/refreshable/controller`; the tag is the version.
    pub repository: String,
    /// The commit that it was built from.
    pub revision: String,
    /// Seconds since 1970: when that commit was made (`SOURCE_DATE_EPOCH`).
    pub created: u64,
}

impl Program {
    /// The name of the binary in the image.
    pub fn command(&self) -> String {
        match self.name.as_str() {
            "kubectl" => "kubectl-refreshable".to_owned(),
            name => format!("refreshable-{name}"),
        }
    }

    /// Makes the image. Base and program are layers of their own: a new version of the program
    /// costs a registry and a node that program only.
    ///
    /// # Errors
    /// Where a file is missing, or the base lacks a library that the program needs.
    pub fn image(&self) -> Result<Image> {
        let needs = Needs::of(&self.binary)?;
        let below = if needs.interpreter.is_some() {
            base::tree(&self.base)?
        } else {
            base::small(&self.base)?
        };
        check(&needs, &below)?;
        let target = match needs.architecture.as_str() {
            "arm64" => "aarch64-unknown-linux-gnu",
            _ => "x86_64-unknown-linux-gnu",
        };
        let (package, crates) = crates::of(&self.manifest, target, &self.name)?;
        let licence = self.manifest.with_file_name("LICENSE");
        let above = licences::tree(&format!("{DOCUMENTS}/licences"), &crates)?
            .file(format!("{DOCUMENTS}/sbom.cdx.json"), 0o644, bom::write(&package, &crates)?)
            .file(
                format!("{DOCUMENTS}/LICENSE"),
                0o644,
                std::fs::read(&licence).map_err(crate::at(&licence))?,
            )
            .program(self.command(), &self.binary);
        Ok(Image {
            name: format!("{}:{}", self.repository, package.version),
            architecture: needs.architecture,
            created: self.created,
            layers: vec![Layer::of(&below, self.created)?, Layer::of(&above, self.created)?],
            entrypoint: vec![format!("/{}", self.command())],
            user: format!("{0}:{0}", base::USER),
            environment: vec!["PATH=/:/usr/bin:/bin".to_owned()],
            labels: self.labels(&package),
        })
    }

    /// [The annotations](https://github.com/opencontainers/image-spec/blob/main/annotations.md)
    /// that say what it is.
    fn labels(&self, package: &crates::Crate) -> BTreeMap<String, String> {
        let created =
            i64::try_from(self.created).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        [
            ("title", self.command()),
            ("description", package.description.clone().unwrap_or_default()),
            ("version", package.version.clone()),
            ("revision", self.revision.clone()),
            ("created", created.map(|time| time.to_string()).unwrap_or_default()),
            ("licenses", package.licence.clone().unwrap_or_default()),
        ]
        .into_iter()
        .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value))
        .collect()
    }
}

/// # Errors
/// Where the program needs a library that the base has not.
fn check(needs: &Needs, base: &Tree) -> Result<()> {
    let has =
        |name: &str| base.paths().any(|path| path.file_name().is_some_and(|file| file == name));
    let interpreter = needs.interpreter.as_deref().map(Path::new).and_then(Path::file_name);
    let wanted = needs
        .libraries
        .iter()
        .map(String::as_str)
        .chain(interpreter.and_then(|name| name.to_str()));
    let missing: Vec<&str> = wanted.filter(|name| !has(name)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("the base has no {}", missing.join(", ")).into())
    }
}
