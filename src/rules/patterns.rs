//! Patterns as policies write them: of ARNs, of URLs, of names.
//!
//! The matcher is our own because it is a border of tenancy. `*` and `?` mean what they mean to
//! IAM, and end at the part of an ARN or the label of a host that they stand in; libraries for
//! globs (`globset`, `wildmatch`) know classes, alternatives, escapes and separators of paths, each
//! of which would let a pattern mean something that its author did not write.

use std::borrow::Cow;

/// Resource that a pattern is compared for: its placeholders stand for this.
#[derive(Clone, Copy, Debug)]
pub struct PatternContext<'a> {
    /// The namespace, for `{namespace}`.
    pub namespace: &'a str,
    /// The resource's name, for `{name}`.
    pub name: &'a str,
}

impl PatternContext<'_> {
    /// The pattern with its placeholders filled in. Kubernetes names hold nothing that a pattern
    /// takes for a wildcard.
    pub fn fill<'p>(&self, pattern: &'p str) -> Cow<'p, str> {
        if pattern.contains('{') {
            pattern.replace("{namespace}", self.namespace).replace("{name}", self.name).into()
        } else {
            pattern.into()
        }
    }
}

/// How far a host's name may lead. An address that stands in the URL itself is called as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkScope {
    /// To public addresses.
    #[default]
    Public,
    /// To private ones too, where cluster-internal services are.
    Private,
}

/// Matches an ARN part by part: a wildcard never crosses a colon, so `arn:aws:iam::*:role/x` cannot
/// be stretched over the account. The last part (the resource) may hold colons of its own.
pub fn arn_matches(pattern: &str, arn: &str) -> bool {
    const PARTS: usize = 6;
    // Not by `Arn`: any part of a pattern may be a wildcard, the first one too.
    let pattern: Vec<_> = pattern.splitn(PARTS, ':').collect();
    let arn: Vec<_> = arn.splitn(PARTS, ':').collect();
    pattern.len() == PARTS
        && arn.len() == PARTS
        && pattern.iter().zip(&arn).all(|(p, a)| wildcard_matches(p, a, |_| true))
}

/// Matches a URL: scheme, host and port must agree, where a `*` in the pattern's host stands for
/// characters other than the dot; the path must be the pattern's or lie below it. What is not plain
/// (user names, queries, escapes, parameters of a path, other scripts) matches nothing: two parsers
/// could read it in two ways.
///
/// Gives how far the host may lead: one that is written out is known to who wrote the pattern.
pub fn url_matches(pattern: &str, url: &str) -> Option<NetworkScope> {
    let (p_scheme, p_rest) = pattern.split_once("://")?;
    let (u_scheme, u_rest) = url.split_once("://")?;
    let (p_host, p_path) = p_rest.split_once('/').unwrap_or((p_rest, ""));
    let (u_host, u_path) = u_rest.split_once('/').unwrap_or((u_rest, ""));
    let p_path = p_path.trim_end_matches('/');
    let below = p_path.is_empty()
        || u_path == p_path
        || u_path.strip_prefix(p_path).is_some_and(|r| r.starts_with('/'));
    // An address is allowed where it is written out, never by a wildcard.
    let literal = !is_address(u_host) || p_host.eq_ignore_ascii_case(u_host);
    let matches = p_scheme == u_scheme
        && literal
        && is_plain(u_host, u_path)
        && below
        && wildcard_matches(&p_host.to_ascii_lowercase(), &u_host.to_ascii_lowercase(), |c| {
            c != '.'
        });
    matches.then_some(if p_host.contains(['*', '?']) {
        NetworkScope::Public
    } else {
        NetworkScope::Private
    })
}

/// Characters that a path of a URL must not have for a pattern to match: those of queries and
/// fragments, and those that servers take for something else than they say. `..%2fadmin`,
/// `%2e%2e/admin`, `..\admin` and `..;/admin` lead out of a path that they seem to lie below.
pub(crate) const NOT_IN_A_PATH: &str = "?#\\%;";

/// Whether a URL's host and path can be read in one way only.
fn is_plain(host: &str, path: &str) -> bool {
    !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c))
        && path.chars().all(|c| c.is_ascii_graphic() && !NOT_IN_A_PATH.contains(c))
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Whether a pattern can match this URL at all.
pub fn can_be_matched(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        is_plain(host, path)
    })
}

/// A URL as it may be shown: without user name, password, query and fragment, which may hold what
/// is nobody's business. Text without `://` is shown as it is.
pub fn shown_url(url: &str) -> Cow<'_, str> {
    if !url.contains("://") {
        return url.into();
    }
    // The query of a URL that lacks its scheme may hold another URL.
    let shown = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    let Some((scheme, rest)) = shown.split_once("://") else { return shown.into() };
    let authority = rest.find(['/', '\\']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        None if scheme.len() + 3 + rest.len() == url.len() => url.into(),
        at => format!("{scheme}://{}", &rest[at.map_or(0, |at| at + 1)..]).into(),
    }
}

/// Whether a URL's host (with its port) is an IP address, in any form that a URL parser takes for
/// one.
fn is_address(host: &str) -> bool {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number =
        last.chars().all(|c| c.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    name.starts_with('[') || number
}

/// Matches `text` against a pattern in which `*` stands for any run of characters that `may` allows
/// and `?` for one of them. Linear in the product of the lengths, so no pattern can stall it.
pub fn wildcard_matches(pattern: &str, text: &str, may: impl Fn(char) -> bool) -> bool {
    // Most parts of most patterns are written out, and many resources are held against many
    // policies.
    if !pattern.contains(['*', '?']) {
        return pattern == text;
    }
    let text: Vec<char> = text.chars().collect();
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for p in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        if p == '*' {
            next[0] = reach[0];
            for i in 0..text.len() {
                next[i + 1] = reach[i + 1] || (next[i] && may(text[i]));
            }
        } else {
            for i in 0..text.len() {
                next[i + 1] = reach[i] && (p == text[i] || (p == '?' && may(text[i])));
            }
        }
        reach = next;
    }
    reach[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_it_may_hide() {
        for (url, shown) in [
            ("https://a.example.com/x", "https://a.example.com/x"),
            ("https://a.example.com", "https://a.example.com"),
            ("https://user:pass@a.example.com:8443/x?y=z#w", "https://a.example.com:8443/x"),
            ("https://a.example.com?token=t", "https://a.example.com"),
            ("https://a.example.com/x@y", "https://a.example.com/x@y"),
            ("https://a.example.com/x?y=@z", "https://a.example.com/x"),
            ("https://p@ss@a.example.com/", "https://a.example.com/"),
            ("a.example.com/x?token=t&next=https://b.example.com/", "a.example.com/x"),
            ("a.example.com/x#token=t&next=https://b.example.com/", "a.example.com/x"),
            ("STS in eu-west-1", "STS in eu-west-1"),
            ("arn:aws:iam::111122223333:role/a?b", "arn:aws:iam::111122223333:role/a?b"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn a_wildcard_in_an_arn_stays_in_its_part() {
        for (pattern, arn, matches) in [
            ("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", true),
            ("arn:aws:iam::1:role/a?", "arn:aws:iam::1:role/ab", true),
            ("arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", true),
            ("arn:aws:iam::*role/x", "arn:aws:iam::1:role/x", false),
            ("*", "arn:aws:iam::1:role/x", false),
            ("arn:aws:iam::1:role/x", "arn:aws:iam::1:role/xy", false),
            ("arn:aws:iam::1*:role/x", "arn:aws:iam::2:role/x", false),
            ("arn:aws:iam::1:role/team-a/*", "arn:aws:iam::1:role/team-a/x", true),
            ("arn:aws:iam::1:role/team-a/*", "arn:aws:iam::1:role/team-b/x", false),
            ("arn:aws:iam::1:role/team-a/*", "arn:aws:iam::1:role/team-ab/x", false),
            ("arn:aws:iam::1:role/team-a/*", "arn:aws:iam::1:role/x/team-a/x", false),
            ("arn:aws:iam::1:role/team-a/*", "arn:aws:iam::2:role/team-a/x", false),
            ("arn:aws:iam::*:role/team-a/*", "arn:aws:iam::2:role/x:role/team-a/y", false),
            ("arn:*:role/x", "arn:aws:iam::1:role/x", false),
        ] {
            assert_eq!(arn_matches(pattern, arn), matches, "{pattern} {arn}");
        }
    }

    #[test]
    fn a_url_is_matched_by_its_parts() {
        let pattern = "https://*.example.com/v1";
        for (url, matches) in [
            ("https://a.example.com/v1", true),
            ("https://A.EXAMPLE.com/v1/keys", true),
            ("https://a.b.example.com/v1", false),
            ("https://a.example.com/v10", false),
            ("https://a.example.com/v1/../admin", false),
            ("https://a.example.com/v1/.\t./admin", false),
            ("https://a.example.com/v1/.\n./admin", false),
            ("https://a.example.com/v1/%2e%2e/admin", false),
            ("https://a.example.com/v1/%2E%2E/admin", false),
            ("https://a.example.com/v1/.%2e/admin", false),
            ("https://a.example.com/v1/%2E./admin", false),
            ("https://a.example.com/v1/..%2fadmin", false),
            ("https://a.example.com/v1/..%2Fadmin", false),
            ("https://a.example.com/v1/%2e%2e%2fadmin", false),
            ("https://a.example.com/v1/%252e%252e/admin", false),
            ("https://a.example.com/v1/..%5cadmin", false),
            ("https://a.example.com/v1/..%c0%afadmin", false),
            ("https://a.example.com/v1/%", false),
            ("https://a.example.com/v1/..\\admin", false),
            ("https://a.example.com/v1\\..\\admin", false),
            // Servers that know parameters of a path take them out, and then read the dots.
            ("https://a.example.com/v1/..;/admin", false),
            ("https://a.example.com/v1/..;x=y/admin", false),
            ("https://a.example.com/v1/;/../admin", false),
            ("https://a.example.com/v1/keys;a=b", false),
            ("https://a.example.com/v1;", false),
            ("https://a.example.com/./v1", false),
            ("https://a.example.com/v1/./admin", false),
            ("https://a.example.com/v1/..", false),
            ("https://a.example.com/v1?x", false),
            ("https://a.example.com/v1#x", false),
            // Dots in a name are names.
            ("https://a.example.com/v1/..a/.b/c...d", true),
            ("https://a.example.com:8443/v1", false),
            ("http://a.example.com/v1", false),
            ("https://evil.com/.example.com/v1", false),
            ("https://evil.com?.example.com/v1", false),
            ("https://evil.com#.example.com/v1", false),
            ("https://user@a.example.com/v1", false),
            ("https://evil.com\\.example.com/v1", false),
            ("https://a\t.example.com/v1", false),
            // A URL parser takes the ideographic full stop for a dot.
            ("https://a\u{3002}b.example.com/v1", false),
            ("https://\u{ff41}.example.com/v1", false),
        ] {
            assert_eq!(url_matches(pattern, url).is_some(), matches, "{url}");
            if matches {
                assert!(can_be_matched(url), "{url}");
            }
        }
    }

    #[test]
    fn a_path_in_disguise_matches_no_pattern_even_one_that_spells_it() {
        for path in
            ["v1;", "v1/..;/x", "v1/%2e", "v1/%2E%2e/x", "..%2f", "v1\\x", "v1/../x", "./v1"]
        {
            let url = format!("https://a.example.com/{path}");
            for pattern in ["https://a.example.com", "https://*.example.com", &url] {
                assert_eq!(url_matches(pattern, &url), None, "{pattern} {url}");
            }
            assert!(!can_be_matched(&url), "{url}");
        }
    }

    #[test]
    fn an_address_in_whatever_form_is_never_a_wildcard_s() {
        for address in [
            "https://10.0.0.1",
            "https://[::1]",
            "https://[::ffff:127.0.0.1]",
            "https://[64:ff9b::7f00:1]",
            "https://0x7f000001",
            "https://0x7f.1",
            "https://2130706433",
            "https://017700000001",
            "https://127.1.",
            "https://0",
            "https://0.0.0.0",
            "https://169.254.169.254",
        ] {
            for pattern in
                ["https://*", "https://*.*", "https://*.*.*.*", "https://[*]", "https://*:*"]
            {
                assert_eq!(url_matches(pattern, address), None, "{pattern} {address}");
            }
            assert_eq!(
                url_matches(address, address),
                Some(NetworkScope::Private),
                "{address} written out"
            );
        }
        // Digits of other scripts, which a URL parser takes for digits.
        for disguised in ["https://127.0.0.\u{ff11}", "https://\u{ff12}130706433"] {
            assert_eq!(url_matches("https://*.*.*.*", disguised), None, "{disguised}");
            assert_eq!(url_matches("https://*", disguised), None, "{disguised}");
        }
    }

    #[test]
    fn a_host_that_is_written_out_may_lead_further_than_one_of_a_wildcard() {
        for (pattern, reach) in [
            ("https://minio.storage.svc", Some(NetworkScope::Private)),
            ("https://*.storage.svc", Some(NetworkScope::Public)),
            ("https://mini?.storage.svc", Some(NetworkScope::Public)),
            ("https://*.*.*", Some(NetworkScope::Public)),
            ("https://other.storage.svc", None),
        ] {
            assert_eq!(url_matches(pattern, "https://minio.storage.svc/"), reach, "{pattern}");
        }
    }

    #[test]
    fn placeholders_stand_for_whose_the_resource_is() {
        let whose = PatternContext { namespace: "team-a", name: "reports" };
        for (pattern, filled) in [
            ("{namespace}.*", "team-a.*"),
            ("arn:aws:iam::1:role/{namespace}/{name}", "arn:aws:iam::1:role/team-a/reports"),
            ("plain", "plain"),
        ] {
            assert_eq!(whose.fill(pattern), filled);
        }
    }

    #[test]
    fn no_pattern_stalls_the_matcher() {
        let pattern = "*a".repeat(500);
        assert!(!wildcard_matches(&pattern, &"a".repeat(499), |_| true));
        assert!(wildcard_matches(&pattern, &"a".repeat(600), |_| true));
    }
}
