//! The chain of roles of a resource.

use refreshable_api::{RefreshableCredential, Role, SourceKind};

/// Every role that is assumed for `object`: the shared ones, then those of its profiles.
pub(crate) fn steps(object: &RefreshableCredential) -> impl Iterator<Item = &Role> {
    object.spec.roles.iter().chain(object.spec.profiles.iter().flatten().flat_map(|p| &p.roles))
}

/// Whether the chain of `object` starts from the controller's own identity.
pub(crate) fn is_ambient(object: &RefreshableCredential) -> bool {
    match &object.spec.source {
        None => true,
        Some(source) => matches!(source.kind(), Some(SourceKind::Ambient(_))),
    }
}
