//! `process`: the process JSON, for `credential_process` in an AWS config file.

use super::cluster::Cluster;
use super::error::Result;
use super::{Global, output, published};
use clap::Args;
use jiff::Timestamp;
use refreshable_rules::render;
use secrecy::ExposeSecret as _;
use std::process::ExitCode;

/// Print the published credentials as process JSON, so that a line in ~/.aws/config can name this
/// command:
///
///   [profile reports]
///   credential_process = kubectl refreshable process -n team-a reports
///
/// Expired credentials are refused.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Process {
    /// Name of the RefreshableCredential.
    name: String,
    /// The profile, of a resource that has many. Defaults to `default`.
    #[arg(long)]
    profile: Option<String>,
}

impl Process {
    /// Runs the command.
    ///
    /// # Errors
    /// If valid credentials are missing, or this user may not read them.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let published =
            published::read(&cluster, &self.name, self.profile.as_deref(), Timestamp::now())
                .await?;
        output::print(&output::escaped(&format!(
            "{}\n",
            render::process_json(&published.issued).expose_secret()
        )))?;
        Ok(ExitCode::SUCCESS)
    }
}
