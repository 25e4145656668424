//! Expressions of Python that are literals, with the names that stand for some.

use super::names::Names;
use super::{ELLIPSIS, Literal, set};

/// Deepest nesting that is read.
const DEEPEST: usize = 50;
/// Callables that only group keyword arguments.
const GROUPS: [&str; 3] = ["dict", "AssumeRoleConfig", "STSClientConfig"];

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

type Arguments = (Vec<Literal>, Vec<(String, Literal)>);

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    pub(super) names: &'a mut Names,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, at: usize, names: &'a mut Names) -> Self {
        Self { text, at, depth: 0, names }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on from there.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Whether only blanks and comments are left.
    pub(super) fn ended(&mut self) -> bool {
        self.space();
        self.peek().is_none()
    }

    /// Skips blanks, line breaks, continuations and comments.
    pub(super) fn space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '#' => self.comment(),
                c if c.is_whitespace() || c == '\\' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    pub(super) fn comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.next();
        }
    }

    /// Skips a type up to the equals sign behind it; `false` where there is none.
    pub(super) fn skip_to_equals(&mut self) -> bool {
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' if self.skip_string() => continue,
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open = open.saturating_sub(1),
                '=' if open == 0 => return true,
                _ => {}
            }
            self.next();
        }
        false
    }

    pub(super) fn word(&mut self) -> Option<String> {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        let word = &self.text[start..self.at];
        (!word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| word.to_owned())
    }

    /// The next word, whatever precedes it.
    pub(super) fn next_word(&mut self) -> Option<String> {
        while self.peek().is_some_and(|c| !is_word(c)) {
            self.next();
        }
        self.word()
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("line {line}: {what}")
    }

    /// Arguments up to the closing bracket: those without names, and those with.
    pub(super) fn arguments(&mut self, close: char) -> Result<Arguments, String> {
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        loop {
            self.space();
            if self.take(close) {
                return Ok((positional, named));
            }
            if !self.spread(&mut named)? {
                let start = self.at;
                let name = self.word();
                self.space();
                match name {
                    Some(name) if self.peek() == Some('=') && !self.rest().starts_with("==") => {
                        self.next();
                        let value = self.value()?;
                        set(&mut named, name, value);
                    }
                    _ => {
                        self.at = start;
                        positional.push(self.value()?);
                    }
                }
            }
            self.separator(close)?;
        }
    }

    /// `**members`, or `...` for values that are not shown; `false` for anything else.
    fn spread(&mut self, members: &mut Vec<(String, Literal)>) -> Result<bool, String> {
        let rest = self.rest();
        if let Some(behind) = rest.strip_prefix(ELLIPSIS) {
            if behind.trim_start().starts_with(':') {
                return Ok(false);
            }
            self.at += ELLIPSIS.len();
            set(members, ELLIPSIS.to_owned(), Literal::Expression(ELLIPSIS.to_owned()));
            return Ok(true);
        }
        if !rest.starts_with('*') {
            return Ok(false);
        }
        let start = self.at;
        self.at += rest.len() - rest.trim_start_matches('*').len();
        match self.value()? {
            Literal::Map(more) if rest.starts_with("**") => {
                more.into_iter().for_each(|(name, value)| set(members, name, value));
                Ok(true)
            }
            _ => {
                let given = self.text[start..self.at].trim();
                self.at = start;
                Err(self.wrong(&format!("{given} takes its values from elsewhere: write them out")))
            }
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

    pub(super) fn value(&mut self) -> Result<Literal, String> {
        self.depth += 1;
        let value = if self.depth > DEEPEST {
            Err(self.wrong("it is nested too deeply"))
        } else {
            self.value_or_expression()
        };
        self.depth -= 1;
        value
    }

    fn value_or_expression(&mut self) -> Result<Literal, String> {
        self.space();
        let start = self.at;
        let mut value = self.literal()?;
        while let Some(left) = value.take() {
            self.space();
            value = match (left, self.peek()) {
                (Literal::Map(members), Some('[')) => self.member(members),
                (Literal::Text(left), Some('+')) => self.joined(left)?,
                (Literal::Map(left), Some('|')) => self.merged(left)?,
                // What goes on behind a literal makes an expression of it.
                (left, None | Some(',' | ')' | ']' | '}' | ':')) => return Ok(left),
                _ => None,
            };
        }
        self.at = start;
        Ok(Literal::Expression(self.expression()?))
    }

    /// `members["name"]`
    fn member(&mut self, members: Vec<(String, Literal)>) -> Option<Literal> {
        self.next();
        let Ok(Literal::Text(name)) = self.value() else { return None };
        self.take(']')
            .then(|| members.into_iter().find(|(n, _)| *n == name))?
            .map(|(_, value)| value)
    }

    /// `"text" + "more"`
    fn joined(&mut self, left: String) -> Result<Option<Literal>, String> {
        self.next();
        self.space();
        Ok(match self.literal()? {
            Some(Literal::Text(right)) => Some(Literal::Text(left + &right)),
            _ => None,
        })
    }

    /// `{...} | {...}`
    fn merged(&mut self, mut left: Vec<(String, Literal)>) -> Result<Option<Literal>, String> {
        self.next();
        self.space();
        let Some(Literal::Map(right)) = self.literal()? else { return Ok(None) };
        right.into_iter().for_each(|(name, value)| set(&mut left, name, value));
        Ok(Some(Literal::Map(left)))
    }

    fn literal(&mut self) -> Result<Option<Literal>, String> {
        let start = self.at;
        Ok(match self.peek() {
            Some('"' | '\'') => self.strings()?,
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
                Some(if values.len() == 1 && !comma {
                    values.remove(0)
                } else {
                    Literal::List(values)
                })
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            _ => match self.word() {
                Some(_) if matches!(self.peek(), Some('"' | '\'')) => {
                    self.at = start;
                    self.strings()?
                }
                Some(word) => match word.as_str() {
                    "True" => Some(Literal::Bool(true)),
                    "False" => Some(Literal::Bool(false)),
                    "None" => Some(Literal::None),
                    _ => self.named(&word)?,
                },
                None => None,
            },
        })
    }

    /// A name with a literal value, or a call that groups members, like
    /// `brs.AssumeRoleConfig(...)`.
    fn named(&mut self, word: &str) -> Result<Option<Literal>, String> {
        let mut last = word.to_owned();
        let mut alone = true;
        self.space();
        while self.take('.') {
            self.space();
            let Some(next) = self.word() else { return Ok(None) };
            (last, alone) = (next, false);
            self.space();
        }
        if GROUPS.contains(&last.as_str()) && self.take('(') {
            let (positional, named) = self.arguments(')')?;
            let mut members = Vec::new();
            for value in positional {
                let Literal::Map(more) = value else { return Ok(None) };
                members.extend(more);
            }
            named.into_iter().for_each(|(name, value)| set(&mut members, name, value));
            return Ok(Some(Literal::Map(members)));
        }
        Ok(if alone { self.names.get(word) } else { None })
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

    /// `None` where a key is not text, as in a set or a comprehension.
    fn map(&mut self) -> Result<Option<Literal>, String> {
        let mut members = Vec::new();
        loop {
            self.space();
            if self.take('}') {
                return Ok(Some(Literal::Map(members)));
            }
            if !self.spread(&mut members)? {
                let Literal::Text(key) = self.value()? else { return Ok(None) };
                self.space();
                if !self.take(':') {
                    return Ok(None);
                }
                let value = self.value()?;
                set(&mut members, key, value);
            }
            self.separator('}')?;
        }
    }

    fn number(&mut self) -> Option<Literal> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
        {
            self.next();
        }
        self.text[start..self.at].replace('_', "").parse().ok().map(Literal::Number)
    }

    /// The text of an expression: up to the comma or bracket that ends it.
    fn expression(&mut self) -> Result<String, String> {
        let start = self.at;
        let mut open = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' => {
                    self.string(true)?;
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
