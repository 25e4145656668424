//! How STS is reached.

use super::CaBundleReference;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Which STS is called, and how.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.endpoint) || isURL(self.endpoint) && (self.endpoint.startsWith('https://') || self.endpoint.startsWith('http://'))").message("endpoint must be a URL with scheme and host, for example https://sts.example.com"),
    validation = Rule::new("!has(self.endpoint) || !((has(self.useFips) && self.useFips) || (has(self.useDualstack) && self.useDualstack))").message("useFips and useDualstack choose among AWS's own endpoints and cannot be combined with endpoint: take one of them out"),
    validation = Rule::new("!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must hold one or more certificates in PEM, beginning with -----BEGIN CERTIFICATE-----"),
    validation = Rule::new("!(has(self.caBundle) && has(self.caBundleRef))").message("set caBundle or caBundleRef, not both: take one of them out")
)]
pub struct StsSpec {
    /// Region whose STS is called, and Region of the profile. Defaults to the source's own Region,
    /// else the controller's own if it is in the role's partition, else the partition's first
    /// Region.
    #[schemars(length(min = 4, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of another STS, for example of an S3-compatible store. Needs a CredentialPolicy that
    /// allows it.
    #[schemars(length(min = 8, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Use the FIPS endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_fips: Option<bool>,
    /// Use the dual-stack (IPv4 and IPv6) endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_dualstack: Option<bool>,
    /// Certificates (PEM) to trust for this endpoint instead of the system's.
    #[schemars(length(max = 65536))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// A ConfigMap or Secret of the namespace with these certificates, instead of `caBundle`, as
    /// trust-manager writes it. It is read at each attempt. A change does not renew published
    /// credentials; a failed attempt is repeated, at once where the object has the label
    /// `refreshable.dev/watch: "true"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleReference>,
    /// Time limit for one call in seconds, 1 to 60. Defaults to `15`.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}
