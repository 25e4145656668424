//! The structural part of a schema: types, members, limits, and Kubernetes' lists that are maps or
//! sets.
//!
//! A [structural
//! schema](https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema)
//! is a small part of OpenAPI's, in which every node has a type; its regular expressions are Go's.

use super::super::manifest::{member, path};
use super::finding::Finding;
use super::schema;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Spellings that differ by more do not count as the same word.
const LIKENESS: f64 = 0.8;

/// A schema that is ready to check with.
pub struct Structure {
    schema: Value,
    patterns: BTreeMap<String, Regex>,
    fields: Vec<(String, String)>,
}

impl Structure {
    /// Of a structural schema.
    ///
    /// # Panics
    /// Where one of its patterns is none; the schemas that there are are read by a test.
    pub fn of(schema: Value) -> Self {
        let mut patterns = BTreeMap::new();
        collect_patterns(&schema, &mut patterns);
        let fields = schema::fields(&schema);
        Self { schema, patterns, fields }
    }

    /// Faults of a value.
    pub fn check(&self, value: &Value) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.node(value, &self.schema, "", &mut findings);
        findings
    }

    fn node(&self, value: &Value, schema: &Value, pointer: &str, findings: &mut Vec<Finding>) {
        let schema = schema::resolved(&self.schema, schema);
        let expected = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let fits = match expected {
            "string" => value.is_string(),
            "integer" => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        if !fits {
            findings.push(Finding::error(pointer, wrong_type(expected, value)));
            return;
        }
        let mut wrong = |message: String| findings.push(Finding::error(pointer, message));
        if let Some(options) =
            schema.get("enum").and_then(Value::as_array).filter(|o| !o.contains(value))
        {
            wrong(not_among(options, value));
        }
        let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
        match value {
            Value::String(text) => {
                let has = text.chars().count();
                if let Some(least) = limit("minLength").filter(|least| (has as f64) < *least) {
                    wrong(format!("must have at least {least} characters"));
                }
                if let Some(most) = limit("maxLength").filter(|most| (has as f64) > *most) {
                    wrong(format!("must have at most {most} characters, has {has}"));
                }
                let pattern = schema
                    .get("pattern")
                    .and_then(Value::as_str)
                    .and_then(|p| self.patterns.get_key_value(p));
                if let Some((pattern, _)) = pattern.filter(|(_, regex)| !regex.is_match(text)) {
                    let says = sentence(schema).map(|s| format!(". {s}")).unwrap_or_default();
                    wrong(format!("{} {MISMATCH} {pattern}{says}", shown(value)));
                }
            }
            Value::Number(number) => {
                let is = number.as_f64().unwrap_or_default();
                if let Some(least) = limit("minimum").filter(|least| is < *least) {
                    wrong(format!("must be at least {least}, is {number}"));
                }
                if let Some(most) = limit("maximum").filter(|most| is > *most) {
                    wrong(format!("must be at most {most}, is {number}"));
                }
            }
            Value::Array(list) => self.list(list, schema, pointer, findings),
            Value::Object(members) => self.object(members, schema, pointer, findings),
            _ => {}
        }
    }

    fn list(&self, list: &[Value], schema: &Value, pointer: &str, findings: &mut Vec<Finding>) {
        let has = list.len();
        let limit = |name: &str| {
            schema.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
        };
        if let Some(least) = limit("minItems").filter(|least| has < *least) {
            findings.push(Finding::error(
                pointer,
                format!("must have at least {least} {}", entries(least)),
            ));
        }
        if let Some(most) = limit("maxItems").filter(|most| has > *most) {
            findings.push(Finding::error(
                pointer,
                format!("must have at most {most} {}, has {has}", entries(most)),
            ));
        }
        repeated(list, schema, pointer, findings);
        if let Some(items) = schema.get("items") {
            for (n, item) in list.iter().enumerate() {
                self.node(item, items, &format!("{pointer}/{n}"), findings);
            }
        }
    }

    fn object(
        &self,
        members: &Map<String, Value>,
        schema: &Value,
        pointer: &str,
        findings: &mut Vec<Finding>,
    ) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = properties.unwrap_or(&none);
        let has = members.len();
        let most = schema
            .get("maxProperties")
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok());
        if let Some(most) = most.filter(|most| has > *most) {
            findings.push(Finding::error(
                pointer,
                format!("must have at most {most} members, has {has}"),
            ));
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(name) {
                let says = known
                    .get(name)
                    .and_then(sentence)
                    .map(|s| format!(": {s}"))
                    .unwrap_or_default();
                findings.push(Finding::error(member(pointer, name), format!("is missing{says}")));
            }
        }
        let others = schema.get("additionalProperties").filter(|a| a.is_object());
        let open = schema.get("additionalProperties").is_some() || properties.is_none();
        for (name, value) in members {
            let pointer = member(pointer, name);
            match known.get(name).or(others) {
                Some(child) => self.node(value, child, &pointer, findings),
                None if open || schema.get("x-kubernetes-preserve-unknown-fields").is_some() => {}
                None => findings.push(Finding::error(&pointer, self.unknown(name, known))),
            }
        }
    }

    /// Message about an unknown field: where it belongs, or which one was meant.
    fn unknown(&self, name: &str, known: &Map<String, Value>) -> String {
        let elsewhere =
            self.fields.iter().filter(|(field, _)| field == name).map(|(_, path)| path.as_str());
        let hint = match (
            elsewhere.min_by_key(|path| path.len()),
            nearest(name, known.keys().map(String::as_str)),
        ) {
            (Some(path), _) => format!("it belongs to {path}"),
            (None, Some(near)) => format!("did you mean {near}?"),
            (None, None) => format!(
                "there are: {}",
                known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        format!("{UNKNOWN}: {hint}")
    }
}

/// Beginning of every message about an unknown field.
pub const UNKNOWN: &str = "there is no such field";

/// Message for text that does not match its pattern.
pub const MISMATCH: &str = "does not match";

/// Reads every pattern of a schema. Go's `\w` and `\d` match only ASCII; in the CRDs they occur
/// inside brackets.
fn collect_patterns(schema: &Value, patterns: &mut BTreeMap<String, Regex>) {
    match schema {
        Value::Object(members) => {
            if let Some(text) = members.get("pattern").and_then(Value::as_str) {
                let ascii = text.replace(r"\w", "0-9A-Za-z_").replace(r"\d", "0-9");
                let regex =
                    Regex::new(&ascii).unwrap_or_else(|e| panic!("a pattern of the CRD: {e}"));
                patterns.insert(text.to_owned(), regex);
            }
            members.values().for_each(|m| collect_patterns(m, patterns));
        }
        Value::Array(list) => list.iter().for_each(|m| collect_patterns(m, patterns)),
        _ => {}
    }
}

/// The word that was meant, if one is near enough.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let like = known.map(|k| (strsim::jaro_winkler(&plain(word), &plain(k)), k));
    like.filter(|(likeness, _)| *likeness > LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// The first sentence of a field's description.
fn sentence(node: &Value) -> Option<&str> {
    let text = node.get("description")?.as_str()?;
    let end = text.find(". ").or_else(|| text.find(".\n")).map_or(text.len(), |at| at + 1);
    Some(text[..end].trim_end_matches('.')).filter(|s| !s.is_empty())
}

fn wrong_type(expected: &str, found: &Value) -> String {
    match (expected, found) {
        ("string", Value::Number(_) | Value::Bool(_)) => {
            format!("must be text, and {found} without quotes is none: write \"{found}\"")
        }
        ("array", _) => {
            format!("must be a list, not {}: begin each of its entries with a dash", name_of(found))
        }
        ("integer" | "number" | "boolean", Value::String(text)) => {
            format!(
                "must be {}, not text: write {text} without quotes, if that is what is meant",
                article(expected)
            )
        }
        (other, _) => format!("must be {}, not {}", article(other), name_of(found)),
    }
}

fn article(kind: &str) -> &'static str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a map (name: value)",
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn not_among(options: &[Value], found: &Value) -> String {
    let options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
    let near = found.as_str().and_then(|f| nearest(f, options.iter().copied()));
    let hint = near.map(|n| format!(": did you mean {n}?")).unwrap_or_default();
    format!("{} is none of {}{hint}", shown(found), options.join(", "))
}

/// A value for a message, shortened: a manifest's values are not secret, but may be long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn entries(number: usize) -> &'static str {
    if number == 1 { "entry" } else { "entries" }
}

/// Lists whose entries are identified by keys, or by their values.
fn repeated(list: &[Value], schema: &Value, pointer: &str, findings: &mut Vec<Finding>) {
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("map") => keys.into_iter().flatten().filter_map(Value::as_str).collect(),
        Some("set") => Vec::new(),
        _ => return,
    };
    let identity = |item: &Value| match keys.as_slice() {
        [] => item.clone(),
        keys => keys.iter().map(|k| item.get(k).cloned().unwrap_or_default()).collect(),
    };
    for (n, item) in list.iter().enumerate() {
        if let Some(before) =
            list[..n].iter().position(|earlier| identity(earlier) == identity(item))
        {
            let first = path(&format!("{pointer}/{before}"));
            let what = match keys.as_slice() {
                [key] => format!("has the same {key} as {first}"),
                _ => format!("is the same as {first}"),
            };
            findings.push(Finding::error(
                format!("{pointer}/{n}"),
                format!("{what}: take one of them out"),
            ));
        }
    }
}
