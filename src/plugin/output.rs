//! What commands print: objects as JSON and YAML, their names, tables.

use super::error::{Error, Result};
use super::terminal::{Terminal, Tone};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::io::Write as _;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// A form of output for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Indented JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// A value in this form.
    ///
    /// # Errors
    /// Where it cannot be written so.
    pub fn write(self, value: &Value) -> Result<String> {
        match self {
            Self::Json => Ok(to_json(value)),
            Self::Yaml => to_yaml(value),
        }
    }
}

/// Writes to standard output.
///
/// # Errors
/// [`Error::Closed`] where nobody reads it any more.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// A value as indented JSON, with a line break at its end.
pub fn to_json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A value as YAML.
///
/// # Errors
/// Where it cannot be written as YAML.
pub fn to_yaml(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).map_err(|e| Error::failed(format!("writing YAML: {e}")))
}

/// Objects of the API as kubectl gives them: one alone where one was asked for by name, else a list; without
/// `managedFields`.
pub fn list(mut objects: Vec<Value>, by_name: bool) -> Value {
    for object in &mut objects {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    match objects.pop() {
        Some(only) if by_name && objects.is_empty() => only,
        last => {
            objects.extend(last);
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects})
        }
    }
}

/// A table as kubectl draws it: no lines, three spaces between columns, headings in capitals.
#[derive(Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, a line for each row; without headings where they stand above already.
    pub fn draw(&self, terminal: &Terminal, headings: bool) -> String {
        let mut builder = Builder::default();
        if headings {
            builder.push_record(self.headings.iter().map(|h| terminal.paint(Tone::Heading, h)));
        }
        for row in &self.rows {
            builder.push_record(row.iter().map(|(tone, text)| terminal.paint(*tone, text)));
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, 3, 0, 0));
        let drawn = table.to_string();
        drawn.lines().fold(String::new(), |mut whole, line| {
            whole.push_str(line.trim_end());
            whole.push('\n');
            whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_stands_alone_and_more_in_a_list() {
        let object = |name: &str| json!({"metadata": {"name": name, "managedFields": [1]}});
        assert_eq!(list(vec![object("a")], true), json!({"metadata": {"name": "a"}}));
        let two = list(vec![object("a"), object("b")], true);
        assert_eq!(two["kind"], "List");
        assert_eq!(two["items"], json!([{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]));
        assert_eq!(list(vec![object("a")], false)["items"][0]["metadata"]["name"], "a");
        assert_eq!(list(Vec::new(), false)["items"], json!([]));
    }

    #[test]
    fn a_table_is_kubectl_s() {
        let mut table = Table::new(["NAME", "READY"]);
        table.row([(Tone::Plain, "reports".into()), (Tone::Good, "True".into())]);
        table.row([(Tone::Plain, "x".into()), (Tone::Bad, "False".into())]);
        let plain = Terminal::plain(80);
        assert_eq!(table.draw(&plain, true), "NAME      READY\nreports   True\nx         False\n");
        let colour = Terminal { colour: true, ..plain };
        let drawn = table.draw(&colour, false);
        assert!(drawn.starts_with("reports   \u{1b}[32mTrue\u{1b}[0m\n"), "{drawn:?}");
    }
}
