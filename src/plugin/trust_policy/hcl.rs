//! HCL, Terraform's language, as [hcl-rs](https://docs.rs/hcl-rs) lays it out.
//!
//! Two things are done here. Strings are escaped: that crate leaves characters that steer a
//! terminal as they are, and a template where another character of a marker stands before it, as in
//! `${a}%${b}`. And the arguments of a function are broken into lines: it puts them on one, which
//! is unreadable.

use super::super::terminal::steers;
use hcl::expr::{ObjectKey, TemplateExpr, Traversal, Variable};
use hcl::format::{Format, Formatter};
use hcl::structure::{Attribute, Block};
use serde_json::Value;

pub use hcl::Expression;

/// A block `resource "<kind>" "<label>" { ... }`, where both are identifiers.
///
/// # Errors
/// Where it cannot be written.
pub fn resource(
    kind: &str,
    label: &str,
    attributes: Vec<(&str, Expression)>,
) -> Result<String, String> {
    let block = Block::builder("resource").add_labels([kind, label]);
    let attributes = attributes.into_iter().map(|(name, value)| Attribute::new(name, value));
    written(&block.add_attributes(attributes).build())
}

/// A text without templates.
pub fn text(text: &str) -> Expression {
    Expression::from(TemplateExpr::QuotedString(escaped(text)))
}

/// A reference, like `aws_iam_role.hub.name`.
pub fn reference(kind: &str, members: &[&str]) -> Expression {
    let reference = Traversal::builder(Variable::sanitized(kind));
    Expression::from(
        members.iter().fold(reference, |reference, member| reference.attr(*member)).build(),
    )
}

/// `jsonencode(<value>)`
///
/// # Errors
/// Where it cannot be written.
pub fn encoded(value: &Value) -> Result<Expression, String> {
    // HCL's strings never span lines, so only the layout is indented.
    let value = written(&constant(value)?)?.replace('\n', "\n  ");
    Ok(Variable::unchecked(format!("jsonencode({value})")).into())
}

fn constant(value: &Value) -> Result<Expression, String> {
    match value {
        Value::String(string) => Ok(text(string)),
        Value::Array(list) => {
            list.iter().map(constant).collect::<Result<Vec<_>, _>>().map(Expression::from)
        }
        Value::Object(members) => {
            let members =
                members.iter().map(|(k, v)| Ok((ObjectKey::Expression(text(k)), constant(v)?)));
            members.collect::<Result<Vec<_>, String>>().map(Expression::from_iter)
        }
        other => hcl::expr::to_expression(other).map_err(|e| e.to_string()),
    }
}

fn written(what: &impl Format) -> Result<String, String> {
    let mut formatter = Formatter::builder().compact_arrays(true).build_vec();
    what.format_string(&mut formatter).map_err(|e| e.to_string())
}

/// Text between the quotes of a string.
fn escaped(text: &str) -> String {
    let mut whole = String::new();
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
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quoted(string: &str) -> String {
        written(&text(string)).expect("HCL")
    }

    #[test]
    fn strings_are_no_templates() {
        assert_eq!(quoted("a\"b\\c\n${x} %{y} $z"), "\"a\\\"b\\\\c\\n$${x} %%{y} $z\"");
        assert_eq!(quoted("${a}%${b}"), "\"$${a}%$${b}\"");
    }

    #[test]
    fn strings_are_read_as_they_were_given() {
        for string in [
            "",
            "$",
            "a\"b\\c\nd\te",
            "${a}",
            "%{ if b }",
            "${a}%${b}",
            "$\u{202e}{\u{7f}",
            "arn:aws:iam::1:role/ü",
        ] {
            let read = hcl::parse(&format!("a = {}\n", quoted(string))).expect(string);
            assert_eq!(
                read.attributes().next().map(|a| a.expr()),
                Some(&Expression::from(string)),
                "{string:?}"
            );
        }
    }

    #[test]
    fn characters_that_steer_a_terminal_are_escaped() {
        assert_eq!(quoted("\u{1b}]0;x\u{7}\u{202e}ü"), "\"\\u001b]0;x\\u0007\\u202eü\"");
    }

    #[test]
    fn blocks_are_indented() {
        let policy = encoded(&json!({"a": ["b", "c"], "d": [{"e": 1}, {"${f}": null}], "g": []}))
            .expect("HCL");
        let others =
            Expression::from(vec![reference("k", &["m"]), reference("k", &["n-1", "name"])]);
        let block = resource(
            "k",
            "l",
            vec![("name", text("x")), ("policy", policy), ("depends_on", others)],
        );
        let expected = r#"resource "k" "l" {
  name = "x"
  policy = jsonencode({
    "a" = ["b", "c"]
    "d" = [{
      "e" = 1
    }, {
      "$${f}" = null
    }]
    "g" = []
  })
  depends_on = [k.m, k.n-1.name]
}
"#;
        assert_eq!(block.expect("HCL"), expected);
        hcl::parse(expected).expect("HCL");
    }
}
