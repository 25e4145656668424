//! Files of an image, by path.

use crate::{Result, at};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Files, folders and links. Paths are relative to the image's root (`usr/bin/cat`); folders on the
/// way to a file need not be named.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub(crate) entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Folder { mode: u32 },
    File { mode: u32, content: Content },
    Link { target: PathBuf },
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Of(PathBuf),
}

impl Tree {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(
        mut self,
        path: impl Into<PathBuf>,
        mode: u32,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        let content = Content::Bytes(content.into());
        self.entries.insert(path.into(), Entry::File { mode, content });
        self
    }

    /// Adds a program: a file that lies at `source` now.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>, source: &Path) -> Self {
        let content = Content::Of(source.into());
        self.entries.insert(path.into(), Entry::File { mode: 0o755, content });
        self
    }

    /// Adds a folder with these rights.
    #[must_use]
    pub fn folder(mut self, path: impl Into<PathBuf>, mode: u32) -> Self {
        self.entries.insert(path.into(), Entry::Folder { mode });
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.entries.insert(path.into(), Entry::Link { target: target.into() });
        self
    }

    /// Adds all of a folder, under `path`, but for what `leave` says (it sees paths within the
    /// folder). Modes are 755 for folders and for what may be executed, else 644.
    ///
    /// # Errors
    /// Where something cannot be read.
    pub fn copy(
        mut self,
        path: impl AsRef<Path>,
        folder: &Path,
        leave: impl Fn(&Path) -> bool,
    ) -> Result<Self> {
        let mut waiting = vec![PathBuf::new()];
        while let Some(inner) = waiting.pop() {
            let whole = folder.join(&inner);
            for entry in std::fs::read_dir(&whole).map_err(at(&whole))? {
                let entry = entry.map_err(at(&whole))?;
                let (inner, source) = (inner.join(entry.file_name()), entry.path());
                if leave(&inner) {
                    continue;
                }
                let kind = entry.file_type().map_err(at(&source))?;
                let target = path.as_ref().join(&inner);
                if kind.is_dir() {
                    // A folder that another package links to somewhere else stays a link.
                    self.entries.entry(target).or_insert(Entry::Folder { mode: 0o755 });
                    waiting.push(inner);
                } else if kind.is_symlink() {
                    let link = std::fs::read_link(&source).map_err(at(&source))?;
                    self.entries.insert(target, Entry::Link { target: link });
                } else {
                    let executable =
                        entry.metadata().map_err(at(&source))?.permissions().mode() & 0o111 != 0;
                    let mode = if executable { 0o755 } else { 0o644 };
                    self.entries.insert(target, Entry::File { mode, content: Content::Of(source) });
                }
            }
        }
        Ok(self)
    }

    /// The paths of its files and links.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.entries
            .iter()
            .filter(|(_, entry)| !matches!(entry, Entry::Folder { .. }))
            .map(|(path, _)| path.as_path())
    }
}
