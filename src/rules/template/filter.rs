//! Spellings of a value in the formats that files have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use strum::VariantArray;

/// A spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(super) enum Filter {
    /// In base64, with padding.
    Base64,
    /// A string of JSON, with its quotes.
    Json,
    /// A string of YAML, with its quotes.
    Yaml,
    /// A value of an INI file, to the end of its line.
    Ini,
    /// A part of a URL, percent-encoded.
    Uri,
    /// A word of a POSIX shell, with its quotes.
    Shell,
    /// Text of XML, also in an attribute.
    Xml,
    /// A value of a Java properties file.
    Properties,
}

impl Filter {
    /// Its name in templates.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Ini => "ini",
            Self::Uri => "uri",
            Self::Shell => "shell",
            Self::Xml => "xml",
            Self::Properties => "properties",
        }
    }

    /// The filter of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|filter| filter.name() == name)
    }

    /// `value` in this spelling.
    ///
    /// # Errors
    /// Why there is none, without the value.
    pub(super) fn apply(self, value: &SecretString) -> Result<SecretString, &'static str> {
        let text = value.expose_secret();
        let written = match self {
            Self::Base64 => STANDARD.encode(text),
            // Every string of JSON is one of YAML.
            Self::Json | Self::Yaml => serde_json::Value::from(text).to_string(),
            Self::Ini => {
                if text.contains(char::is_control) || text.trim() != text {
                    return Err("it has a line break, or begins or ends with a space");
                }
                text.to_owned()
            }
            Self::Uri => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
            Self::Shell => format!("'{}'", text.replace('\'', r"'\''")),
            Self::Xml => xml(text)?,
            Self::Properties => properties(text),
        };
        Ok(written.into())
    }
}

fn xml(text: &str) -> Result<String, &'static str> {
    let mut written = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            '\'' => written.push_str("&apos;"),
            '\t' | '\n' | '\r' => written.push_str(&format!("&#{};", u32::from(char))),
            _ if char.is_control() => return Err("XML has no such control character"),
            _ => written.push(char),
        }
    }
    Ok(written)
}

/// As [java.util.Properties](https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html#load(java.io.Reader))
/// reads values.
fn properties(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for (at, char) in text.chars().enumerate() {
        match char {
            '\\' => written.push_str(r"\\"),
            '\n' => written.push_str(r"\n"),
            '\r' => written.push_str(r"\r"),
            '\t' => written.push_str(r"\t"),
            ' ' if at == 0 => written.push_str(r"\ "),
            _ => written.push(char),
        }
    }
    written
}
