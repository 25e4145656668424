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

/// Certificates of authorities (PEM) in a ConfigMap or Secret of the same namespace, as
/// trust-manager writes them.
///
/// ```
/// use refreshable_api::{CaBundleKind, CaBundleReference};
/// use serde_json::json;
///
/// let reference: CaBundleReference = serde_json::from_value(json!({"name": "company-ca"}))?;
/// assert_eq!((reference.kind(), reference.key()), (CaBundleKind::ConfigMap, "ca.crt"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaBundleReference {
    /// Kind of the object. Defaults to `ConfigMap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<CaBundleKind>,
    /// Name of the object.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// Key in its data. Defaults to `ca.crt`. A Bundle of trust-manager sets its key in
    /// `spec.target.configMap.key` (or `secret.key`), often `trust-bundle.pem`: set `ca.crt` there,
    /// or name that key here.
    #[schemars(with = "Option<DataKey>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Kind of the object that holds certificates of authorities. Defaults to `ConfigMap`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum CaBundleKind {
    /// A ConfigMap.
    #[default]
    ConfigMap,
    /// A Secret.
    Secret,
}

impl CaBundleReference {
    /// Kind of the object.
    pub fn kind(&self) -> CaBundleKind {
        self.kind.unwrap_or_default()
    }

    /// Key in its data.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("ca.crt")
    }
}

/// A ServiceAccount in the same namespace, for which the controller requests a token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountReference {
    /// Name of the ServiceAccount.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// Audience of the requested token. Any audience except `sts.amazonaws.com` needs a
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
