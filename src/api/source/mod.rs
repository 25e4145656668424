//! The union of credential sources. Each source is implemented in the file of the same name in
//! `issuers::source`.

mod custom;
mod device;
mod identity;
mod node;
mod sts;

pub use custom::{
    CustomHttpSource, CustomProcessSource, CustomSecretKeys, CustomSecretSource, CustomSource,
    Header, HttpFormat, SecretPreset,
};
pub use device::{IotSource, Pkcs11Key, RolesAnywhereSource};
pub use identity::{
    CognitoLogin, CognitoSource, IdentityCenterSource, PodIdentityServiceAccount, PodIdentitySource,
};
pub use node::{ContainerSource, InstanceMetadataSource};
pub use sts::{
    AccessKeySource, AmbientSource, FederationTokenSource, SamlSource, SessionTokenSource,
    WebIdentitySource,
};

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where the first credentials come from: exactly one member.
///
/// A struct of options instead of an enum: a controller that reads a member it does not know yet
/// can then report that on the one object, instead of failing to read the whole list.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.ambient), has(self.accessKey), has(self.webIdentity), has(self.saml), has(self.sessionToken), has(self.federationToken), has(self.container), has(self.podIdentity), has(self.instanceMetadata), has(self.identityCenter), has(self.iot), has(self.rolesAnywhere), has(self.cognito), has(self.custom)].filter(x, x).size() == 1").message("source must have exactly one member, for example {ambient: {}}, {accessKey: {...}} or {webIdentity: {...}}: leave one and take out the others")
)]
pub struct Source {
    /// The controller's own AWS identity. Needs a CredentialPolicy that allows it, and at least one
    /// role.
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
    /// The metadata service of the EC2 instance that the controller runs on. Needs a
    /// CredentialPolicy that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_metadata: Option<InstanceMetadataSource>,
    /// EKS Pod Identity. Needs a CredentialPolicy that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<PodIdentitySource>,
    /// A permission set of IAM Identity Center.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_center: Option<IdentityCenterSource>,
    /// AWS IoT's credential provider, with a device's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iot: Option<IotSource>,
    /// IAM Roles Anywhere, with a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_anywhere: Option<RolesAnywhereSource>,
    /// A Cognito identity pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cognito: Option<CognitoSource>,
    /// User-defined sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomSource>,
}

/// The one member that a [`Source`] has. Code that treats sources differently matches on it without
/// a catch-all, so that the compiler names every place that a new source has to be added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind<'a> {
    /// `ambient`
    Ambient(&'a AmbientSource),
    /// `accessKey`
    AccessKey(&'a AccessKeySource),
    /// `webIdentity`
    WebIdentity(&'a WebIdentitySource),
    /// `saml`
    Saml(&'a SamlSource),
    /// `sessionToken`
    SessionToken(&'a SessionTokenSource),
    /// `federationToken`
    FederationToken(&'a FederationTokenSource),
    /// `container`
    Container(&'a ContainerSource),
    /// `podIdentity`
    PodIdentity(&'a PodIdentitySource),
    /// `instanceMetadata`
    InstanceMetadata(&'a InstanceMetadataSource),
    /// `identityCenter`
    IdentityCenter(&'a IdentityCenterSource),
    /// `iot`
    Iot(&'a IotSource),
    /// `rolesAnywhere`
    RolesAnywhere(&'a RolesAnywhereSource),
    /// `cognito`
    Cognito(&'a CognitoSource),
    /// `custom.http`
    CustomHttp(&'a CustomHttpSource),
    /// `custom.secret`
    CustomSecret(&'a CustomSecretSource),
    /// `custom.process`
    CustomProcess(&'a CustomProcessSource),
}

impl Source {
    /// The default source.
    pub fn ambient() -> Self {
        Self { ambient: Some(AmbientSource {}), ..Self::default() }
    }

    /// The member that is set; `None` where this version does not know it.
    pub fn kind(&self) -> Option<SourceKind<'_>> {
        // No `..`: a member that is missing here must not compile.
        let Self {
            ambient,
            access_key,
            web_identity,
            saml,
            session_token,
            federation_token,
            container,
            pod_identity,
            instance_metadata,
            identity_center,
            iot,
            roles_anywhere,
            cognito,
            custom,
        } = self;
        let members = [
            ambient.as_ref().map(SourceKind::Ambient),
            access_key.as_ref().map(SourceKind::AccessKey),
            web_identity.as_ref().map(SourceKind::WebIdentity),
            saml.as_ref().map(SourceKind::Saml),
            session_token.as_ref().map(SourceKind::SessionToken),
            federation_token.as_ref().map(SourceKind::FederationToken),
            container.as_ref().map(SourceKind::Container),
            pod_identity.as_ref().map(SourceKind::PodIdentity),
            instance_metadata.as_ref().map(SourceKind::InstanceMetadata),
            identity_center.as_ref().map(SourceKind::IdentityCenter),
            iot.as_ref().map(SourceKind::Iot),
            roles_anywhere.as_ref().map(SourceKind::RolesAnywhere),
            cognito.as_ref().map(SourceKind::Cognito),
            custom.as_ref().and_then(CustomSource::kind),
        ];
        members.into_iter().flatten().next()
    }
}

impl CustomSource {
    /// The member that is set.
    fn kind(&self) -> Option<SourceKind<'_>> {
        let Self { http, secret, process } = self;
        let members = [
            http.as_ref().map(SourceKind::CustomHttp),
            secret.as_ref().map(SourceKind::CustomSecret),
            process.as_ref().map(SourceKind::CustomProcess),
        ];
        members.into_iter().flatten().next()
    }
}
