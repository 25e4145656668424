//! Output of commands: objects as JSON and YAML, their names, tables.
//!
//! | for | by | characters that steer a terminal |
//! | --- | --- | --- |
//! | programs: JSON, YAML, commands of a shell | [`print`] | each language escapes them; text that still has one is refused |
//! | people, on standard output | [`show`] | are shown ([`terminal::visible`]) |
//! | people, on standard error | [`say`] | are shown |
//! | programs, in a file | [`write_file`] | JSON, which escapes them |

use super::error::{Error, Result};
use super::terminal::{self, Terminal, Tone};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// A form of output for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Indented JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// A value in this form.
    ///
    /// # Errors
    /// Where it cannot be written so.
    pub fn write(self, value: &Value) -> Result<String> {
        match self {
            Self::Json => Ok(to_json(value)),
            Self::Yaml => to_yaml(value),
        }
    }
}

/// Puts the cursor into the first corner and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Writes to standard output, for programs: every character as it is. Whoever makes the text writes
/// characters that steer a terminal in the language's own escapes; a text that has one all the same
/// is not written, because to leave it out would give a program something else.
///
/// # Errors
/// [`Error::Closed`] where its reader has gone, and where the text steers a terminal.
pub fn print(text: &str) -> Result<()> {
    match text.chars().find(|c| !matches!(c, '\n' | '\t') && terminal::steers(*c)) {
        None => write(text),
        Some(c) => Err(Error::failed(format!(
            "the output is not written: it has the character U+{:04X} in it, which steers a terminal",
            u32::from(c)
        ))),
    }
}

/// Writes to standard output, for people.
///
/// # Errors
/// As [`print`].
pub fn show(text: &str) -> Result<()> {
    write(&terminal::for_people(text))
}

/// Replaces the terminal's present content with a text.
///
/// # Errors
/// As [`print`].
pub fn redraw(text: &str) -> Result<()> {
    write(&format!("{CLEAR}{}", terminal::for_people(text)))
}

fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Writes a file and the folders above it, all readable by this user alone. An older file is
/// replaced at once as a whole, and a link of its name by the file: what it leads to is not
/// written to.
///
/// # Errors
/// Where the file cannot be written, with its path.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| Error::failed(format!("{}: {e}", path.display()));
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut folders = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.recursive(true).create(folder).map_err(failed)?;
    let mut whole =
        tempfile::Builder::new().prefix(".refreshable").tempfile_in(folder).map_err(failed)?;
    whole.write_all(text.as_bytes()).map_err(failed)?;
    whole.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Writes a line to standard error.
#[expect(clippy::print_stderr, reason = "the one place that does")]
pub fn say(text: &str) {
    eprintln!("{}", terminal::for_people(text));
}

/// Says of a panic where it was, and nothing of its message, which may hold what stands in the
/// cluster.
pub fn say_of_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
        say(&format!("error: a fault of this program{place}: please report it"));
    }));
}

/// A value as indented JSON, with a line break at its end.
pub fn to_json(value: &Value) -> String {
    escaped(&format!("{value:#}\n"))
}

/// Equivalent JSON in which no character steers a terminal: JSON itself demands escapes only for
/// C0.
pub fn escaped(json: &str) -> String {
    let mut whole = String::with_capacity(json.len());
    for c in json.chars() {
        // They occur only in strings: of JSON's own white space only the line break is one of them.
        match c {
            '\n' => whole.push(c),
            c if terminal::steers(c) => whole.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => whole.push(c),
        }
    }
    whole
}

/// A value as YAML. One with characters that steer a terminal is written as JSON, which is YAML
/// too.
///
/// # Errors
/// Where it cannot be written as YAML.
pub fn to_yaml(value: &Value) -> Result<String> {
    let yaml =
        serde_saphyr::to_string(value).map_err(|e| Error::failed(format!("writing YAML: {e}")))?;
    let safe = !yaml.contains(|c: char| c != '\n' && terminal::steers(c));
    Ok(if safe { yaml } else { to_json(value) })
}

/// Objects of the API like kubectl's output: an object for one name, else a list; without
/// `managedFields`.
pub fn list(mut objects: Vec<Value>, by_name: bool) -> Value {
    for object in &mut objects {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    match objects.pop() {
        Some(only) if by_name && objects.is_empty() => only,
        last => {
            objects.extend(last);
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects})
        }
    }
}

/// A table as kubectl draws it: no lines, three spaces between columns, headings in capitals.
#[derive(Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, a line for each row; without headings where they stand above already.
    pub fn draw(&self, terminal: &Terminal, headings: bool) -> String {
        let mut builder = Builder::default();
        if headings {
            builder.push_record(self.headings.iter().map(|h| terminal.paint(Tone::Heading, h)));
        }
        for row in &self.rows {
            builder.push_record(row.iter().map(|(tone, text)| terminal.paint(*tone, text)));
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, 3, 0, 0));
        let drawn = table.to_string();
        drawn.lines().fold(String::new(), |mut whole, line| {
            whole.push_str(line.trim_end());
            whole.push('\n');
            whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_stands_alone_and_more_in_a_list() {
        let object = |name: &str| json!({"metadata": {"name": name, "managedFields": [1]}});
        assert_eq!(list(vec![object("a")], true), json!({"metadata": {"name": "a"}}));
        let two = list(vec![object("a"), object("b")], true);
        assert_eq!(two["kind"], "List");
        assert_eq!(two["items"], json!([{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]));
        assert_eq!(list(vec![object("a")], false)["items"][0]["metadata"]["name"], "a");
        assert_eq!(list(Vec::new(), false)["items"], json!([]));
    }

    #[test]
    fn a_table_is_kubectl_s() {
        let mut table = Table::new(["NAME", "READY"]);
        table.row([(Tone::Plain, "reports".into()), (Tone::Good, "True".into())]);
        table.row([(Tone::Plain, "x".into()), (Tone::Bad, "False".into())]);
        let plain = Terminal::plain(80);
        assert_eq!(table.draw(&plain, true), "NAME      READY\nreports   True\nx         False\n");
        let colour = Terminal { colour: true, ..plain };
        let drawn = table.draw(&colour, false);
        assert!(drawn.starts_with("reports   \u{1b}[32mTrue\u{1b}[0m\n"), "{drawn:?}");
    }

    #[test]
    fn a_cell_stays_one_line_whatever_stands_in_it() {
        let mut table = Table::new(["NAME", "READY"]);
        table.row([
            (Tone::Plain, "a\nroot   True\u{1b}]0;x\u{7}".into()),
            (Tone::Bad, "\u{202e}False".into()),
        ]);
        let drawn = table.draw(&Terminal::plain(80), false);
        assert_eq!(drawn, "a root   True^[]0;x^G   <U+202E>False\n");
    }

    /// The last gate: whatever a command makes for programs, no character that steers a terminal
    /// gets out.
    #[test]
    fn what_steers_a_terminal_is_not_printed_for_programs_either() {
        for steering in
            ["a\u{1b}[2J", "\u{9b}31m", "\r", "\u{202e}", "\u{0}", "\u{7f}", "\u{2066}x"]
        {
            let error = print(steering).expect_err("nothing is written").to_string();
            assert!(error.contains("steers a terminal"), "{error}");
            assert!(!error.contains(terminal::steers), "{error:?}");
        }
        print("").expect("written");
        assert!(print("\t\n").is_ok());
    }

    /// The texts of this crate's sources, without their tests.
    fn sources(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                sources(&path, found);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                found.push((name, code.to_owned()));
            }
        }
    }

    /// Output that goes by another way than this file would not be looked through, and a file that
    /// a command writes would need a mode that keeps others from reading it.
    #[test]
    fn nothing_else_in_this_program_writes_to_a_terminal_or_a_file() {
        let mut found = Vec::new();
        sources(Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
        assert!(found.len() > 40, "{} sources", found.len());
        let main = include_str!("../bin/kubectl-refreshable.rs").to_owned();
        found.push(("kubectl-refreshable.rs".to_owned(), main));
        // Whatever writes to a terminal has to get hold of it, or to leave that to a macro or to
        // clap.
        let writes =
            ["stdout()", "stderr()", "print!(", "println!(", "dbg!(", ".print()", ".exit()"];
        let files = ["File::create", "fs::write", "OpenOptions", "tempfile", "fs::copy", "/dev/"];
        for (name, code) in &found {
            // It asks for the width and for colours.
            let asks = name.ends_with("/terminal.rs");
            let code = code.replace("Terminal::stdout()", "").replace("use_stderr()", "");
            for way in writes.iter().chain(&files) {
                let allowed = name.ends_with("/output.rs") || (asks && *way == "stdout()");
                assert!(allowed || !code.contains(way), "{name} has {way}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_this_user_s_alone_and_replaced_as_a_whole() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().expect("a folder");
        let file = scratch.path().join("above/folder/keys.json");
        let mode = |path: &Path| {
            std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
        };
        write_file(&file, "first").expect("written");
        for folder in file.ancestors().skip(1).take(2) {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        assert_eq!(mode(&file), 0o600);

        // An older file that others may read, and a link to a file of somebody else's.
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("opened");
        write_file(&file, "second").expect("written");
        assert_eq!(mode(&file), 0o600);
        let theirs = scratch.path().join("theirs");
        std::fs::write(&theirs, "theirs").expect("written");
        std::fs::remove_file(&file).expect("removed");
        std::os::unix::fs::symlink(&theirs, &file).expect("a link");
        write_file(&file, "third").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("text"), "third");
        assert_eq!(std::fs::read_to_string(&theirs).expect("text"), "theirs");
        let beside = std::fs::read_dir(file.parent().expect("a folder")).expect("a list");
        assert_eq!(beside.count(), 1, "nothing half written is left");

        let error = write_file(&theirs.join("below"), "x").expect_err("no folder").to_string();
        assert!(error.contains("theirs/below"), "{error}");
    }

    #[test]
    fn json_and_yaml_keep_every_character_and_steer_nothing() {
        let all: String =
            (0..0xffff_u32).filter_map(char::from_u32).filter(|c| terminal::steers(*c)).collect();
        assert!(all.chars().count() > 65, "{all:?}");
        let value = json!({"message": all, "plain": "it's\nü", "list": ["\u{9b}2J"]});
        for (text, read) in [
            (to_json(&value), serde_json::from_str::<Value>(&to_json(&value)).expect("JSON")),
            (
                to_yaml(&value).expect("YAML"),
                serde_saphyr::from_str(&to_yaml(&value).expect("YAML")).expect("YAML"),
            ),
        ] {
            assert_eq!(read, value);
            assert!(!text.contains(|c: char| c != '\n' && terminal::steers(c)), "{text:?}");
        }
        assert_eq!(to_yaml(&json!({"a": "b"})).expect("YAML"), "a: b\n");
    }
}
