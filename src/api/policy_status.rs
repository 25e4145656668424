//! The status of a CredentialPolicy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a policy is in force, and how many resources it serves. Absent until the controller has
/// processed the policy, and where it reads no policies (`--no-policies`).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CredentialPolicyStatus {
    /// Ready and Stalled, in the sense of kstatus. Ready is False only where the namespace selector
    /// cannot be read: the policy then selects no namespace and allows nothing. Patterns that can
    /// match nothing are named by Ready's message, with reason UnmatchablePattern; the rest of such
    /// a policy is in force. So are patterns that allow a namespace what is named after another,
    /// with reason AmbiguousPattern; they are in force.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the specification that the conditions and the counts refer to.
    pub observed_generation: Option<i64>,
    /// How many namespaces the selector selects, with or without resources in them.
    #[schemars(range(min = 0))]
    pub namespaces: Option<i32>,
    /// How many RefreshableCredentials this policy allows, alone or together with others: those
    /// whose `status.permission.policies` names it. Where several policies allow the same, the
    /// first by name counts. Written only by a controller that watches every namespace.
    #[schemars(range(min = 0))]
    pub resources: Option<i32>,
}
