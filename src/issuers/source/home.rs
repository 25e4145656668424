//! Partition and Region of a source's credentials: its STS verifies them, and the published files
//! name it. One controller serves a device in China and an Identity Center in GovCloud, without
//! being in either.

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

/// The Region of the published files where the specification names none. `sts` is from
/// [`at_source`], and knows the Region in the source's inputs and response.
pub fn region(spec: &RefreshableCredentialSpec, sts: &Sts) -> String {
    let role = spec.roles.last().map(|r| r.role_arn.as_str());
    sts.region(&spec.sts.clone().unwrap_or_default(), role)
}

/// The Region of a profile in the files: its own, else that of all files, else that of its last
/// role's partition. `None` where the files' own applies.
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
