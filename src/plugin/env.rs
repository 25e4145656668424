//! `env`: commands that set the environment variables of the published credentials.

use super::cluster::Cluster;
use super::error::Result;
use super::variables::{Language, Variables};
use super::{Global, output, published};
use clap::Args;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use std::process::ExitCode;

/// Print commands that put the published credentials into a shell's environment:
///
///   eval "$(kubectl refreshable env -n team-a reports)"
///   kubectl refreshable env -o fish reports | source
///   kubectl refreshable env -o powershell reports | Out-String | Invoke-Expression
///
/// Variables that would win over them, like AWS_PROFILE, are unset. The shell keeps them as they
/// are now: they are not renewed in it.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Env {
    /// Name of the RefreshableCredential.
    name: String,
    /// The profile, of a resource that has many. Defaults to `default`.
    #[arg(long)]
    profile: Option<String>,
    /// Language of the output.
    #[arg(short, long, value_enum, default_value_t = Language::Sh)]
    output: Language,
}

impl Env {
    /// Runs the command.
    ///
    /// # Errors
    /// If valid credentials are missing, or this user may not read them.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let published =
            published::read(&cluster, &self.name, self.profile.as_deref(), Timestamp::now())
                .await?;
        let variables = Variables::new(&published)?;
        output::print(self.output.write(&variables)?.expose_secret())?;
        let left_over = self.output.left_over(&variables, |name| std::env::var_os(name).is_some());
        if !left_over.is_empty() {
            output::say(&format!(
                "note: {} is set here and may win over these credentials; this form of output cannot unset variables: unset what is set where you use it",
                left_over.join(", ")
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
