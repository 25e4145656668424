//! User-defined credential sources: an HTTP endpoint, a Secret, a program.

use crate::{CaBundleReference, DataKey, SecretKeyReference, SecretReference};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user-defined source.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.http), has(self.secret), has(self.process)].filter(x, x).size() == 1").message("custom must have exactly one member: {http: {...}}, {secret: {...}} or {process: {...}}")
)]
pub struct CustomSource {
    /// An HTTP(S) endpoint. Needs a CredentialPolicy that allows its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<CustomHttpSource>,
    /// A Secret that something else keeps fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<CustomSecretSource>,
    /// A program that the administrator registered with the controller. Needs a CredentialPolicy
    /// that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<CustomProcessSource>,
}

/// An HTTP(S) endpoint that answers a GET with credentials in JSON.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("isURL(self.url) && (self.url.startsWith('https://') || self.url.startsWith('http://'))").message("url must be an https URL (http only where a CredentialPolicy says so), for example https://vault.example.com/v1/aws"),
    validation = Rule::new("!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must hold one or more certificates in PEM, beginning with -----BEGIN CERTIFICATE-----"),
    validation = Rule::new("!(has(self.caBundle) && has(self.caBundleRef))").message("set caBundle or caBundleRef, not both: take one of them out"),
    validation = Rule::new("!has(self.format) || self.format != 'Vault' || self.url.matches('^https?://[^/]+/v1/.+/(creds|sts)/[^/]+$')").message("url of format Vault must be that of a role of an AWS engine, like https://vault.example.com/v1/aws/sts/reports (or creds in place of sts)"),
    validation = Rule::new("!has(self.headers) || self.headers.all(h, !(h.name.lowerAscii() in ['host', 'content-length', 'transfer-encoding', 'connection', 'accept-encoding', 'te', 'trailer', 'upgrade', 'keep-alive', 'proxy-connection', 'expect', 'forwarded', 'via', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'x-original-url', 'x-original-host', 'x-rewrite-url', 'x-http-method-override', 'x-http-method', 'x-method-override']) && !h.name.lowerAscii().startsWith('x-forwarded-'))").message("headers may not set Host, Content-Length, Transfer-Encoding, Connection or Accept-Encoding, nor say from where, to where or by which method a request goes (Forwarded, Via, X-Forwarded-*, X-Real-IP, X-Original-URL, X-HTTP-Method-Override and their like): take it out")
)]
pub struct CustomHttpSource {
    /// The URL. Redirects are not followed.
    #[schemars(length(min = 8, max = 2048))]
    pub url: String,
    /// Format of the response. Defaults to `Aws`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<HttpFormat>,
    /// Headers to send, for example Authorization. Those that are the connection's own, and those
    /// by which servers learn from a proxy who calls and what for, may not be set.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<Header>>,
    /// Certificates (PEM) to trust instead of the system's.
    #[schemars(length(max = 65536))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// A ConfigMap or Secret of the namespace with these certificates, instead of `caBundle`, as
    /// trust-manager writes it. It is read at each attempt. A change does not renew published
    /// credentials; a failed attempt is repeated, at once where the object has the label
    /// `refreshable.dev/watch: "true"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleReference>,
    /// A Secret of type kubernetes.io/tls with a client's certificate and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<SecretReference>,
    /// Time limit for the call in seconds, 1 to 60. Defaults to `15`.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

/// Format of an endpoint's response.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum HttpFormat {
    /// The JSON of the container or the credential process protocol.
    #[default]
    Aws,
    /// The JSON of the AWS engine of Vault and OpenBao, for a role of type `assumed_role`,
    /// `federation_token` or `session_token`. Send the token in header `X-Vault-Token`.
    Vault,
}

/// A header whose value is in a Secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name of the header.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub name: String,
    /// The whole value: for a bearer token including the word Bearer.
    pub value_secret_ref: SecretKeyReference,
}

impl Header {
    /// Names of headers that no resource may set: those of the connection, and those that a proxy
    /// sets for a server behind it. A policy allows a URL by its host and path, for GET; with such
    /// a header a server might take the call for another one, or for somebody else's.
    pub const RESERVED: [&str; 23] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "expect",
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "x-original-url",
        "x-original-host",
        "x-rewrite-url",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];

    /// The prefix of further ones.
    pub const RESERVED_PREFIX: &str = "x-forwarded-";

    /// Whether no resource may set it. The API server refuses it, too; what was stored before that
    /// rule still has it.
    pub fn is_reserved(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.starts_with(Self::RESERVED_PREFIX) || Self::RESERVED.contains(&name.as_str())
    }
}

/// A Secret of the namespace that something else rotates.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.keys) || !has(self.keys.processJson) || ![has(self.keys.accessKeyId), has(self.keys.secretAccessKey), has(self.keys.sessionToken), has(self.keys.expiration)].exists(x, x)").message("keys.processJson holds the whole credentials: take the other keys out"),
    validation = Rule::new("!has(self.lifetimeSeconds) || !(has(self.keys) && (has(self.keys.expiration) || has(self.keys.processJson)))").message("lifetimeSeconds is for Secrets that do not say when their credentials expire: set either it or a key that says so")
)]
pub struct CustomSecretSource {
    /// The Secret.
    pub secret_ref: SecretReference,
    /// Set of names of the data keys. Defaults to `Environment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<SecretPreset>,
    /// Names of single data keys, where they differ from the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<CustomSecretKeys>,
    /// For Secrets that do not say when their credentials expire: their lifetime in seconds,
    /// counted from the last write of the Secret's data.
    #[schemars(range(min = 300, max = 129_600))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<i32>,
}

/// Set of names of a Secret's data keys, by the tool that writes them.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum SecretPreset {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_CREDENTIAL_EXPIRATION`.
    #[default]
    Environment,
    /// `access_key_id`, `secret_access_key`, `session_token`, `expiration`, as External Secrets'
    /// STSSessionToken generator writes them.
    ExternalSecrets,
    /// `access_key`, `secret_key`, `session_token`, as Vault Secrets Operator's VaultDynamicSecret
    /// writes them for Vault's AWS engine. They come without an expiration: set `lifetimeSeconds`
    /// to the lease's.
    VaultSecretsOperator,
    /// `credentials.json`, in the JSON of the credential process protocol, the format that this
    /// controller writes.
    ProcessJson,
}

/// Names of data keys. The expiration is in RFC 3339 or in seconds since 1970.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomSecretKeys {
    /// The access key id.
    #[schemars(with = "Option<DataKey>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The secret access key.
    #[schemars(with = "Option<DataKey>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// The session token.
    #[schemars(with = "Option<DataKey>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// When the credentials expire.
    #[schemars(with = "Option<DataKey>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    /// The whole credentials, in the JSON of the credential process protocol.
    #[schemars(with = "Option<DataKey>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_json: Option<String>,
}

/// A program that the administrator registered with the controller by name.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomProcessSource {
    /// Its registered name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Arguments, appended to the registered ones; only where the registration allows any.
    #[schemars(
        length(max = 32),
        inner(length(max = 1024), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
}
