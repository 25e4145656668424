//! `migrate`: converts other tools' configuration into manifests for this controller.
//!
//! | part | contents |
//! | --- | --- |
//! | [`iam_role`] | kube-aws-iam-controller's AWSIAMRole |
//! | [`access_key`] | a Secret with a long-lived key |
//! | [`ecr`] | a CronJob or Deployment that renews passwords of Amazon ECR |
//! | [`boto3`] | a call of boto3-refresh-session |
//! | [`python`], [`arguments`] | calls, read without Python |
//! | [`outcome`] | manifests and notes |

mod access_key;
mod arguments;
mod boto3;
mod ecr;
mod iam_role;
mod outcome;
mod python;

use super::check::read_files;
use super::cluster::{Cluster, object_name};
use super::error::{Error, Result};
use super::global::Global;
use super::manifest;
use super::output;
use super::terminal::visible;
use clap::{Args, Subcommand};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, GroupVersionKind};
use kube::core::ApiResource;
use outcome::Outcome;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

/// Convert other tools' configuration into manifests for this controller: on standard output, with
/// notes on standard error.
#[derive(Args, Debug)]
#[command(after_help = "\
  kubectl refreshable migrate aws-iam-role -n team-a app
  kubectl refreshable migrate access-key -n team-a legacy-aws --role-arn arn:aws:iam::111122223333:role/reports
  kubectl refreshable migrate ecr -n team-a ecr-login
  kubectl refreshable migrate boto3 -n team-a --name reports -f session.py")]
pub struct Migrate {
    #[command(subcommand)]
    from: From,
}

/// Tool to migrate from.
#[derive(Debug, Subcommand)]
enum From {
    /// AWSIAMRole resources of kube-aws-iam-controller.
    AwsIamRole {
        #[command(flatten)]
        what: What,
        /// Account of roles that are named without theirs.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
    },
    /// A Secret with the long-lived access key of an IAM user.
    AccessKey {
        #[command(flatten)]
        what: What,
        /// ARN of the role to assume with it. Defaults to a suggestion.
        #[arg(long, value_name = "ARN")]
        role_arn: Option<String>,
    },
    /// A call of boto3-refresh-session's RefreshableSession, in Python, or its arguments in JSON.
    Boto3 {
        /// File with the call; - for standard input.
        #[arg(short, long, value_name = "FILE")]
        filename: PathBuf,
        /// Name of the resource.
        #[arg(long)]
        name: String,
    },
    /// A CronJob or Deployment that renews passwords of Amazon ECR for imagePullSecrets.
    Ecr(ecr::Ecr),
}

/// An object of the cluster, or of a file.
#[derive(Args, Debug)]
struct What {
    /// Name of an object of the cluster.
    #[arg(required_unless_present = "filename", conflicts_with = "filename")]
    name: Option<String>,
    /// File with the object, instead; - for standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: Option<PathBuf>,
}

impl Migrate {
    /// Runs the command.
    ///
    /// # Errors
    /// Where it cannot be read, or has no counterpart.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let mut outcome = Outcome::default();
        match self.from {
            From::AwsIamRole { what, account } => {
                for object in what.iam_roles(global).await? {
                    let own = object.pointer("/metadata/namespace").and_then(Value::as_str);
                    let namespace =
                        own.or(global.namespace.as_deref()).unwrap_or("default").to_owned();
                    iam_role::migrate(&object, &namespace, account.as_deref(), &mut outcome)
                        .map_err(Error::failed)?;
                }
            }
            From::AccessKey { what, role_arn } => {
                let (keys, namespace) = what.keys(global).await?;
                access_key::migrate(&keys, namespace.as_deref(), role_arn.as_deref(), &mut outcome)
                    .map_err(Error::failed)?;
            }
            From::Boto3 { filename, name } => {
                let namespace = global.namespace.as_deref().unwrap_or("default");
                for (_, text) in read_files(&[filename], false).map_err(Error::failed)? {
                    let call = boto3::read(&text).map_err(Error::failed)?;
                    boto3::migrate(&call, &name, namespace, &mut outcome).map_err(Error::failed)?;
                }
            }
            From::Ecr(ecr) => ecr.migrate(global, &mut outcome).await?,
        }
        output::print(&outcome.yaml()?)?;
        for note in &outcome.notes {
            output::say(&format!("note: {}", visible(note)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl What {
    async fn iam_roles(&self, global: &Global) -> Result<Vec<Value>> {
        let found: Vec<Value> = match &self.name {
            None => self.objects()?.into_iter().filter(iam_role::is_one).collect(),
            Some(name) => {
                let cluster = Cluster::of(global).await?;
                let kind = GroupVersionKind::gvk("zalando.org", "v1", "AWSIAMRole");
                let kind = ApiResource::from_gvk_with_plural(&kind, "awsiamroles");
                let api: Api<DynamicObject> =
                    Api::namespaced_with(cluster.client(), cluster.namespace(), &kind);
                let object = cluster.ask(api.get(object_name(name)?)).await?;
                vec![serde_json::to_value(object).map_err(|e| Error::failed(e.to_string()))?]
            }
        };
        if found.is_empty() {
            Err(Error::failed("there is no AWSIAMRole in it"))
        } else {
            Ok(found)
        }
    }

    async fn keys(&self, global: &Global) -> Result<(access_key::Keys, Option<String>)> {
        let object = match &self.name {
            None => {
                let mut secrets: Vec<Value> =
                    self.objects()?.into_iter().filter(|o| o["kind"] == "Secret").collect();
                match secrets.len() {
                    1 => secrets.remove(0),
                    n => {
                        return Err(Error::failed(format!(
                            "there are {n} Secrets in it: give one"
                        )));
                    }
                }
            }
            Some(name) => {
                let cluster = Cluster::of(global).await?;
                let secret = cluster.ask(cluster.api::<Secret>().get(object_name(name)?)).await?;
                serde_json::to_value(secret).map_err(|e| Error::failed(e.to_string()))?
            }
        };
        let namespace =
            object.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
        Ok((
            access_key::Keys::of(&object).map_err(Error::failed)?,
            namespace.or_else(|| global.namespace.clone()),
        ))
    }

    fn objects(&self) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        for (name, text) in read_files(self.filename.as_slice(), false).map_err(Error::failed)? {
            objects.extend(manifest::objects(&name, &text).map_err(Error::failed)?);
        }
        Ok(objects)
    }
}
