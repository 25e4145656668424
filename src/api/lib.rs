//! The custom resources of `refreshable.dev/v1alpha1`: [`RefreshableCredential`] requests AWS
//! temporary credentials and names the Secret to publish them in; [`CredentialPolicy`] says which
//! administrator-owned roles, endpoints and programs a namespace may use;
//! [`ClusterRefreshableCredential`] puts a RefreshableCredential into each of many namespaces.
//!
//! ```text
//! types of this crate -> CRDs of the chart, docs/reference (written by refreshable-generate)
//! user -> spec        checked by the API server: schema and CEL rules of the CRD
//! controller -> status   conditions (kstatus), times, principal, failures
//!            -> Secret   labels and annotations in [`names`]
//! ```
//!
//! The crate has no client and no knowledge of how credentials are obtained. Its doc comments are
//! the descriptions in `kubectl explain`.
//!
//! Invariants:
//!
//! - The controller checks names again before it uses them, since an object may have been stored
//!   under an older CRD.
//! - Absent fields of a specification are not serialized, so a new optional field changes neither
//!   stored objects nor their digests.
//! - Each status write contains every member, so that one merge patch replaces the whole.
//!
//! ```
//! use refreshable_api::{Format, RefreshableCredential};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), serde_json::Error> {
//! let object: RefreshableCredential = serde_json::from_value(json!({
//!     "apiVersion": "refreshable.dev/v1alpha1",
//!     "kind": "RefreshableCredential",
//!     "metadata": {"namespace": "team-a", "name": "reports"},
//!     "spec": {
//!         "roles": [{"roleArn": "arn:aws:iam::111122223333:role/team-a/reports", "durationSeconds": 3600}],
//!         "secret": {"formats": ["Credentials", "Environment"]},
//!     },
//! }))?;
//! assert_eq!(object.secret_name(), "reports");
//! assert!(object.spec.source().ambient.is_some(), "the source that is left out");
//! assert!(object.spec.secret().writes(Format::Environment));
//! # Ok(())
//! # }
//! ```
//!
//! Defaults are filled in by methods and not by the API server, so that an object keeps what its
//! author wrote:
//!
//! ```
//! use refreshable_api::SecretSpec;
//!
//! let secret = SecretSpec::default();
//! assert_eq!((secret.profile(), secret.mount_path()), ("default", "/var/run/secrets/refreshable.dev/aws"));
//! assert_eq!(secret.data_keys(), ["credentials", "config", "credentials.json"]);
//! ```

#![warn(unused_crate_dependencies)]

mod arn;
mod cluster_credential;
pub mod conditions;
mod credential;
mod data_keys;
pub mod names;
mod object_name;
mod policy;
mod policy_status;
mod profile;
mod references;
mod restart;
mod role;
mod secret;
mod secret_type;
mod source;
mod status;
mod sts;
mod token;

pub use arn::Arn;
pub use cluster_credential::{
    ClusterRefreshableCredential, ClusterRefreshableCredentialSpec,
    ClusterRefreshableCredentialStatus, CredentialTemplate, MOST_TROUBLES, NAMESPACE_PLACEHOLDER,
    NamespaceTrouble, TemplateMetadata,
};
pub use credential::{
    PrincipalSpec, RefreshSpec, RefreshableCredential, RefreshableCredentialSpec, VerifyPrincipal,
};
pub use data_keys::SecretKeys;
pub use object_name::{DataKey, ObjectName, is_namespace, is_path_segment};
pub use policy::{
    Allow, CredentialPolicy, CredentialPolicySpec, NodeSource, Pkcs11Grant, RoleGrant, SessionTag,
    SessionTagValue, SessionTags, TagGrant, TaggedChains, WITHDRAW_IMMEDIATELY,
};
pub use policy_status::CredentialPolicyStatus;
pub use profile::{ProfileSpec, ProfileStatus};
pub use references::{
    CaBundleKind, CaBundleReference, SecretKeyReference, SecretReference, ServiceAccountReference,
};
pub use restart::{RestartStatus, RestartTarget, WorkloadKind};
pub use role::{PolicyDescriptor, ProvidedContext, Role, Tag};
pub use secret::{DeletionPolicy, Format, Propagation, SecretSpec};
pub use secret_type::SecretType;
pub use source::{
    AccessKeySource, AmbientSource, CognitoLogin, CognitoSource, ContainerSource, CustomHttpSource,
    CustomProcessSource, CustomSecretKeys, CustomSecretSource, CustomSource, FederationTokenSource,
    Header, HttpFormat, IdentityCenterSource, InstanceMetadataSource, IotSource, Pkcs11Key,
    PodIdentityServiceAccount, PodIdentitySource, RolesAnywhereSource, SamlSource, SecretPreset,
    SessionTokenSource, Source, SourceKind, WebIdentitySource,
};
pub use status::{
    AttemptStatus, ControllerStatus, FailureStatus, InputDigest, InputStatus, PermissionStatus,
    PrincipalStatus, RefreshableCredentialStatus, SecretStatus, time_of,
};
pub use sts::StsSpec;
pub use token::{
    CodeArtifactToken, DatabaseEngine, DsqlToken, EcrHost, EcrRegistry, EcrToken, EksToken,
    ElastiCacheToken, MskToken, PackageFormat, PackageRepository, RdsToken, SigningAlgorithm,
    TokenKind, TokenSpec, WebIdentityToken,
};

/// The API group of the resources.
pub const GROUP: &str = "refreshable.dev";
/// The only served and stored version.
pub const VERSION: &str = "v1alpha1";
