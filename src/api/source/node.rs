//! Sources on the machine or beside the container: the credentials endpoint, EC2's metadata
//! service.

use crate::SecretKeyReference;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A container credentials endpoint, as ECS, EKS's Pod Identity agent and others serve it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("isURL(self.fullUri) && self.fullUri.startsWith('https://') || self.fullUri.matches('^http://(127[.]0[.]0[.]1|\\\\[::1\\\\]|169[.]254[.]170[.]2|169[.]254[.]170[.]23|\\\\[fd00:ec2::23\\\\])(:[0-9]+)?(/.*)?$')").message("fullUri must be an https URL; plain http only to 127.0.0.1, [::1], 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]")
)]
pub struct ContainerSource {
    /// URL of the endpoint, with its path.
    #[schemars(length(min = 8, max = 2048))]
    pub full_uri: String,
    /// The authorization token, sent as it stands in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_token_secret_ref: Option<SecretKeyReference>,
    /// Time limit for the call in seconds, 1 to 60. Defaults to `15`.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

/// The metadata service of the EC2 instance that the controller runs on, version 2 only.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceMetadataSource {
    /// Name of the instance's role. Defaults to the instance's role.
    // The role's name is a segment of the URL: `.` and `..` would change the path.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[\w+=,.@-]*[\w+=,@-][\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}
