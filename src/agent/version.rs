//! Version of this build. The sidecar uses nothing of the other crates, their version included.

use std::sync::LazyLock;

/// The release, and the commit where the build was told it, as `--version` shows them: `0.1.0
/// (1a2b3c4)`.
pub(crate) fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let revision = option_env!("REFRESHABLE_REVISION").unwrap_or("unknown");
        format!("{} ({revision})", env!("CARGO_PKG_VERSION"))
    });
    &LONG
}
