//! Findings in a manifest.

use super::super::manifest::{Place, path};
use serde::Serialize;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server refuses the object.
    Error,
    /// The API server accepts it, but it is not what the author meant.
    Warning,
}

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// JSON pointer of the value.
    pub pointer: String,
    /// The fault, and what to write instead.
    pub message: String,
}

impl Finding {
    /// A fault that the API server refuses.
    pub fn error(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, pointer: pointer.into(), message: message.into() }
    }

    /// A fault that the API server accepts.
    pub fn warning(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, pointer: pointer.into(), message: message.into() }
    }
}

/// A finding in a file, for output.
#[derive(Clone, Debug, Serialize)]
pub struct Located {
    /// The file.
    pub file: String,
    /// Its line, where it is known.
    pub line: Option<usize>,
    /// Its column, where it is known.
    pub column: Option<usize>,
    /// How much it weighs.
    pub severity: Severity,
    /// The object, like `RefreshableCredential/reports`; empty where the file cannot be read.
    pub object: String,
    /// The field, like `spec.roles[0].roleArn`; empty for the object as a whole.
    pub field: String,
    /// The fault, and what to write instead.
    pub message: String,
}

impl Located {
    /// A finding with its place.
    pub fn new(file: &str, place: Option<Place>, object: &str, finding: &Finding) -> Self {
        Self {
            file: file.to_owned(),
            line: place.map(|p| p.line),
            column: place.map(|p| p.column),
            severity: finding.severity,
            object: object.to_owned(),
            field: path(&finding.pointer),
            message: finding.message.clone(),
        }
    }

    /// One line, in the form that editors jump from: `file:line:column: severity: object: field:
    /// message`.
    pub fn line(&self) -> String {
        let mut line = self.file.clone();
        for number in [self.line, self.column].into_iter().flatten() {
            line.push_str(&format!(":{number}"));
        }
        line.push_str(match self.severity {
            Severity::Error => ": error: ",
            Severity::Warning => ": warning: ",
        });
        for part in [&self.object, &self.field].into_iter().filter(|p| !p.is_empty()) {
            line.push_str(&format!("{part}: "));
        }
        line.push_str(&self.message);
        line
    }
}
