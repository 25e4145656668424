//! CredentialPolicy: what a namespace may draw from what belongs to the administrator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Permits namespaces to use the controller's own AWS identity and other things of the
/// administrator's. What no policy allows is denied; policies add up.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[kube(
    group = "refreshable.dev",
    version = "v1alpha1",
    kind = "CredentialPolicy",
    plural = "credentialpolicies",
    shortname = "cpol",
    category = "aws",
    doc = "Permits namespaces to use the controller's own AWS identity and other things of the administrator's. What no policy allows is denied; policies add up.",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct CredentialPolicySpec {
    /// The namespaces that this policy speaks of, by their labels. `{}` selects every namespace.
    pub namespace_selector: LabelSelector,
    /// What those namespaces may use.
    pub allow: Allow,
}

/// What a policy permits.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// Roles that may stand in a chain which starts from the controller's own identity. Every role
    /// of the chain must be allowed.
    #[schemars(length(max = 256))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleGrant>,
    /// URLs that `spec.sts.endpoint` may name, for example `https://minio.example.com` or
    /// `https://*.stores.example.com`. A `*` stands for any characters of the host but the dot.
    #[schemars(length(max = 256), inner(length(min = 8, max = 2048)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// URLs that `fullUri` of source `container`, `url` of `custom.http` and `endpoint` of `iot` (with `https://`
    /// before it) and `rolesAnywhere` may name, in the same form. Plain http, and addresses instead of names, only where they are written out here.
    #[schemars(length(max = 256), inner(length(min = 8, max = 2048)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Sources that draw on the machine that the controller runs on.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<NodeSource>,
    /// Audiences, besides `sts.amazonaws.com`, for which ServiceAccount tokens may be requested.
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Programs, by the names that they are registered under, that `custom.process` may run.
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// PKCS#11 modules, by the names that they are registered under, that `pkcs11.module` may name.
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pkcs11_modules: Vec<String>,
}

/// A source that draws on the machine that the controller runs on.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum NodeSource {
    /// EC2's instance metadata.
    InstanceMetadata,
    /// EKS Pod Identity, called with the controller's own identity.
    PodIdentity,
}

/// Roles that may be assumed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.arns.all(a, a.startsWith('arn:'))").message("arns must be role ARNs or patterns of them, for example arn:aws:iam::111122223333:role/team-a/*")
)]
pub struct RoleGrant {
    /// Role ARNs. `*` stands for any characters and `?` for one, within one colon-separated part.
    #[schemars(length(min = 1, max = 256), inner(length(min = 5, max = 2048)))]
    pub arns: Vec<String>,
    /// Longest `durationSeconds` that may be asked for. Left out: AWS's own limits.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<i32>,
}
