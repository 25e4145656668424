//! The status of a RefreshableCredential, which the controller writes.

use super::{ProfileStatus, RestartStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Status. Each status write contains every member, absent ones as null, so that one merge patch
/// replaces the whole.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RefreshableCredentialStatus {
    /// Ready, Reconciling and Stalled, as in kstatus.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the specification that the conditions refer to.
    pub observed_generation: Option<i64>,
    /// When the published credentials expire.
    pub expiration: Option<Time>,
    /// When the published credentials were issued.
    pub last_refresh_time: Option<Time>,
    /// When they will be renewed.
    pub next_refresh_time: Option<Time>,
    /// The principal whose credentials are published.
    pub principal: Option<PrincipalStatus>,
    /// The published Secret.
    pub secret: Option<SecretStatus>,
    /// Published credentials of each profile, where the specification names profiles.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub profiles: Option<Vec<ProfileStatus>>,
    /// Progress of the workloads in `spec.restart` through the rotations.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub restarts: Option<Vec<RestartStatus>>,
    /// Whether CredentialPolicies allow the request; absent where it uses nothing that belongs to
    /// the administrator.
    pub permission: Option<PermissionStatus>,
    /// Failed attempts since the last success; absent if there were none.
    pub failures: Option<FailureStatus>,
    /// How full the session's policies and tags are, in percent of AWS's limit.
    pub packed_policy_size: Option<i32>,
    /// Size of the published session token in bytes, as AWS counts it.
    pub session_token_size: Option<i32>,
    /// How much of the largest session token that AWS issues the published one takes, in percent.
    pub session_token_utilization: Option<i32>,
    /// The last value of the annotation `refreshable.dev/requested-at` that was handled.
    pub last_handled_refresh_at: Option<String>,
    /// Internal state of the controller, so that a restart costs no call. Its form may change with
    /// any version: do not rely on it.
    pub controller: Option<ControllerStatus>,
}

/// Principal that the published credentials belong to.
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

/// Result of the CredentialPolicies for a resource, like `kubectl auth can-i`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PermissionStatus {
    /// Whether they allow the request.
    pub allowed: bool,
    /// The policies that allow the request or a part of it. While a withdrawal is due, those that
    /// allowed it.
    pub policies: Vec<String>,
    /// Grants that a policy's `spec.allow` must contain in addition to allow the request: for each
    /// kind of grant, an object in the form of `spec.allow` with one member. Empty where no policy
    /// can allow the request.
    #[schemars(schema_with = "grants")]
    pub missing: Vec<Value>,
    /// Since when the permission is missing.
    pub denied_time: Option<Time>,
    /// Earliest time at which the published Secret is deleted, unless the permission comes back;
    /// later if the withdrawal is held (reason `WithdrawalHeld`). Absent where nothing is
    /// published.
    pub withdraw_time: Option<Time>,
    /// When the published Secret was deleted because the permission was revoked.
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
    /// Class of the failure, which decides the retry: `Throttled`, `Transient`, `Denied`,
    /// `Specification`, `Input`, `Person` or `Secret`.
    pub class: String,
    /// AWS's error code, if there was one.
    #[serde(default)]
    pub code: Option<String>,
    /// AWS's request id, if there was one.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The error, and advice.
    pub message: String,
    /// When the next attempt is due.
    pub next_try_time: Time,
}

/// State that a new process or a new leader plans by, in addition to the fields for users.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerStatus {
    /// Resource version of the Secret when it was last known to be as published: another one means
    /// that somebody wrote to it.
    pub secret_resource_version: Option<String>,
    /// The last failed attempt, if nothing succeeded since.
    pub failed_attempt: Option<AttemptStatus>,
}

/// An attempt, identified by its request and its inputs: a different attempt does not wait for the
/// pause of this one.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AttemptStatus {
    /// Digest of the request.
    pub request: String,
    /// Data of each input that was read.
    pub inputs: Vec<InputStatus>,
}

/// Data of one input (a Secret or a ConfigMap) that an attempt read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InputStatus {
    /// The Secret's name, or `ConfigMap/` and the ConfigMap's.
    pub name: String,
    /// Its UID and resource version; absent where it did not exist.
    pub version: Option<String>,
    /// Digest of the data that was used, if there is one.
    pub digest: Option<InputDigest>,
}

/// Keyed digest (HMAC-SHA-256) of the data of an input Secret that was used.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputDigest {
    /// Id of the key that the digest was made with. The key itself is in a Secret beside the
    /// controller.
    pub key_id: String,
    /// The keys of the Secret that were used.
    pub keys: Vec<String>,
    /// The digest in hexadecimal digits.
    pub mac: String,
}

/// Objects without a schema of their own: they are derived from a specification that the API server
/// has checked.
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
