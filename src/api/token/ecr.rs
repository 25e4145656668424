//! Passwords of image registries.

use crate::SecretReference;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Registries of Amazon ECR whose password (GetAuthorizationToken) is published, for
/// `imagePullSecrets`.
///
/// ```
/// use refreshable_api::EcrToken;
/// use serde_json::json;
///
/// let ecr: EcrToken = serde_json::from_value(json!({
///     "registries": [{"accountId": "111122223333", "region": "eu-west-1"}],
///     "mergeFrom": {"name": "other-registries"},
/// }))?;
/// assert!(!ecr.public());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.registries) && size(self.registries) > 0) || (has(self.public) && self.public)").message("ecr must name a registry: registries: [{accountId: \"111122223333\", region: eu-west-1}], or public: true for the public gallery")
)]
pub struct EcrToken {
    /// Private registries. Each Region among them costs one call; the password is the same for
    /// each registry of a Region that the role may use.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountId", "region"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<EcrRegistry>,
    /// Also Amazon ECR Public (`public.ecr.aws`), which then counts pulls against the account's
    /// limits. Defaults to `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// A Secret of the namespace of type `kubernetes.io/dockerconfigjson` whose registries are
    /// published, too. A change of it is published at once. Of a registry that is in both, ECR's
    /// password is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_from: Option<SecretReference>,
}

/// A private registry of Amazon ECR.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1")
)]
pub struct EcrRegistry {
    /// AWS account that the registry belongs to, in quotes: `"111122223333"`.
    #[schemars(regex(pattern = r"^[0-9]{12}$"), length(max = 12))]
    pub account_id: String,
    /// Region of the registry.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// Host names that images are pulled by. Defaults to `Standard`.
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<EcrHost>>,
}

/// Kind of a [registry's host name](https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html).
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum EcrHost {
    /// `<account>.dkr.ecr.<region>.amazonaws.com`
    #[default]
    Standard,
    /// `<account>.dkr.ecr-fips.<region>.amazonaws.com`
    Fips,
    /// `<account>.dkr-ecr.<region>.on.aws`, for IPv4 and IPv6.
    DualStack,
    /// `<account>.dkr-ecr-fips.<region>.on.aws`
    DualStackFips,
}

impl EcrToken {
    /// Type of the Secret that passwords of registries are published in.
    pub const SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";
    /// The one data key of such a Secret.
    pub const DATA_KEY: &str = ".dockerconfigjson";

    /// Whether the password of Amazon ECR Public is published.
    pub fn public(&self) -> bool {
        self.public.unwrap_or(false)
    }
}

impl EcrRegistry {
    /// Kinds of its host names.
    pub fn hosts(&self) -> &[EcrHost] {
        self.hosts.as_deref().unwrap_or(&[EcrHost::Standard])
    }
}
