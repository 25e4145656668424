//! The threat model is held to what it says: every line names a test that shows it, and the tests exist.

use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGE: &str = "docs/threat-model.md";

/// `[function](../file)`, as the page links a test.
fn links(text: &str) -> Vec<(&str, &str)> {
    let part = |rest: &str| {
        let end = rest.find("](../")?;
        let name = rest[..end].rfind('[').map(|at| at + 1)?;
        let file = end + "](../".len();
        let close = rest[file..].find(')')? + file;
        Some((name, end, file, close))
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((name, end, file, close)) = part(&text[at..]) {
        found.push((&text[at + name..at + end], &text[at + file..at + close]));
        at += close;
    }
    found
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let page = std::fs::read_to_string(Path::new(ROOT).join(PAGE)).expect("the page");
    let found = links(&page);
    assert!(found.len() >= 30, "{} tests", found.len());
    for (function, file) in found {
        let text = std::fs::read_to_string(Path::new(ROOT).join(file))
            .unwrap_or_else(|error| panic!("{PAGE} names {file}: {error}"));
        if !file.ends_with(".rs") {
            continue;
        }
        let function = function.trim_matches('`');
        let defined = text.contains(&format!("fn {function}("));
        let tested = text
            .split(&format!("fn {function}("))
            .next()
            .and_then(|before| before.rfind("#[").map(|at| before[at..].contains("test")));
        assert!(defined && tested == Some(true), "{PAGE} names {function}, which is no test of {file}");
    }
}

#[test]
fn every_line_of_the_threat_model_s_tables_is_shown_by_a_test() {
    let page = std::fs::read_to_string(Path::new(ROOT).join(PAGE)).expect("the page");
    let mut rows = 0;
    let mut shown = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            shown = false;
            continue;
        }
        // The head of a table says whether its lines are shown.
        if line.contains("| shown by |") {
            shown = true;
            continue;
        }
        if !shown || line.starts_with("| ---") {
            continue;
        }
        rows += 1;
        let last = line.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        assert!(!links(last).is_empty(), "no test shows: {line}");
    }
    assert!(rows >= 25, "{rows} lines");
}
