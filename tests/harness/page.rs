//! Parts of Markdown pages that are generated: they stand between two marks.

use std::path::{Path, PathBuf};

/// The part of the page (by its path in the repository) called `name`.
///
/// # Errors
/// Where the page cannot be read, or lacks a mark.
pub fn part(page: &str, name: &str) -> Result<String, String> {
    let text = read(&path(page))?;
    let [_, part, _] = split(&text, page, name)?;
    Ok(part.to_owned())
}

/// Replaces that part.
///
/// # Errors
/// Where the page cannot be read or written, or lacks a mark.
pub fn renew(page: &str, name: &str, part: &str) -> Result<(), String> {
    let path = path(page);
    let text = read(&path)?;
    let [before, _, after] = split(&text, page, name)?;
    let text = format!("{before}\n{}\n{after}", part.trim());
    std::fs::write(&path, text).map_err(|error| format!("{page}: {error}"))
}

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The text before the part, the part, and the text behind it; the marks belong to their
/// neighbours.
fn split<'a>(text: &'a str, page: &str, name: &str) -> Result<[&'a str; 3], String> {
    let [begin, end] = ["begin", "end"].map(|which| format!("<!-- {name}: {which} -->"));
    let place = |mark: &str| text.find(mark).ok_or_else(|| format!("{page} has no line {mark}"));
    let (from, to) = (place(&begin)? + begin.len(), place(&end)?);
    if from > to {
        return Err(format!("{page}: {end} stands before {begin}"));
    }
    Ok([&text[..from], &text[from..to], &text[to..]])
}
