//! Where a source's credentials belong: the Region whose STS is asked about them, and which the
//! published files name. A device in China or an Identity Center in GovCloud is served by a
//! controller that is neither.

use super::{SourceSpec, of};
use crate::aws::Sts;
use crate::aws::region::Home;
use refreshable_api::{ProfileSpec, RefreshableCredentialSpec};

/// STS as `spec`'s source sees it: the source's Region and partition stand in for the controller's
/// own.
pub fn at_source(spec: &RefreshableCredentialSpec, sts: &Sts) -> Sts {
    let source: SourceSpec = spec.source();
    sts.at(of(&source).map_or(Home::Unknown, |s| s.home()))
}

/// The Region that the published files name where the specification names none for them. `sts` is
/// from [`at_source`], and has learned what the source's answer said.
pub fn region(spec: &RefreshableCredentialSpec, sts: &Sts) -> String {
    let role = spec.roles.last().map(|r| r.role_arn.as_str());
    sts.region(&spec.sts.clone().unwrap_or_default(), role)
}

/// The Region that a profile's part of the files names: its own, else that of all files, else that
/// of its last role's partition. `None` where the files' own decides.
pub fn region_of_profile(
    spec: &RefreshableCredentialSpec,
    profile: &ProfileSpec,
    sts: &Sts,
) -> Option<String> {
    let role = profile.roles.last().map(|r| r.role_arn.as_str());
    let of_role = || role.map(|arn| sts.region(&spec.sts.clone().unwrap_or_default(), Some(arn)));
    let of_all = || spec.secret.as_ref().and_then(|s| s.region.clone());
    profile.region.clone().or_else(of_all).or_else(of_role)
}

#[cfg(test)]
#[path = "home_tests.rs"]
mod tests;
