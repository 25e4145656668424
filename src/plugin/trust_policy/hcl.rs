//! The part of HCL's [syntax](https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md) that is written here.

use super::super::terminal::steers;
use serde_json::Value;

/// A value of an attribute.
pub enum Expression {
    /// A constant.
    Constant(Value),
    /// What `jsonencode` makes of a value.
    Encoded(Value),
    /// A reference, like `aws_iam_role.hub.name`.
    Reference(String),
    /// References.
    References(Vec<String>),
}

/// A block `resource "<kind>" "<label>" { ... }`.
pub fn resource(kind: &str, label: &str, attributes: &[(&str, Expression)]) -> String {
    let mut text = format!("resource {} {} {{\n", quoted(kind), quoted(label));
    for (name, value) in attributes {
        let value = match value {
            Expression::Constant(value) => constant(value, 1),
            Expression::Encoded(value) => format!("jsonencode({})", constant(value, 1)),
            Expression::Reference(reference) => reference.clone(),
            Expression::References(references) => format!("[{}]", references.join(", ")),
        };
        text.push_str(&format!("  {name} = {value}\n"));
    }
    text.push_str("}\n");
    text
}

fn constant(value: &Value, depth: usize) -> String {
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) if list.iter().all(|v| !v.is_object() && !v.is_array()) => {
            format!("[{}]", list.iter().map(|v| constant(v, depth)).collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => {
            let lines = list.iter().map(|v| format!("{inner}{},\n", constant(v, depth + 1)));
            format!("[\n{}{outer}]", lines.collect::<String>())
        }
        Value::Object(members) => {
            let lines = members.iter().map(|(k, v)| format!("{inner}{} = {}\n", quoted(k), constant(v, depth + 1)));
            format!("{{\n{}{outer}}}", lines.collect::<String>())
        }
        other => other.to_string(),
    }
}

/// A string in quotes, in which nothing is a template.
fn quoted(text: &str) -> String {
    let mut whole = String::from("\"");
    for (at, c) in text.char_indices() {
        match c {
            '"' | '\\' => whole.extend(['\\', c]),
            '\n' => whole.push_str("\\n"),
            '\r' => whole.push_str("\\r"),
            '\t' => whole.push_str("\\t"),
            '$' | '%' if text[at + 1..].starts_with('{') => whole.extend([c, c]),
            c if steers(c) => whole.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => whole.push(c),
        }
    }
    whole.push('"');
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_no_templates() {
        assert_eq!(quoted("a\"b\\c\n${x} %{y} $z"), "\"a\\\"b\\\\c\\n$${x} %%{y} $z\"");
    }

    #[test]
    fn characters_that_steer_a_terminal_are_escaped() {
        assert_eq!(quoted("\u{1b}]0;x\u{7}\u{202e}ü"), "\"\\u001b]0;x\\u0007\\u202eü\"");
    }

    #[test]
    fn blocks_are_indented() {
        let encoded = Expression::Encoded(json!({"a": ["b", "c"], "d": [{"e": 1}]}));
        let text = resource("k", "l", &[("name", Expression::Constant("x".into())), ("policy", encoded)]);
        let expected = "resource \"k\" \"l\" {\n  name = \"x\"\n  policy = jsonencode({\n    \"a\" = [\"b\", \"c\"]\n    \"d\" = [\n      {\n        \"e\" = 1\n      },\n    ]\n  })\n}\n";
        assert_eq!(text, expected);
    }
}
