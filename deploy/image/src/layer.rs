//! A tree as a layer: a tar archive that depends on the files alone.

use crate::tree::{Content, Entry, Tree};
use crate::{Result, at};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// Bytes with their digest.
#[derive(Clone, Debug)]
pub struct Blob {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A layer: compressed, as registries carry it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The compressed archive.
    pub blob: Blob,
    /// The digest of the archive before compression, by which the configuration names the layer.
    pub diff_id: String,
}

impl Blob {
    /// Computes the digest.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: digest(&bytes), bytes }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Layer {
    /// Archives the tree. Every file's time is `seconds` since 1970, its owner 0.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn of(tree: &Tree, seconds: u64) -> Result<Self> {
        let archive = archive(tree, seconds)?;
        // The header of gzip has a time and a name of its own: both stay out.
        let mut compressed: GzEncoder<Vec<u8>> =
            GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::fast());
        compressed.write_all(&archive)?;
        Ok(Self { blob: Blob::new(compressed.finish()?), diff_id: digest(&archive) })
    }
}

/// The tree as a tar archive, not compressed.
///
/// # Errors
/// Where a file cannot be read.
pub fn archive(tree: &Tree, seconds: u64) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut known = BTreeSet::from([PathBuf::new()]);
    for (path, entry) in &tree.entries {
        folders_above(&mut builder, path, &mut known, seconds)?;
        match entry {
            Entry::Folder { mode } => {
                if known.insert(path.clone()) {
                    add(&mut builder, path, header(EntryType::Directory, *mode, seconds), &[])?;
                }
            }
            Entry::File { mode, content } => {
                let read;
                let bytes = match content {
                    Content::Bytes(bytes) => bytes,
                    Content::Of(source) => {
                        read = std::fs::read(source).map_err(at(source))?;
                        &read
                    }
                };
                add(&mut builder, path, header(EntryType::Regular, *mode, seconds), bytes)?;
            }
            Entry::Link { target } => {
                let mut header = header(EntryType::Symlink, 0o777, seconds);
                header.set_size(0);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    Ok(builder.into_inner()?)
}

fn folders_above(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &Path,
    known: &mut BTreeSet<PathBuf>,
    seconds: u64,
) -> Result<()> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    for folder in above.into_iter().rev() {
        if known.insert(folder.into()) {
            add(builder, folder, header(EntryType::Directory, 0o755, seconds), &[])?;
        }
    }
    Ok(())
}

pub(crate) fn add(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &Path,
    mut header: Header,
    bytes: &[u8],
) -> Result<()> {
    header.set_size(bytes.len() as u64);
    Ok(builder.append_data(&mut header, path, bytes)?)
}

pub(crate) fn header(kind: EntryType, mode: u32, seconds: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(seconds);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_its_files_and_nothing_else() {
        let one = Tree::new().file("etc/b", 0o644, "b").link("etc/a", "b").folder("tmp", 0o1777);
        let other = Tree::new().folder("tmp", 0o1777).link("etc/a", "b").file("etc/b", 0o644, "b");
        let of = |tree: &Tree, seconds| Layer::of(tree, seconds).expect("a layer");
        assert_eq!(
            of(&one, 7).blob.digest,
            of(&other, 7).blob.digest,
            "the order of adding says nothing"
        );
        assert_ne!(of(&one, 7).diff_id, of(&one, 8).diff_id, "the time does");
        assert_ne!(
            of(&one, 7).diff_id,
            of(&one.clone().file("etc/b", 0o755, "b"), 7).diff_id,
            "and the rights"
        );

        let layer = of(&one, 7);
        let mut archive =
            tar::Archive::new(flate2::read::GzDecoder::new(layer.blob.bytes.as_slice()));
        let names: Vec<String> = archive
            .entries()
            .expect("entries")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let header = entry.header();
                assert_eq!(
                    (header.uid().ok(), header.gid().ok(), header.mtime().ok()),
                    (Some(0), Some(0), Some(7))
                );
                entry.path().expect("a path").display().to_string()
            })
            .collect();
        assert_eq!(
            names,
            ["etc", "etc/a", "etc/b", "tmp"],
            "folders come before what is in them, once"
        );
    }
}
