//! Patterns of a CredentialPolicy that the API server takes and that are not what was meant: those
//! that can match nothing, and those that do not keep namespaces apart.

use super::finding::Finding;
use super::rules::pointer;
use refreshable_api::CredentialPolicySpec;
use refreshable_rules::{ambiguous, unmatchable};
use serde::Deserialize as _;
use serde_json::Value;

/// The warnings about the patterns of a policy.
pub(super) fn check(policy: &Value) -> Vec<Finding> {
    // The structure was checked before: an object that cannot be read has its findings already.
    let Ok(spec) = CredentialPolicySpec::deserialize(&policy["spec"]) else { return Vec::new() };
    let allow = &spec.allow;
    let certain = unmatchable::find(allow, true);
    // Names of roles that AWS does not have, which another STS may have. All policies of a cluster
    // together say which may be called.
    let own = !allow.endpoints.is_empty();
    let at_aws = if own { Vec::new() } else { unmatchable::find(allow, false) };
    let useless = certain.iter().map(|u| (u, "")).chain(
        at_aws
            .iter()
            .filter(|u| !certain.contains(u))
            .map(|u| (u, ", unless another CredentialPolicy allows an STS of another kind")),
    );
    let useless = useless.map(|(u, unless)| {
        Finding::warning(pointer(&u.field), format!("can match nothing{unless}: {}", u.why))
    });
    let open = ambiguous::find(allow).into_iter().map(|a| {
        Finding::warning(pointer(&a.field), format!("does not keep namespaces apart: {}", a.why))
    });
    open.chain(useless).collect()
}
