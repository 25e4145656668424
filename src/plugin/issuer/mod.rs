//! `issuer`: publishes the cluster as an issuer of tokens that AWS can check, for source
//! `webIdentity`.
//!
//! | part | contents |
//! | --- | --- |
//! | [`documents`] | the discovery document and the key set |
//! | [`provider`] | the provider in IAM, and the upload |
//! | [`flags`] | the API server's flags |

mod documents;
mod flags;
mod provider;

use super::cluster::Cluster;
use super::discovery;
use super::error::{Error, Result};
use super::global::Global;
use super::output;
use super::terminal::visible;
use clap::{Args, ValueEnum};
use documents::{Documents, IssuerUrl};
use flags::Distribution;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write what AWS needs to trust tokens of this cluster's ServiceAccounts: the issuer's documents,
/// the provider in IAM, and the API server's flags.
#[derive(Args, Debug)]
#[command(after_help = "\
  kubectl refreshable issuer --url https://oidc.example.com --output-dir issuer --bucket my-bucket > publish.sh
  kubectl refreshable issuer --url https://oidc.example.com --output terraform --bucket my-bucket > issuer.tf
  kubectl refreshable issuer --url https://oidc.example.com --api-server kubeadm > kubeadm.yaml")]
pub struct Issuer {
    /// Public URL of the issuer, where AWS reads the documents: https, without a port, a query and
    /// a slash at its end. The claim iss of tokens becomes exactly this.
    #[arg(long, value_parser = IssuerUrl::parse)]
    url: IssuerUrl,
    /// Folder to write both documents into, under the paths that they are served at.
    #[arg(long, value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    /// S3 bucket that serves the URL, for the upload.
    #[arg(long, value_name = "NAME", value_parser = provider::bucket)]
    bucket: Option<String>,
    /// Form of the output.
    #[arg(short, long, visible_alias = "format", value_enum, default_value_t = Form::AwsCli)]
    output: Form,
    /// Print the API server's configuration instead.
    #[arg(long, value_enum, conflicts_with_all = ["output", "bucket"])]
    api_server: Option<Distribution>,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Commands of the AWS CLI.
    AwsCli,
    /// Terraform configuration.
    Terraform,
    /// A CloudFormation template with the provider.
    Cloudformation,
    /// Documents, provider and flags as JSON.
    Json,
}

impl Issuer {
    /// Runs the command.
    ///
    /// # Errors
    /// If the API server's documents cannot be read or published, or a file cannot be written.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let folder = self.output_dir.as_deref().map(folder_name).transpose()?;
        if self.output == Form::AwsCli && self.bucket.is_some() && folder.is_none() {
            return Err(Error::failed(
                "--bucket uploads the documents: give --output-dir <FOLDER> to write them into",
            ));
        }
        let cluster = Cluster::of(global).await?;
        let advice = "Ask for the ClusterRole system:service-account-issuer-discovery";
        let read = |e: Error| e.advise(advice);
        let configuration = discovery::document(&cluster).await.map_err(read)?;
        let keys = discovery::keys(&cluster).await.map_err(read)?;
        let documents = Documents::new(&self.url, &configuration, &keys).map_err(Error::failed)?;
        if let Some(folder) = &self.output_dir {
            for (path, content) in documents.files() {
                output::write_file(&folder.join(path), &output::to_json(content))?;
            }
        }
        output::print(&self.text(&documents, folder).map_err(Error::failed)?)?;
        if documents.present != self.url.as_str() {
            output::say(&format!(
                "note: tokens have the issuer {} until the API server has the flags that --api-server prints",
                visible(&documents.present)
            ));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn text(
        &self,
        documents: &Documents,
        folder: Option<&str>,
    ) -> std::result::Result<String, String> {
        if let Some(distribution) = self.api_server {
            return Ok(distribution.write(&self.url, &documents.present));
        }
        let bucket = self.bucket.as_deref();
        match self.output {
            Form::AwsCli => Ok(provider::commands(&self.url, folder, bucket)),
            Form::Terraform => provider::terraform(&self.url, documents, bucket),
            Form::Cloudformation => provider::cloudformation(&self.url),
            Form::Json => {
                let flags = flags::flags(&self.url, &documents.present);
                Ok(output::to_json(&provider::to_value(&self.url, documents, &flags)))
            }
        }
    }
}

/// A folder's name, which becomes a word of a script.
fn folder_name(folder: &Path) -> Result<&str> {
    let name = folder.to_str().filter(|n| visible(n) == *n && !n.starts_with('-'));
    name.ok_or_else(|| Error::failed("--output-dir: give a folder with a plain name"))
}
