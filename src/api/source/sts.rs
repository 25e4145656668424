//! Sources that are operations of STS, and the keys that they start from.

use crate::{
    DataKey, PolicyDescriptor, SecretKeyReference, SecretReference, ServiceAccountReference, Tag,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The controller's own AWS identity.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct AmbientSource {}

/// A long-lived access key of an IAM user.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeySource {
    /// The Secret that holds the key.
    pub secret_ref: SecretReference,
    /// Key of the Secret's data that holds the access key id.
    #[serde(default = "access_key_id_key")]
    #[schemars(with = "DataKey")]
    pub access_key_id_key: String,
    /// Key of the Secret's data that holds the secret access key.
    #[serde(default = "secret_access_key_key")]
    #[schemars(with = "DataKey")]
    pub secret_access_key_key: String,
}

fn access_key_id_key() -> String {
    "AWS_ACCESS_KEY_ID".to_owned()
}

fn secret_access_key_key() -> String {
    "AWS_SECRET_ACCESS_KEY".to_owned()
}

/// Parameters of
/// [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.serviceAccountRef) != has(self.tokenSecretRef)").message("webIdentity takes its token from serviceAccountRef or from tokenSecretRef: set exactly one"),
    validation = Rule::new("!has(self.policy) || self.policy.startsWith('{')").message("policy must be an IAM policy document in JSON, beginning with '{': write the document itself, not an ARN (those go into policyArns)")
)]
pub struct WebIdentitySource {
    /// ARN of the role to assume.
    #[schemars(length(min = 20, max = 2048))]
    pub role_arn: String,
    /// Name of the session. Defaults to `<namespace>.<name>` of the resource, where it is longer
    /// than 64 characters cut and with a digest at its end.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 43200. Defaults to `3600`.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Session policy (JSON) that narrows what the session may do.
    #[schemars(length(min = 1, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies that narrow what the session may do.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    /// Host of an OAuth 2.0 provider, only for access tokens of Login with Amazon and the like; not
    /// for OpenID Connect.
    #[schemars(length(min = 4, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// A ServiceAccount of this namespace, for which a token is requested anew at each refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountReference>,
    /// A Secret that holds an OpenID Connect token, kept fresh by another program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeyReference>,
    /// Least size of the session token in bytes, 0 to 4096: AWS makes a shorter one longer. For
    /// trying out whether programs take tokens of that size. Defaults to `0`, the token's own size.
    #[schemars(range(min = 0, max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_session_token_size: Option<i32>,
}

/// Parameters of
/// [AssumeRoleWithSAML](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.principalArn.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:saml-provider/.+$')").message("principalArn must be the ARN of the SAML provider in IAM, like arn:aws:iam::111122223333:saml-provider/example"),
    validation = Rule::new("!has(self.policy) || self.policy.startsWith('{')").message("policy must be an IAM policy document in JSON, beginning with '{': write the document itself, not an ARN (those go into policyArns)")
)]
pub struct SamlSource {
    /// ARN of the role to assume.
    #[schemars(length(min = 20, max = 2048))]
    pub role_arn: String,
    /// ARN of the SAML provider in IAM.
    #[schemars(length(min = 20, max = 2048))]
    pub principal_arn: String,
    /// The SAML response of the identity provider, as XML or in base64, kept fresh by another
    /// program.
    pub assertion_secret_ref: SecretKeyReference,
    /// Lifetime of the session in seconds: 900 to 43200, at most until the assertion's
    /// SessionNotOnOrAfter. Defaults to `3600`.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Session policy (JSON) that narrows what the session may do.
    #[schemars(length(min = 1, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies that narrow what the session may do.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    /// Least size of the session token in bytes, 0 to 4096: AWS makes a shorter one longer. For
    /// trying out whether programs take tokens of that size. Defaults to `0`, the token's own size.
    #[schemars(range(min = 0, max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_session_token_size: Option<i32>,
}

/// Parameters of
/// [GetSessionToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html).
/// Of STS's operations the session may call only AssumeRole and GetCallerIdentity.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.serialNumber) == has(self.totpSecretRef)").message("MFA needs both serialNumber (the device) and totpSecretRef (its base32 seed in a Secret): set both or neither")
)]
pub struct SessionTokenSource {
    /// The long-lived key of the IAM user.
    pub access_key: AccessKeySource,
    /// Lifetime of the session in seconds: 900 to 129600. Defaults to `43200`.
    #[schemars(range(min = 900, max = 129_600))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Serial number or ARN of the user's MFA device.
    #[schemars(length(min = 9, max = 256), regex(pattern = r"^[\w+=/:,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// The MFA device's seed in base32 (RFC 6238), from which the controller computes `TokenCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_secret_ref: Option<SecretKeyReference>,
    /// Least size of the session token in bytes, 0 to 4096: AWS makes a shorter one longer. For
    /// trying out whether programs take tokens of that size. Defaults to `0`, the token's own size.
    #[schemars(range(min = 0, max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_session_token_size: Option<i32>,
}

/// Parameters of
/// [GetFederationToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.policy) || self.policy.startsWith('{')").message("policy must be an IAM policy document in JSON, beginning with '{': write the document itself, not an ARN (those go into policyArns)"),
    validation = Rule::new("has(self.policy) || has(self.policyArns)").message("a federated session may do nothing without a session policy: set policy or policyArns")
)]
pub struct FederationTokenSource {
    /// The long-lived key of the IAM user.
    pub access_key: AccessKeySource,
    /// Name of the federated user. Defaults to `<namespace>.<name>` of the resource, where it is
    /// longer than 32 characters cut and with a digest at its end.
    #[schemars(length(min = 2, max = 32), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 129600. Defaults to `43200`.
    #[schemars(range(min = 900, max = 129_600))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Session policy (JSON). The session may do only what both this policy and the user's own
    /// allow.
    #[schemars(length(min = 1, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies, with the same effect.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    /// Session tags.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    /// Least size of the session token in bytes, 0 to 4096: AWS makes a shorter one longer. For
    /// trying out whether programs take tokens of that size. Defaults to `0`, the token's own size.
    #[schemars(range(min = 0, max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_session_token_size: Option<i32>,
}
