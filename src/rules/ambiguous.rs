//! Patterns of a policy that do not keep namespaces apart: what is wrong with each, and what to
//! write instead.
//!
//! `role/{namespace}-*` allows namespace `team` the roles `team-*`, and `team-a-x` is one of them,
//! although it is named after namespace `team-a`. Only a character that no namespace has ends the
//! name of one.

use refreshable_api::{Allow, RoleGrant, TagGrant};

/// A pattern by which a namespace is allowed what is named after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// Where it stands, for example `spec.allow.roles[0].arns[1]`.
    pub field: String,
    /// The pattern as it is written.
    pub pattern: String,
    /// Which namespaces it lets in, and what to write instead.
    pub why: String,
}

/// The placeholder whose ends are looked at.
const NAMESPACE: &str = "{namespace}";

/// The patterns in `allow` that do not keep namespaces apart.
pub fn find(allow: &Allow) -> Vec<Ambiguous> {
    // Without `..`: what is added to a policy is looked at here, or named as what has no patterns.
    let Allow {
        roles,
        endpoints,
        urls,
        private_addresses: _,
        ca_bundles: _,
        sources: _,
        audiences: _,
        processes: _,
        pkcs11_modules: _,
    } = allow;
    let mut found = Vec::new();
    for (at, grant) in roles.iter().enumerate() {
        in_grant(&format!("spec.allow.roles[{at}]"), grant, &mut found);
    }
    look("spec.allow.endpoints", endpoints, ".", &mut found);
    look("spec.allow.urls", urls, ".", &mut found);
    found
}

fn in_grant(field: &str, grant: &RoleGrant, found: &mut Vec<Ambiguous>) {
    let RoleGrant {
        arns,
        max_duration_seconds: _,
        session_names,
        source_identities,
        external_ids,
        tags,
    } = grant;
    look(&format!("{field}.arns"), arns, "/", found);
    // STS takes no slash in these two.
    let names = session_names.as_deref().unwrap_or_default();
    look(&format!("{field}.sessionNames"), names, ".", found);
    let identities = source_identities.as_deref().unwrap_or_default();
    look(&format!("{field}.sourceIdentities"), identities, ".", found);
    let ids = external_ids.as_deref().unwrap_or_default();
    look(&format!("{field}.externalIds"), ids, "/", found);
    for (at, TagGrant { key: _, values, required: _ }) in tags.iter().enumerate() {
        let values = values.as_deref().unwrap_or_default();
        look(&format!("{field}.tags[{at}].values"), values, "/", found);
    }
}

/// Looks at each pattern of a list, in which `separator` may stand beside a namespace.
fn look(field: &str, patterns: &[String], separator: &str, found: &mut Vec<Ambiguous>) {
    for (at, pattern) in patterns.iter().enumerate() {
        if let Some(why) = why(pattern, separator) {
            let field = format!("{field}[{at}]");
            found.push(Ambiguous { field, pattern: pattern.clone(), why });
        }
    }
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
