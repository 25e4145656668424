//! Sources that exchange an identity for credentials outside STS: EKS Pod Identity, Identity
//! Center, Cognito.

use crate::{DataKey, ObjectName, SecretKeyReference, SecretReference};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// EKS's
/// [AssumeRoleForPodIdentity](https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html),
/// signed with the controller's own identity. Needs a CredentialPolicy that allows the source.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodIdentitySource {
    /// Name of the EKS cluster.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[0-9A-Za-z][A-Za-z0-9_-]*$"))]
    pub cluster_name: String,
    /// The ServiceAccount of this namespace whose association is used.
    pub service_account_ref: PodIdentityServiceAccount,
    /// Region of the cluster. Defaults to that of `spec.sts`.
    #[schemars(length(min = 4, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A ServiceAccount of this namespace; the token's audience is EKS's own.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodIdentityServiceAccount {
    /// Name of the ServiceAccount.
    #[schemars(with = "ObjectName")]
    pub name: String,
}

/// A permission set of [IAM Identity
/// Center](https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html),
/// kept fresh with the refresh token of a person who signed in once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.accountId.matches('^[0-9]{12}$')").message("accountId must be the 12 digits of an AWS account, in quotes")
)]
pub struct IdentityCenterSource {
    /// The account.
    #[schemars(length(max = 12))]
    pub account_id: String,
    /// Name of the permission set, as the access portal shows it.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub role_name: String,
    /// A Secret that holds the token file that `aws sso login` cached, unchanged. The controller
    /// writes renewed tokens back to it.
    pub token_secret_ref: SecretReference,
    /// Key of the Secret's data that holds the token.
    #[serde(default = "token_key")]
    #[schemars(with = "DataKey")]
    pub token_key: String,
}

fn token_key() -> String {
    "token.json".to_owned()
}

/// An identity of a [Cognito identity
/// pool](https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.identityPoolId.matches('^[a-z0-9-]+:[0-9a-f-]+$')").message("identityPoolId must be like eu-west-1:01234567-89ab-cdef-0123-456789abcdef"),
    validation = Rule::new("has(self.logins) || has(self.identityId)").message("set logins, or identityId for a guest: each look-up of a guest without one would make a new identity"),
    validation = Rule::new("!has(self.identityId) || self.identityId.startsWith(self.identityPoolId.split(':')[0] + ':')").message("identityId must be of the pool's Region, like eu-west-1:01234567-89ab-cdef-0123-456789abcdef"),
    validation = Rule::new("!has(self.logins) || self.logins.all(l, has(l.tokenSecretRef) != has(l.serviceAccountRef))").message("a login takes its token from serviceAccountRef or from tokenSecretRef: set exactly one")
)]
pub struct CognitoSource {
    /// The identity pool, whose Region is called.
    #[schemars(length(min = 1, max = 128))]
    pub identity_pool_id: String,
    /// The identity. Defaults to the result of GetId for the logins.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[\w-]+:[0-9a-f-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
    /// The account, where the pool's role mapping needs it.
    #[schemars(length(max = 12), regex(pattern = r"^[0-9]{12}$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Tokens of identity providers.
    #[schemars(length(min = 1, max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["provider"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logins: Option<Vec<CognitoLogin>>,
    /// The role, where the provider's mapping offers more than one.
    #[schemars(length(min = 20, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_role_arn: Option<String>,
}

/// A token of one identity provider.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CognitoLogin {
    /// Name of the provider in the pool, like `cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc`.
    #[schemars(length(min = 1, max = 128))]
    pub provider: String,
    /// A Secret that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeyReference>,
    /// A ServiceAccount of this namespace, for which a token is requested anew at each refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<crate::ServiceAccountReference>,
}
