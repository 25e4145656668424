//! CredentialPolicy: what a namespace may draw from what belongs to the administrator.

use super::CredentialPolicyStatus;
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
    /// The namespaces that this policy speaks of, by their labels. `{}` selects every namespace.
    pub namespace_selector: LabelSelector,
    /// Grants to those namespaces. In every pattern `{namespace}` stands for the name of the
    /// resource's namespace and `{name}` for the resource's own.
    pub allow: Allow,
    /// Session tags that tell these namespaces' sessions apart in AWS. A tenant can neither set nor
    /// change them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_tags: Option<SessionTags>,
    /// How long a published Secret stays after what this policy allowed it is allowed no more: a
    /// duration like `10m`, or `Immediate`. Meanwhile it is not renewed, and stays for good where
    /// the permission comes back. Of several policies that allowed it together, the shortest
    /// counts. Defaults to what the controller was started with, `10m` if nothing was said.
    #[schemars(with = "Option<String>", length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdraw_after: Option<String>,
}

/// The `withdrawAfter` of a policy whose Secrets go with their permission.
pub const WITHDRAW_IMMEDIATELY: &str = "Immediate";

/// Grants of a policy.
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
    #[schemars(
        length(max = 256),
        inner(length(min = 8, max = 2048), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// URLs that `fullUri` of source `container`, `url` of `custom.http` and `endpoint` of `iot`
    /// (with `https://` before it) and `rolesAnywhere` may name, in the same form. Plain http, and
    /// addresses instead of names, only where they are written out here.
    #[schemars(
        length(max = 256),
        inner(length(min = 8, max = 2048), regex(pattern = r"^([^{}]|\{namespace\}|\{name\})*$"))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Whether a host that only a pattern with a wildcard allows may lead to private addresses (RFC
    /// 1918, RFC 6598, RFC 4193), where cluster-internal services are. A host that is written out
    /// may. Loopback and link-local addresses are called only where the address itself is written
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_addresses: Option<bool>,
    /// Whether `caBundle` or `caBundleRef` may be set for AWS's own endpoints. For what `endpoints`
    /// and `urls` allow it always may.
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

/// Roles that may be assumed, and by which sessions. All that one grant says must hold of a role
/// for it to be allowed.
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
    /// Longest `durationSeconds` that may be asked for. Defaults to AWS's own limits.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<i32>,
    /// Patterns of the `roleSessionName` that may be chosen. Defaults to `{namespace}.*`, so that
    /// no namespace can take another's name. The name that is given where none is chosen is always
    /// allowed.
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
    /// Patterns of the `externalId` that may be sent. Defaults to any. Where it is set,
    /// `externalIdSecretRef` is denied, because what a Secret holds cannot be compared beforehand.
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

/// Session tags that the controller puts on the first role that it assumes for a resource,
/// transitive, so that every later session of the chain carries them. The roles' trust policies
/// must allow `sts:TagSession` to who assumes them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTags {
    /// Which chains get them. Defaults to `Ambient`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chains: Option<TaggedChains>,
    /// The tags. Where two policies name one key, the policy that comes first by name decides.
    #[schemars(length(min = 1, max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub tags: Vec<SessionTag>,
}

/// Which chains get session tags.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum TaggedChains {
    /// Those that start from the controller's own identity.
    #[default]
    Ambient,
    /// Those of every source that roles follow. Who holds an identity of its own can leave the tags
    /// out by calling STS itself, so there they inform and prove nothing.
    All,
}

/// One session tag of the controller's.
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
    /// The cluster's name, as the controller was told by `--cluster-name`.
    Cluster,
    /// The resource's namespace.
    Namespace,
    /// The resource's name.
    Name,
    /// The ServiceAccount that the source names. Where it names none, the tag is left out.
    ServiceAccount,
}
