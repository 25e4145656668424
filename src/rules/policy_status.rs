//! What the status says of each policy: whether it is in force, which of its patterns are of no use, and what it serves.

use super::policy::{Permission, judge_among};
use super::selector;
use super::timing::down_to_second;
use super::unmatchable::{self, Unmatchable};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;
use kube::core::SelectorExt as _;
use refreshable_api::conditions::{PolicyReason, READY, STALLED};
use refreshable_api::{CredentialPolicy, CredentialPolicyStatus, RefreshableCredential};
use std::collections::{BTreeMap, HashMap};

/// So many patterns are told of in a message, which has an end.
const TOLD: usize = 3;
/// Of a pattern so many characters are shown.
const SHOWN: usize = 200;

/// The statuses of `policies`, in their order, at `now`.
///
/// `namespaces` are all namespaces with their labels. `resources` are those of all namespaces, or nothing where only some
/// namespaces are seen: the count of them is then left as it is.
///
/// Each selector is read once, each namespace is held against each of them once, and each resource is judged once, by the
/// policies that select its namespace.
pub fn statuses<'a>(
    policies: &[impl AsRef<CredentialPolicy>],
    namespaces: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    resources: Option<impl IntoIterator<Item = &'a RefreshableCredential>>,
    now: Timestamp,
) -> Vec<CredentialPolicyStatus> {
    let policies: Vec<&CredentialPolicy> = policies.iter().map(AsRef::as_ref).collect();
    let selectors: Vec<_> = policies.iter().map(|p| selector::read(&p.spec.namespace_selector)).collect();
    let mut served = vec![Served::default(); policies.len()];
    let mut selecting: HashMap<&str, Vec<&CredentialPolicy>> = HashMap::new();
    for (name, labels) in namespaces {
        let here = selecting.entry(name).or_default();
        for (at, policy) in policies.iter().enumerate() {
            if selectors[at].as_ref().is_ok_and(|s| s.matches(labels)) {
                served[at].namespaces += 1;
                here.push(policy);
            }
        }
    }
    let counted = resources.is_some();
    let places: HashMap<String, usize> = policies.iter().enumerate().map(|(at, p)| (p.name_any(), at)).collect();
    for object in resources.into_iter().flatten() {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let Some(here) = selecting.get(namespace).filter(|here| !here.is_empty()) else { continue };
        if let Permission::Allowed(by) = judge_among(object, here).permission {
            by.iter().filter_map(|name| places.get(name)).for_each(|at| served[*at].resources += 1);
        }
    }
    let elsewhere = policies.iter().any(|p| !p.spec.allow.endpoints.is_empty());
    let each = policies.iter().zip(selectors).zip(served);
    each.map(|((policy, selector), served)| {
        let before = policy.status.clone().unwrap_or_default();
        let verdict = match selector {
            Err(error) => Verdict::unreadable(&error),
            Ok(_) => Verdict::of(&unmatchable::find(&policy.spec.allow, elsewhere), served.namespaces),
        };
        CredentialPolicyStatus {
            conditions: verdict.conditions(policy.metadata.generation, &before.conditions, now),
            observed_generation: policy.metadata.generation,
            namespaces: Some(served.namespaces),
            resources: if counted { Some(served.resources) } else { before.resources },
        }
    })
    .collect()
}

/// How much a policy serves.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    namespaces: i32,
    resources: i32,
}

/// What is to be said of a policy.
struct Verdict {
    reason: PolicyReason,
    message: String,
}

impl Verdict {
    fn unreadable(error: &selector::Unreadable) -> Self {
        let message = format!(
            "spec.namespaceSelector: {error}. Until then the policy selects no namespace, and what it alone allowed is denied"
        );
        Self { reason: PolicyReason::InvalidSelector, message }
    }

    fn of(unmatchable: &[Unmatchable], namespaces: i32) -> Self {
        if unmatchable.is_empty() {
            let message = match namespaces {
                0 => "no namespace has the labels that spec.namespaceSelector asks for: nobody is allowed anything yet",
                _ => "what the policy allows is allowed to the namespaces that it selects",
            };
            return Self { reason: PolicyReason::Accepted, message: message.to_owned() };
        }
        let one = |u: &Unmatchable| {
            let shown: String = u.pattern.chars().take(SHOWN).collect();
            format!("{} ({shown}) can match nothing: {}", u.field, u.why)
        };
        let told: Vec<String> = unmatchable.iter().take(TOLD).map(one).collect();
        let more = match unmatchable.len().saturating_sub(TOLD) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("{}{more}. The rest of the policy is in force", told.join("; "));
        Self { reason: PolicyReason::UnmatchablePattern, message }
    }

    fn conditions(self, generation: Option<i64>, before: &[Condition], now: Timestamp) -> Vec<Condition> {
        let stalled = self.reason == PolicyReason::InvalidSelector;
        let ready = (READY, if stalled { "False" } else { "True" });
        let types = [Some(ready), stalled.then_some((STALLED, "True"))];
        let one = |(kind, status): (&str, &str)| {
            // The time of the last transition is kept where the status stays the same.
            let same = before.iter().find(|c| c.type_ == kind && c.status == status);
            Condition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: self.reason.as_str().to_owned(),
                message: self.message.clone(),
                last_transition_time: same
                    .map_or_else(|| Time(down_to_second(now)), |c| c.last_transition_time.clone()),
                observed_generation: generation,
            }
        };
        types.into_iter().flatten().map(one).collect()
    }
}

#[cfg(test)]
#[path = "policy_status_tests.rs"]
mod tests;
