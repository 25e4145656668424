//! Secrets in texts of others: one that was sent does not come back, whatever stands around it.

use refreshable_rules::issuer::{REDACTED, Redactor};

/// Shorter words are not secrets: they stand in texts by chance.
const SHORTEST: usize = 8;

/// Holds for every text.
pub fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    // The secret on the first line, what stands before and behind it on the next two.
    let mut lines = input.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (secret, before, after) = (next(), next(), next());
    let secret = secret.trim();
    if secret.len() < SHORTEST || REDACTED.contains(secret) {
        return;
    }
    let redactor = Redactor::default();
    redactor.protect(secret);
    let clean = redactor.redact(&format!("{before}{secret}{after}"));
    assert!(clean.contains(REDACTED), "nothing was redacted: {clean}");
    assert!(!clean.replace(REDACTED, "\n").contains(secret), "it came through: {clean}");
}
