//! The kubectl plugin `kubectl-refreshable`: one file for each command.
//!
//! ```text
//! run(arguments)      parses them into Global (kubectl's flags) and a Command
//!   -> the command    `run(self, &Global)`: asks the API server (Cluster), or reads manifests
//!   -> output         the only writer: tables, JSON, YAML, names, messages
//!   -> ExitCode       or Error, whose text is the line that the user reads
//! ```
//!
//! | part | contents |
//! | --- | --- |
//! | [`global`] | kubectl's flags that every command has |
//! | [`cluster`] | the connection to the API server, and the requests to it |
//! | [`error`] | errors in kubectl's words, with kubectl's exit code |
//! | [`terminal`] | colours, width and characters of the terminal |
//! | [`output`] | `-o json`, `yaml` and `name`; tables |
//! | [`age`] | durations from or until now |
//! | [`manifest`] | files as kubectl reads them, with the position of each value |
//!
//! Invariants:
//!
//! - Results go to standard output, everything else to standard error. Secret material is printed
//!   only to standard output, and only by commands whose purpose it is (`process`, `env`).
//! - [`output`] alone writes, so that no text from outside can steer the terminal.
//! - Where a command judges a resource, it uses the controller's own `refreshable_rules`.
//!
//! To add a command: its file with its arguments and `async fn run(self, global: &Global) ->
//! Result<ExitCode>`, its variant in [`Command`] and its line in [`Command::run`], its section in
//! `docs/plugin.md`.

#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(unused_crate_dependencies)]

pub mod age;
mod authorization;
mod chain;
pub mod check;
pub mod cluster;
mod completion;
mod consumers;
mod device_flow;
mod discovery;
mod doctor;
mod env;
pub mod error;
mod exec;
pub mod global;
mod help;
mod ini;
mod inspect;
mod inspect_report;
mod inspect_text;
mod issuer;
mod login;
mod manifest;
mod migrate;
mod new;
pub mod output;
mod plugin_loop;
mod policies;
mod process;
mod published;
mod refresh;
mod render;
mod rows;
mod status;
pub mod terminal;
mod timeline;
pub mod trust_policy;
mod variables;
mod version;
mod withdrawals;

pub use error::{Error, Result};
pub use global::Global;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;

/// AWS temporary credentials in Kubernetes: look at them, renew them, use them.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-refreshable",
    bin_name = "kubectl refreshable",
    version = refreshable_rules::version::long(),
    about,
    max_term_width = 100,
    styles = terminal::HELP,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The commands. Their help texts are the docs of their types.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "it would take the place of the help")]
pub enum Command {
    Status(status::Status),
    Refresh(refresh::Refresh),
    Inspect(inspect::Inspect),
    Process(process::Process),
    Env(env::Env),
    Exec(exec::Exec),
    Login(login::Login),
    Check(check::Check),
    Render(render::Render),
    TrustPolicy(Box<trust_policy::TrustPolicy>),
    Migrate(migrate::Migrate),
    Doctor(doctor::Doctor),
    Issuer(issuer::Issuer),
    New(Box<new::New>),
    Withdrawals(withdrawals::Withdrawals),
    Completion(completion::Completion),
    Version(version::Version),
    #[command(name = "__complete", hide = true)]
    Complete(completion::Complete),
}

impl Command {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        match self {
            Self::Status(command) => command.run(global).await,
            Self::Refresh(command) => command.run(global).await,
            Self::Inspect(command) => command.run(global).await,
            Self::Process(command) => command.run(global).await,
            Self::Env(command) => command.run(global).await,
            Self::Exec(command) => command.run(global).await,
            Self::Login(command) => command.run(global).await,
            Self::Check(command) => command.run(global).await,
            Self::Render(command) => command.run(global).await,
            Self::TrustPolicy(command) => command.run(global).await,
            Self::Migrate(command) => command.run(global).await,
            Self::Doctor(command) => command.run(global).await,
            Self::Issuer(command) => command.run(global).await,
            Self::New(command) => command.run(global).await,
            Self::Withdrawals(command) => command.run(global).await,
            Self::Completion(command) => command.run(global).await,
            Self::Version(command) => command.run(global).await,
            Self::Complete(command) => command.run(global).await,
        }
    }
}

/// Runs the command in these arguments (with the program's name first), and prints its error.
pub async fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    output::say_of_panics();
    let matches = command_line().try_get_matches_from(arguments);
    let arguments = match matches.and_then(|m| Arguments::from_arg_matches(&m)) {
        Ok(arguments) => arguments,
        // It repeats what was typed, or what a script took from the cluster.
        Err(usage) if usage.use_stderr() => {
            output::say(usage.render().to_string().trim_end());
            return ExitCode::from(error::FAILURE);
        }
        Err(help) => {
            // Its reader has gone where this cannot be written.
            let _ = output::show(&terminal::Terminal::stdout().help(&help));
            return ExitCode::SUCCESS;
        }
    };
    match arguments.command.run(&arguments.global).await {
        Ok(code) => code,
        Err(Error::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// The command line, for completion and documentation.
pub fn command_line() -> clap::Command {
    help::reflowed(Arguments::command())
}

#[cfg(test)]
mod tests {
    /// The commands on the page are valid, and every command has a section.
    #[test]
    fn the_page_is_current() {
        let page = include_str!("../../docs/plugin.md");
        let others = ["check", "render", "trust-policy", "migrate"];
        for command in super::command_line().get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = command.get_name();
            assert!(
                others.contains(&name) || page.contains(&format!("\n## {name}\n")),
                "{name} has no part"
            );
        }
        let mut typed = 0;
        for line in page.split("kubectl refreshable ").skip(1) {
            let words = line.split(['\n', '|', '\\', '>', ')', '`']).next().unwrap_or_default();
            let words = ["kubectl-refreshable"].into_iter().chain(words.split_whitespace());
            if let Err(error) = super::command_line().try_get_matches_from(words) {
                panic!("{error}");
            }
            typed += 1;
        }
        assert!(typed >= 12, "{typed} command lines");
    }

    #[test]
    fn the_flags_are_consistent() {
        super::command_line().debug_assert();
    }
}
