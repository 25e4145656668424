//! The threat model is held to what it says: every line names a test that shows it, and the tests
//! exist.

use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGE: &str = "docs/threat-model.md";

/// `[function](file)`, as a page in this folder links it: the function and the file from the root.
fn links<'a>(text: &'a str, folder: &str) -> Vec<(&'a str, String)> {
    let parts = text.split("](").collect::<Vec<_>>();
    let pairs = parts.iter().zip(parts.iter().skip(1));
    let linked = pairs
        .filter_map(|(before, after)| Some((before.rsplit('[').next()?, after.split(')').next()?)));
    let from_root = |file: &str| match (folder, file.strip_prefix("../")) {
        ("", _) => file.to_owned(),
        (_, Some(rest)) => rest.to_owned(),
        (folder, None) => format!("{folder}/{file}"),
    };
    let tests = linked.map(|(name, file)| (name, from_root(file)));
    tests.filter(|(_, file)| file.ends_with(".rs")).collect()
}

/// Objection to the function of this name in this file as a test that is run; `None` where it is
/// one.
fn objection(text: &str, function: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let starts = [format!("fn {function}("), format!("async fn {function}(")];
    let found: Vec<usize> =
        (0..lines.len()).filter(|n| starts.iter().any(|s| lines[*n].starts_with(s))).collect();
    let [at] = found[..] else { return Some(format!("is defined {} times", found.len())) };
    // The attributes right above it, past comments of its own.
    let above = lines[..at].iter().rev().take_while(|l| l.starts_with("#[") || l.starts_with("//"));
    let attributes: Vec<&&str> = above.filter(|l| l.starts_with("#[")).collect();
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    if !attributes.iter().any(|line| is_test(line)) {
        return Some("is no test".to_owned());
    }
    attributes.iter().any(|line| line.contains("ignore")).then(|| "is never run".to_owned())
}

/// The pages' links to tests: what is said of a row is held to a test that is there.
const PAGES: [(&str, &str, usize); 2] = [(PAGE, "docs", 30), ("README.md", "", 8)];

#[test]
fn every_test_that_a_page_names_exists() {
    let mut wrong = Vec::new();
    for (page, folder, least) in PAGES {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).expect("the page");
        let mut named = 0;
        for (function, file) in links(&text, folder) {
            let Ok(text) = std::fs::read_to_string(Path::new(ROOT).join(&file)) else {
                wrong.push(format!("{page} names {file}, which is not there"));
                continue;
            };
            // A fuzz target and the like.
            let Some(function) = function.strip_prefix('`').and_then(|f| f.strip_suffix('`'))
            else {
                continue;
            };
            named += 1;
            if let Some(why) = objection(&text, function).or_else(|| unlisted(&file)) {
                wrong.push(format!("{page} names {function} of {file}, which {why}"));
            }
        }
        assert!(named >= least, "{page} names {named} tests");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file that no module names is not compiled, and its tests are not run.
fn unlisted(file: &str) -> Option<String> {
    let path = Path::new(file);
    let name = path.file_stem()?.to_str()?;
    let folder = path.parent()?;
    let beside = std::fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder");
    let above =
        folder.parent().map(|f| std::fs::read_dir(Path::new(ROOT).join(f)).expect("a folder"));
    let files =
        beside.chain(above.into_iter().flatten()).map(|entry| entry.expect("an entry").path());
    let named = [format!("mod {name};"), format!("\"{name}.rs\"")];
    let lists = |file: &Path| {
        std::fs::read_to_string(file).is_ok_and(|text| named.iter().any(|n| text.contains(n)))
    };
    let listed = files.filter(|f| f.extension().is_some_and(|e| e == "rs")).any(|f| lists(&f));
    (!listed && !["lib", "main", "mod"].contains(&name)).then(|| "no module names".to_owned())
}

#[test]
fn what_is_no_test_is_objected_to() {
    let text = "/// Why.\n#[test]\n// How.\nfn right() {}\n#[tokio::test(start_paused = true)]\nasync fn waits() {}\n\
                #[test]\n#[ignore]\nfn sleeps() {}\n#[test]\nfn other() {}\nfn helper_of_a_test() {}\n";
    for (function, words) in [
        ("right", None),
        ("waits", None),
        ("sleeps", Some("is never run")),
        ("helper_of_a_test", Some("is no test")),
        ("missing", Some("is defined 0 times")),
    ] {
        assert_eq!(objection(text, function).as_deref(), words, "{function}");
    }
    assert_eq!(unlisted("src/rules/patterns.rs"), None);
    assert_eq!(unlisted("src/rules/policy_tests.rs"), None);
    assert!(unlisted("src/rules/nowhere.rs").is_some());
}

/// Rows of the tables with this head that name no test.
fn unshown(text: &str, head: &str) -> (usize, Vec<String>) {
    let (mut rows, mut shown, mut without) = (0, false, Vec::new());
    for line in text.lines() {
        if !line.starts_with('|') {
            shown = false;
            continue;
        }
        // The head of a table says whether its lines are shown.
        if line.contains(head) {
            shown = true;
            continue;
        }
        if !shown || line.starts_with("| ---") {
            continue;
        }
        rows += 1;
        let last = line.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        if !last.contains("[`") || links(last, "").is_empty() {
            without.push(line.to_owned());
        }
    }
    (rows, without)
}

#[test]
fn every_row_of_threats_and_every_promise_is_shown_by_a_test() {
    for (page, least) in [(PAGE, 25), ("README.md", 8)] {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).expect("the page");
        let (rows, without) = unshown(&text, "| shown by |");
        assert!(rows >= least, "{page}: {rows} rows");
        assert!(without.is_empty(), "{page}: no test shows\n{}", without.join("\n"));
    }
}
