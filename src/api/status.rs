//! The status of a RefreshableCredential, which the controller writes.

use super::{ProfileStatus, RestartStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Status. Every member is written at each status write, absent ones as null, so that one merge
/// patch replaces the whole.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RefreshableCredentialStatus {
    /// Ready, Reconciling and Stalled, in the sense of kstatus.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the specification that the conditions speak of.
    pub observed_generation: Option<i64>,
    /// When the published credentials expire.
    pub expiration: Option<Time>,
    /// When the published credentials were issued.
    pub last_refresh_time: Option<Time>,
    /// When they will be renewed.
    pub next_refresh_time: Option<Time>,
    /// Whose credentials are published.
    pub principal: Option<PrincipalStatus>,
    /// The Secret that they are published in.
    pub secret: Option<SecretStatus>,
    /// Published credentials of each profile, where the specification names profiles.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub profiles: Option<Vec<ProfileStatus>>,
    /// How far the workloads that `spec.restart` names have followed the rotations.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub restarts: Option<Vec<RestartStatus>>,
    /// Whether CredentialPolicies allow what is asked for; absent where nothing of the
    /// administrator's is asked for.
    pub permission: Option<PermissionStatus>,
    /// Failed attempts since the last success; absent when there was none.
    pub failures: Option<FailureStatus>,
    /// How full the session's policies and tags are, in percent of AWS's limit.
    pub packed_policy_size: Option<i32>,
    /// The last value of the annotation `refreshable.dev/requested-at` that was acted on.
    pub last_handled_refresh_at: Option<String>,
    /// Notes of the controller for itself, so that a restart costs no call. Its form may change
    /// with any version: read nothing from it.
    pub controller: Option<ControllerStatus>,
}

/// Who the published credentials are.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PrincipalStatus {
    /// The AWS account.
    pub account_id: Option<String>,
    /// The principal's ARN.
    pub arn: Option<String>,
    /// The principal's unique id.
    pub user_id: Option<String>,
}

/// Answer of the CredentialPolicies for a resource, in the way of `kubectl auth can-i`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PermissionStatus {
    /// Whether they allow what is asked for.
    pub allowed: bool,
    /// The policies that allow it, or a part of it. While a withdrawal is due, those that allowed
    /// it.
    pub policies: Vec<String>,
    /// Grants that the `spec.allow` of a policy must hold besides to allow what is not allowed yet:
    /// an object in the form of `spec.allow`, with one member, for each kind of thing. Empty where
    /// no policy can allow it.
    #[schemars(schema_with = "grants")]
    pub missing: Vec<Value>,
    /// Since when the permission is missing.
    pub denied_time: Option<Time>,
    /// When the published Secret is deleted, if the permission does not come back before: not
    /// before that time, and not while the withdrawal is held (reason `WithdrawalHeld`). Absent
    /// where nothing is published.
    pub withdraw_time: Option<Time>,
    /// When the published Secret was deleted because the permission was taken back.
    pub withdrawn_time: Option<Time>,
}

/// The published Secret.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretStatus {
    /// Its name.
    pub name: String,
    /// Its data keys.
    pub keys: Vec<String>,
}

/// Failed attempts since the last success.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// How many attempts in a row have failed.
    pub count: i32,
    /// Reason of the last failure, as in the conditions.
    pub reason: String,
    /// Class of the failure, which decides the pauses: `Throttled`, `Transient`, `Denied`,
    /// `Specification`, `Input`, `Person` or `Secret`.
    pub class: String,
    /// AWS's error code, where it gave one.
    #[serde(default)]
    pub code: Option<String>,
    /// AWS's request id, where it gave one.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The error, and what to do about it.
    pub message: String,
    /// When the next attempt is due.
    pub next_try_time: Time,
}

/// Notes that a new process or a new leader plans by, besides what users read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerStatus {
    /// Resource version of the Secret when it was last known to be as published: another one means
    /// that somebody touched it.
    pub secret_resource_version: Option<String>,
    /// The attempt that failed last, where nothing succeeded since.
    pub failed_attempt: Option<AttemptStatus>,
}

/// An attempt, by what it asked for and read: one that asks or reads something else does not wait
/// for its pause.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AttemptStatus {
    /// Digest of the request.
    pub request: String,
    /// Data that was read of each input.
    pub inputs: Vec<InputStatus>,
}

/// Data that an attempt read of one input, a Secret or a ConfigMap.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InputStatus {
    /// The Secret's name, or `ConfigMap/` and the ConfigMap's.
    pub name: String,
    /// Its UID and resource version; absent where it did not exist.
    pub version: Option<String>,
    /// Digest of the data that was used, where there is one.
    pub digest: Option<InputDigest>,
}

/// Keyed digest (HMAC-SHA-256) of the data that was used of an input Secret.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputDigest {
    /// Which key the digest was made with. The key itself is in a Secret beside the controller.
    pub key_id: String,
    /// The keys of the Secret that were used.
    pub keys: Vec<String>,
    /// The digest in hexadecimal digits.
    pub mac: String,
}

/// Objects that the API server takes as they are: it checked the specification that they were made
/// from.
fn grants(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
    })
}

/// The moment that a Kubernetes time names.
///
/// ```
/// use refreshable_api::{RefreshableCredentialStatus, time_of};
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let status: RefreshableCredentialStatus =
///     serde_json::from_value(serde_json::json!({"expiration": "2026-01-01T01:00:00Z"}))?;
/// assert_eq!(time_of(&status.expiration).map(|t| t.as_second()), Some(1_767_229_200));
/// # Ok(())
/// # }
/// ```
pub fn time_of(time: &Option<Time>) -> Option<jiff::Timestamp> {
    time.as_ref().map(|t| t.0)
}
