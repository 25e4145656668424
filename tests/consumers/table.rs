//! The table of failed calls in the documentation: written from a run, and held against one.

use super::sdks::{ALL, ENVIRONMENT_FAILS, Fate, Sdk, Way};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Outcome of a program in one way of giving it credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The SDK and its version.
    pub(super) sdk: String,
    /// Calls, and those of them that failed.
    pub(super) calls: usize,
    pub(super) failed: usize,
    /// How often which error was met.
    pub(super) codes: BTreeMap<String, usize>,
}

/// The outcomes by row and column.
pub(super) type Outcomes = BTreeMap<(&'static str, Way), Outcome>;

/// Marks the cells of [`Fate::Edge`].
const EDGE: &str = " †";

/// The part of a cell that must not change unseen: whether it is free of failures, and whether it
/// is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Nothing, where a call may fail by chance.
    whole: Option<bool>,
    recommended: bool,
}

/// The shape of each cell, by row and column.
pub(super) type Shapes = BTreeMap<(String, &'static str), Shape>;

/// The table, with the reasons below it.
pub(super) fn render(outcomes: &Outcomes) -> String {
    let titles: Vec<&str> = Way::ALL.iter().map(|way| way.title()).collect();
    let mut text = format!(
        "| | version | {} |\n| --- | --- |{}\n",
        titles.join(" | "),
        " --- |".repeat(titles.len())
    );
    let mut reasons = String::new();
    for sdk in rows(outcomes) {
        let version = &outcomes[&(sdk.name, Way::File)].sdk;
        let cells: Vec<String> =
            Way::ALL.iter().map(|way| cell(sdk, *way, &outcomes[&(sdk.name, *way)])).collect();
        let _ = writeln!(text, "| {} | {version} | {} |", sdk.name, cells.join(" | "));
        for way in [Way::File, Way::Process, Way::Endpoint] {
            let fate = sdk.fate(way);
            if let Some(why) = fate.reason() {
                let _ = writeln!(reasons, "- {}, {}{}: {why}", sdk.name, way.title(), mark(fate));
            }
        }
    }
    format!(
        "{text}\nWhy calls fail where they do:\n\n{reasons}- All, {}: {ENVIRONMENT_FAILS}\n",
        Way::Environment.title()
    )
}

fn rows(outcomes: &Outcomes) -> impl Iterator<Item = &'static Sdk> {
    ALL.iter().filter(|sdk| outcomes.contains_key(&(sdk.name, Way::File)))
}

fn cell(sdk: &Sdk, way: Way, outcome: &Outcome) -> String {
    let text = format!("{} of {}{}", outcome.failed, outcome.calls, mark(sdk.fate(way)));
    if sdk.recommended == way { format!("**{text}**") } else { text }
}

fn mark(fate: Fate) -> &'static str {
    if matches!(fate, Fate::Edge(_)) { EDGE } else { "" }
}

/// Reads a table's shape.
///
/// # Errors
/// Where it is no such table.
pub(super) fn shapes(text: &str) -> Result<Shapes, String> {
    let mut shapes = Shapes::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && line.contains(" of ")) {
        let columns: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, cells @ ..] = &columns[..] else {
            return Err(format!("no row of the table: {line}"));
        };
        if cells.len() != Way::ALL.len() {
            return Err(format!("{} cells instead of {}: {line}", cells.len(), Way::ALL.len()));
        }
        for (cell, way) in cells.iter().zip(Way::ALL) {
            let failed = cell
                .trim_matches('*')
                .split(' ')
                .next()
                .and_then(|number| number.parse::<usize>().ok());
            let failed = failed.ok_or_else(|| format!("no number of failed calls: {cell}"))?;
            let whole = (!cell.ends_with(EDGE)).then_some(failed == 0);
            let shape = Shape { whole, recommended: cell.starts_with("**") };
            shapes.insert(((*name).to_owned(), way.title()), shape);
        }
    }
    Ok(shapes)
}

/// Where two tables differ in shape, as far as `run` has rows.
pub(super) fn differences(documented: &Shapes, run: &Shapes) -> Vec<String> {
    let mut found = Vec::new();
    for (cell, shape) in run {
        match documented.get(cell) {
            Some(same) if same == shape => {}
            other => found.push(format!(
                "{} with {}: the documentation says {other:?}, the run {shape:?}",
                cell.0, cell.1
            )),
        }
    }
    let known: Vec<&str> = ALL.iter().map(|sdk| sdk.name).collect();
    found.extend(
        documented
            .keys()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, _)| format!("{name}: no such SDK")),
    );
    found
}

#[test]
fn a_table_that_says_something_else_than_the_run_is_found_out() {
    let outcome = |failed| Outcome { sdk: "1.0".into(), calls: 9, failed, codes: BTreeMap::new() };
    let run = |change: Option<(&'static str, Way)>| -> Outcomes {
        let cells = ALL.iter().flat_map(|sdk| Way::ALL.map(|way| (sdk, way)));
        let fails = |sdk: &Sdk, way| {
            matches!(sdk.fate(way), Fate::Fails(_)) != (change == Some((sdk.name, way)))
        };
        cells.map(|(sdk, way)| ((sdk.name, way), outcome(usize::from(fails(sdk, way))))).collect()
    };
    let table = render(&run(None));
    let documented = shapes(&table).expect("a table");
    assert_eq!(documented.len(), ALL.len() * Way::ALL.len());
    assert_eq!(documented.values().filter(|shape| shape.recommended).count(), ALL.len());
    assert_eq!(differences(&documented, &documented), Vec::<String>::new());
    for cell in run(None).keys() {
        let sdk = ALL.iter().find(|sdk| sdk.name == cell.0).expect("a row");
        let changed = shapes(&render(&run(Some(*cell)))).expect("a table");
        let by_chance = matches!(sdk.fate(cell.1), Fate::Edge(_));
        assert_eq!(differences(&documented, &changed).len(), usize::from(!by_chance), "{cell:?}");
    }
    for sdk in &ALL {
        assert_eq!(sdk.fate(sdk.recommended), Fate::Whole, "{}", sdk.name);
    }
    let unmarked = shapes(&table.replace("**", "")).expect("a table");
    assert_eq!(differences(&unmarked, &documented).len(), ALL.len());
    let renamed = shapes(&table.replace("Go: SDK v2 |", "Go: SDK v3 |")).expect("a table");
    assert_eq!(differences(&renamed, &documented).len(), 8);
    let short = "| Go: SDK v2 | 1.0 | 0 of 9 |";
    assert_eq!(
        shapes(short).map(drop),
        Err(format!("1 cells instead of {}: {short}", Way::ALL.len()))
    );
}
