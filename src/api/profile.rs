//! Many accounts in one Secret: profiles that start from one source and one shared chain.

use super::Role;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One profile of the published files.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileSpec {
    /// Its name, in the files and in the name of its process JSON (`<name>.json`).
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
    )]
    pub name: String,
    /// Roles to assume after the shared ones, in order. Defaults to the shared chain's own
    /// credentials.
    #[schemars(length(max = 2))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Region of the profile. Defaults to `spec.secret.region`, else that of `spec.sts`.
    #[schemars(length(min = 4, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Published credentials of one profile.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProfileStatus {
    /// Its name.
    pub name: String,
    /// ARN of the principal that they belong to.
    pub arn: Option<String>,
    /// When they expire; absent where none are published.
    pub expiration: Option<Time>,
    /// Why the last attempt failed; absent if it succeeded.
    pub message: Option<String>,
}
