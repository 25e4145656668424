//! The base of the images: files that lie under the programs.
//!
//! Distroless makes its images from Debian's packages. `deploy/image/base` unpacks those of them
//! that the programs need, and this adds what Debian's installation scripts would: the bundle of
//! certificate authorities, and users.

use crate::tree::Tree;
use crate::{Result, at};
use std::path::Path;

/// The user that the programs run as, and its group.
pub const USER: u32 = 65532;

const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";

/// The base, from the folder that `deploy/image/base` printed.
///
/// # Errors
/// Where it cannot be read, or there are no certificate authorities in it.
pub fn tree(unpacked: &Path) -> Result<Tree> {
    let tree = Tree::new().copy("", unpacked, unused)?;
    Ok(people(tree).file("etc/ssl/certs/ca-certificates.crt", 0o644, authorities(unpacked)?))
}

/// The base of a program that is linked statically: users, certificate authorities, nothing that
/// runs.
///
/// # Errors
/// As [`tree`].
pub fn small(unpacked: &Path) -> Result<Tree> {
    Ok(people(Tree::new()).file("etc/ssl/certs/ca-certificates.crt", 0o644, authorities(unpacked)?))
}

fn people(tree: Tree) -> Tree {
    tree.file("etc/passwd", 0o644, PASSWD)
        .file("etc/group", 0o644, GROUP)
        .folder("tmp", 0o1777)
        .folder("home/nonroot", 0o755)
}

/// Of packages only what runs, what it reads, and the licences.
fn unused(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let unneeded = [
        "man",
        "locale",
        "lintian",
        "bug",
        "info",
        "base-files",
        "common-licenses-old",
        "ca-certificates",
    ];
    let shared = unneeded.iter().any(|name| text == format!("usr/share/{name}"));
    let documents = text.starts_with("usr/share/doc/")
        && path.components().count() == 5
        && path.file_name().is_none_or(|name| name != "copyright");
    shared
        || documents
        || text.ends_with("/gconv")
        || text.starts_with("etc/update-motd.d")
        || text == "usr/sbin"
}

/// All authorities that Mozilla trusts, in the order of their names, as `update-ca-certificates`
/// writes them.
fn authorities(unpacked: &Path) -> Result<Vec<u8>> {
    let folder = unpacked.join("usr/share/ca-certificates/mozilla");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .map_err(at(&folder))?
        .map(|entry| entry.map(|entry| entry.path()).map_err(at(&folder)))
        .collect::<Result<_>>()?;
    files.sort();
    let mut bundle = Vec::new();
    for file in files {
        bundle.extend(std::fs::read(&file).map_err(at(&file))?);
    }
    Ok(bundle)
}
