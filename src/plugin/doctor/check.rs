//! One check's verdict, and the report of all of them.

use super::super::terminal::{Terminal, Tone};
use serde_json::{Value, json};

/// Verdict of a check, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Could not be looked at; the message says why.
    NotChecked,
    /// Works, but not as it should, or only for some.
    Warning,
    /// Broken.
    Failure,
}

impl Verdict {
    /// The word in both outputs.
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotChecked => "not checked",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::NotChecked => Tone::Faint,
            Self::Warning => Tone::Warning,
            Self::Failure => Tone::Bad,
        }
    }
}

/// A finding: one line, and for everything that is not good a sentence of advice and a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name in `kebab-case`, for programs.
    pub name: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// One line.
    pub message: String,
    /// One sentence: what to do. Absent where all is well.
    pub advice: Option<String>,
    /// The page of the book that explains it, with its anchor.
    pub page: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, message: message.into(), advice: None, page: None }
    }

    /// It could not be looked at.
    pub fn not_checked(name: &'static str, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotChecked, ..Self::ok(name, why) }
    }

    /// It works, with a reservation.
    pub fn warning(
        name: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
        page: &str,
    ) -> Self {
        let (advice, page) = (Some(advice.into()), Some(page.to_owned()));
        Self { verdict: Verdict::Warning, advice, page, ..Self::ok(name, message) }
    }

    /// It is broken.
    pub fn failure(
        name: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
        page: &str,
    ) -> Self {
        Self { verdict: Verdict::Failure, ..Self::warning(name, message, advice, page) }
    }

    fn to_value(&self) -> Value {
        let mut value =
            json!({"name": self.name, "status": self.verdict.word(), "message": self.message});
        if let (Some(advice), Some(page)) = (&self.advice, &self.page) {
            value["advice"] = advice.as_str().into();
            value["page"] = page.as_str().into();
        }
        value
    }
}

/// All checks, in order.
#[derive(Debug)]
pub struct Report(pub Vec<Check>);

impl Report {
    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|c| c.verdict == verdict).count()
    }

    /// Whether a check failed.
    pub fn failed(&self) -> bool {
        self.count(Verdict::Failure) > 0
    }

    /// For programs.
    pub fn to_value(&self) -> Value {
        let checks: Vec<Value> = self.0.iter().map(Check::to_value).collect();
        let counts = json!({
            "ok": self.count(Verdict::Ok),
            "notChecked": self.count(Verdict::NotChecked),
            "warning": self.count(Verdict::Warning),
            "failure": self.count(Verdict::Failure),
        });
        json!({"healthy": !self.failed(), "counts": counts, "checks": checks})
    }

    /// For people: a line for each check, and below it what to do.
    pub fn text(&self, terminal: &Terminal) -> String {
        let width = Verdict::NotChecked.word().len();
        let names = self.0.iter().map(|c| c.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for check in &self.0 {
            let word = check.verdict.word();
            let painted = terminal.paint(check.verdict.tone(), word);
            let gap = " ".repeat(width - word.len());
            let message = terminal.paint(Tone::Plain, &check.message);
            text.push_str(&format!("{painted}{gap}  {:names$}  {message}\n", check.name));
            let indent = " ".repeat(width + names + 4);
            let below = check.advice.iter().map(|a| format!("do: {a}"));
            let below = below.chain(check.page.iter().map(|p| format!("see: {p}")));
            for line in below {
                text.push_str(&format!("{indent}{}\n", terminal.paint(Tone::Faint, &line)));
            }
        }
        text.push_str(&format!(
            "\n{} ok, {} not checked, {} warnings, {} failures\n",
            self.count(Verdict::Ok),
            self.count(Verdict::NotChecked),
            self.count(Verdict::Warning),
            self.count(Verdict::Failure),
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report(vec![
            Check::ok("kubernetes", "Kubernetes v1.36.3"),
            Check::not_checked("watches", "no\u{1b}[2J right"),
            Check::warning(
                "clock",
                "31s apart",
                "Set it",
                "docs/operations.md#refreshablenoleader",
            ),
            Check::failure(
                "lease",
                "not held",
                "Look at the log",
                "docs/operations.md#refreshablenoleader",
            ),
        ])
    }

    #[test]
    fn a_line_for_each_check_and_its_advice_below() {
        let expected = "\
ok           kubernetes  Kubernetes v1.36.3
not checked  watches     no^[[2J right
warning      clock       31s apart
                         do: Set it
                         see: docs/operations.md#refreshablenoleader
failure      lease       not held
                         do: Look at the log
                         see: docs/operations.md#refreshablenoleader

1 ok, 1 not checked, 1 warnings, 1 failures
";
        assert_eq!(report().text(&Terminal::plain(80)), expected);
    }

    #[test]
    fn programs_learn_the_same_and_only_failures_fail() {
        let value = report().to_value();
        assert_eq!((&value["healthy"], &value["counts"]["warning"]), (&json!(false), &json!(1)));
        let lease = json!({
            "name": "lease", "status": "failure", "message": "not held",
            "advice": "Look at the log", "page": "docs/operations.md#refreshablenoleader",
        });
        assert_eq!(value["checks"][3], lease);
        let mut rest = report();
        rest.0.truncate(3);
        assert!(!rest.failed() && rest.to_value()["healthy"] == true);
    }
}
