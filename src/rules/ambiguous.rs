//! Patterns of a policy that do not keep namespaces apart: what is wrong with each, and what to
//! write instead.
//!
//! `role/{namespace}-*` allows namespace `team` the roles `team-*`, and `team-a-x` is one of them,
//! although it is named after namespace `team-a`. Only a character that no namespace has ends the
//! name of one.

use super::policy_patterns::{self, BadPattern, Subject};
use refreshable_api::Allow;

/// The placeholder whose ends are looked at.
const NAMESPACE: &str = "{namespace}";

/// The patterns in `allow` that do not keep namespaces apart.
pub fn find(allow: &Allow) -> Vec<BadPattern> {
    policy_patterns::bad(allow, |subject, pattern| {
        // A character that may stand beside a namespace.
        let separator = match subject {
            Subject::Arn | Subject::ExternalId | Subject::TagValue => "/",
            // STS takes no slash in a session name.
            Subject::SessionName | Subject::TokenLabel | Subject::Url => ".",
            Subject::TagKey => return None,
        };
        why(pattern, separator)
    })
}

/// Why a pattern does not keep namespaces apart. One place that does is enough.
fn why(pattern: &str, separator: &str) -> Option<String> {
    let mut first = None;
    for (at, _) in pattern.match_indices(NAMESPACE) {
        let (before, after) = (&pattern[..at], &pattern[at + NAMESPACE.len()..]);
        let (behind, wrong, right) = if is_open_after(after) {
            ("behind", "team-a", format!("{NAMESPACE}{separator}*"))
        } else if is_open_before(before) {
            ("before", "a-team", format!("*{separator}{NAMESPACE}"))
        } else {
            return None;
        };
        first.get_or_insert_with(|| {
            format!(
                "the wildcard or {{name}} {behind} {NAMESPACE} can stand for a part of a namespace's name, so that namespace team may have what is named after namespace {wrong}: put a character between them that no namespace has, for example {right}"
            )
        });
    }
    first
}

/// Whether what follows a namespace can be read as the rest of a longer one.
fn is_open_after(text: &str) -> bool {
    text.trim_start_matches(may_be_in_a_namespace).starts_with(['*', '?'])
        || text.trim_start_matches(may_be_in_a_namespace).starts_with("{name}")
}

/// Whether what stands before a namespace can be read as the beginning of a longer one.
fn is_open_before(text: &str) -> bool {
    text.trim_end_matches(may_be_in_a_namespace).ends_with(['*', '?'])
        || text.trim_end_matches(may_be_in_a_namespace).ends_with("{name}")
}

fn may_be_in_a_namespace(c: char) -> bool {
    c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
#[path = "ambiguous_tests.rs"]
mod tests;
