//! Templates of data keys (`spec.secret.template`): text with placeholders, filters, and one loop
//! over the profiles. Nothing else, so that a template can neither compute nor grow without bound.
//!
//! ```text
//! {{ accessKeyId }}                          a value
//! {{ secretAccessKey | json }}               in the spelling of a format
//! {% for profile in profiles %} ... {% endfor %}   {{ profile.accessKeyId }} inside
//! {# not written #}
//! ```
//!
//! [`parse`] turns a text into [`Part`]s and finds every fault; [`render`](Template::render) then
//! cannot fail but for values that a format has no spelling for. The syntax is Jinja's: its parser
//! is minijinja's, and its evaluation is not used.

mod filter;
mod parse;
mod values;

pub use values::Values;

use crate::issuer::IssueError;
use crate::render::Files;
use filter::Filter;
use refreshable_api::RefreshableCredentialSpec;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;

/// A template under a key that is taken.
const TAKEN: &str =
    "a format writes this key, too: choose another key, or take the format out of formats";

/// Bytes that one data key may get: a Secret takes a MiB altogether.
const MOST_BYTES: usize = 256 * 1024;

/// A template that was read and has no fault.
#[derive(Debug)]
pub struct Template(Vec<Part>);

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Text that is written as it is.
    Text(String),
    /// A value.
    Value(Placeholder),
    /// The same for each profile.
    Profiles(Vec<Part>),
}

/// A value, where it is taken from, and how it is written.
#[derive(Debug, PartialEq, Eq)]
struct Placeholder {
    /// Its name.
    name: &'static str,
    /// Whether it is of the profile of the loop around it.
    of_profile: bool,
    filters: Vec<Filter>,
    line: usize,
}

/// A fault of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1 on.
    pub line: usize,
    /// The fault, and what to write instead.
    pub what: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Its first fault.
    pub fn read(text: &str) -> Result<Self, Fault> {
        parse::parse(text).map(Self)
    }

    /// Writes the template with `all` for the whole, and each of `profiles` for the loop.
    ///
    /// # Errors
    /// A value that a format has no spelling for, or a text that is too long; no value stands in
    /// the fault.
    pub fn render(&self, all: &Values, profiles: &[Values]) -> Result<SecretString, Fault> {
        let mut text = zeroize::Zeroizing::new(String::new());
        write(&self.0, &mut text, all, None, profiles)?;
        Ok(SecretString::from(text.as_str()))
    }
}

fn write(
    parts: &[Part],
    text: &mut String,
    all: &Values,
    profile: Option<&Values>,
    profiles: &[Values],
) -> Result<(), Fault> {
    for part in parts {
        let line = match part {
            Part::Text(plain) => {
                text.push_str(plain);
                0
            }
            Part::Value(placeholder) => {
                let values = profile.filter(|_| placeholder.of_profile).unwrap_or(all);
                text.push_str(placeholder.written(values)?.expose_secret());
                placeholder.line
            }
            Part::Profiles(body) => {
                for profile in profiles {
                    write(body, text, all, Some(profile), &[])?;
                }
                0
            }
        };
        if text.len() > MOST_BYTES {
            let what =
                format!("the text is longer than {MOST_BYTES} bytes: divide it among several keys");
            return Err(Fault { line, what });
        }
    }
    Ok(())
}

impl Placeholder {
    fn written(&self, values: &Values) -> Result<SecretString, Fault> {
        let fault = |what| Fault { line: self.line, what };
        let value = values.get(self.name).ok_or_else(|| {
            fault(format!(
                "{} is not known of these credentials: the issuer does not say it. Take it out",
                self.name
            ))
        })?;
        let mut value = value.clone();
        for filter in &self.filters {
            value = filter.apply(&value).map_err(|what| {
                fault(format!("{} has no spelling as {}: {what}", self.name, filter.name()))
            })?;
        }
        Ok(value)
    }
}

/// Writes each template under its data key. `all` are the values outside of loops: of the only
/// profile, or what all profiles have in common.
///
/// # Errors
/// [`IssueError::Specification`] with the key and the line of the first fault.
pub fn files(
    templates: &BTreeMap<String, String>,
    all: &Values,
    profiles: &[Values],
) -> Result<Files, IssueError> {
    let each = templates.iter().map(|(key, text)| {
        let template = Template::read(text);
        let written = template.and_then(|template| template.render(all, profiles));
        Ok((key.clone(), written.map_err(|fault| refused(key, &fault))?))
    });
    each.collect()
}

/// Every fault of the templates of a specification, by data key.
pub fn faults(spec: &RefreshableCredentialSpec) -> Vec<(&str, Fault)> {
    let Some(templates) = spec.secret.as_ref().and_then(|secret| secret.template.as_ref()) else {
        return Vec::new();
    };
    let others = spec.format_keys();
    let each = templates.iter().filter_map(|(key, text)| {
        if others.contains(key) {
            return Some((key.as_str(), Fault { line: 1, what: TAKEN.to_owned() }));
        }
        Some((key.as_str(), Template::read(text).err()?))
    });
    each.collect()
}

/// Judges the templates of a specification.
///
/// # Errors
/// [`IssueError::Specification`] with the first fault.
pub fn checked(spec: &RefreshableCredentialSpec) -> Result<(), IssueError> {
    match faults(spec).first() {
        Some((key, fault)) => Err(refused(key, fault)),
        None => Ok(()),
    }
}

/// The error for a template.
fn refused(key: &str, fault: &Fault) -> IssueError {
    let Fault { line, what } = fault;
    IssueError::Specification {
        field: format!("spec.secret.template, key {key}, line {line}"),
        what: what.clone(),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
