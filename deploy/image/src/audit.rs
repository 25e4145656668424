//! The list of crates that [`cargo auditable`](https://github.com/rust-secure-code/cargo-auditable)
//! puts into a program, where scanners of images look for it.

use crate::Result;
use crate::crates::Crate;
use auditable_serde::VersionInfo;
use std::collections::BTreeSet;
use std::path::Path;

/// The list in the program.
///
/// # Errors
/// Where the program has none: it was not built with `cargo auditable`.
pub fn listed(program: &Path) -> Result<VersionInfo> {
    auditable_info::audit_info_from_file(program, auditable_info::Limits::default())
        .map_err(|error| format!("the list of crates in {}: {error}", program.display()).into())
}

/// Those of the crates that are not in the list, as `name@version`. The list may have more: what
/// only builds or derives is in it, too.
pub fn missing<'a>(list: &VersionInfo, crates: impl IntoIterator<Item = &'a Crate>) -> Vec<String> {
    let listed: BTreeSet<String> =
        list.packages.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
    let wanted = crates.into_iter().map(|one| format!("{}@{}", one.name, one.version));
    wanted.filter(|one| !listed.contains(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    fn of(name: &str, version: &str) -> Crate {
        Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: None,
            description: None,
            repository: None,
            folder: PathBuf::new(),
            needs: BTreeSet::new(),
        }
    }

    #[test]
    fn a_crate_that_is_not_listed_is_missing() {
        let json = r#"{"packages":[
            {"name":"refreshable","version":"0.1.0","source":"local","dependencies":[1],"root":true},
            {"name":"serde","version":"1.0.5","source":"crates.io"},
            {"name":"cc","version":"1.2.0","source":"crates.io","kind":"build"}
        ]}"#;
        let list: VersionInfo = serde_json::from_str(json).expect("a list");
        let crates = [of("refreshable", "0.1.0"), of("serde", "1.0.5")];
        assert!(missing(&list, &crates).is_empty(), "what only builds may be listed, too");
        let crates = [of("serde", "1.0.6"), of("tokio", "1.0.0"), of("serde", "1.0.5")];
        assert_eq!(missing(&list, &crates), ["serde@1.0.6", "tokio@1.0.0"]);
    }

    #[test]
    fn a_program_without_a_list_is_an_error() {
        let this = std::env::current_exe().expect("this program");
        let error = listed(&this).expect_err("it was built without").to_string();
        assert!(error.starts_with("the list of crates in "), "{error}");
    }
}
