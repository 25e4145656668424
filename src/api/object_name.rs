//! Kubernetes' rules for names of objects and keys of their data.
//!
//! A name becomes a part of a URL. One that holds `?` or `/` would change the request, for example
//! from one Secret to a list of all. So each name is checked against Kubernetes' own form twice: by
//! the CRD, and again before use, since an object may have been stored under an older CRD.
//!
//! [`ObjectName`] and [`DataKey`] are these forms as schemas. A field uses one with
//! `#[schemars(with = "ObjectName")]`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A [DNS
/// subdomain](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names).
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key of a Secret's or ConfigMap's data. It is the name of a file, so it is not `.` and does not
/// begin with two dots.
const KEY: &str = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$";
/// Most characters of either.
const LONGEST: usize = 253;
/// Most characters of a namespace's name.
const LONGEST_LABEL: usize = 63;

/// The form of the name of a Secret, a ServiceAccount or a workload.
#[derive(Clone, Copy, Debug)]
pub enum ObjectName {}

/// The form of a key of a Secret's data.
#[derive(Clone, Copy, Debug)]
pub enum DataKey {}

impl ObjectName {
    /// Advice for an invalid name.
    pub const HINT: &str = "write the name as Kubernetes has it: lower-case letters, digits, hyphens and dots, with a letter or digit at each end and beside each dot, at most 253 characters";

    /// Whether an object can have this name.
    pub fn fits(name: &str) -> bool {
        name.len() <= LONGEST && name.split('.').all(is_label)
    }

    /// `name`, if an object can have it.
    ///
    /// # Errors
    /// The fault, and a valid form to write instead.
    ///
    /// ```
    /// use refreshable_api::ObjectName;
    ///
    /// assert_eq!(ObjectName::check("reports-aws"), Ok("reports-aws"));
    /// assert!(ObjectName::check("../reports").is_err_and(|why| why.contains("lower-case letters")));
    /// ```
    pub fn check(name: &str) -> Result<&str, String> {
        if Self::fits(name) {
            Ok(name)
        } else {
            Err(format!("{name:?} is not a name of an object: {}", Self::HINT))
        }
    }
}

impl DataKey {
    /// Advice for an invalid key.
    pub const HINT: &str = "write the key as the Secret has it: letters, digits and '-', '_', '.', neither '.' itself nor beginning with '..', at most 253 characters";
}

/// Whether a namespace can have this name.
pub fn is_namespace(name: &str) -> bool {
    name.len() <= LONGEST_LABEL && is_label(name)
}

/// Whether `text` is safe as one segment of a URL's path: only characters of AWS's names, and not
/// only dots.
pub fn is_path_segment(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        && text.bytes().any(|b| b != b'.')
}

fn is_label(part: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

/// The pattern, for clients that read only the schema, and a CEL rule with advice.
fn form(pattern: &str, hint: &str) -> Schema {
    // In CEL's text a backslash would begin an escape.
    let in_cel = pattern.replace(r"\.", "[.]");
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST,
        "pattern": pattern,
        "x-kubernetes-validations": [{"rule": format!("self.matches('{in_cel}')"), "message": hint}],
    })
}

impl JsonSchema for ObjectName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ObjectName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        form(SUBDOMAIN, Self::HINT)
    }
}

impl JsonSchema for DataKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DataKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        form(KEY, Self::HINT)
    }
}

#[cfg(test)]
#[path = "object_name_tests.rs"]
mod tests;
