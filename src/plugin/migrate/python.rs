//! The call of a Python function, as far as it is made of literals
//! ([grammar](https://docs.python.org/3/reference/expressions.html#calls)). Nothing is run.

/// A value as it stands in the call.
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

/// A call: what is called, and its keyword arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The name, without what it is an attribute of.
    pub name: String,
    /// The arguments.
    pub arguments: Vec<(String, Literal)>,
}

/// Deepest nesting that is read.
const DEEPEST: usize = 50;
/// Callables that only group keyword arguments.
const GROUPS: [&str; 3] = ["dict", "AssumeRoleConfig", "STSClientConfig"];

/// Finds the first call of one of these names in a text, and reads it.
///
/// # Errors
/// Where there is none, or what stands in its brackets cannot be read.
pub fn find_call(text: &str, names: &[&str]) -> Result<Call, String> {
    for (start, _) in text.char_indices() {
        let before = text[..start].chars().next_back();
        if before.is_some_and(is_word) || in_comment(&text[..start]) {
            continue;
        }
        let mut reader = Reader { text, at: start, depth: 0 };
        let Some(name) = reader.word().filter(|w| names.contains(&w.as_str())) else { continue };
        reader.space();
        if reader.take('(') {
            return Ok(Call { name, arguments: reader.arguments(')')? });
        }
    }
    Err(format!("there is no call of {} in it", names.join(" or ")))
}

fn in_comment(before: &str) -> bool {
    before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with('#'))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Skips blanks, line breaks, continuations and comments.
    fn space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                c if c.is_whitespace() || c == '\\' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn word(&mut self) -> Option<String> {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        let word = &self.text[start..self.at];
        (!word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit())).then(|| word.to_owned())
    }

    fn wrong(&self, what: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("line {line}: {what}")
    }

    /// Keyword arguments up to the closing bracket.
    fn arguments(&mut self, close: char) -> Result<Vec<(String, Literal)>, String> {
        let mut arguments = Vec::new();
        loop {
            self.space();
            if self.take(close) {
                return Ok(arguments);
            }
            if self.peek() == Some('*') {
                return Err(self.wrong("** takes its arguments from elsewhere: write them out"));
            }
            let start = self.at;
            let name = self.word();
            self.space();
            match name {
                Some(name) if self.take('=') => {
                    let value = self.value()?;
                    arguments.push((name, value));
                }
                _ => {
                    self.at = start;
                    return Err(self.wrong("arguments must have names, like method=\"sts\""));
                }
            }
            self.separator(close)?;
        }
    }

    fn separator(&mut self, close: char) -> Result<(), String> {
        self.space();
        if self.take(',') || self.peek() == Some(close) {
            Ok(())
        } else {
            Err(self.wrong(&format!("',' or '{close}' is missing")))
        }
    }

    fn value(&mut self) -> Result<Literal, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        self.space();
        let start = self.at;
        let value = self.literal()?;
        self.space();
        // What goes on behind a literal makes an expression of it.
        let ends = self.peek().is_none_or(|c| matches!(c, ',' | ')' | ']' | '}' | ':'));
        let value = match value {
            Some(value) if ends => value,
            _ => {
                self.at = start;
                Literal::Expression(self.expression()?)
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn literal(&mut self) -> Result<Option<Literal>, String> {
        let start = self.at;
        Ok(match self.peek() {
            Some('"' | '\'') => Some(self.strings(false, false)?),
            Some('{') => {
                self.next();
                self.map()?
            }
            Some('[') => {
                self.next();
                Some(Literal::List(self.list(']')?.0))
            }
            Some('(') => {
                self.next();
                let (mut values, comma) = self.list(')')?;
                Some(if values.len() == 1 && !comma { values.remove(0) } else { Literal::List(values) })
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            _ => match self.word() {
                Some(word) if matches!(self.peek(), Some('"' | '\'')) => {
                    let prefix = word.to_ascii_lowercase();
                    match prefix.as_str() {
                        "r" | "u" => Some(self.strings(prefix == "r", false)?),
                        "b" | "rb" | "br" => Some(self.strings(prefix != "b", true)?),
                        _ => None,
                    }
                }
                Some(word) => match word.as_str() {
                    "True" => Some(Literal::Bool(true)),
                    "False" => Some(Literal::Bool(false)),
                    "None" => Some(Literal::None),
                    _ => {
                        self.space();
                        if GROUPS.contains(&word.as_str()) && self.take('(') {
                            Some(Literal::Map(self.arguments(')')?))
                        } else {
                            self.at = start;
                            None
                        }
                    }
                },
                None => None,
            },
        })
    }

    fn list(&mut self, close: char) -> Result<(Vec<Literal>, bool), String> {
        let (mut values, mut comma) = (Vec::new(), false);
        loop {
            self.space();
            if self.take(close) {
                return Ok((values, comma));
            }
            values.push(self.value()?);
            self.separator(close)?;
            comma |= self.text[..self.at].ends_with(',');
        }
    }

    /// `None` where a key is no text, as in a set or a comprehension.
    fn map(&mut self) -> Result<Option<Literal>, String> {
        let mut members = Vec::new();
        loop {
            self.space();
            if self.take('}') {
                return Ok(Some(Literal::Map(members)));
            }
            let Literal::Text(key) = self.value()? else { return Ok(None) };
            self.space();
            if !self.take(':') {
                return Ok(None);
            }
            let value = self.value()?;
            members.push((key, value));
            self.separator('}')?;
        }
    }

    fn number(&mut self) -> Option<Literal> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')) {
            self.next();
        }
        self.text[start..self.at].replace('_', "").parse().ok().map(Literal::Number)
    }

    /// Strings that stand side by side are one.
    fn strings(&mut self, raw: bool, bytes: bool) -> Result<Literal, String> {
        let mut whole = self.string(raw)?;
        loop {
            self.space();
            let start = self.at;
            let prefix = self.word().map(|w| w.to_ascii_lowercase());
            match (self.peek(), prefix.as_deref()) {
                (Some('"' | '\''), None | Some("u" | "b")) => whole.push_str(&self.string(false)?),
                (Some('"' | '\''), Some("r" | "rb" | "br")) => whole.push_str(&self.string(true)?),
                _ => {
                    self.at = start;
                    return Ok(if bytes { Literal::Bytes } else { Literal::Text(whole) });
                }
            }
        }
    }

    fn string(&mut self, raw: bool) -> Result<String, String> {
        let begun = self.at;
        let quote = self.next().unwrap_or('"');
        let long: String = [quote; 3].iter().collect();
        let end = if self.text[begun..].starts_with(&long) {
            self.at = begun + 3;
            long
        } else {
            quote.to_string()
        };
        let mut whole = String::new();
        loop {
            if self.text[self.at..].starts_with(&end) {
                self.at += end.len();
                return Ok(whole);
            }
            match self.next() {
                None => break,
                Some('\n') if end.len() == 1 => break,
                Some('\\') if raw => {
                    whole.push('\\');
                    whole.extend(self.next());
                }
                Some('\\') => whole.extend(self.escape()?),
                Some(c) => whole.push(c),
            }
        }
        self.at = begun;
        Err(self.wrong("a string does not end"))
    }

    /// What stands behind a backslash; nothing for a line break.
    fn escape(&mut self) -> Result<Option<char>, String> {
        let c = self.next().ok_or_else(|| self.wrong("a string does not end"))?;
        Ok(Some(match c {
            '\n' => return Ok(None),
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '\\' | '\'' | '"' => c,
            _ => return Err(self.wrong(&format!("write the character instead of \\{c}"))),
        }))
    }

    fn code(&mut self, digits: usize) -> Result<char, String> {
        let hex = self.text.get(self.at..self.at + digits);
        let found = hex.and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32);
        self.at += digits;
        found.ok_or_else(|| "a string has a character code that is none".to_owned())
    }

    /// The text of an expression: up to the comma or bracket that ends it.
    fn expression(&mut self) -> Result<String, String> {
        let start = self.at;
        let mut open = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' => {
                    self.string(false)?;
                    continue;
                }
                '(' | '[' | '{' => open.push(c),
                ')' | ']' | '}' if open.pop().is_none() => break,
                ',' if open.is_empty() => break,
                _ => {}
            }
            self.next();
        }
        let text = self.text[start..self.at].trim();
        if text.is_empty() { Err(self.wrong("a value is missing")) } else { Ok(text.to_owned()) }
    }
}

impl Literal {
    /// The literal that a JSON value is.
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::None,
            serde_json::Value::Bool(b) => Self::Bool(*b),
            serde_json::Value::Number(n) => Self::Number(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(s) => Self::Text(s.clone()),
            serde_json::Value::Array(list) => Self::List(list.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(map) => {
                Self::Map(map.iter().map(|(k, v)| (k.clone(), Self::from_json(v))).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<(String, Literal)> {
        let text = format!("x = boto3.f({text})");
        find_call(&text, &["f"]).unwrap_or_else(|e| panic!("{text}: {e}")).arguments
    }

    fn one(text: &str) -> Literal {
        arguments(&format!("a={text}")).remove(0).1
    }

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    #[test]
    fn literals_are_read() {
        for (python, value) in [
            ("None", Literal::None),
            ("True", Literal::Bool(true)),
            ("3_600", Literal::Number(3600.0)),
            ("-1.5", Literal::Number(-1.5)),
            ("'a' \"b\"", text("ab")),
            ("r'a\\d'", text("a\\d")),
            ("'a\\n\\x41\\u00e4\\''", text("a\nAä'")),
            ("\"\"\"a\n'b\"\"\"", text("a\n'b")),
            ("b'secret'", Literal::Bytes),
            ("[1, 'x',]", Literal::List(vec![Literal::Number(1.0), text("x")])),
            ("('x',)", Literal::List(vec![text("x")])),
            ("('x'\n 'y')", text("xy")),
            ("{'k': {\"l\": None}}", Literal::Map(vec![("k".into(), Literal::Map(vec![("l".into(), Literal::None)]))])),
            ("dict(k='v')", Literal::Map(vec![("k".into(), text("v"))])),
            ("os.environ['X']", Literal::Expression("os.environ['X']".into())),
            ("f'{x}'", Literal::Expression("f'{x}'".into())),
            ("60 * 60", Literal::Expression("60 * 60".into())),
            ("lambda: '1,2'", Literal::Expression("lambda: '1,2'".into())),
            ("get(a, [b])", Literal::Expression("get(a, [b])".into())),
            ("{1, 2}", Literal::Expression("{1, 2}".into())),
        ] {
            assert_eq!(one(python), value, "{python}");
        }
    }

    #[test]
    fn calls_are_found_among_other_code() {
        let code = "from x import RefreshableSession\n# RefreshableSession(a=1)\nsession = RefreshableSession(  # here\n  a='b',\n  c=2,\n)\n";
        let call = find_call(code, &["RefreshableSession"]).expect("a call");
        assert_eq!(call.name, "RefreshableSession");
        assert_eq!(call.arguments, [("a".into(), text("b")), ("c".into(), Literal::Number(2.0))]);
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write_instead() {
        for (python, words) in [
            ("f('x')", "arguments must have names"),
            ("f(**kwargs)", "write them out"),
            ("f(a='x", "does not end"),
            ("f(a=)", "a value is missing"),
            ("f(a=['x'", "is missing"),
            ("g(a=1)", "there is no call of f"),
        ] {
            let error = find_call(python, &["f"]).expect_err(python);
            assert!(error.contains(words), "{python}: {error}");
        }
        assert!(find_call(&format!("f(a={})", "[".repeat(1000)), &["f"]).is_err());
    }
}
