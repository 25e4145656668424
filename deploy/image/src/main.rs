//! Makes container images of the programs without a container engine, and what goes with them.

use clap::{Parser, Subcommand};
use refreshable_image::elf::Needs;
use refreshable_image::image::Image;
use refreshable_image::layer::{self, Layer};
use refreshable_image::program::Program;
use refreshable_image::tree::Tree;
use refreshable_image::{Result, audit, base, bom, crates, licences};
use std::io::Write as _;
use std::path::PathBuf;

/// Makes container images of the programs without a container engine, and what goes with them.
#[derive(Debug, Parser)]
#[command(name = "refreshable-image", max_term_width = 100)]
struct Options {
    /// The project's Cargo.toml.
    #[arg(long, default_value = "Cargo.toml", global = true)]
    manifest: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes an image as an OCI archive, and prints its digest.
    Build {
        /// controller, agent or kubectl.
        #[arg(long)]
        program: String,
        /// The program itself.
        #[arg(long)]
        binary: PathBuf,
        /// The folder that deploy/image/base printed.
        #[arg(long)]
        base: PathBuf,
        /// The image's repository.
        #[arg(long)]
        repository: String,
        /// The commit that it was built from.
        #[arg(long, default_value = "unknown")]
        revision: String,
        /// When that commit was made, in seconds since 1970. (Environment: SOURCE_DATE_EPOCH.)
        #[arg(long)]
        created: u64,
        /// The archive.
        #[arg(long)]
        out: PathBuf,
    },
    /// Packs folders into an image of anything else, one layer each, and prints its digest.
    Pack {
        /// The image's name with registry and tag.
        #[arg(long)]
        name: String,
        /// A folder that becomes a layer.
        #[arg(long = "layer", required = true)]
        layers: Vec<PathBuf>,
        /// The program and its first arguments, one flag each.
        #[arg(long, required = true, allow_hyphen_values = true)]
        entrypoint: Vec<String>,
        /// Environment variables, NAME=value.
        #[arg(long = "env")]
        environment: Vec<String>,
        /// The archive.
        #[arg(long)]
        out: PathBuf,
    },
    /// Prints what a program asks of the libraries under it, as JSON.
    Needs {
        /// The program.
        binary: PathBuf,
    },
    /// Prints the bill of materials (CycloneDX 1.5, JSON).
    Bom {
        /// controller, agent or kubectl.
        #[arg(long, default_value = "controller")]
        program: String,
        /// The platform, as rustc calls it.
        #[arg(long, default_value = "x86_64-unknown-linux-gnu")]
        target: String,
    },
    /// Checks that a program lists its own crates (`cargo auditable`), those of the bill of materials
    /// among them, and prints how many.
    Audit {
        /// controller, agent or kubectl.
        #[arg(long)]
        program: String,
        /// The platform, as rustc calls it.
        #[arg(long, default_value = "x86_64-unknown-linux-gnu")]
        target: String,
        /// The program itself.
        #[arg(long)]
        binary: PathBuf,
    },
    /// Prints the licences of all crates as a tar archive, to be unpacked where they shall lie.
    Licences {
        /// controller, agent or kubectl.
        #[arg(long, default_value = "controller")]
        program: String,
        /// The platform, as rustc calls it.
        #[arg(long, default_value = "x86_64-unknown-linux-gnu")]
        target: String,
    },
}

fn main() -> Result<()> {
    let Options { manifest, what } = Options::parse();
    let mut out = std::io::stdout().lock();
    match what {
        What::Build { program, binary, base, repository, revision, created, out: file } => {
            let program =
                Program { name: program, binary, manifest, base, repository, revision, created };
            let image = program.image()?;
            image.write(&file)?;
            writeln!(out, "{}", image.digest()?)?;
        }
        What::Pack { name, layers, entrypoint, environment, out: file } => {
            let layers =
                layers.iter().map(|folder| Layer::of(&Tree::new().copy("", folder, |_| false)?, 0));
            let image = Image {
                name,
                architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
                    .to_owned(),
                layers: layers.collect::<Result<_>>()?,
                entrypoint,
                user: format!("{0}:{0}", base::USER),
                environment,
                ..Image::default()
            };
            image.write(&file)?;
            writeln!(out, "{}", image.digest()?)?;
        }
        What::Needs { binary } => {
            let needs = Needs::of(&binary)?;
            let text = serde_json::json!({
                "interpreter": needs.interpreter,
                "libraries": needs.libraries,
                "versions": needs.versions,
                "architecture": needs.architecture,
            });
            writeln!(out, "{text}")?;
        }
        What::Bom { program, target } => {
            let (package, crates) = crates::of(&manifest, &target, &program)?;
            out.write_all(&bom::write(&package, &crates)?)?;
        }
        What::Audit { program, target, binary } => {
            let (package, crates) = crates::of(&manifest, &target, &program)?;
            let listed = audit::listed(&binary)?;
            let missing = audit::missing(&listed, std::iter::once(&package).chain(crates.values()));
            if !missing.is_empty() {
                let missing = missing.join(", ");
                return Err(format!("{} does not list {missing}", binary.display()).into());
            }
            writeln!(out, "{}: lists {} crates", binary.display(), listed.packages.len())?;
        }
        What::Licences { program, target } => {
            let (_, crates) = crates::of(&manifest, &target, &program)?;
            out.write_all(&layer::archive(&licences::tree("licences", &crates)?, 0)?)?;
        }
    }
    Ok(())
}
