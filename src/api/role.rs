//! One step of the role chain: every parameter of STS AssumeRole, under AWS's own names.

use super::SecretKeyReference;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A role to assume. Fields are the parameters of
/// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.externalId) && has(self.externalIdSecretRef))").message("set externalId or externalIdSecretRef, not both"),
    validation = Rule::new("has(self.serialNumber) == has(self.totpSecretRef)").message("MFA needs both serialNumber (the device) and totpSecretRef (its base32 seed in a Secret): set both or neither"),
    validation = Rule::new("!has(self.sourceIdentity) || !self.sourceIdentity.startsWith('aws:')").message("sourceIdentity must not begin with 'aws:', which AWS reserves: choose another value"),
    validation = Rule::new("!has(self.policyArns) || self.policyArns.all(p, p.arn.matches('^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$'))").message("policyArns must name IAM managed policies: arn:aws:iam::<account>:policy/<name>, or arn:aws:iam::aws:policy/<name>"),
    validation = Rule::new("!has(self.tags) || self.tags.all(t, !t.key.startsWith('aws:'))").message("session tag keys must not begin with 'aws:', which AWS reserves: choose another key"),
    validation = Rule::new("!has(self.transitiveTagKeys) || (has(self.tags) && self.tags.filter(t, t.key in self.transitiveTagKeys).size() == size(self.transitiveTagKeys))").message("transitiveTagKeys may only name keys of tags of this role: add the tag, or take the key out (a transitive tag of an earlier role is passed on by itself)"),
    validation = Rule::new("!has(self.policy) || self.policy.startsWith('{')").message("policy must be an IAM policy document in JSON, beginning with '{': write the document itself, not an ARN (those go into policyArns)")
)]
pub struct Role {
    /// ARN of the role to assume.
    #[schemars(length(min = 20, max = 2048))]
    pub role_arn: String,
    /// Name of the session, visible in CloudTrail and in the assumed role's ARN.
    /// Defaults to `<namespace>.<name>` of the resource, where it is longer than 64 characters cut
    /// and with a digest at its end.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 43200, at most the role's own maximum.
    /// Defaults to `3600`. A role assumed with the credentials of another role: at most 3600.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// The external id that the role's trust policy asks for.
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/\\-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The external id, read from a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id_secret_ref: Option<SecretKeyReference>,
    /// Session policy (JSON) that narrows what the session may do. Together with the ARNs at most
    /// 2048 characters.
    #[schemars(length(min = 1, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies that narrow what the session may do.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    /// Session tags.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    /// Keys of session tags that later roles of the chain inherit.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "set"), inner(length(min = 1, max = 128)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitive_tag_keys: Option<Vec<String>>,
    /// Source identity, kept through the whole chain and visible in CloudTrail.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// Serial number or ARN of the MFA device that the role's trust policy asks for.
    #[schemars(length(min = 9, max = 256), regex(pattern = r"^[\w+=/:,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// The MFA device's seed in base32 (RFC 6238), from which the controller computes `TokenCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_secret_ref: Option<SecretKeyReference>,
    /// Contexts from trusted context assertion providers.
    #[schemars(length(min = 1, max = 5))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provided_contexts: Option<Vec<ProvidedContext>>,
    /// Least size of the session token in bytes, 0 to 4096: AWS makes a shorter one longer. For
    /// trying out whether programs take tokens of that size. Defaults to `0`, the token's own size.
    #[schemars(range(min = 0, max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_session_token_size: Option<i32>,
}

/// A session tag.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// Key, 1 to 128 characters, not beginning with `aws:`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$"))]
    pub key: String,
    /// Value, up to 256 characters.
    #[schemars(length(max = 256), regex(pattern = r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$"))]
    pub value: String,
}

/// A managed policy, under the name that AWS gives the member.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDescriptor {
    /// ARN of the managed policy.
    // A path has at most 512 characters and a name 128.
    #[schemars(length(min = 20, max = 768))]
    pub arn: String,
}

/// A context assertion from a trusted provider.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvidedContext {
    /// ARN of the context provider.
    #[schemars(length(min = 20, max = 2048))]
    pub provider_arn: String,
    /// The signed and encrypted assertion.
    #[schemars(length(min = 4, max = 2048))]
    pub context_assertion: String,
}
