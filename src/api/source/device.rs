//! Sources that authenticate with an X.509 certificate.

use crate::{CaBundleReference, SecretKeyReference, SecretReference};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// [AWS IoT's credential
/// provider](https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.endpoint.contains('://') && !self.endpoint.contains('/') && isURL('https://' + self.endpoint)").message("endpoint must be a host name without scheme and path, as `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints it"),
    validation = Rule::new("!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must hold one or more certificates in PEM, beginning with -----BEGIN CERTIFICATE-----"),
    validation = Rule::new("!(has(self.caBundle) && has(self.caBundleRef))").message("set caBundle or caBundleRef, not both: take one of them out")
)]
pub struct IotSource {
    /// Host of the account's credential provider, like
    /// `c1a2b3.credentials.iot.eu-west-1.amazonaws.com`. A host outside AWS needs a
    /// CredentialPolicy that allows its URL.
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$")
    )]
    pub endpoint: String,
    /// The role alias.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[\w=,@-]+$"))]
    pub role_alias: String,
    /// Name of the thing, where policies name its attributes.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z0-9:_-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 43200, at most the role alias's own. Defaults to
    /// the role alias's.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// A Secret with the certificate (`tls.crt`, with its chain) and, unless `pkcs11` is set, the
    /// private key (`tls.key`), as cert-manager writes it.
    pub certificate_secret_ref: SecretReference,
    /// The private key, if it must not leave a TPM or HSM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11: Option<Pkcs11Key>,
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
    /// Time limit for the call in seconds, 1 to 60. Defaults to `15`.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

impl IotSource {
    /// URL of the host, in the form that policies use.
    pub fn url(&self) -> String {
        format!("https://{}/", self.endpoint)
    }
}

/// [IAM Roles Anywhere's
/// CreateSession](https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-create-session.html).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.trustAnchorArn.matches('^arn:aws[a-z-]*:rolesanywhere:[a-z0-9-]+:[0-9]{12}:trust-anchor/[0-9a-f-]+$')").message("trustAnchorArn must be like arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/<uuid>"),
    validation = Rule::new("self.profileArn.matches('^arn:aws[a-z-]*:rolesanywhere:[a-z0-9-]+:[0-9]{12}:profile/[0-9a-f-]+$')").message("profileArn must be like arn:aws:rolesanywhere:eu-west-1:111122223333:profile/<uuid>"),
    validation = Rule::new("self.roleArn.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$')").message("roleArn must be the ARN of an IAM role, like arn:aws:iam::111122223333:role/team-a/reports"),
    validation = Rule::new("!has(self.endpoint) || isURL(self.endpoint) && (self.endpoint.startsWith('https://') || self.endpoint.startsWith('http://'))").message("endpoint must be a URL with scheme and host, for example https://rolesanywhere.example.com"),
    validation = Rule::new("!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must hold one or more certificates in PEM, beginning with -----BEGIN CERTIFICATE-----"),
    validation = Rule::new("!(has(self.caBundle) && has(self.caBundleRef))").message("set caBundle or caBundleRef, not both: take one of them out")
)]
pub struct RolesAnywhereSource {
    /// ARN of the trust anchor, whose Region is called.
    #[schemars(length(min = 20, max = 2048))]
    pub trust_anchor_arn: String,
    /// ARN of the profile.
    #[schemars(length(min = 20, max = 2048))]
    pub profile_arn: String,
    /// ARN of the role.
    #[schemars(length(min = 20, max = 2048))]
    pub role_arn: String,
    /// Name of the session, where the profile lets it be chosen. Defaults to the certificate's
    /// serial number.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<String>,
    /// Lifetime of the session in seconds: 900 to 43200, at most the profile's own. Defaults to the
    /// profile's.
    #[schemars(range(min = 900, max = 43200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// A Secret with the certificate (`tls.crt`, with its chain) and, unless `pkcs11` is set, the
    /// private key (`tls.key`), as cert-manager writes it.
    pub certificate_secret_ref: SecretReference,
    /// The private key, if it must not leave a TPM or HSM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11: Option<Pkcs11Key>,
    /// Another endpoint than AWS's, for example a VPC endpoint. Needs a CredentialPolicy that
    /// allows its URL.
    #[schemars(length(min = 8, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
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
    /// Time limit for the call in seconds, 1 to 60. Defaults to `15`.
    #[schemars(range(min = 1, max = 60))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

/// A private key in a PKCS#11 token. Needs a CredentialPolicy that allows the token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pkcs11Key {
    /// Registered name of the module.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub module: String,
    /// Label of the token.
    #[schemars(length(min = 1, max = 32))]
    pub token_label: String,
    /// Label of the private key.
    #[schemars(length(min = 1, max = 255))]
    pub key_label: String,
    /// The user PIN.
    pub pin_secret_ref: SecretKeyReference,
}
