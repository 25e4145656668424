//! Puts the demo's output into README.md, so that what stands there is what happens.

use std::path::Path;

const BEGIN: &str = "<!-- demo: begin -->";
const END: &str = "<!-- demo: end -->";

/// Replaces what stands between the two marks.
pub(crate) fn renew(transcript: &str) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let told = |error: std::io::Error| format!("README.md: {error}");
    let text = std::fs::read_to_string(&file).map_err(told)?;
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| format!("README.md has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("README.md has no line {END}"))?;
    let output = transcript.trim();
    std::fs::write(&file, format!("{before}{BEGIN}\n```text\n{output}\n```\n{END}{after}")).map_err(told)
}
