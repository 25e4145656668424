//! The call of a Python function, as far as it consists of literals and of names with literal
//! values ([grammar](https://docs.python.org/3/reference/expressions.html#calls)). Nothing is
//! executed.
//!
//! | part | contents |
//! | --- | --- |
//! | [`program`] | statements: assignments, parameters, and the call among them |
//! | [`reader`], [`strings`] | expressions |
//! | [`names`] | values of names |
//!
//! Why this is our own: no parser of Python is kept for others to use. RustPython's own has had no
//! release since 2024 and calls itself superseded by ruff's. Ruff declares its crate internal, asks
//! for a newer compiler than this workspace (Rust 1.97, as of 0.0.20), and its last release for
//! ours does not compile with the dependencies that it asks for; RustPython's fork of that one is
//! called unofficial, and its last for ours overflows the stack where brackets are nested deeply.
//! Each brings some 40 crates. Tree-sitter's brings C.

mod names;
mod program;
mod reader;
mod strings;

pub use program::find_call;

/// A value in the call.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// `b"..."`, whose content is not kept: it is a certificate or a key.
    Bytes,
    /// A list or tuple.
    List(Vec<Literal>),
    /// A dictionary, or a call with keywords such as `AssumeRoleConfig(RoleArn=...)`.
    Map(Vec<(String, Literal)>),
    /// Anything else, which only Python could evaluate.
    Expression(String),
}

/// Placeholder for a value, or for more arguments, that the text does not show.
pub const ELLIPSIS: &str = "...";
/// Largest value that a name may stand for: names in names grow fast.
const LARGEST: usize = 10_000;

/// A call: the function, and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The name, without the object that it is an attribute of.
    pub name: String,
    /// Arguments without names.
    pub positional: Vec<Literal>,
    /// The keyword arguments; [`ELLIPSIS`] is the name of those that are not shown.
    pub arguments: Vec<(String, Literal)>,
    /// Notes for the reader about how the text was read.
    pub notes: Vec<String>,
}

impl Literal {
    /// The literal that a JSON value is.
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::None,
            serde_json::Value::Bool(b) => Self::Bool(*b),
            serde_json::Value::Number(n) => Self::Number(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(s) => Self::Text(s.clone()),
            serde_json::Value::Array(list) => {
                Self::List(list.iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(map) => {
                Self::Map(map.iter().map(|(k, v)| (k.clone(), Self::from_json(v))).collect())
            }
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Self::List(list) => list.iter().map(Self::size).sum(),
            Self::Map(members) => members.iter().map(|(_, v)| v.size()).sum(),
            Self::Text(text) | Self::Expression(text) => text.len() / 100,
            _ => 0,
        }
    }
}

/// Sets a member; replaces one of the same name.
fn set(members: &mut Vec<(String, Literal)>, name: String, value: Literal) {
    match members.iter_mut().find(|(n, _)| *n == name) {
        Some(member) => member.1 = value,
        None => members.push((name, value)),
    }
}

#[cfg(test)]
mod tests;
