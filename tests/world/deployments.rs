//! Deployments: what restarts them, how long their rollouts take, and what may not happen to them.

use super::auditor::Verdict;
use super::state::{Key, State};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::names::RESTARTED_FOR_PREFIX;
use refreshable_rules::timing::down_to_second;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a rollout takes.
const ROLLOUT: SignedDuration = SignedDuration::from_mins(2);

/// A Deployment with three replicas.
#[derive(Clone, Debug)]
pub struct SimDeployment {
    version: u64,
    generation: i64,
    rolled: Timestamp,
    template: BTreeMap<String, String>,
    /// One of its Pods never gets ready: no rollout ends.
    pub stuck: bool,
    /// How often it was restarted.
    pub restarts: usize,
}

impl SimDeployment {
    /// One that has run for long.
    pub fn new(version: u64) -> Self {
        Self {
            version,
            generation: 1,
            rolled: Timestamp::UNIX_EPOCH,
            template: BTreeMap::new(),
            stuck: false,
            restarts: 0,
        }
    }

    fn rolls_out(&self, now: Timestamp) -> bool {
        self.stuck || now.duration_since(self.rolled) < ROLLOUT
    }

    /// As the API server shows it.
    pub fn shown(&self, key: &Key, now: Timestamp) -> Value {
        let updated = if self.rolls_out(now) { 1 } else { 3 };
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"namespace": key.0, "name": key.1, "generation": self.generation,
                "resourceVersion": self.version.to_string()},
            "spec": {"replicas": 3, "template": {"metadata": {"annotations": self.template}}},
            "status": {"observedGeneration": self.generation, "replicas": 3, "updatedReplicas": updated,
                "availableReplicas": 3},
        })
    }

    /// The credentials that it was last restarted for by the resource with this UID.
    pub fn restarted_for(&self, uid: &str) -> Option<Timestamp> {
        self.template.get(&format!("{RESTARTED_FOR_PREFIX}{uid}"))?.parse().ok()
    }
}

/// Patches a Deployment: the answer, or that it changed since it was read.
pub fn patch(state: &mut State, key: &Key, body: &Value) -> Result<Value, ()> {
    let now = state.now();
    let version = state.next_version();
    let before = state.deployments[key].clone();
    if body["metadata"]["resourceVersion"].as_str().is_some_and(|v| v != before.version.to_string())
    {
        return Err(());
    }
    let wanted: BTreeMap<String, String> =
        serde_json::from_value(body["spec"]["template"]["metadata"]["annotations"].clone())
            .expect("annotations");
    let verdict = restart(state, key, &before, &wanted, now);
    state.auditor.check(verdict);
    let deployment = state.deployments.get_mut(key).expect("it is there");
    deployment.template.extend(wanted);
    (deployment.version, deployment.rolled) = (version, now);
    deployment.generation += 1;
    deployment.restarts += 1;
    Ok(deployment.shown(key, now))
}

/// A restart needs a rotation that it was not made for yet, and a rollout that has ended, or has
/// taken half of the time that was left at the rotation of what the Pods hold.
fn restart(
    state: &State,
    key: &Key,
    before: &SimDeployment,
    wanted: &BTreeMap<String, String>,
    now: Timestamp,
) -> Verdict {
    let under_way =
        || Some(format!("restart: {key:?} was restarted at {now} while a rollout was under way"));
    let Some((name, rotation)) = wanted.iter().find(|(k, _)| k.starts_with(RESTARTED_FOR_PREFIX))
    else {
        return if before.rolls_out(now) { under_way() } else { None };
    };
    if before.template.get(name) == Some(rotation) {
        return Some(format!(
            "restart: {key:?} was restarted twice for the rotation of {rotation}"
        ));
    }
    let uid = name.strip_prefix(RESTARTED_FOR_PREFIX)?;
    let object = state.typed.values().find(|o| o.metadata.uid.as_deref() == Some(uid))?;
    let secret = state.secrets.get(&(key.0.clone(), object.secret_name()))?;
    let issued = down_to_second(secret.annotation("refreshable.dev/issued-at")?.parse().ok()?);
    if issued.to_string() != *rotation {
        return Some(format!(
            "restart: {key:?} was restarted at {now} for {rotation}, but {issued} is published"
        ));
    }
    let said = object.status.as_ref()?.restarts.as_ref()?.iter().find(|r| r.name == key.1)?;
    let left = said.expiration.as_ref()?.0.duration_since(issued);
    // Times in statuses and annotations are whole seconds.
    let waited = now.duration_since(issued) + SignedDuration::from_secs(1) >= left / 2;
    if before.rolls_out(now) && !waited { under_way() } else { None }
}
