//! `withdrawals`: an administrator's orders to the brake on withdrawals.

use super::cluster::Cluster;
use super::error::{Error, Result};
use super::{Global, output};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use refreshable_api::conditions::{READY, Reason};
use refreshable_api::{ObjectName, RefreshableCredential, is_namespace};
use refreshable_rules::timing::down_to_second;
use refreshable_rules::withdrawal::{CONFIRMED_AT, Census, PAUSED};
use serde_json::json;
use std::process::ExitCode;

/// Confirm, pause or resume the withdrawal of Secrets whose permission was revoked.
#[derive(Args, Debug)]
#[command(after_help = "\
What is held says where the controller reads its orders from: a ConfigMap beside its Lease.

  kubectl refreshable withdrawals confirm --orders refreshable/refreshable-withdrawals
  kubectl refreshable withdrawals pause --orders refreshable/refreshable-withdrawals")]
pub struct Withdrawals {
    #[command(subcommand)]
    order: Order,
}

#[derive(Subcommand, Debug)]
enum Order {
    /// Let all Secrets go that are denied by now, however many. A later change needs another
    /// confirmation.
    Confirm(Place),
    /// Pause all withdrawals, in every namespace.
    Pause(Place),
    /// End the pause.
    Resume(Place),
}

#[derive(Args, Debug)]
struct Place {
    /// ConfigMap that the controller reads its orders from.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = place)]
    orders: (String, String),
}

/// Reads `<namespace>/<name>`.
fn place(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text
        .split_once('/')
        .filter(|(namespace, name)| is_namespace(namespace) && ObjectName::check(name).is_ok());
    let parts = parts.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    parts.ok_or_else(|| {
        "write <namespace>/<name>, for example refreshable/refreshable-withdrawals".to_owned()
    })
}

impl Withdrawals {
    /// Runs the command.
    ///
    /// # Errors
    /// If the API server refuses to write the ConfigMap.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let now = down_to_second(Timestamp::now()).to_string();
        let (Place { orders: (namespace, name) }, key, value, done) = match self.order {
            Order::Confirm(place) => (place, CONFIRMED_AT, now.as_str(), "confirmed"),
            Order::Pause(place) => (place, PAUSED, "true", "paused"),
            Order::Resume(place) => (place, PAUSED, "false", "resumed"),
        };
        let due = due(&cluster).await?;
        write(&cluster, &namespace, &name, key, value).await?;
        let due = due.map(|due| format!(": {due} due")).unwrap_or_default();
        output::say(&format!("configmap/{name}: withdrawals are {done}{due}"));
        Ok(ExitCode::SUCCESS)
    }
}

/// Pending withdrawals, as text; `None` where this user may not list resources.
async fn due(cluster: &Cluster) -> Result<Option<String>> {
    match cluster.list(&cluster.everywhere::<RefreshableCredential>(), None).await {
        Ok(list) => Ok(Some(Census::of(list.items.iter().map(|o| (o, true, is_due(o)))).text())),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_due(object: &RefreshableCredential) -> bool {
    let ready = object.status.as_ref().and_then(|s| s.conditions.iter().find(|c| c.type_ == READY));
    let reasons = [Reason::WithdrawalPending, Reason::WithdrawalHeld];
    ready.is_some_and(|c| reasons.iter().any(|r| r.as_str() == c.reason))
}

/// Writes one order, and leaves the others as they are.
async fn write(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    key: &str,
    value: &str,
) -> Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace);
    let patch = Patch::Merge(json!({"data": {key: value}}));
    match cluster.ask(api.patch(name, &PatchParams::default(), &patch)).await {
        Err(Error::Server { status, .. }) if status.code == 404 => {}
        other => return other.map(drop),
    }
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let data = Some([(key.to_owned(), value.to_owned())].into());
    let map = ConfigMap { metadata, data, ..ConfigMap::default() };
    cluster.ask(api.create(&PostParams::default(), &map)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_place_is_a_namespace_and_a_name() {
        assert_eq!(place("a/b.c"), Ok(("a".to_owned(), "b.c".to_owned())));
        for text in ["", "a", "/a", "a/", "A/b", "a/b/c", "../b"] {
            assert!(
                place(text).is_err_and(|e| e.contains("refreshable/refreshable-withdrawals")),
                "{text}"
            );
        }
    }
}
