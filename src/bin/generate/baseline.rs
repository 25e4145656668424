//! The CRDs of the last release, and what was knowingly broken since.

use crate::File;
use crate::{compatibility, crds};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Folder of the last release's CRDs. `--record-release` writes it, and nothing else does.
const FOLDER: &str = "tests/crds/baseline";
/// Objections that are accepted, one a line; what follows `  #` says why.
const ACCEPTED: &str = "tests/crds/accepted";

const HEADER: &str = "\
# What was knowingly broken since the last release, as `refreshable-generate --check` says it: <objection>  # <reason>
";

/// The files that record a release: the CRDs as they are, and nothing accepted.
pub(crate) fn files() -> Vec<File> {
    let crds = crds::all();
    let mut files: Vec<_> = crds
        .iter()
        .map(|(name, crd)| File { path: format!("{FOLDER}/{name}.yaml"), content: crds::yaml(crd) })
        .collect();
    files.push(File { path: ACCEPTED.to_owned(), content: HEADER.to_owned() });
    files
}

/// Breaks of the CRDs against the last release that are not accepted, and accepted breaks that do
/// not exist.
pub(crate) fn objections(root: &Path) -> Vec<String> {
    let read =
        |path: &str| std::fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let accepted = match read(ACCEPTED) {
        Ok(text) => accepted(&text),
        Err(error) => return vec![error],
    };
    let mut found = BTreeSet::new();
    let crds = crds::all();
    let released = match released(&root.join(FOLDER)) {
        Ok(released) => released,
        Err(error) => return vec![format!("{FOLDER}: {error}")],
    };
    let goes = released.iter().filter(|name| crds.iter().all(|(here, _)| here != *name));
    found.extend(goes.map(|name| format!("{name}: this CRD was there")));
    // One that the last release did not have breaks nothing.
    for (name, crd) in crds.iter().filter(|(name, _)| released.contains(*name)) {
        let path = format!("{FOLDER}/{name}.yaml");
        let old = read(&path)
            .and_then(|t| serde_saphyr::from_str::<Value>(&t).map_err(|e| format!("{path}: {e}")));
        match old {
            Ok(old) => found.extend(
                compatibility::objections(&old, crd).into_iter().map(|o| format!("{name}: {o}")),
            ),
            Err(error) => return vec![error],
        }
    }
    let broken = found.difference(&accepted).map(|o| {
        format!(
            "{o}\n  That breaks what the last release took. Keep it, or write this line into {ACCEPTED} with its reason"
        )
    });
    let vain =
        accepted.difference(&found).map(|o| format!("{ACCEPTED}: nothing objects to this: {o}"));
    broken.chain(vain).collect()
}

/// The CRDs that the last release had.
fn released(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    let files = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let name = |file: &std::fs::DirEntry| Some(file.path().file_stem()?.to_str()?.to_owned());
    Ok(files.iter().filter_map(name).collect())
}

fn accepted(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split("  #").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_has_a_reason_behind_it() {
        let text = "\nthings: v1.spec: this field was there  # unused\n";
        assert_eq!(
            accepted(text),
            BTreeSet::from(["things: v1.spec: this field was there".to_owned()])
        );
    }

    #[test]
    fn the_crds_keep_what_the_last_release_promised() {
        assert_eq!(objections(Path::new(env!("CARGO_MANIFEST_DIR"))), Vec::<String>::new());
    }

    #[test]
    fn a_release_without_its_field_is_objected_to() {
        let folder = tempfile::tempdir().expect("a folder");
        for mut file in files() {
            // The last release had one field more.
            let of_credentials = file.path.ends_with("/refreshablecredentials.yaml");
            file.content = file.content.replacen(
                "suspend:",
                "pause:\n                type: boolean\n              suspend:",
                of_credentials.into(),
            );
            file.write(folder.path()).expect("written");
        }
        let kept = folder.path().join(FOLDER).join("former.yaml");
        std::fs::write(kept, "{}").expect("written");
        let found = objections(folder.path());
        assert!(found.iter().any(|o| o.contains("spec.pause: this field was there")), "{found:?}");
        assert!(found.iter().any(|o| o.contains("former: this CRD was there")), "{found:?}");
    }
}
