//! Container images without a container engine.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`tree`] | files of an image, by path |
//! | [`layer`] | a tree as a layer: a tar archive that depends on the files alone |
//! | [`image`] | layers and configuration as an OCI image, in an archive that `skopeo`, `crane`, `podman` and `ctr` read |
//! | [`base`] | what lies under the programs: the folders of Debian's packages that Distroless is made of |
//! | [`program`] | the image of one of the programs |
//! | [`crates`] | the crates that a program is made of |
//! | [`audit`] | the crates that a program itself lists |
//! | [`bom`] | their bill of materials (CycloneDX) |
//! | [`licences`] | their licences |
//! | [`elf`] | what a program asks of the libraries under it |
//!
//! The same input gives the same bytes: names are sorted, times are `SOURCE_DATE_EPOCH`, owners are
//! 0.

pub mod audit;
pub mod base;
pub mod bom;
pub mod crates;
pub mod elf;
pub mod image;
pub mod layer;
pub mod licences;
pub mod program;
pub mod tree;

/// An error for people: this is a tool of the build.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// Result of a function that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the file in an error about it.
fn at(path: &std::path::Path) -> impl Fn(std::io::Error) -> Error {
    move |error| format!("{}: {error}", path.display()).into()
}
