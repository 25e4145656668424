//! `inspect`: everything that is known of one resource, and no secret.

use super::cluster::{Cluster, bare_name};
use super::consumers::{self, Consumer, Wanted};
use super::error::{Error, Result};
use super::inspect_report::{Allowed, Report};
use super::output::{self, Format};
use super::terminal::Terminal;
use super::{Global, inspect_text, policies};
use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt as _};
use refreshable_api::conditions::{READY, Reason};
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use refreshable_rules::policy::{self, Permission};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Show everything about one RefreshableCredential: the chain step by step, the policy that allows
/// it or the rule that would, the last error with advice, and the consumers of its Secret. Never a
/// secret.
///
///   kubectl refreshable inspect -n team-a reports
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Inspect {
    /// Name of the RefreshableCredential.
    name: String,
    /// Form of the output. Defaults to text.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Inspect {
    /// Runs the command.
    ///
    /// # Errors
    /// The API server's error about the resource. Other objects that this user may not see are
    /// omitted, with a note.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let object = cluster.credential(bare_name(&self.name)).await?;
        let permission = permission(&cluster, &object).await?;
        let (consumers, not_visible) = consumers(&cluster, &object).await?;
        let report = Report::of(&object, permission, consumers, not_visible);
        match self.output {
            Some(format) => {
                let value =
                    serde_json::to_value(&report).map_err(|e| Error::failed(e.to_string()))?;
                output::print(&format.write(&value)?)?;
            }
            None => {
                output::show(&inspect_text::write(&report, Timestamp::now(), &Terminal::stdout()))?
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Judges like the controller, if this user may read the policies; else by the status.
async fn permission(cluster: &Cluster, object: &RefreshableCredential) -> Result<Allowed> {
    let nobody_s: [Arc<CredentialPolicy>; 0] = [];
    if policy::judge(object, &BTreeMap::new(), &nobody_s).permission == Permission::NotNeeded {
        return Ok(Allowed::NotNeeded);
    }
    match policies::judged(cluster, object).await {
        Ok(judgement) => Ok(match judgement.permission {
            Permission::NotNeeded => Allowed::NotNeeded,
            Permission::Allowed(policies) => Allowed::Yes { policies },
            Permission::Denied(denial) => Allowed::No { rule: denial.why },
        }),
        Err(error) if error.is_forbidden() => Ok(by_status(object, &error)),
        Err(error) => Err(error),
    }
}

/// The verdict that the controller's own messages imply.
fn by_status(object: &RefreshableCredential, error: &Error) -> Allowed {
    let why = match error {
        Error::Server { status, .. } => status.message.clone(),
        other => other.to_string(),
    };
    let status = object.status.as_ref();
    let ready = status.and_then(|s| s.conditions.iter().find(|c| c.type_ == READY));
    let current = status.and_then(|s| s.observed_generation) == object.metadata.generation;
    let permission =
        status.and_then(|s| s.permission.as_ref()).filter(|p| current && !p.policies.is_empty());
    match (ready, permission) {
        (Some(ready), _) if ready.reason.parse().is_ok_and(is_denial) => {
            Allowed::No { rule: ready.message.clone() }
        }
        (_, Some(permission)) if permission.allowed => {
            Allowed::Yes { policies: permission.policies.clone() }
        }
        (Some(ready), _) if ready.status == "True" && current => Allowed::YesSomehow { why },
        _ => Allowed::Unknown { why },
    }
}

/// Whether this reason means a denial.
const fn is_denial(reason: Reason) -> bool {
    matches!(reason, Reason::NotPermitted | Reason::WithdrawalPending | Reason::WithdrawalHeld)
}

/// Consumers of the Secret, by kind; and the kinds that this user may not list.
async fn consumers(
    cluster: &Cluster,
    object: &RefreshableCredential,
) -> Result<(Vec<Consumer>, Vec<&'static str>)> {
    let (name, secret) = (object.name_any(), object.secret_name());
    let wanted = Wanted { resource: &name, secret: &secret };
    let mut found = Vec::new();
    let mut hidden = Vec::new();
    // A kind, and the paths of its Pods' metadata and specification.
    macro_rules! look {
        ($kind:ty, $name:literal, |$object:ident| $template:expr) => {
            match listed::<$kind>(cluster).await? {
                None => hidden.push($name),
                Some(objects) => found.extend(objects.iter().filter_map(|$object| {
                    let template = $template;
                    let (metadata, pod) = (
                        template.and_then(|t| t.metadata.as_ref()),
                        template.and_then(|t| t.spec.as_ref()),
                    );
                    consumers::consumer($name, &$object.metadata, metadata, pod, wanted)
                })),
            }
        };
    }
    look!(Deployment, "Deployment", |o| o.spec.as_ref().map(|s| &s.template));
    look!(StatefulSet, "StatefulSet", |o| o.spec.as_ref().map(|s| &s.template));
    look!(DaemonSet, "DaemonSet", |o| o.spec.as_ref().map(|s| &s.template));
    look!(CronJob, "CronJob", |o| o
        .spec
        .as_ref()
        .and_then(|s| s.job_template.spec.as_ref())
        .map(|s| &s.template));
    look!(Job, "Job", |o| o.spec.as_ref().map(|s| &s.template));
    match listed::<Pod>(cluster).await? {
        None => hidden.push("Pod"),
        Some(pods) => found.extend(pods.iter().filter_map(|p| {
            consumers::consumer("Pod", &p.metadata, Some(&p.metadata), p.spec.as_ref(), wanted)
        })),
    }
    Ok((found, hidden))
}

/// All of a kind in the namespace; `None` where this user may not list them.
async fn listed<K>(cluster: &Cluster) -> Result<Option<Vec<K>>>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    match cluster.list(&cluster.api::<K>(), None).await {
        Ok(list) => Ok(Some(list.items)),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::PermissionStatus;
    use refreshable_rules::fixtures::{record, reported, with_a_role};

    #[test]
    fn the_status_tells_what_its_reader_may_not_see() {
        let object = with_a_role();
        let issued = reported(object.clone(), &record(&object));
        let error = Error::failed("forbidden");
        let why = error.to_string();
        let permitted = |allowed: bool, policies: &[&str]| {
            let mut object = issued.clone();
            let policies = policies.iter().map(ToString::to_string).collect();
            let status = object.status.as_mut().expect("a status");
            status.permission =
                Some(PermissionStatus { allowed, policies, ..PermissionStatus::default() });
            object
        };
        let policies = vec!["team-a".to_owned()];
        assert_eq!(by_status(&permitted(true, &["team-a"]), &error), Allowed::Yes { policies });
        // What an older controller wrote.
        let mut older = issued.clone();
        older.status.as_mut().expect("a status").permission = None;
        assert_eq!(by_status(&older, &error), Allowed::YesSomehow { why: why.clone() });
        // The specification has changed since.
        let mut changed = permitted(true, &["team-a"]);
        changed.metadata.generation = Some(1 + changed.metadata.generation.unwrap_or_default());
        assert_eq!(by_status(&changed, &error), Allowed::Unknown { why: why.clone() });
        assert_eq!(by_status(&object, &error), Allowed::Unknown { why });
    }
}
