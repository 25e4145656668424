//! `check --policy`: what a change of the policies would withdraw, judged as the controller judges
//! it.

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::manifest;
use crate::output::{self, Format, Table};
use crate::terminal::{Terminal, Tone, visible};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use refreshable_api::{CredentialPolicy, RefreshableCredential};
use refreshable_rules::policy::Permission;
use refreshable_rules::policy_index::{PolicyIndex, labelled};
use refreshable_rules::withdrawal::Census;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A change of the cluster's policies.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Policies as they are about to be applied, by name.
    put: BTreeMap<String, Arc<CredentialPolicy>>,
    /// Names of those that are about to be deleted.
    remove: Vec<String>,
}

/// A resource whose Secret the change withdraws.
#[derive(Debug)]
pub(super) struct Withdrawn {
    namespace: String,
    name: String,
    secret: String,
    /// The policies' denial after the change.
    why: String,
}

impl Change {
    /// The policies in `texts` (file names and contents), and those that are deleted.
    ///
    /// # Errors
    /// Where a file cannot be read, or holds no policy.
    pub(super) fn read(texts: &[(String, String)], remove: Vec<String>) -> Result<Self> {
        let mut change = Self { remove, ..Self::default() };
        for (file, text) in texts {
            let objects = manifest::objects(file, text).map_err(Error::failed)?;
            for value in objects.into_iter().filter(|v| v["kind"] == "CredentialPolicy") {
                let policy: CredentialPolicy = serde_json::from_value(value)
                    .map_err(|e| Error::failed(format!("{file}: {e}")))?;
                change.put.insert(policy.name_any(), Arc::new(policy));
            }
        }
        if change.put.is_empty() && change.remove.is_empty() {
            return Err(Error::failed("there is no CredentialPolicy in these files"));
        }
        Ok(change)
    }

    /// The policies after the change, of those before it.
    fn applied_to(&self, before: &[Arc<CredentialPolicy>]) -> Result<Vec<Arc<CredentialPolicy>>> {
        if let Some(unknown) =
            self.remove.iter().find(|name| !before.iter().any(|p| p.name_any() == **name))
        {
            return Err(Error::failed(format!("there is no CredentialPolicy {unknown} to remove")));
        }
        let stays = |p: &&Arc<CredentialPolicy>| {
            !self.put.contains_key(&p.name_any()) && !self.remove.contains(&p.name_any())
        };
        Ok(before.iter().filter(stays).chain(self.put.values()).cloned().collect())
    }

    /// The Secrets that the change withdraws in `cluster`, and the count of all published ones.
    ///
    /// # Errors
    /// Where this user may not list policies, namespaces or resources, among others.
    pub(super) async fn ask(&self, cluster: &Cluster) -> Result<(Vec<Withdrawn>, Census)> {
        let before = cluster.list(&cluster.everywhere::<CredentialPolicy>(), None).await?.items;
        let before: Vec<_> = before.into_iter().map(Arc::new).collect();
        let namespaces = cluster.list(&cluster.everywhere::<Namespace>(), None).await?.items;
        let resources =
            cluster.list(&cluster.everywhere::<RefreshableCredential>(), None).await?.items;
        let after = self.applied_to(&before)?;
        Ok(withdrawn(&before, &after, &namespaces, &resources))
    }
}

/// The Secrets that are withdrawn when policies `after` replace `before`, and the count of all
/// published ones.
fn withdrawn(
    before: &[Arc<CredentialPolicy>],
    after: &[Arc<CredentialPolicy>],
    namespaces: &[Namespace],
    resources: &[RefreshableCredential],
) -> (Vec<Withdrawn>, Census) {
    let named = || namespaces.iter().map(labelled);
    let (before, after) = (PolicyIndex::new(before, named()), PolicyIndex::new(after, named()));
    let denial = |index: &PolicyIndex<'_>, object: &RefreshableCredential| match index
        .judge(object)?
        .permission
    {
        Permission::Denied(denial) => Some(denial.why),
        Permission::NotNeeded | Permission::Allowed(_) => None,
    };
    let mut all = Vec::new();
    let census = Census::of(resources.iter().map(|object| {
        let secret = object.status.as_ref().and_then(|s| s.secret.as_ref());
        let why = denial(&after, object).filter(|_| denial(&before, object).is_none());
        if let (Some(secret), Some(why)) = (secret, &why) {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            all.push(Withdrawn { namespace, name, secret: secret.name.clone(), why: why.clone() });
        }
        (object, secret.is_some(), why.is_some())
    }));
    (all, census)
}

/// Shows the withdrawals.
///
/// # Errors
/// Where the output cannot be written.
pub(super) fn show(withdrawn: &[Withdrawn], census: &Census, format: Option<Format>) -> Result<()> {
    if let Some(format) = format {
        let one = |w: &Withdrawn| json!({"namespace": w.namespace, "name": w.name, "secret": w.secret, "why": w.why});
        let secrets: Vec<Value> = withdrawn.iter().map(one).collect();
        let value = json!({"published": census.published, "withdrawn": secrets});
        return output::print(&format.write(&value)?);
    }
    if !withdrawn.is_empty() {
        let mut table = Table::new(["NAMESPACE", "NAME", "SECRET", "WHY"]);
        for w in withdrawn {
            let cells = [&w.namespace, &w.name, &w.secret, &w.why];
            table.row(cells.map(|cell| (Tone::Plain, visible(cell).into_owned())));
        }
        output::show(&table.draw(&Terminal::stdout(), true))?;
    }
    output::say(&summary(census));
    Ok(())
}

fn summary(census: &Census) -> String {
    match census.pending {
        0 => format!("withdraws nothing of {} published Secrets", census.published),
        _ => format!("withdraws {}, of {} that are published", census.text(), census.published),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::fixtures::{record, reported, with_a_role};

    fn policy(name: &str, arns: &str) -> Arc<CredentialPolicy> {
        let spec = json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": [arns]}]}});
        let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": name}, "spec": spec});
        Arc::new(serde_json::from_value(object).expect("a policy"))
    }

    fn file(policy: &Arc<CredentialPolicy>) -> (String, String) {
        ("policy.yaml".to_owned(), serde_json::to_string(policy.as_ref()).expect("text"))
    }

    #[test]
    fn what_loses_its_permission_is_withdrawn_and_nothing_else() {
        let object = with_a_role();
        let published = reported(object.clone(), &record(&object));
        let mut elsewhere = object;
        elsewhere.metadata.name = Some("never-published".to_owned());
        let resources = [published, elsewhere];
        let namespaces: Vec<Namespace> = vec![
            serde_json::from_value(json!({"metadata": {"name": "team-a"}})).expect("a namespace"),
        ];
        let all = policy("all", "arn:aws:iam::*:role/*");
        let read = |files: &[Arc<CredentialPolicy>], remove: &[&str]| {
            let files: Vec<_> = files.iter().map(file).collect();
            Change::read(&files, remove.iter().map(ToString::to_string).collect())
        };
        let summary_of = |before: &[Arc<CredentialPolicy>], change: &Change| {
            let after = change.applied_to(before).expect("policies");
            summary(&withdrawn(before, &after, &namespaces, &resources).1)
        };
        let (nothing, one) = (
            "withdraws nothing of 1 published Secrets",
            "withdraws 1 Secret in 1 namespace, of 1 that are published",
        );
        let narrowed = read(&[policy("all", "arn:aws:iam::*:role/other")], &[]).expect("a change");
        let removed = read(&[], &["all"]).expect("a change");
        let replaced =
            read(&[policy("new", "arn:aws:iam::*:role/reader")], &["all"]).expect("a change");
        for (what, change, expected) in [
            ("narrowed", &narrowed, one),
            ("removed", &removed, one),
            ("replaced", &replaced, nothing),
        ] {
            assert_eq!(summary_of(std::slice::from_ref(&all), change), expected, "{what}");
        }
        // Denials from before do not count for this change.
        assert_eq!(summary_of(&[policy("all", "arn:aws:iam::*:role/y")], &narrowed), nothing);
        assert!(
            removed
                .applied_to(&[])
                .is_err_and(|e| e.to_string().contains("no CredentialPolicy all to remove"))
        );
        assert!(
            read(&[], &[])
                .is_err_and(|e| e.to_string().contains("no CredentialPolicy in these files"))
        );
    }
}
