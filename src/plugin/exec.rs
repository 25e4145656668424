//! `exec`: a command with the published credentials in its environment.

use super::cluster::Cluster;
use super::error::{Error, Result};
use super::terminal::visible;
use super::variables::Variables;
use super::{Global, output, published};
use clap::Args;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::{Command, ExitCode};

/// Exit code where the program is there and cannot be run, as shells have it.
const NOT_EXECUTABLE: u8 = 126;
/// Exit code for a program that does not exist, as in shells.
const NOT_FOUND: u8 = 127;

/// Run a command with the published credentials in its environment. Its exit code is this
/// command's.
///
///   kubectl refreshable exec -n team-a reports -- aws s3 ls
///
/// The command keeps them as they are now: for one that outlives them, use `process`.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Exec {
    /// Name of the RefreshableCredential.
    name: String,
    /// The profile, of a resource that has many. Defaults to `default`.
    #[arg(long)]
    profile: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Exec {
    /// Runs the command. It replaces this process where the system can do that, so that it receives
    /// signals and the terminal directly.
    ///
    /// # Errors
    /// If valid credentials are missing, or this user may not read them.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let published =
            published::read(&cluster, &self.name, self.profile.as_deref(), Timestamp::now())
                .await?;
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Error::failed("name a command behind --"));
        };
        let variables = Variables::new(&published)?;
        let mut command = Command::new(program);
        command.args(arguments);
        for name in variables.unset {
            command.env_remove(name);
        }
        for (name, value) in variables.set {
            command.env(name, value.expose_secret());
        }
        let error = match hand_over(command).await {
            Ok(code) => return Ok(code),
            Err(error) => error,
        };
        output::say(&format!("error: {}: {error}", visible(&program.to_string_lossy())));
        Ok(ExitCode::from(if error.kind() == ErrorKind::NotFound {
            NOT_FOUND
        } else {
            NOT_EXECUTABLE
        }))
    }
}

/// Lets the command take the place of this process. It comes back only if that failed.
#[cfg(unix)]
async fn hand_over(mut command: Command) -> io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Runs the command, and ends as it does. Windows has nothing that takes a process's place; Ctrl+C
/// reaches both, and the command decides what becomes of it.
#[cfg(not(unix))]
async fn hand_over(command: Command) -> io::Result<ExitCode> {
    let mut child = tokio::process::Command::from(command).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let code = status?.code().and_then(|code| u8::try_from(code).ok());
                return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
            }
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}
