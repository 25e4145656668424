//! Manifests as kubectl reads them: YAML and JSON, several documents, with the place of each value.
//!
//! kubectl reads YAML 1.1 in the way of [go-yaml 2](https://github.com/go-yaml/yaml/tree/v2): `yes`
//! is a boolean there and `0o7`, `1_000` and `017` are numbers. So they are here.

use super::output;
use serde_json::{Map, Number, Value};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::{BTreeMap, HashMap};

/// Deepest nesting that is read.
const DEEPEST: usize = 100;
/// Most values that one file may hold, aliases counted as often as they are used.
const MOST: usize = 1_000_000;

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its value.
    pub value: Value,
    /// Position of each value, by its JSON pointer (RFC 6901).
    places: BTreeMap<String, Place>,
    /// Repeated keys, by JSON pointer; the last one counts.
    pub repeated: Vec<String>,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unreadable {
    /// Where it ends to be readable.
    pub place: Place,
    /// The fault at that position.
    pub what: String,
}

impl Document {
    /// Position of the value with that JSON pointer; for a missing one, of its closest parent.
    pub fn place(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(*place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// A part of it as a document, for the items of a list.
    pub fn part(&self, pointer: &str) -> Option<Self> {
        let below = |p: &str| {
            p.strip_prefix(pointer)
                .filter(|r| r.is_empty() || r.starts_with('/'))
                .map(str::to_owned)
        };
        Some(Self {
            value: self.value.pointer(pointer)?.clone(),
            places: self.places.iter().filter_map(|(p, place)| Some((below(p)?, *place))).collect(),
            repeated: self.repeated.iter().filter_map(|p| below(p)).collect(),
        })
    }
}

/// Adds a member to a JSON pointer.
pub fn member(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A JSON pointer as Kubernetes writes paths: `spec.roles[0].roleArn`.
pub fn path(pointer: &str) -> String {
    let mut whole = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if number || part.contains(['.', '/']) {
            whole.push_str(&format!("[{part}]"));
        } else {
            let dot = if whole.is_empty() { "" } else { "." };
            whole.push_str(&format!("{dot}{part}"));
        }
    }
    whole
}

/// Reads a file's documents. Empty ones are left out, as kubectl leaves them out.
///
/// # Errors
/// Where it is neither YAML nor JSON.
pub fn read(text: &str) -> Result<Vec<Document>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return read_json(text);
    }
    read_yaml(text)
}

/// The objects in `text` of `file`; the items of a list one by one.
///
/// # Errors
/// Where it is neither YAML nor JSON, with its place.
pub fn objects(file: &str, text: &str) -> Result<Vec<Value>, String> {
    let documents = read(text).map_err(|e| format!("{file}:{}: {}", e.place.line, e.what))?;
    let of_a_list = |document: Document| match document.value.get("items").and_then(Value::as_array)
    {
        Some(items) => items.clone(),
        None => vec![document.value],
    };
    Ok(documents.into_iter().flat_map(of_a_list).collect())
}

/// JSON, which may be indented by tabs. It is YAML too, from which the places are.
fn read_json(text: &str) -> Result<Vec<Document>, Unreadable> {
    let values = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .collect::<Result<Vec<_>, _>>();
    let values = match values {
        Ok(values) => values,
        // Flow style YAML begins with a brace, too.
        Err(error) => {
            let place = Place { line: error.line().max(1), column: error.column().max(1) };
            return read_yaml(text).map_err(|_| Unreadable { place, what: error.to_string() });
        }
    };
    let located = read_yaml(text).unwrap_or_default();
    if located.len() == values.len() {
        let both = located.into_iter().zip(values);
        return Ok(both.map(|(document, value)| Document { value, ..document }).collect());
    }
    let bare = |value| Document { value, places: BTreeMap::new(), repeated: Vec::new() };
    Ok(values.into_iter().map(bare).collect())
}

/// Writes an object as YAML that YAML 1.1 reads unchanged, too: it would read some plain words as
/// booleans or numbers. JSON, which is YAML, has quotes around all text.
///
/// # Errors
/// Where it cannot be written.
pub fn write(object: &Value) -> Result<String, String> {
    let yaml = output::to_yaml(object).map_err(|e| e.to_string())?;
    let same = read(&yaml).is_ok_and(|d| matches!(d.as_slice(), [one] if one.value == *object));
    Ok(if same { yaml } else { output::to_json(object) })
}

fn read_yaml(text: &str) -> Result<Vec<Document>, Unreadable> {
    let mut events =
        Events { parser: Parser::new_from_str(text), anchors: HashMap::new(), count: 0 };
    let mut documents = Vec::new();
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(..) => {
                events.anchors.clear();
                let (event, span) = events.next()?;
                let node = events.node(event, span, 0)?;
                let mut document =
                    Document { value: Value::Null, places: BTreeMap::new(), repeated: Vec::new() };
                document.value =
                    node.into_value("", &mut document.places, &mut document.repeated)?;
                if !document.value.is_null() {
                    documents.push(document);
                }
            }
            _ if documents.len() > MOST => {
                return Err(at(span, "there are too many documents in it"));
            }
            _ => {}
        }
    }
}

fn at(span: Span, what: impl Into<String>) -> Unreadable {
    Unreadable { place: place(span), what: what.into() }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

/// A value with its place.
#[derive(Clone, Debug)]
struct Node {
    place: Place,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    /// Keys with their places; `<<` is resolved where the map becomes a value.
    Map(Vec<(Place, Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Key {
    Name(String),
    Merge,
}

struct Events<'a> {
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    count: usize,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Unreadable> {
        loop {
            match self.parser.next() {
                // Comments are not part of the value.
                Some(Ok((event, _))) if is_presentation(&event) => {}
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => {
                    let mark = error.marker();
                    let place = Place { line: mark.line().max(1), column: mark.col() + 1 };
                    return Err(Unreadable { place, what: error.info() });
                }
                None => {
                    let place = Place { line: 1, column: 1 };
                    return Err(Unreadable { place, what: "it ends too early".to_owned() });
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Unreadable> {
        self.count += 1;
        if depth > DEEPEST || self.count > MOST {
            return Err(at(span, "it is nested too deeply, or too large"));
        }
        let (kind, anchor) = match event {
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                let node = node.ok_or_else(|| at(span, "this alias stands for what it lies in"))?;
                self.count += node.size();
                return if self.count > MOST {
                    Err(at(span, "its aliases stand for too much"))
                } else {
                    Ok(node)
                };
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(|t| format!("{}{}", t.handle(), t.suffix()));
                let value = scalar(&text, style, tag.as_deref()).map_err(|what| at(span, what))?;
                (Kind::Scalar(value), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break (Kind::List(items), anchor),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, anchor, _) => {
                let mut members = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        break (Kind::Map(members), anchor);
                    }
                    let plain = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
                    let key = self.node(event, span, depth + 1)?;
                    let key = if plain { Key::Merge } else { Key::Name(key.name()?) };
                    let (event, inner) = self.next()?;
                    members.push((place(span), key, self.node(event, inner, depth + 1)?));
                }
            }
            _ => return Err(at(span, "a value is expected here")),
        };
        let node = Node { place: place(span), kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}

fn is_presentation(event: &Event<'_>) -> bool {
    !matches!(
        event,
        Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd
    )
}

impl Node {
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(_) => 0,
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Map(members) => members.iter().map(|(_, _, n)| n.size()).sum(),
        }
    }

    /// A key as JSON has it: text.
    fn name(self) -> Result<String, Unreadable> {
        match self.kind {
            Kind::Scalar(Value::String(text)) => Ok(text),
            Kind::Scalar(other @ (Value::Bool(_) | Value::Number(_))) => Ok(other.to_string()),
            _ => Err(Unreadable { place: self.place, what: "a key must be text".to_owned() }),
        }
    }

    fn into_value(
        self,
        pointer: &str,
        places: &mut BTreeMap<String, Place>,
        repeated: &mut Vec<String>,
    ) -> Result<Value, Unreadable> {
        places.entry(pointer.to_owned()).or_insert(self.place);
        Ok(match self.kind {
            Kind::Scalar(value) => value,
            Kind::List(items) => {
                let items = items.into_iter().enumerate();
                Value::Array(
                    items
                        .map(|(n, item)| {
                            item.into_value(&format!("{pointer}/{n}"), places, repeated)
                        })
                        .collect::<Result<_, _>>()?,
                )
            }
            Kind::Map(members) => {
                let mut map = Map::new();
                for (place, name, node) in merged(self.place, members)? {
                    let pointer = member(pointer, &name);
                    // The key's place, which is where a person looks.
                    places.insert(pointer.clone(), place);
                    let value = node.into_value(&pointer, places, repeated)?;
                    if map.insert(name, value).is_some() {
                        repeated.push(pointer);
                    }
                }
                Value::Object(map)
            }
        })
    }
}

/// A map's members, with those that `<<` brings in where the map has none of that name itself.
fn merged(
    place: Place,
    members: Vec<(Place, Key, Node)>,
) -> Result<Vec<(Place, String, Node)>, Unreadable> {
    let mut own: Vec<(Place, String, Node)> = Vec::new();
    let mut others: Vec<(Place, String, Node)> = Vec::new();
    for (at, key, node) in members {
        match key {
            Key::Name(name) => own.push((at, name, node)),
            Key::Merge => {
                let sources = match node.kind {
                    Kind::List(items) => items,
                    kind => vec![Node { kind, place: node.place }],
                };
                for source in sources {
                    let Kind::Map(members) = source.kind else {
                        return Err(Unreadable {
                            place,
                            what: "<< must stand before a map, or a list of maps".to_owned(),
                        });
                    };
                    for member in merged(source.place, members)? {
                        if !others.iter().any(|(_, name, _)| *name == member.1) {
                            others.push(member);
                        }
                    }
                }
            }
        }
    }
    others.retain(|(_, name, _)| !own.iter().any(|(_, mine, _)| mine == name));
    own.extend(others);
    Ok(own)
}

/// The value of a scalar.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Value, String> {
    let tag = tag.map(|t| t.trim_start_matches("tag:yaml.org,2002:"));
    match tag {
        Some("str" | "!") => Ok(Value::String(text.to_owned())),
        Some("int" | "float" | "bool" | "null") => plain(text),
        _ if style == ScalarStyle::Plain => plain(text),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// A scalar without quotes, as go-yaml 2 resolves it.
fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => {
            return Err(format!("{text} has no form in JSON: put it in quotes if it is text"));
        }
        _ => {}
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    Ok(if numeric { number(text) } else { None }
        .map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

fn number(text: &str) -> Option<Number> {
    let bare = text.replace('_', "");
    let (sign, digits) = match bare.as_bytes().first()? {
        b'-' => (-1_i128, &bare[1..]),
        b'+' => (1, &bare[1..]),
        _ => (1, &bare[..]),
    };
    let radix = |prefix: [&str; 2], radix: u32| {
        let rest = digits.strip_prefix(prefix[0]).or_else(|| digits.strip_prefix(prefix[1]))?;
        i128::from_str_radix(rest, radix).ok().filter(|_| !rest.starts_with(['+', '-']))
    };
    let octal = || {
        let old = digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
        old.then(|| i128::from_str_radix(digits, 8).ok()).flatten()
    };
    let decimal = || {
        let leading = digits.len() > 1 && digits.starts_with('0');
        let clean = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        (clean && !leading).then(|| digits.parse().ok()).flatten()
    };
    let whole = radix(["0x", "0X"], 16)
        .or_else(|| radix(["0o", "0O"], 8))
        .or_else(|| radix(["0b", "0B"], 2))
        .or_else(octal)
        .or_else(decimal)
        .map(|n: i128| sign * n);
    if let Some(whole) = whole {
        if let Ok(small) = i64::try_from(whole) {
            return Some(small.into());
        }
        if let Ok(large) = u64::try_from(whole) {
            return Some(large.into());
        }
    }
    is_float(&bare).then(|| bare.parse::<f64>().ok()).flatten().and_then(|f| {
        let integral = f.fract() == 0.0 && f.abs() < 9e15;
        // JSON as Go writes it has no fraction where there is none.
        #[expect(clippy::cast_possible_truncation, reason = "it is integral and small")]
        if integral { Some((f as i64).into()) } else { Number::from_f64(f) }
    })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let before = digits(rest);
    let rest = &rest[before..];
    let (after, rest) = match rest.strip_prefix('.') {
        Some(fraction) => (digits(fraction), &fraction[digits(fraction)..]),
        None => (0, rest),
    };
    if before == 0 && after == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(text: &str) -> Value {
        let mut documents = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(documents.len(), 1, "{text}");
        documents.remove(0).value
    }

    #[test]
    fn scalars_are_what_kubectl_takes_them_for() {
        for (text, value) in [
            ("yes", json!(true)),
            ("off", json!(false)),
            ("'yes'", json!("yes")),
            ("~", json!(null)),
            ("017", json!(15)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("1_000", json!(1000)),
            ("-5", json!(-5)),
            ("089", json!(89)),
            ("111122223333", json!(111_122_223_333_i64)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000)),
            ("4f2a", json!("4f2a")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("2026-01-01", json!("2026-01-01")),
            ("!!str 123", json!("123")),
            ("\"123\"", json!("123")),
        ] {
            let list = if text == "-" { "a: '-'".to_owned() } else { format!("a: {text}") };
            assert_eq!(one(&list)["a"], value, "{text}");
        }
        let error = read("a: .inf").expect_err("no JSON");
        assert_eq!((error.place.line, error.what.contains(".inf")), (1, true), "{}", error.what);
    }

    #[test]
    fn values_have_places() {
        let text = "---\n# nothing\n---\nspec:\n  roles:\n  - roleArn: x\n    tags: [{key: a}]\n";
        let documents = read(text).expect("YAML");
        assert_eq!(documents.len(), 1);
        let place = |pointer: &str| documents[0].place(pointer).map(|p| (p.line, p.column));
        assert_eq!(place("/spec"), Some((4, 1)));
        assert_eq!(place("/spec/roles/0/roleArn"), Some((6, 5)));
        assert_eq!(place("/spec/roles/0/tags/0/key"), Some((7, 13)));
        assert_eq!(place("/spec/roles/0/missing"), place("/spec/roles/0"));
        assert_eq!(
            documents[0]
                .part("/spec/roles/0")
                .expect("a role")
                .place("/roleArn")
                .expect("a place")
                .line,
            6
        );
    }

    #[test]
    fn json_may_be_indented_by_tabs_and_follow_itself() {
        let documents = read("{\n\t\"a\": 1\n}\n{\"a\": 2}").expect("JSON");
        assert_eq!(
            documents.iter().map(|d| d.value["a"].clone()).collect::<Vec<_>>(),
            [json!(1), json!(2)]
        );
        assert_eq!(one("{a: 1, b: [x, z]}"), json!({"a": 1, "b": ["x", "z"]}));
        let error = read("{\"a\": [}").expect_err("no JSON");
        assert_eq!(error.place.line, 1);
    }

    #[test]
    fn anchors_and_merges_are_resolved() {
        let text = "base: &b {a: 1, b: 2}\none: {<<: *b, b: 3}\ntwo: *b\n";
        let value = one(text);
        assert_eq!(
            (&value["one"], &value["two"]),
            (&json!({"a": 1, "b": 3}), &json!({"a": 1, "b": 2}))
        );
        let document = read("a: 1\na: 2\n").expect("YAML").remove(0);
        assert_eq!((document.value, document.repeated), (json!({"a": 2}), vec!["/a".to_owned()]));
    }

    #[test]
    fn what_is_no_yaml_or_too_much_is_refused() {
        assert_eq!(read("a: [1\nb: 2\n").expect_err("broken").place.line, 2);
        let what = |text: &str| read(text).map(drop).expect_err("refused").what;
        let deep = what(&format!("a: {}", "[".repeat(5000)));
        assert!(
            deep.contains("nested") || deep.contains("recursion") || deep.contains("depth"),
            "{deep}"
        );
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let before = n - 1;
            bomb.push_str(&format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{before}"); 10].join(",")
            ));
        }
        let bomb = what(&bomb);
        assert!(bomb.contains("too large") || bomb.contains("stand for too much"), "{bomb}");
        let dangling = what("a: *nothing");
        assert!(dangling.contains("anchor") || dangling.contains("alias"), "{dangling}");
    }

    #[test]
    fn words_that_kubectl_takes_for_booleans_stay_words() {
        for word in ["on", "y", "0123", "1_000", "yes", "4f2a", "1e3", "a: b"] {
            let object = json!({"externalId": word});
            assert_eq!(one(&write(&object).expect("text")), object, "{word}");
        }
    }

    #[test]
    fn paths_are_kubernetes_s() {
        assert_eq!(path("/spec/roles/0/roleArn"), "spec.roles[0].roleArn");
        assert_eq!(path("/metadata/labels/a.b~1c"), "metadata.labels[a.b/c]");
    }
}
