//! `completion`: scripts for shells, and the candidates that they request while a person types.

use super::cluster::Cluster;
use super::error::Result;
use super::{Global, command_line, output};
use clap::{Args, FromArgMatches as _, ValueEnum};
use clap_complete::Shell;
use clap_complete::engine::{CompletionCandidate, complete};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use refreshable_api::RefreshableCredential;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::time::Duration;

const PROGRAM: &str = "kubectl-refreshable";
/// A person at the keyboard does not wait longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Cobra's directive that no file names are to be offered besides.
const NO_FILES: &str = ":4";
/// The program that kubectl runs to complete this plugin's arguments.
const FOR_KUBECTL: &str = "\
#!/bin/sh
# kubectl runs this to complete `kubectl refreshable`: keep it as kubectl_complete-refreshable in a folder of PATH,
# executable.
exec kubectl-refreshable __complete \"$@\"
";

/// Print a script that completes this program's arguments in a shell. With kubectl, whose own
/// completion runs a program for each plugin:
///
///   kubectl refreshable completion kubectl > ~/.local/bin/kubectl_complete-refreshable
///   chmod +x ~/.local/bin/kubectl_complete-refreshable
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Completion {
    /// Shell that reads the script, or kubectl for its own completion.
    #[arg(value_enum)]
    shell: Target,
}

/// Readers of the script.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// kubectl's completion, in whichever shell it is set up.
    Kubectl,
    /// Bash, for `kubectl-refreshable` only.
    Bash,
    /// Elvish, for `kubectl-refreshable` only.
    Elvish,
    /// Fish, for `kubectl-refreshable` only.
    Fish,
    /// PowerShell, for `kubectl-refreshable` only.
    Powershell,
    /// Zsh, for `kubectl-refreshable` only.
    Zsh,
}

impl Completion {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the output cannot be written.
    pub async fn run(self, _: &Global) -> Result<ExitCode> {
        let shell = match self.shell {
            Target::Kubectl => {
                output::print(FOR_KUBECTL)?;
                return Ok(ExitCode::SUCCESS);
            }
            Target::Bash => Shell::Bash,
            Target::Elvish => Shell::Elvish,
            Target::Fish => Shell::Fish,
            Target::Powershell => Shell::PowerShell,
            Target::Zsh => Shell::Zsh,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command_line().bin_name(PROGRAM), PROGRAM, &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The call of `kubectl_complete-refreshable`: the words so far, of which the last is being typed.
#[derive(Args, Debug)]
pub struct Complete {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Complete {
    /// Prints what the last word may become, in the form that kubectl reads. What cannot be had is
    /// not offered.
    ///
    /// # Errors
    /// Where the output cannot be written.
    pub async fn run(self, _: &Global) -> Result<ExitCode> {
        let (typed, before) =
            self.words.split_last().map_or((OsStr::new(""), &[][..]), |(t, b)| (t.as_os_str(), b));
        let mut lines = fixed(before, typed);
        let place = place(before, typed);
        if place == Place::Name {
            // File names do not belong there.
            lines.retain(|l| l.starts_with('-'));
        }
        if place != Place::Other {
            let found = tokio::time::timeout(PATIENCE, found(before, place)).await;
            let typed = typed.to_string_lossy();
            let fitting = found.ok().and_then(Result::ok).unwrap_or_default().into_iter();
            lines.extend(fitting.filter(|name| is_name(name) && name.starts_with(&*typed)));
        }
        lines.push(NO_FILES.to_owned());
        output::print(&(lines.join("\n") + "\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether this is a valid Kubernetes name. A shell's completion may execute anything else.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(inner)
}

/// Candidates of the command line itself: commands, flags and their values.
fn fixed(before: &[OsString], typed: &OsStr) -> Vec<String> {
    let words: Vec<OsString> = [OsString::from(PROGRAM)]
        .into_iter()
        .chain(before.iter().cloned())
        .chain([typed.to_owned()])
        .collect();
    let last = words.len() - 1;
    let line = |c: &CompletionCandidate| {
        let help = c.get_help().map(|h| h.to_string()).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default().to_owned();
        let value = c.get_value().to_string_lossy().into_owned();
        if help.is_empty() { value } else { format!("{value}\t{help}") }
    };
    complete(&mut command_line(), words, last, None)
        .map(|candidates| candidates.iter().filter(|c| !c.is_hide_set()).map(line).collect())
        .unwrap_or_default()
}

/// Kind of the word that is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A resource's name.
    Name,
    /// A namespace.
    Namespace,
    /// Something that only the command line knows.
    Other,
}

fn place(before: &[OsString], typed: &OsStr) -> Place {
    let words: Vec<String> = before.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    let whole = command_line();
    let command = words.iter().find_map(|w| whole.find_subcommand(w));
    let flag = |word: &str| {
        let own =
            command.into_iter().flat_map(clap::Command::get_arguments).chain(whole.get_arguments());
        let mut own = own.filter(|a| a.get_action().takes_values());
        own.find(|a| match word.strip_prefix("--") {
            Some(long) => a.get_long() == Some(long),
            None => a.get_short().is_some_and(|s| word == format!("-{s}")),
        })
        .map(|a| a.get_id().to_string())
    };
    match words.last().and_then(|w| flag(w)) {
        Some(id) if id == "namespace" => return Place::Namespace,
        Some(_) => return Place::Other,
        None => {}
    }
    let takes_names = command.is_some_and(|c| {
        c.get_positionals().any(|p| ["name", "names"].contains(&p.get_id().as_str()))
    });
    let behind = words.iter().any(|w| w == "--");
    if takes_names && !behind && !typed.to_string_lossy().starts_with('-') {
        Place::Name
    } else {
        Place::Other
    }
}

/// Names in the cluster that continue the words so far.
async fn found(before: &[OsString], place: Place) -> Result<Vec<String>> {
    let words = [OsString::from(PROGRAM)].into_iter().chain(before.iter().cloned());
    let global = command_line()
        .ignore_errors(true)
        .try_get_matches_from(words)
        .ok()
        .and_then(|matches| Global::from_arg_matches(&matches).ok())
        .unwrap_or_default();
    let cluster = Cluster::of(&global).await?;
    Ok(match place {
        Place::Namespace => {
            let list = cluster.list(&cluster.everywhere::<Namespace>(), None).await?;
            list.items.iter().map(ResourceExt::name_any).collect()
        }
        _ => {
            let list = cluster.list(&cluster.api::<RefreshableCredential>(), None).await?;
            list.items.iter().map(ResourceExt::name_any).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (Vec<OsString>, OsString) {
        let mut words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
        let typed = words.pop().expect("a word");
        (words, typed)
    }

    #[test]
    fn commands_and_flags_are_offered_with_what_they_do() {
        let of = |text: &str| {
            let (before, typed) = words(text);
            fixed(&before, &typed)
        };
        let commands = of("st");
        assert!(commands.len() == 1 && commands[0].starts_with("status\tShow"), "{commands:?}");
        assert!(of("status --wat").iter().any(|l| l.starts_with("--watch")));
        let forms: Vec<String> = of("status -o ")
            .iter()
            .map(|l| l.split('\t').next().expect("a word").to_owned())
            .collect();
        assert_eq!(forms, ["json", "yaml", "wide", "name"]);
        assert!(!of("").iter().any(|l| l.starts_with("__complete")));
    }

    #[test]
    fn names_are_looked_up_where_they_stand() {
        let of = |text: &str| {
            let (before, typed) = words(text);
            place(&before, &typed)
        };
        for text in ["inspect ", "refresh a b", "-n team-a status rep", "exec ", "status -A "] {
            assert_eq!(of(text), Place::Name, "{text}");
        }
        for text in ["status -n ", "inspect x --namespace te", "-n "] {
            assert_eq!(of(text), Place::Namespace, "{text}");
        }
        for text in
            ["", "sta", "status -", "status -o ", "exec x -- ls ", "--kubeconfig ", "version "]
        {
            assert_eq!(of(text), Place::Other, "{text}");
        }
    }

    #[test]
    fn only_names_are_offered() {
        for name in ["reports", "team-a.reports", "1"] {
            assert!(is_name(name), "{name}");
        }
        for text in
            ["", "-x", "a b", "$(id)", "a`id`", "a\nb", "a\tb", "\u{1b}]0;x\u{7}", "a\u{202e}", "A"]
        {
            assert!(!is_name(text), "{text:?}");
        }
    }

    #[test]
    fn every_shell_has_a_script() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let mut script = Vec::new();
            clap_complete::generate(
                shell,
                &mut command_line().bin_name(PROGRAM),
                PROGRAM,
                &mut script,
            );
            assert!(String::from_utf8(script).expect("text").contains("status"), "{shell}");
        }
    }
}
