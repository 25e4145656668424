//! The API reference: a section for each object of the CRDs' schemas, with its fields and rules.

use crate::crds::properties;
use serde_json::Value;
use std::fmt::Write as _;

/// A specification that stands in another kind's, and is described with its own.
const ELSEWHERE: &str = "spec.template.spec";

/// The whole page, in Markdown.
pub(crate) fn page(crds: &[Value]) -> String {
    let mut page = String::from(
        "<!-- Generated from the Rust types in src/api by `make generate`. Do not edit. -->\n\n# API reference\n",
    );
    for crd in crds {
        let kind = text(&crd["spec"]["names"]["kind"]);
        let version = &crd["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        let scope = text(&crd["spec"]["scope"]).to_lowercase();
        let group = text(&crd["spec"]["group"]);
        let _ = write!(
            page,
            "\n## {kind}\n\n`apiVersion: {group}/{}`, {scope}. {}\n",
            text(&version["name"]),
            text(&schema["description"])
        );
        for part in ["spec", "status"] {
            if let Some(part_schema) = schema["properties"].get(part) {
                section(&mut page, part, part_schema, 3);
            }
        }
    }
    page
}

/// A section for an object, then one for each object within it.
fn section(page: &mut String, path: &str, schema: &Value, level: usize) {
    let _ = write!(page, "\n{} `{path}`\n", "#".repeat(level.min(5)));
    let description = text(&schema["description"]);
    if !description.is_empty() {
        let _ = write!(page, "\n{description}\n");
    }
    let rules: Vec<_> =
        schema["x-kubernetes-validations"].as_array().into_iter().flatten().collect();
    if !rules.is_empty() {
        page.push_str("\nRules:\n\n");
        for rule in rules {
            let _ = writeln!(page, "- {}", cell(&text(&rule["message"])));
        }
    }
    page.push_str("\n| field | type | limits | description |\n| --- | --- | --- | --- |\n");
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    let members = properties(schema);
    for (name, member) in &members {
        let needed = if required.contains(name) { " (required)" } else { "" };
        let _ = writeln!(
            page,
            "| `{name}`{needed} | {} | {} | {} |",
            kind(member),
            cell(&limits(member)),
            cell(&text(&member["description"]))
        );
    }
    for (name, member) in &members {
        let (inner, suffix) =
            if member["items"].is_object() { (&member["items"], "[]") } else { (member, "") };
        if inner["properties"].is_object() {
            let path = format!("{path}.{name}{suffix}");
            if path == ELSEWHERE {
                elsewhere(page, inner, level + 1);
            } else {
                section(page, &path, inner, level + 1);
            }
        }
    }
}

/// A section that leads to where the specification is described.
fn elsewhere(page: &mut String, schema: &Value, level: usize) {
    let _ = write!(
        page,
        "\n{} `{ELSEWHERE}`\n\n{}\n\nIts fields are those of the [specification of a RefreshableCredential](#spec).\n",
        "#".repeat(level.min(5)),
        text(&schema["description"])
    );
}

fn kind(schema: &Value) -> String {
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|v| format!("`{}`", text(v))).collect::<Vec<_>>().join(", ");
    }
    if schema["additionalProperties"].is_object() {
        return format!("map of {}", kind(&schema["additionalProperties"]));
    }
    match schema["format"].as_str() {
        Some("date-time") => "time".into(),
        _ => text(&schema["type"]),
    }
}

fn limits(schema: &Value) -> String {
    let mut limits = Vec::new();
    for (key, words) in [
        ("minLength", "at least {} characters"),
        ("maxLength", "at most {} characters"),
        ("minimum", "at least {}"),
        ("maximum", "at most {}"),
        ("minItems", "at least {} members"),
        ("maxItems", "at most {} members"),
        ("maxProperties", "at most {} members"),
        ("pattern", "matches `{}`"),
        ("default", "default `{}`"),
    ] {
        if !schema[key].is_null() {
            limits.push(words.replace("{}", &text(&schema[key])));
        }
    }
    limits.join(", ")
}

/// A value as text: numbers without a needless fraction.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |n| n.to_string())
        }
        other => other.to_string(),
    }
}

/// Text that can stand in a cell of a table: what looks like an element of HTML is none.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace('\n', " ");
    let parts = text.split('`').enumerate();
    let shown = parts
        .map(|(at, part)| if at % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() });
    shown.collect::<Vec<_>>().join("`")
}
