//! Keyword arguments, removed one by one as they are converted; the rest has no counterpart.

use super::outcome::Outcome;
use super::python::{ELLIPSIS, Literal};
use serde_json::{Map, Value};

/// Keyword arguments.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    left: Vec<(String, Literal)>,
}

impl Arguments {
    /// These.
    pub fn of(arguments: Vec<(String, Literal)>) -> Self {
        Self { left: arguments.into_iter().filter(|(_, v)| *v != Literal::None).collect() }
    }

    fn take(&mut self, name: &str) -> Option<Literal> {
        let at = self.left.iter().position(|(n, _)| n == name)?;
        Some(self.left.remove(at).1)
    }

    /// Removes an argument; whether it was present.
    pub fn drop(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    /// Removes several; whether one was present.
    pub fn drop_any(&mut self, names: &[&str]) -> bool {
        names.iter().filter(|n| self.drop(n)).count() > 0
    }

    /// Text. An expression or a placeholder is left out, with a note.
    pub fn text(&mut self, name: &str, outcome: &mut Outcome) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Literal::Text(text)) if is_placeholder(&text) => {
                outcome.note(format!(
                    "{name} is a placeholder ({text}) and is left out: write its value into the manifest"
                ));
                Ok(None)
            }
            Some(Literal::Text(text)) => Ok(Some(text)),
            Some(Literal::Expression(python)) => {
                not_known(name, &python, outcome);
                Ok(None)
            }
            Some(_) => Err(format!("{name} must be text")),
        }
    }

    /// A whole number; a fraction is rounded up.
    pub fn whole(&mut self, name: &str, outcome: &mut Outcome) -> Result<Option<i64>, String> {
        match self.take(name) {
            None => Ok(None),
            #[expect(clippy::cast_possible_truncation, reason = "seconds, far below")]
            Some(Literal::Number(number)) if number.is_finite() && number.abs() < 1e12 => {
                Ok(Some(number.ceil() as i64))
            }
            Some(Literal::Expression(python)) => match product(&python) {
                Some(number) => Ok(Some(number)),
                None => {
                    not_known(name, &python, outcome);
                    Ok(None)
                }
            },
            Some(Literal::Text(text)) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) if is_placeholder(&text) => {
                    outcome.note(format!(
                        "{name} is a placeholder ({text}) and is left out: write its value into the manifest"
                    ));
                    Ok(None)
                }
                Err(_) => Err(format!("{name} must be a number")),
            },
            Some(_) => Err(format!("{name} must be a number")),
        }
    }

    /// Texts.
    pub fn texts(
        &mut self,
        name: &str,
        outcome: &mut Outcome,
    ) -> Result<Option<Vec<String>>, String> {
        let Some(list) = self.list(name, outcome)? else { return Ok(None) };
        let text = |l| {
            if let Literal::Text(text) = l {
                Ok(text)
            } else {
                Err(format!("{name} must be a list of texts"))
            }
        };
        list.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    fn list(&mut self, name: &str, outcome: &mut Outcome) -> Result<Option<Vec<Literal>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Literal::List(list)) => Ok(Some(list)),
            Some(Literal::Expression(python)) => {
                not_known(name, &python, outcome);
                Ok(None)
            }
            Some(_) => Err(format!("{name} must be a list")),
        }
    }

    /// Dictionaries with these members, each under its name here.
    pub fn records(
        &mut self,
        name: &str,
        members: &[(&str, &str)],
        outcome: &mut Outcome,
    ) -> Result<Option<Value>, String> {
        let Some(list) = self.list(name, outcome)? else { return Ok(None) };
        let mut records = Vec::new();
        for entry in list {
            let Literal::Map(entry) = entry else {
                return Err(format!("{name} must be a list of dictionaries"));
            };
            let mut entry = Self::of(entry);
            let mut record = Map::new();
            for (theirs, ours) in members {
                match entry.text(theirs, outcome)? {
                    Some(text) => record.insert((*ours).to_owned(), text.into()),
                    None => {
                        return Err(format!(
                            "an entry of {name} has no {theirs} that is plain text"
                        ));
                    }
                };
            }
            entry.leave_out(outcome);
            records.push(Value::Object(record));
        }
        Ok(Some(records.into()))
    }

    /// These, as a dictionary.
    pub fn into_literal(self) -> Literal {
        Literal::Map(self.left)
    }

    /// Adds all of these.
    pub fn append(&mut self, others: Self) {
        self.left.extend(others.left);
    }

    /// Adds an argument.
    pub fn add(&mut self, name: &str, value: Literal) {
        self.left.push((name.to_owned(), value));
    }

    /// Moves an argument unchanged to another name.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(value) = self.take(from) {
            self.add(to, value);
        }
    }

    /// A dictionary.
    pub fn map(&mut self, name: &str, outcome: &mut Outcome) -> Result<Option<Self>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Literal::Map(members)) => Ok(Some(Self::of(members))),
            Some(Literal::Expression(python)) if python == ELLIPSIS => {
                not_known(name, ELLIPSIS, outcome);
                Ok(None)
            }
            Some(Literal::Expression(python)) => Err(format!(
                "{name} is computed by the program ({python}): write it out, as a dictionary of plain values"
            )),
            Some(_) => Err(format!("{name} must be a dictionary")),
        }
    }

    /// The path of a file; `None` also where the argument holds the content itself.
    pub fn path(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Some(Literal::Text(path)) if !path.contains("-----") => Some(path),
            _ => None,
        }
    }

    /// An expression that only Python can evaluate, such as a function's name.
    pub fn expression(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Some(Literal::Expression(python) | Literal::Text(python)) => Some(python),
            _ => None,
        }
    }

    /// The arguments as a program's: `--name=value`.
    pub fn as_flags(&self, outcome: &mut Outcome) -> Vec<String> {
        let mut flags = Vec::new();
        for (name, value) in &self.left {
            if name == ELLIPSIS {
                not_shown(outcome);
                continue;
            }
            let secret = ["secret", "password", "token", "key"]
                .iter()
                .any(|w| name.to_lowercase().contains(w));
            let value = match value {
                Literal::Text(text) if !secret => text.clone(),
                Literal::Number(number) if !secret => number.to_string(),
                Literal::Bool(flag) => flag.to_string(),
                _ => {
                    outcome.note(format!(
                        "argument {name} is left out: give it to the program in another way"
                    ));
                    continue;
                }
            };
            flags.push(format!("--{}={value}", name.replace('_', "-")));
        }
        flags
    }

    /// Notes for every remaining argument that it has no counterpart.
    pub fn leave_out(&mut self, outcome: &mut Outcome) {
        for (name, _) in std::mem::take(&mut self.left) {
            match name.as_str() {
                ELLIPSIS => not_shown(outcome),
                _ => outcome.note(format!("{name} has no counterpart and is left out")),
            }
        }
    }
}

fn not_known(name: &str, python: &str, outcome: &mut Outcome) {
    outcome.note(match python {
        ELLIPSIS => format!("{name} is not shown (...): write its value into the manifest"),
        _ => format!("{name} is computed by the program ({python}) and is left out: write its value into the manifest"),
    });
}

fn not_shown(outcome: &mut Outcome) {
    outcome.note(
        "\"...\" stands for arguments that the text does not show: what they say is left out",
    );
}

/// `<your-role-arn>`, as READMEs have it. Policies may hold such signs and are JSON.
fn is_placeholder(text: &str) -> bool {
    let marks = text.find('<').zip(text.rfind('>'));
    !text.trim_start().starts_with('{') && marks.is_some_and(|(from, to)| from < to)
}

/// `12 * 60 * 60`, the one computation that is common in durations.
fn product(python: &str) -> Option<i64> {
    python
        .split('*')
        .map(|f| f.trim().replace('_', "").parse::<i64>().ok())
        .try_fold(1_i64, |whole, f| whole.checked_mul(f?))
}
