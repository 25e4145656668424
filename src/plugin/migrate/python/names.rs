//! Names of a program and the literals that they stand for.

use super::{LARGEST, Literal};
use std::collections::{BTreeMap, BTreeSet};

/// Names and the values that they stand for.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, Literal>,
    assigned_again: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Names {
    pub(super) fn assign(&mut self, name: String, value: Literal) {
        let value = if value.size() > LARGEST { Literal::Expression(name.clone()) } else { value };
        if self.known.get(&name).is_some_and(|before| *before != value) {
            self.assigned_again.insert(name.clone());
        }
        self.known.insert(name, value);
    }

    pub(super) fn change(&mut self, name: &str, by: impl FnOnce(&mut Vec<(String, Literal)>)) {
        if let Some(Literal::Map(members)) = self.known.get_mut(name) {
            by(members);
        }
    }

    /// From here on its value is not known.
    pub(super) fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    pub(super) fn get(&mut self, name: &str) -> Option<Literal> {
        let value = self.known.get(name)?;
        self.used.insert(name.to_owned());
        Some(value.clone())
    }

    /// Notes for the reader about the values that were used.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |name: &String| {
            format!(
                "{name} is assigned more than once: the last value above the call is taken, check it"
            )
        };
        self.assigned_again.intersection(&self.used).map(note).collect()
    }
}
