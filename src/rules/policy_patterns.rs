//! The patterns of a policy, one after the other: each with its place and with the kind of text that
//! it is a pattern of.

use refreshable_api::{Allow, Pkcs11Grant, RoleGrant, TagGrant};

/// The kind of text that a pattern is matched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// ARN of a role.
    Arn,
    /// Session name or source identity, which STS takes the same characters in.
    SessionName,
    /// External id.
    ExternalId,
    /// Key of a session tag. Placeholders are none in it.
    TagKey,
    /// Value of a session tag.
    TagValue,
    /// Label of a PKCS#11 token.
    TokenLabel,
    /// URL of an STS endpoint, or of another.
    Url,
}

/// A pattern that something is wrong with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Its place, for example `spec.allow.roles[0].arns[1]`.
    pub field: String,
    /// The pattern as it is written.
    pub pattern: String,
    /// The fault, and what to write instead.
    pub why: String,
}

/// The patterns in `allow` for which `why` gives a reason.
pub(crate) fn bad(allow: &Allow, why: impl Fn(Subject, &str) -> Option<String>) -> Vec<BadPattern> {
    // No `..`: a new member of a policy must be listed here, or named as one without patterns.
    let Allow {
        roles,
        endpoints,
        urls,
        private_addresses: _,
        ca_bundles: _,
        sources: _,
        audiences: _,
        processes: _,
        pkcs11_tokens,
        pkcs11_modules: _,
    } = allow;
    let mut found = Vec::new();
    let mut judge = |field: String, subject: Subject, pattern: &String| {
        if let Some(why) = why(subject, pattern) {
            found.push(BadPattern { field, pattern: pattern.clone(), why });
        }
    };
    for (at, grant) in roles.iter().enumerate() {
        in_grant(&format!("spec.allow.roles[{at}]"), grant, &mut judge);
    }
    each("spec.allow.endpoints", Subject::Url, endpoints, &mut judge);
    each("spec.allow.urls", Subject::Url, urls, &mut judge);
    for (at, Pkcs11Grant { module: _, token_labels }) in pkcs11_tokens.iter().enumerate() {
        let field = format!("spec.allow.pkcs11Tokens[{at}].tokenLabels");
        each(&field, Subject::TokenLabel, token_labels, &mut judge);
    }
    found
}

fn in_grant(field: &str, grant: &RoleGrant, judge: &mut impl FnMut(String, Subject, &String)) {
    let RoleGrant {
        arns,
        max_duration_seconds: _,
        session_names,
        source_identities,
        external_ids,
        tags,
    } = grant;
    each(&format!("{field}.arns"), Subject::Arn, arns, judge);
    for (name, subject, patterns) in [
        ("sessionNames", Subject::SessionName, session_names),
        ("sourceIdentities", Subject::SessionName, source_identities),
        ("externalIds", Subject::ExternalId, external_ids),
    ] {
        let patterns = patterns.as_deref().unwrap_or_default();
        each(&format!("{field}.{name}"), subject, patterns, judge);
    }
    for (at, TagGrant { key, values, required: _ }) in tags.iter().enumerate() {
        let field = format!("{field}.tags[{at}]");
        judge(format!("{field}.key"), Subject::TagKey, key);
        let values = values.as_deref().unwrap_or_default();
        each(&format!("{field}.values"), Subject::TagValue, values, judge);
    }
}

fn each(
    field: &str,
    subject: Subject,
    patterns: &[String],
    judge: &mut impl FnMut(String, Subject, &String),
) {
    for (at, pattern) in patterns.iter().enumerate() {
        judge(format!("{field}[{at}]"), subject, pattern);
    }
}
