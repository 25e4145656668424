//! Bearer tokens of EKS clusters.

use super::TokenSpec;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A cluster of Amazon EKS, whose
/// [bearer token](https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster)
/// is published. It is signed by the controller, valid for 15 minutes, and costs no call. What it
/// may do in the cluster is decided by access entries for the role.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1"),
    validation = Rule::new("!has(self.certificateAuthorityData) || has(self.server)").message("certificateAuthorityData is of a server: name that, too")
)]
pub struct EksToken {
    /// Name of the cluster.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[0-9A-Za-z][A-Za-z0-9_-]*$"))]
    pub cluster_name: String,
    /// Region of the cluster.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// URL of the cluster's API server, `https://...`. With it a `kubeconfig` is written, and the members of Argo
    /// CD's cluster Secrets (`name`, `server`, `config`).
    #[schemars(length(min = 9, max = 512), regex(pattern = r"^https://[!-~]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Certificates of the API server's authority, as EKS gives them: PEM in base64. Without them
    /// those of the system are trusted.
    #[schemars(length(min = 4, max = 16384), regex(pattern = r"^[A-Za-z0-9+/=]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority_data: Option<String>,
}

impl EksToken {
    /// Names of the data keys that are written.
    pub fn data_keys(&self) -> Vec<&'static str> {
        match self.server {
            None => vec![TokenSpec::DATA_KEY],
            Some(_) => vec![TokenSpec::DATA_KEY, "kubeconfig", "name", "server", "config"],
        }
    }
}
