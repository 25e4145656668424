//! The licences of the crates in a program: their own texts, and the standard ones where a crate
//! brings none.

use crate::crates::Crate;
use crate::tree::Tree;
use crate::{Result, at};
use spdx::{Expression, ParseMode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// How the files are called that hold a licence or what it asks to be passed on.
const NAMES: [&str; 6] = ["licen", "copying", "notice", "unlicense", "copyright", "authors"];

/// Files under `folder`: `index.txt` says which crate comes under which licence,
/// `<crate>-<version>/` holds its own texts, and `standard/` those of SPDX that crates without
/// texts of their own name.
///
/// # Errors
/// Where a crate does not say its licence, or names one that SPDX does not know.
pub fn tree(folder: &str, crates: &BTreeMap<String, Crate>) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut index = String::new();
    let mut standard = BTreeSet::new();
    for one in crates.values() {
        let name = format!("{}-{}", one.name, one.version);
        let licence =
            one.licence.as_deref().ok_or_else(|| format!("{name} does not say its licence"))?;
        writeln!(index, "{name}: {licence}")?;
        let texts = texts(&one.folder)?;
        if texts.is_empty() {
            let expression = Expression::parse_mode(licence, ParseMode::LAX)
                .map_err(|e| format!("{name}: {e}"))?;
            standard.extend(expression.requirements().filter_map(|r| r.req.license.id()));
        }
        for (file, text) in texts {
            tree = tree.file(format!("{folder}/{name}/{file}"), 0o644, text);
        }
    }
    for licence in standard {
        tree = tree.file(format!("{folder}/standard/{}", licence.name), 0o644, licence.text());
    }
    Ok(tree.file(format!("{folder}/index.txt"), 0o644, index))
}

fn texts(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && NAMES.iter().any(|start| name.to_lowercase().starts_with(start)) {
            texts.insert(name, std::fs::read(&path).map_err(at(&path))?);
        }
    }
    Ok(texts)
}
