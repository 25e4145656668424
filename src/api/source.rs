//! The union of credential sources. A source's behaviour lies in the file of the same name in [`crate::source`].

use super::{PolicyDescriptor, SecretKeyReference, SecretReference, ServiceAccountReference, Tag};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the first credentials come from: exactly one member.
///
/// A struct of options and not an enum: a controller that meets a member it does not know yet can
/// then say so on that one object, instead of failing to read the whole list.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.ambient), has(self.accessKey), has(self.webIdentity), has(self.saml), has(self.sessionToken), has(self.federationToken), has(self.container), has(self.instanceMetadata), has(self.custom)].filter(x, x).size() == 1").message("source must have exactly one member, for example {ambient: {}}, {accessKey: {...}} or {webIdentity: {...}}: leave one and take out the others")
)]
pub struct Source {
    /// The controller's own AWS identity. Needs a CredentialPolicy that allows it, and at least one role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambient: Option<AmbientSource>,
    /// A long-lived access key in a Secret, as the start of a chain: at least one role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeySource>,
    /// AssumeRoleWithWebIdentity with a token of a ServiceAccount or from a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentitySource>,
    /// AssumeRoleWithSAML with an assertion from a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saml: Option<SamlSource>,
    /// GetSessionToken with a long-lived access key, and MFA where a policy asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SessionTokenSource>,
    /// GetFederationToken with a long-lived access key, narrowed by a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub federation_token: Option<FederationTokenSource>,
    /// A container credentials endpoint. Needs a CredentialPolicy that allows its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerSource>,
    /// The metadata service of the EC2 instance that the controller runs on. Needs a CredentialPolicy that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_metadata: Option<InstanceMetadataSource>,
    /// Sources of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomSource>,
}

impl Source {
    /// The source that a specification without one means.
    pub fn ambient() -> Self {
        Self { ambient: Some(AmbientSource {}), ..Self::default() }
    }
}

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
    #[schemars(length(min = 1, max = 253))]
    pub access_key_id_key: String,
    /// Key of the Secret's data that holds the secret access key.
    #[serde(default = "secret_access_key_key")]
    #[schemars(length(min = 1, max = 253))]
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
    /// Name of the session. Left out: `<namespace>.<name>` of the resource, shortened to 64 characters.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 43200. Left out: 3600.
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
    /// Host of an OAuth 2.0 provider, only for access tokens of Login with Amazon and the like; not for OpenID Connect.
    #[schemars(length(min = 4, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// A ServiceAccount of this namespace, for which a token is requested anew at each refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountReference>,
    /// A Secret that holds an OpenID Connect token that something else keeps fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeyReference>,
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
    /// The SAML response of the identity provider, as XML or in base64, that something else keeps fresh.
    pub assertion_secret_ref: SecretKeyReference,
    /// Lifetime of the session in seconds: 900 to 43200, at most until the assertion's SessionNotOnOrAfter. Left out: 3600.
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
    /// Lifetime of the session in seconds: 900 to 129600. Left out: 43200.
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
    /// Name of the federated user. Left out: the first 32 characters of `<namespace>.<name>`.
    #[schemars(length(min = 2, max = 32), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 129600. Left out: 43200.
    #[schemars(range(min = 900, max = 129_600))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Session policy (JSON): what the session may do is what both it and the user's own policy allow.
    #[schemars(length(min = 1, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies, in the same sense.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    /// Session tags.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
}

/// A container credentials endpoint, as ECS, EKS's Pod Identity agent and others serve it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.fullUri.startsWith('https://') || self.fullUri.matches('^http://(127[.]0[.]0[.]1|\\\\[::1\\\\]|169[.]254[.]170[.]2|169[.]254[.]170[.]23|\\\\[fd00:ec2::23\\\\])(:[0-9]+)?(/.*)?$')").message("fullUri must be an https URL; plain http only to 127.0.0.1, [::1], 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]")
)]
pub struct ContainerSource {
    /// URL of the endpoint, with its path.
    #[schemars(length(min = 8, max = 2048))]
    pub full_uri: String,
    /// The authorization token, sent as it stands in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_token_secret_ref: Option<SecretKeyReference>,
    /// Time limit for the call in seconds, 1 to 60. Left out: 15.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

/// The metadata service of the EC2 instance that the controller runs on, version 2 only.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceMetadataSource {
    /// Name of the instance's role. Left out: the one that it has.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A source of one's own.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.http)].filter(x, x).size() == 1").message("custom must have exactly one member: {http: {...}}")
)]
pub struct CustomSource {
    /// An HTTP(S) endpoint. Needs a CredentialPolicy that allows its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<CustomHttpSource>,
}

/// An HTTP(S) endpoint that answers a GET with the JSON of the container or the credential process protocol.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("isURL(self.url) && (self.url.startsWith('https://') || self.url.startsWith('http://'))").message("url must be an https URL (http only where a CredentialPolicy says so), for example https://vault.example.com/v1/aws"),
    validation = Rule::new("!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must hold one or more certificates in PEM, beginning with -----BEGIN CERTIFICATE-----"),
    validation = Rule::new("!has(self.headers) || self.headers.all(h, !(h.name.lowerAscii() in ['host', 'content-length', 'transfer-encoding', 'connection', 'accept-encoding']))").message("headers may not set Host, Content-Length, Transfer-Encoding, Connection or Accept-Encoding: take it out")
)]
pub struct CustomHttpSource {
    /// The URL. Redirects are not followed.
    #[schemars(length(min = 8, max = 2048))]
    pub url: String,
    /// Headers to send, for example Authorization.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<Header>>,
    /// Certificates (PEM) to trust instead of the system's.
    #[schemars(length(max = 65536))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// A Secret of type kubernetes.io/tls with a client's certificate and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<SecretReference>,
    /// Time limit for the call in seconds, 1 to 60. Left out: 15.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

/// A header whose value stands in a Secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name of the header.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub name: String,
    /// Its value, whole: for a bearer token with the word Bearer.
    pub value_secret_ref: SecretKeyReference,
}
