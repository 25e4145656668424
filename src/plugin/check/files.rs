//! The files that are named on the command line, as kubectl finds them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Endings of the files that a folder is searched for.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// Reads files, folders and standard input (`-`), as `(name, text)`.
///
/// # Errors
/// Which of them cannot be read, and why.
pub fn read(names: &[PathBuf], recursive: bool) -> Result<Vec<(String, String)>, String> {
    let mut texts = Vec::new();
    for name in names {
        if name.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|e| format!("reading standard input: {e}"))?;
            texts.push(("-".to_owned(), text));
        } else if name.is_dir() {
            let mut found = Vec::new();
            folder(name, recursive, &mut found)?;
            found.sort();
            for file in found {
                texts.push(file_of(&file)?);
            }
        } else {
            texts.push(file_of(name)?);
        }
    }
    Ok(texts)
}

fn file_of(path: &Path) -> Result<(String, String), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok((path.display().to_string(), text))
}

fn folder(path: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let entry = entry.map_err(wrong)?.path();
        if entry.is_dir() {
            if recursive {
                folder(&entry, true, found)?;
            }
        } else if entry.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e)) {
            found.push(entry);
        }
    }
    Ok(())
}
