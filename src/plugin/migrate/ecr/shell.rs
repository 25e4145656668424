//! Shell scripts, read without running them: the commands in them, with the values of variables
//! that are known.

use std::collections::BTreeMap;

/// Stands in a word for a part that only running the script tells.
pub const UNKNOWN: char = '\u{fffc}';

/// Stands among the words of a command that reads a here-document, whose text is not kept.
pub const DOCUMENT: &str = "<<";

/// Variables with their values. A loop's variable has all of its values, with spaces between.
pub type Variables = BTreeMap<String, String>;

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Line that it begins in, from 1.
    pub line: usize,
    /// Its words, without quotes.
    pub words: Vec<String>,
}

/// Whether the text is known as a whole.
pub fn is_known(text: &str) -> bool {
    !text.contains(UNKNOWN)
}

/// The commands of a script, in the order in which they are completed: that of a substitution
/// before the one that it is a part of. Assignments change `variables`.
pub fn commands(script: &str, variables: &mut Variables) -> Vec<Command> {
    let mut reader = Reader { rest: script, line: 1, depth: 0, variables, found: Vec::new() };
    reader.list(None);
    reader.found
}

struct Reader<'a, 'v> {
    rest: &'a str,
    line: usize,
    depth: usize,
    variables: &'v mut Variables,
    found: Vec<Command>,
}

/// Words of the language that stand before a command.
const BEFORE: [&str; 12] =
    ["if", "then", "else", "elif", "while", "until", "do", "{", "!", "time", "exec", "eval"];

/// Substitutions inside each other that are read.
const DEEPEST: usize = 64;

impl Reader<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.rest.starts_with(text);
        if there {
            for _ in text.chars() {
                self.next();
            }
        }
        there
    }

    /// Commands until `end`, or the end of the script.
    fn list(&mut self, end: Option<char>) {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.rest = "";
        }
        let mut words: Vec<String> = Vec::new();
        let mut documents: Vec<String> = Vec::new();
        let mut begins = self.line;
        while let Some(next) = self.rest.chars().next() {
            if Some(next) == end {
                self.next();
                break;
            }
            if words.is_empty() {
                begins = self.line;
            }
            if self.take("\\\n") {
                continue;
            }
            match next {
                '\n' => {
                    self.next();
                    self.command(begins, std::mem::take(&mut words));
                    for mark in documents.drain(..) {
                        self.skip_document(&mark);
                    }
                }
                ';' | '&' | '|' | '(' | ')' => {
                    self.next();
                    self.command(begins, std::mem::take(&mut words));
                }
                '#' => {
                    while self.rest.chars().next().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                _ if next.is_whitespace() => {
                    self.next();
                }
                _ if self.rest.starts_with("<<") && !self.rest.starts_with("<<<") => {
                    self.take("<<");
                    self.take("-");
                    while self.take(" ") {}
                    documents.push(self.word(end));
                    words.push(DOCUMENT.to_owned());
                }
                _ => {
                    let word = self.word(end);
                    // The words behind an assignment know it already.
                    if words.iter().all(|w| stands_before(w) || assignment(w).is_some()) {
                        self.assign(&word);
                    }
                    words.push(word);
                }
            }
        }
        self.command(begins, words);
        self.depth -= 1;
    }

    fn skip_document(&mut self, mark: &str) {
        while !self.rest.is_empty() {
            let line = self.rest.lines().next().unwrap_or_default().trim();
            let last = line == mark;
            while self.next().is_some_and(|c| c != '\n') {}
            if last {
                return;
            }
        }
    }

    /// One word, without its quotes.
    fn word(&mut self, end: Option<char>) -> String {
        let mut word = String::new();
        let mut quoted = false;
        while let Some(next) = self.rest.chars().next() {
            if !quoted && (next.is_whitespace() || ";&|()".contains(next) || Some(next) == end) {
                break;
            }
            if self.take("\\\n") {
                continue;
            }
            self.next();
            match next {
                '\'' if !quoted => {
                    while let Some(next) = self.next().filter(|c| *c != '\'') {
                        word.push(next);
                    }
                }
                '"' => quoted = !quoted,
                '\\' => word.extend(self.next()),
                '$' => {
                    let value = self.dollar();
                    word.push_str(&value);
                }
                '`' => {
                    self.list(Some('`'));
                    word.push(UNKNOWN);
                }
                _ => word.push(next),
            }
        }
        word
    }

    /// The value of an expansion, behind its dollar sign.
    fn dollar(&mut self) -> String {
        if self.take("((") {
            let mut depth = 2_usize;
            while let Some(next) = self.next() {
                depth = depth + usize::from(next == '(') - usize::from(next == ')');
                if depth == 0 {
                    break;
                }
            }
            return UNKNOWN.to_string();
        }
        if self.take("(") {
            self.list(Some(')'));
            return UNKNOWN.to_string();
        }
        let braces = self.take("{");
        let mut name = String::new();
        while let Some(next) = self.rest.chars().next().filter(|c| is_of_a_name(*c)) {
            name.push(next);
            self.next();
        }
        let mut fallback = None;
        if braces {
            let mut rest = String::new();
            while let Some(next) = self.next().filter(|c| *c != '}') {
                rest.push(next);
            }
            let plain = rest.strip_prefix(":-").or(rest.strip_prefix('-'));
            fallback = plain.filter(|p| !p.contains(['$', '`'])).map(str::to_owned);
            if !rest.is_empty() && fallback.is_none() {
                return UNKNOWN.to_string();
            }
        }
        if name.is_empty() {
            self.next_special();
            return UNKNOWN.to_string();
        }
        self.variables.get(&name).cloned().or(fallback).unwrap_or_else(|| UNKNOWN.to_string())
    }

    /// `$1`, `$@`, `$?` and the like.
    fn next_special(&mut self) {
        if self.rest.chars().next().is_some_and(|c| "@*#?-$!".contains(c)) {
            self.next();
        }
    }

    /// A value from outside stays known where it is only passed on.
    fn assign(&mut self, word: &str) {
        let Some((name, value)) = assignment(word) else { return };
        if is_known(value) || !self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    /// A command is complete.
    fn command(&mut self, line: usize, mut words: Vec<String>) {
        while words.first().is_some_and(|w| BEFORE.contains(&w.as_str())) {
            words.remove(0);
        }
        if words.first().is_some_and(|w| w == "for") && words.len() > 3 && words[2] == "in" {
            self.variables.insert(words[1].clone(), words[3..].join(" "));
            return;
        }
        while words.first().is_some_and(|w| stands_before(w) || assignment(w).is_some()) {
            words.remove(0);
        }
        if !words.is_empty() {
            self.found.push(Command { line, words });
        }
    }
}

fn stands_before(word: &str) -> bool {
    BEFORE.contains(&word) || ["export", "local", "readonly"].contains(&word)
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && name.chars().all(is_of_a_name)).then_some((name, value))
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<String> {
        let mut variables = Variables::from([("REGION".to_owned(), "eu-west-1".to_owned())]);
        let found = commands(script, &mut variables);
        found
            .iter()
            .map(|c| format!("{}: {}", c.line, c.words.join(" ").replace(UNKNOWN, "?")))
            .collect()
    }

    #[test]
    fn commands_are_found_with_their_words() {
        for (script, expected) in [
            ("a b\nc", vec!["1: a b", "2: c"]),
            ("a \\\n  b 'c d' # e\n\nf", vec!["1: a b c d", "4: f"]),
            ("a && b || c; d | e &", vec!["1: a", "1: b", "1: c", "1: d", "1: e"]),
            ("X=1 Y=$X\na $X ${Y} \"$Z\"", vec!["2: a 1 1 ?"]),
            (
                "a $REGION ${REGION} '$REGION' ${NS:-web}",
                vec!["1: a eu-west-1 eu-west-1 $REGION web"],
            ),
            ("a --x=$(b c)\nd `e f`", vec!["1: b c", "1: a --x=?", "2: e f", "2: d ?"]),
            ("T=$(b \"$(c)\")\nd $T", vec!["1: c", "1: b ?", "2: d ?"]),
            ("for n in x y; do a -n $n; done", vec!["1: a -n x y", "1: done"]),
            ("if ! a; then b; fi", vec!["1: a", "1: b", "1: fi"]),
            ("cat <<EOF | a\nb $c\nEOF\nd", vec!["1: cat <<", "1: a", "4: d"]),
            ("export REGION=$REGION\na $REGION $((1 + 2)) $? $1", vec!["2: a eu-west-1 ? ? ?"]),
            ("REGION=$OTHER\na $REGION", vec!["2: a eu-west-1"]),
            ("a \"b", vec!["1: a b"]),
            ("", vec![]),
        ] {
            assert_eq!(read(script), expected, "{script}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(script in "[ -~\n`$(){}<\"'\\\\]{0,80}|\\PC{0,40}") {
            commands(&script, &mut Variables::new());
        }
    }
}
