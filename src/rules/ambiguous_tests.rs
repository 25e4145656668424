use super::*;
use crate::patterns::{PatternContext, arn_matches, wildcard_matches};
use serde_json::{Value, json};
use std::path::Path;

fn found(allow: Value) -> Vec<BadPattern> {
    find(&serde_json::from_value(allow).expect("an allow"))
}

/// Whether two namespaces, each with a resource of its own, may have one and the same thing.
fn is_shared(pattern: &str, [a, b]: [(&str, &str); 2], thing: &str) -> bool {
    [a, b].into_iter().all(|(namespace, name)| {
        let filled = PatternContext { namespace, name }.fill(pattern).into_owned();
        match thing.starts_with("arn:") {
            true => arn_matches(&filled, thing),
            false => wildcard_matches(&filled, thing, |_| true),
        }
    })
}

/// The attack itself: the thing belongs to the second of the two namespaces, and the first may have
/// it all the same.
#[test]
fn a_pattern_that_gives_a_namespace_what_is_another_s_is_named() {
    let role = "arn:aws:iam::111122223333:role/";
    let (team, longer) = (("team", "a-x"), ("team-a", "x"));
    for (pattern, pair, thing) in [
        ("{namespace}-*", [team, longer], "team-a-x"),
        ("{namespace}*", [team, longer], "team-a-x"),
        ("{namespace}?*", [team, longer], "team-a-x"),
        ("{namespace}-a-*", [team, ("team-a", "x")], "team-a-a-x"),
        ("{namespace}-{name}", [team, longer], "team-a-x"),
        ("{namespace}{name}", [("team", "ax"), ("teama", "x")], "teamax"),
        ("*-{namespace}", [("team", "x"), ("a-team", "x")], "x-a-team"),
        ("*{namespace}/x", [("team", "x"), ("a-team", "x")], "a-team/x"),
        ("{name}-{namespace}", [("team", "x-a"), ("a-team", "x")], "x-a-team"),
    ] {
        for prefix in ["", role] {
            let (pattern, thing) = (format!("{prefix}{pattern}"), format!("{prefix}{thing}"));
            assert!(is_shared(&pattern, pair, &thing), "{pattern} {thing}");
            assert!(why(&pattern, "/").is_some(), "{pattern}");
        }
    }
    for (pattern, pair, things) in [
        ("{namespace}/*", [team, longer], ["team-a/x", "team/a-x"]),
        ("{namespace}.*", [team, longer], ["team-a.x", "team.a-x"]),
        ("{namespace}/{name}", [team, longer], ["team-a/x", "team/a-x"]),
        ("{namespace}-runner", [team, longer], ["team-a-runner", "team-runner"]),
        ("x-{namespace}/*", [team, longer], ["x-team-a/x", "x-team/x"]),
        // The path keeps them apart, whatever the name.
        ("{namespace}/{namespace}-*", [team, longer], ["team-a/team-a-x", "team/team-a-x"]),
        ("tenants/{namespace}", [team, longer], ["tenants/team-a", "tenants/team"]),
    ] {
        for thing in things {
            for prefix in ["", role] {
                let (pattern, thing) = (format!("{prefix}{pattern}"), format!("{prefix}{thing}"));
                assert!(!is_shared(&pattern, pair, &thing), "{pattern} {thing}");
                assert_eq!(why(&pattern, "/"), None, "{pattern}");
            }
        }
    }
    for pattern in [
        "*",
        "{name}-*",
        "team-*",
        "arn:aws:iam::*:role/{namespace}/*",
        "https://*.{namespace}.example.com/v1/{name}",
        "https://{namespace}.example.com:*",
    ] {
        assert_eq!(why(pattern, "/"), None, "{pattern}");
    }
}

#[test]
fn every_list_of_patterns_is_looked_at_and_told_what_fits_there() {
    let open = "{namespace}-*";
    let arn = "arn:aws:iam::111122223333:role/{namespace}-*";
    let url = "https://{namespace}-*.example.com";
    let grant = json!({
        "arns": ["arn:aws:iam::111122223333:role/{namespace}/*", arn], "sessionNames": [open],
        "sourceIdentities": [open], "externalIds": [open],
        "tags": [{"key": "a"}, {"key": "b", "values": ["{namespace}", open]}],
    });
    let found = found(json!({"roles": [grant], "endpoints": [url], "urls": [url]}));
    let told: Vec<(&str, &str)> =
        found.iter().map(|f| (f.field.as_str(), f.pattern.as_str())).collect();
    assert_eq!(
        told,
        [
            ("spec.allow.roles[0].arns[1]", arn),
            ("spec.allow.roles[0].sessionNames[0]", open),
            ("spec.allow.roles[0].sourceIdentities[0]", open),
            ("spec.allow.roles[0].externalIds[0]", open),
            ("spec.allow.roles[0].tags[1].values[1]", open),
            ("spec.allow.endpoints[0]", url),
            ("spec.allow.urls[0]", url),
        ]
    );
    for (found, write) in
        found.iter().zip(["{namespace}/*", "{namespace}.*", "{namespace}.*", "{namespace}/*"])
    {
        assert!(found.why.ends_with(&format!("for example {write}")), "{found:?}");
        assert_eq!(why(write, "/"), None, "what is advised is right");
    }
}

fn files(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            files(&entry.expect("an entry").path(), found);
        }
    } else if let Ok(text) = std::fs::read_to_string(path) {
        found.push((path.display().to_string(), text));
    }
}

/// Readers copy what they see: no page, example, chart or manifest has such a pattern.
#[test]
fn every_pattern_that_is_shown_keeps_namespaces_apart() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for place in ["README.md", "docs", "charts", "deploy", "crds", "tests/demo"] {
        files(&root.join(place), &mut found);
    }
    let mut patterns = 0;
    for (file, text) in found {
        let ends = |c: char| c.is_whitespace() || "\"'`[](),;|".contains(c);
        for pattern in text.split(ends).filter(|word| word.contains(NAMESPACE)) {
            assert_eq!(why(pattern, "/"), None, "{file}: {pattern}");
            patterns += 1;
        }
    }
    assert!(patterns > 10, "{patterns} patterns");
}
