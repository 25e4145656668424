//! Rules for every object's metadata, see [object
//! names](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/) and
//! [labels](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/).

use super::super::manifest::member;
use super::finding::Finding;
use super::schema;
use super::structure::Structure;
use serde_json::{Map, Value};

/// Longest name of an object, and longest prefix of a label's key.
const LONGEST_NAME: usize = 253;
/// Longest name of a namespace, label key (without its prefix) and label value.
const LONGEST_LABEL: usize = 63;
/// Most bytes that an object's annotations may have together.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// Faults of an object's metadata.
pub fn check(structure: &Structure, object: &Value) -> Vec<Finding> {
    let Some(metadata) = object.get("metadata").filter(|m| !m.is_null()) else {
        return vec![Finding::error("/metadata/name", "is missing: give the object a name")];
    };
    let mut metadata = metadata.clone();
    schema::prune_nulls(&mut metadata, &schema::metadata());
    let structural = structure.check(&metadata).into_iter();
    let mut findings: Vec<Finding> =
        structural.map(|f| Finding { pointer: format!("/metadata{}", f.pointer), ..f }).collect();
    let Value::Object(members) = metadata else { return findings };
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    match (text("name"), text("generateName")) {
        (Some(name), _) if !is_subdomain(name) => findings.push(Finding::error(
            "/metadata/name",
            format!("{name:?} is not a name: use lower case letters, digits, '-' and '.', beginning and ending with a letter or digit, at most {LONGEST_NAME}"),
        )),
        (None, None) => findings.push(Finding::error("/metadata/name", "is missing: give the object a name")),
        _ => {}
    }
    if let Some(namespace) = text("namespace").filter(|n| !is_label(n)) {
        findings.push(Finding::error(
            "/metadata/namespace",
            format!("{namespace:?} is not a namespace: use lower case letters, digits and '-', at most {LONGEST_LABEL}"),
        ));
    }
    for (word, values) in [("labels", true), ("annotations", false)] {
        if let Some(Value::Object(map)) = members.get(word) {
            keys(&format!("/metadata/{word}"), map, values, &mut findings);
        }
    }
    findings
}

fn keys(pointer: &str, map: &Map<String, Value>, values: bool, findings: &mut Vec<Finding>) {
    for (key, value) in map {
        // Annotations' keys may have capitals in their prefix.
        let seen = if values { key.clone() } else { key.to_ascii_lowercase() };
        if !is_qualified(&seen) {
            findings.push(Finding::error(
                member(pointer, key),
                format!("{key:?} is not a key: write <domain>/<name> or <name>, the name of at most {LONGEST_LABEL} letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"),
            ));
        }
        if let Some(value) = value.as_str().filter(|v| values && !v.is_empty() && !is_name(v)) {
            findings.push(Finding::error(
                member(pointer, key),
                format!("{value:?} is not a value of a label: use at most {LONGEST_LABEL} letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"),
            ));
        }
    }
    let bytes: usize = map.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if !values && bytes > MOST_ANNOTATIONS {
        findings.push(Finding::error(
            pointer,
            format!("annotations may have {MOST_ANNOTATIONS} bytes together, not {bytes}"),
        ));
    }
}

fn is_label(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= LONGEST_LABEL
        && !text.is_empty()
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    let part = |p: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !p.is_empty() && p.bytes().all(fits) && !p.starts_with('-') && !p.ends_with('-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(part)
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let end = |c: char| c.is_ascii_alphanumeric();
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(fits)
        && text.starts_with(end)
        && text.ends_with(end)
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(metadata: Value) -> String {
        let findings = check(&Structure::of(schema::metadata()), &json!({"metadata": metadata}));
        findings
            .iter()
            .map(|f| format!("{}: {}", f.pointer, f.message))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn what_is_right_is_taken() {
        for metadata in [
            json!({"name": "reports"}),
            json!({"name": "a.b-c", "namespace": "team-a", "labels": {"app.kubernetes.io/name": "x", "a": ""}}),
            json!({"generateName": "a-"}),
            json!({"name": "a", "annotations": {"Example.com/x": "any thing"}, "creationTimestamp": null}),
            json!({"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 3, "uid": "u"}),
        ] {
            assert_eq!(said(metadata.clone()), "", "{metadata}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (metadata, words) in [
            (json!({}), "/metadata/name: is missing"),
            (json!({"name": "Reports"}), "is not a name"),
            (json!({"name": "a", "namespace": "a.b"}), "is not a namespace"),
            (json!({"name": "a", "labels": {"a b": "x"}}), "/metadata/labels/a b"),
            (json!({"name": "a", "labels": {"a": "-x"}}), "is not a value of a label"),
            (json!({"name": "a", "labels": {"a": 1}}), "write \"1\""),
            (json!({"name": "a", "lables": {"a": "b"}}), "did you mean labels?"),
        ] {
            assert!(
                said(metadata.clone()).contains(words),
                "{metadata}: {}",
                said(metadata.clone())
            );
        }
        assert!(!check(&Structure::of(schema::metadata()), &json!({})).is_empty());
    }
}
