//! References to objects of the resource's own namespace.

use super::{DataKey, ObjectName};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret in the same namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(with = "ObjectName")]
    pub name: String,
}

/// One key of a Secret in the same namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(with = "DataKey")]
    pub key: String,
}

/// A ServiceAccount in the same namespace, for which the controller requests a token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountReference {
    /// Name of the ServiceAccount.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// Audience of the requested token. Another audience than `sts.amazonaws.com` needs a
    /// CredentialPolicy that allows it.
    #[serde(default = "sts_audience")]
    #[schemars(length(min = 1, max = 253))]
    pub audience: String,
}

fn sts_audience() -> String {
    ServiceAccountReference::STS_AUDIENCE.to_owned()
}

impl ServiceAccountReference {
    /// The audience that AWS STS expects of Kubernetes tokens.
    pub const STS_AUDIENCE: &str = "sts.amazonaws.com";
}
