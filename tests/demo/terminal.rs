//! Terminal of the demo: headlines, commands as a user types them, and what they print.
//!
//! Each line that is shown as a command is what a shell runs, so that nothing is shown that does
//! not work.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::harness::{background, scratch};

/// Result of a step, or why it failed.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// A shell in the demo's folder, and the record of what was shown.
#[derive(Debug)]
pub(crate) struct Terminal {
    folder: PathBuf,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    step: usize,
    headline: String,
    transcript: String,
    path: Vec<PathBuf>,
    environment: Vec<(String, OsString)>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        Self { folder: scratch::subfolder("demo"), record: Mutex::default() }
    }

    /// The folder that all commands run in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into that folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        scratch::write(self.folder.join(name), content)
    }

    /// Adds a folder of programs.
    pub(crate) fn programs(&self, folder: &Path) {
        self.record().path.push(folder.into());
    }

    /// Sets a variable of all commands from now on.
    pub(crate) fn variable(&self, name: &str, value: impl Into<OsString>) {
        self.record().environment.push((name.into(), value.into()));
    }

    /// Begins a step.
    pub(crate) fn step(&self, headline: &str) {
        let number = {
            let mut record = self.record();
            record.step += 1;
            record.headline = headline.into();
            record.step
        };
        self.show("", None);
        self.show(&format!("=== {number}. {headline}"), Some(BOLD));
    }

    /// The step that is under way.
    pub(crate) fn now(&self) -> String {
        let record = self.record();
        match record.step {
            0 => "preparing".into(),
            number => format!("step {number} ({})", record.headline),
        }
    }

    /// Says something besides.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            self.show(&format!("# {line}"), Some(DIM));
        }
    }

    /// Runs a command that must succeed, and gives back what it printed.
    pub(crate) async fn run(&self, command: &str) -> Outcome<String> {
        match self.sh(command).await? {
            (true, output) => Ok(output),
            (false, _) => Err(format!("`{command}` failed")),
        }
    }

    /// Runs a command that is not shown, and gives back what it printed.
    pub(crate) async fn quietly(&self, command: &str) -> Outcome<String> {
        self.output(command).await.map(|(_, output)| output)
    }

    /// The variables of all commands.
    pub(crate) fn variables(&self) -> Vec<(String, OsString)> {
        self.record().environment.clone()
    }

    /// Runs a command that must fail, and gives back what it printed.
    pub(crate) async fn refused(&self, command: &str) -> Outcome<String> {
        match self.sh(command).await? {
            (false, output) => Ok(output),
            (true, _) => Err(format!("`{command}` succeeded, and should not")),
        }
    }

    /// Everything that was shown so far, with the run's own folder under a lasting name.
    pub(crate) fn transcript(&self) -> String {
        self.record().transcript.replace(&self.folder.display().to_string(), "/tmp/demo")
    }

    /// Leaves everything running: until the shell ends that is started in the demo's folder, or
    /// until Ctrl-C where nobody sits at a terminal.
    pub(crate) async fn keep(&self) -> Outcome {
        if !std::io::stdin().is_terminal() {
            println!("\nEverything goes on running until Ctrl-C.");
            return tokio::signal::ctrl_c().await.map_err(|error| error.to_string());
        }
        println!(
            "\nEverything goes on running until this shell ends: kubectl, aws and python are those of the demo.\n"
        );
        let mut shell = Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "sh".into()));
        self.prepare(&mut shell)?;
        if let Some(terminal) = std::env::var_os("TERM") {
            shell.env("TERM", terminal);
        }
        background::blocking(move || shell.status())
            .await
            .map(drop)
            .map_err(|error| format!("a shell: {error}"))
    }

    /// The demo's folder, programs and variables.
    fn prepare(&self, command: &mut Command) -> Outcome {
        let record = self.record();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = record.path.iter().cloned().chain(std::env::split_paths(&path));
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).map_err(|error| error.to_string())?)
            .env("HOME", &self.folder)
            .envs(record.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder);
        Ok(())
    }

    async fn sh(&self, command: &str) -> Outcome<(bool, String)> {
        self.show(&format!("$ {command}"), Some(BOLD));
        let (success, text) = self.output(command).await?;
        self.show(text.trim_end(), None);
        Ok((success, text))
    }

    async fn output(&self, command: &str) -> Outcome<(bool, String)> {
        let mut shell = Command::new("setpriv");
        // Its output is read in this thread, which therefore lives as long as it does.
        shell.args(["--pdeathsig", "KILL", "--", "sh", "-c", &format!("exec 2>&1\n{command}")]);
        self.prepare(&mut shell)?;
        shell.stdin(Stdio::null());
        let output = background::blocking(move || shell.output())
            .await
            .map_err(|error| format!("setpriv: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.stderr.is_empty() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok((output.status.success(), text))
    }

    fn show(&self, text: &str, style: Option<&str>) {
        let mut record = self.record();
        record.transcript.push_str(text);
        record.transcript.push('\n');
        let mut out = std::io::stdout().lock();
        // Whoever closed the pipe does not want to read on.
        let _ = match style.filter(|_| out.is_terminal()) {
            Some(style) => writeln!(out, "{style}{text}{PLAIN}"),
            None => writeln!(out, "{text}"),
        };
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";
