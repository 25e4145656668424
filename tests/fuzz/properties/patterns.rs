//! Patterns of policies against ARNs and URLs: a border of tenancy.

use refreshable_rules::patterns::{arn_matches, can_be_matched, shown_url, url_matches};

/// Holds for every text.
pub fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    // The pattern on the first line, what is held against it below.
    let Some((pattern, text)) = input.split_once('\n') else { return };
    let wild = pattern.contains(['*', '?']);
    if arn_matches(pattern, text) {
        assert!(wild || pattern == text, "without a wildcard it matches something else");
    }
    if url_matches(pattern, text).is_some() {
        assert!(can_be_matched(text), "it matches what no pattern can match");
        assert_eq!(shown_url(text), text, "what is hidden when it is shown was matched");
        let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
        assert_eq!(scheme(pattern), scheme(text), "the scheme is another");
        let host = |url: &str| {
            let rest = url.split_once("://").map_or("", |(_, rest)| rest);
            rest.split('/').next().unwrap_or_default().to_ascii_lowercase()
        };
        let (wanted, found) = (host(pattern), host(text));
        assert_eq!(
            wanted.split('.').count(),
            found.split('.').count(),
            "a wildcard crossed a dot: {wanted} and {found}"
        );
    }
    let shown = shown_url(text);
    if shown.contains("://") {
        assert!(!shown.contains(['?', '#']), "a query is shown: {shown}");
    }
}
