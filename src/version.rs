//! Which build this is.

use std::sync::LazyLock;

/// The version of the release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where the build was told: `REFRESHABLE_REVISION` in its environment.
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
        assert_eq!(long(), format!("{VERSION} ({REVISION})"));
        assert!(!REVISION.is_empty());
    }
}
