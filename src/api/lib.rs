//! What users write and read: the two custom resources, their validation, their conditions.
//!
//! Nothing in here talks to a network or knows how credentials are obtained. The CRDs, the chart's
//! copy of them and the API reference are generated from these types by `refreshable-generate`.

mod arn;
pub mod conditions;
mod credential;
mod data_keys;
pub mod names;
mod object_name;
mod policy;
mod profile;
mod references;
mod restart;
mod role;
mod secret;
mod source;
mod status;
mod sts;

pub use arn::Arn;
pub use credential::{PrincipalSpec, RefreshSpec, RefreshableCredential, RefreshableCredentialSpec, VerifyPrincipal};
pub use data_keys::SecretKeys;
pub use object_name::{DataKey, ObjectName, is_namespace, is_path_segment};
pub use policy::{
    Allow, CredentialPolicy, CredentialPolicySpec, NodeSource, RoleGrant, SessionTag, SessionTagValue, SessionTags,
    TagGrant, TaggedChains,
};
pub use profile::{ProfileSpec, ProfileStatus};
pub use references::{SecretKeyReference, SecretReference, ServiceAccountReference};
pub use restart::{RestartStatus, RestartTarget, WorkloadKind};
pub use role::{PolicyDescriptor, ProvidedContext, Role, Tag};
pub use secret::{DeletionPolicy, Format, Propagation, SecretSpec};
pub use source::{
    AccessKeySource, AmbientSource, CognitoLogin, CognitoSource, ContainerSource, CustomHttpSource,
    CustomProcessSource, CustomSecretKeys, CustomSecretSource, CustomSource, FederationTokenSource, Header, HttpFormat,
    IdentityCenterSource, InstanceMetadataSource, IotSource, Pkcs11Key, PodIdentityServiceAccount, PodIdentitySource,
    RolesAnywhereSource, SamlSource, SecretPreset, SessionTokenSource, Source, SourceKind, WebIdentitySource,
};
pub use status::{
    FailureStatus, InputDigest, InputStatus, PermissionStatus, PrincipalStatus, RefreshableCredentialStatus,
    SecretStatus, time_of,
};
pub use sts::StsSpec;

/// The API group of both resources.
pub const GROUP: &str = "refreshable.dev";
/// The only served and stored version.
pub const VERSION: &str = "v1alpha1";
