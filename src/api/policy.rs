//! CredentialPolicy: which administrator-owned roles, endpoints and programs a namespace may use.

use super::CredentialPolicyStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Permits namespaces to use the controller's own AWS identity and other resources of the
/// administrator. Denied unless allowed; policies add up.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[kube(
    group = "refreshable.dev",
    version = "v1alpha1",
    kind = "CredentialPolicy",
    plural = "credentialpolicies",
    shortname = "credpol",
    category = "refreshable",
    doc = "Permits namespaces to use the controller's own AWS identity and other things of the administrator's. What no policy allows is denied; policies add up.",
    status = "CredentialPolicyStatus",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Namespaces", type_ = "integer", json_path = ".status.namespaces"),
    printcolumn(name = "Resources", type_ = "integer", json_path = ".status.resources"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].message"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.withdrawAfter) || self.withdrawAfter == 'Immediate' || (self.withdrawAfter.matches('^([0-9]+(h|m|s))+$') && duration(self.withdrawAfter) <= duration('720h'))").message("withdrawAfter must be Immediate or a duration of at most 720h, for example 10m or 1h30m")
)]
pub struct CredentialPolicySpec {
    /// The namespaces that this policy applies to, by their labels. `{}` selects every namespace.
    pub namespace_selector: LabelSelector,
    /// Grants to those namespaces. In every pattern `{namespace}` stands for the name of the
    /// resource's namespace and `{name}` for the resource's own.
    pub allow: Allow,
    /// Session tags that identify these namespaces' sessions in AWS. A tenant can neither set nor
    /// change them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_tags: Option<SessionTags>,
    /// Grace period before a published Secret is deleted after this policy stops allowing it: a
    /// duration like `10m`, or `Immediate`. Meanwhile it is not renewed; it is kept if the
    /// permission comes back. Where several policies allowed it together, the shortest period
    /// counts. Defaults to the controller's setting, which is `10m` unless changed.
    #[schemars(with = "Option<String>", length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdraw_after: Option<String>,
}

/// The `withdrawAfter` of a policy that deletes Secrets without a grace period.
pub const WITHDRAW_IMMEDIATELY: &str = "Immediate";

/// Grants of a policy.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// Roles that a chain from the controller's own identity may contain. Every role of the chain
    /// must be allowed.
    #[schemars(length(max = 256))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleGrant>,
    /// URLs that `spec.sts.endpoint` may name, for example `https://minio.example.com` or
    /// `https://*.stores.example.com`. `*` stands for any characters of the host except the dot.
    #[schemars(
        length(max = 256),
        inner(length(min = 8, max = 2048), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// URLs that `fullUri` of source `container`, `url` of `custom.http` and `endpoint` of `iot`
    /// (preceded by `https://`) and `rolesAnywhere` may name, in the same form. Plain http, and
    /// addresses instead of names, must be written out here.
    #[schemars(
        length(max = 256),
        inner(length(min = 8, max = 2048), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Whether a host that only a wildcard pattern allows may resolve to private addresses (RFC
    /// 1918, RFC 6598, RFC 4193), where cluster-internal services are. A host that is written out
    /// may. Loopback and link-local addresses must themselves be written out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_addresses: Option<bool>,
    /// Whether `caBundle` or `caBundleRef` may be set for AWS's own endpoints. For endpoints in
    /// `endpoints` and `urls` they always may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundles: Option<bool>,
    /// Sources that draw on the machine that the controller runs on.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<NodeSource>,
    /// Audiences, besides `sts.amazonaws.com`, for which ServiceAccount tokens may be requested.
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Programs that `custom.process` may run, by their registered names.
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// PKCS#11 tokens that `pkcs11` may name, each with the module that reaches it. Wrong PINs lock
    /// a token, so allow a namespace its own alone.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pkcs11_tokens: Vec<Pkcs11Grant>,
    /// PKCS#11 modules of which every token may be used, by their registered names. Use
    /// `pkcs11Tokens` instead where a module reaches tokens of several namespaces.
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

/// Roles that may be assumed, and by which sessions. A role is allowed only if it meets everything
/// that the grant states.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.arns.all(a, a.startsWith('arn:'))").message("arns must be role ARNs or patterns of them, for example arn:aws:iam::111122223333:role/team-a/*")
)]
pub struct RoleGrant {
    /// Role ARNs. `*` stands for any characters and `?` for one, within one colon-separated part.
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 5, max = 2048), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    pub arns: Vec<String>,
    /// Longest `durationSeconds` that may be requested. Defaults to AWS's own limits.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<i32>,
    /// Patterns of the `roleSessionName` that may be chosen. Defaults to `{namespace}.*`, so that
    /// no namespace can take another's name. The generated default name is always allowed.
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 256), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_names: Option<Vec<String>>,
    /// Patterns of the `sourceIdentity` that may be set. Defaults to `{namespace}.*`.
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 256), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identities: Option<Vec<String>>,
    /// Patterns of the `externalId` that may be sent. Defaults to any. Where this is set,
    /// `externalIdSecretRef` is denied, because a Secret's value cannot be compared beforehand.
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1224), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ids: Option<Vec<String>>,
    /// Session tags that may be set. Defaults to none.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagGrant>,
}

/// PKCS#11 tokens that may be used.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pkcs11Grant {
    /// Registered name of the module.
    #[schemars(length(min = 1, max = 63))]
    pub module: String,
    /// Labels of the tokens that `pkcs11.tokenLabel` may name, or patterns of them. `*` stands for
    /// any characters and `?` for one.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 64), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    pub token_labels: Vec<String>,
}

/// A session tag that may be set.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.required) || !self.required || !(self.key.contains('*') || self.key.contains('?'))").message("a tag that is required needs a key without wildcards: write the key out, or take required out")
)]
pub struct TagGrant {
    /// Its key, or a pattern of keys.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// Patterns of its value. Defaults to any value.
    #[schemars(
        length(max = 64),
        inner(length(max = 512), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// Whether a role must have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// Session tags that the controller sets on the first role that it assumes for a resource. They are
/// transitive, so every later session of the chain carries them. The roles' trust policies must
/// allow `sts:TagSession` to the caller.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTags {
    /// Which chains get them. Defaults to `Ambient`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chains: Option<TaggedChains>,
    /// The tags. Where two policies set the same key, the first policy by name wins.
    #[schemars(length(min = 1, max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub tags: Vec<SessionTag>,
}

/// Which chains get session tags.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum TaggedChains {
    /// Chains that start from the controller's own identity.
    #[default]
    Ambient,
    /// Chains of every source that is followed by roles. A tenant with an identity of its own can
    /// omit the tags by calling STS itself, so there they inform but prove nothing.
    All,
}

/// One session tag that the controller sets.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.key.startsWith('aws:')").message("keys of session tags must not begin with 'aws:', which AWS reserves: choose another key")
)]
pub struct SessionTag {
    /// Its key, for example `kubernetes-namespace`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$"))]
    pub key: String,
    /// Where its value comes from.
    pub from: SessionTagValue,
}

/// Where the value of a session tag comes from.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum SessionTagValue {
    /// The cluster's name, from `--cluster-name`.
    Cluster,
    /// The resource's namespace.
    Namespace,
    /// The resource's name.
    Name,
    /// The ServiceAccount that the source names. A source without one gets no such tag.
    ServiceAccount,
}
