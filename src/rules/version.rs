//! Which build this is.

use std::sync::LazyLock;

/// The version of the release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where the build was told: `REFRESHABLE_REVISION` in its
/// environment.
pub const REVISION: &str = match option_env!("REFRESHABLE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Both, as `--version` shows them: `0.1.0 (1a2b3c4)`.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| format!("{VERSION} ({REVISION})"));
    &LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_release_and_commit() {
        let manifest = include_str!("../../Cargo.toml");
        let release =
            manifest.lines().find_map(|line| line.strip_prefix("version = ")).expect("a version");
        let (version, revision) = long().split_once(' ').expect("two parts");
        assert_eq!(format!("\"{version}\""), release);
        // A build without a known commit says so; no part of the version is ever empty.
        let revision =
            revision.strip_prefix('(').and_then(|r| r.strip_suffix(')')).expect("in brackets");
        assert!(revision == "unknown" || revision.len() >= 7, "{revision}");
    }
}
