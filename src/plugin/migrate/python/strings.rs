//! Strings of Python, with their prefixes and escapes.

use super::Literal;
use super::reader::Reader;

/// Prefixes of a string.
const PREFIXES: [&str; 9] = ["", "r", "u", "b", "f", "rb", "br", "fr", "rf"];

impl Reader<'_> {
    /// Skips a string; `false` where it does not end, or is none.
    pub(super) fn skip_string(&mut self) -> bool {
        let start = self.at();
        let ends = matches!(self.peek(), Some('"' | '\'')) && self.string(true).is_ok();
        if !ends {
            self.go_to(start);
        }
        ends
    }

    /// Strings that stand side by side are one. `None` where one is made of values that are not
    /// known.
    pub(super) fn strings(&mut self) -> Result<Option<Literal>, String> {
        let mut whole = Some(String::new());
        let (mut any, mut bytes) = (false, false);
        loop {
            let start = self.at();
            let prefix = self.word().unwrap_or_default().to_ascii_lowercase();
            if !matches!(self.peek(), Some('"' | '\'')) || !PREFIXES.contains(&prefix.as_str()) {
                self.go_to(start);
                break;
            }
            let part = self.string(prefix.contains('r'))?;
            let part = if prefix.contains('f') { self.filled(&part) } else { Some(part) };
            whole = whole.zip(part).map(|(whole, part)| whole + &part);
            (any, bytes) = (true, bytes || prefix.contains('b'));
            self.space();
        }
        Ok(if bytes { Some(Literal::Bytes) } else { whole.filter(|_| any).map(Literal::Text) })
    }

    /// A text with `{name}` replaced by a value.
    fn filled(&mut self, text: &str) -> Option<String> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            whole.push_str(before);
            if brace.starts_with("{{") || brace.starts_with("}}") {
                whole.push_str(&brace[..1]);
                rest = &brace[2..];
                continue;
            }
            let (name, behind) = brace.strip_prefix('{')?.split_once('}')?;
            match self.names.get(name.trim())? {
                Literal::Text(value) => whole.push_str(&value),
                Literal::Number(value) => whole.push_str(&value.to_string()),
                _ => return None,
            }
            rest = behind;
        }
        whole.push_str(rest);
        Some(whole)
    }

    pub(super) fn string(&mut self, raw: bool) -> Result<String, String> {
        let begun = self.at();
        let quote = self.peek().unwrap_or('"');
        let long: String = [quote; 3].iter().collect();
        let end = if self.rest().starts_with(&long) {
            self.go_to(begun + 3);
            long
        } else {
            self.next();
            quote.to_string()
        };
        let mut whole = String::new();
        loop {
            if self.rest().starts_with(&end) {
                self.go_to(self.at() + end.len());
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
        self.go_to(begun);
        Err(self.wrong("a string does not end"))
    }

    /// The character of an escape sequence; `None` for a line break.
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
        let hex = self.rest().get(..digits);
        let found = hex.and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32);
        let found =
            found.ok_or_else(|| self.wrong("a string has a character code that is none"))?;
        self.go_to(self.at() + digits);
        Ok(found)
    }
}
