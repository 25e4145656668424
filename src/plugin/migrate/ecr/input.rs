//! The workload and the objects that it reads: out of files, or of the cluster.

use super::super::super::check::read_files;
use super::super::super::cluster::{Cluster, object_name};
use super::super::super::error::{Error, Result, words};
use super::super::super::global::Global;
use super::super::super::manifest;
use super::super::outcome::Outcome;
use super::workload::{objects_of, pod_of};
use super::{Given, migrate};
use clap::Args;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

/// A CronJob or Deployment that renews passwords of Amazon ECR.
#[derive(Args, Debug)]
pub struct Ecr {
    /// Name of a CronJob of the cluster, or deployment/NAME.
    #[arg(required_unless_present = "filename", conflicts_with = "filename")]
    name: Option<String>,
    /// File with the workload and the ConfigMaps, ServiceAccounts and Secrets that it names; - for
    /// standard input. May be repeated.
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Host of a registry, where the workload does not tell it. May be repeated.
    #[arg(long, value_name = "HOST")]
    registry: Vec<String>,
    /// ARN of a role to assume, behind those that the workload assumes.
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
}

impl Ecr {
    /// Adds the replacements to `outcome`.
    ///
    /// # Errors
    /// Where nothing can be read, or nothing of it has a counterpart.
    pub async fn migrate(self, global: &Global, outcome: &mut Outcome) -> Result<()> {
        let mut namespace = global.namespace.clone();
        let (workloads, beside) = match &self.name {
            None => self.of_files()?,
            Some(name) => {
                let cluster = Cluster::of(global).await?;
                namespace = Some(cluster.namespace().to_owned());
                of_cluster(name, &cluster, outcome).await?
            }
        };
        let given = Given {
            registries: &self.registry,
            role_arn: self.role_arn.as_deref(),
            namespace: namespace.as_deref(),
        };
        let mut refused = Vec::new();
        for workload in &workloads {
            refused.extend(migrate(workload, &beside, given, outcome).err());
        }
        if refused.len() == workloads.len() {
            let why = refused.into_iter().next();
            let nothing = "there is no CronJob, Deployment or other object with Pods in it";
            return Err(Error::failed(why.unwrap_or_else(|| nothing.to_owned())));
        }
        refused.into_iter().for_each(|why| outcome.note(why));
        Ok(())
    }

    fn of_files(&self) -> Result<(Vec<Value>, Vec<Value>)> {
        let mut objects = Vec::new();
        for (name, text) in read_files(&self.filename, false).map_err(Error::failed)? {
            objects.extend(manifest::objects(&name, &text).map_err(Error::failed)?);
        }
        Ok(objects.into_iter().partition(|object| pod_of(object).is_some()))
    }
}

/// The workload, and each object that it names and that may be read.
async fn of_cluster(
    name: &str,
    cluster: &Cluster,
    outcome: &mut Outcome,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let workload = match name.split_once('/') {
        None => get::<CronJob>(name, cluster).await?,
        Some(("cronjob" | "cronjobs" | "cj", name)) => get::<CronJob>(name, cluster).await?,
        Some(("deployment" | "deployments" | "deploy", name)) => {
            get::<Deployment>(name, cluster).await?
        }
        Some((kind, _)) => {
            return Err(Error::failed(format!(
                "{kind} is not read from the cluster: write cronjob/NAME or deployment/NAME, or give its manifest with -f"
            )));
        }
    };
    let mut beside = Vec::new();
    let pod = pod_of(&workload).cloned().unwrap_or_default();
    let account = pod["serviceAccountName"].as_str().unwrap_or("default").to_owned();
    let read = objects_of(&pod).into_iter().chain([("ServiceAccount", account)]);
    for (kind, name) in read {
        let found = match kind {
            "ConfigMap" => get::<ConfigMap>(&name, cluster).await,
            "Secret" => get::<Secret>(&name, cluster).await,
            _ => get::<ServiceAccount>(&name, cluster).await,
        };
        match found {
            Ok(object) => beside.push(object),
            Err(error) => outcome.note(format!("{kind} {name} cannot be read: {}", words(&error))),
        }
    }
    Ok((vec![workload], beside))
}

async fn get<K>(name: &str, cluster: &Cluster) -> Result<Value>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let object: K = cluster.ask(cluster.api::<K>().get(object_name(name)?)).await?;
    serde_json::to_value(object).map_err(|e| Error::failed(e.to_string()))
}
