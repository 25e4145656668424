//! The status of each policy: whether it is in force, which of its patterns are useless, and how
//! much it serves.

use super::ambiguous;
use super::conditions::with_transitions;
use super::policy_index::PolicyIndex;
use super::policy_patterns::BadPattern;
use super::selector;
use super::unmatchable;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use refreshable_api::conditions::{PolicyReason, READY, STALLED};
use refreshable_api::{CredentialPolicy, CredentialPolicyStatus};

/// Most patterns in one message.
const TOLD: usize = 3;
/// Most characters of a pattern in a message.
const SHOWN: usize = 200;

/// The statuses of `policies`, in their order, at `now`. `index` is of the same policies over all
/// namespaces.
///
/// `served` is how many resources of all namespaces each of them serves, or `None` where only some
/// namespaces are watched: their count then stays unchanged.
pub fn statuses(
    policies: &[impl AsRef<CredentialPolicy>],
    index: &PolicyIndex<'_>,
    served: Option<&[i32]>,
    now: Timestamp,
) -> Vec<CredentialPolicyStatus> {
    let elsewhere = policies.iter().any(|p| !p.as_ref().spec.allow.endpoints.is_empty());
    let each = policies.iter().map(AsRef::as_ref).enumerate();
    each.map(|(at, policy)| {
        let before = policy.status.clone().unwrap_or_default();
        let verdict = match index.selected(at) {
            Err(error) => Verdict::unreadable(error),
            Ok(namespaces) => {
                let allow = &policy.spec.allow;
                Verdict::of(
                    &unmatchable::find(allow, elsewhere),
                    &ambiguous::find(allow),
                    namespaces,
                )
            }
        };
        CredentialPolicyStatus {
            conditions: verdict.conditions(policy.metadata.generation, &before.conditions, now),
            observed_generation: policy.metadata.generation,
            namespaces: Some(index.selected(at).unwrap_or_default()),
            resources: served.map_or(before.resources, |counts| counts.get(at).copied()),
        }
    })
    .collect()
}

/// Reason and message of a policy's Ready condition.
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

    fn of(unmatchable: &[BadPattern], ambiguous: &[BadPattern], namespaces: i32) -> Self {
        if unmatchable.is_empty() && ambiguous.is_empty() {
            let message = match namespaces {
                0 => {
                    "no namespace has the labels that spec.namespaceSelector asks for: the policy allows nothing yet"
                }
                _ => "what the policy allows is allowed to the namespaces that it selects",
            };
            return Self { reason: PolicyReason::Accepted, message: message.to_owned() };
        }
        let tell = |patterns: &[BadPattern], what: &str| -> Vec<String> {
            let one = |BadPattern { field, pattern, why }: &BadPattern| {
                let shown: String = pattern.chars().take(SHOWN).collect();
                format!("{field} ({shown}) {what}: {why}")
            };
            patterns.iter().map(one).collect()
        };
        // Patterns that let too much through are told before those that let nothing through.
        let open = tell(ambiguous, "does not keep namespaces apart");
        let useless = tell(unmatchable, "can match nothing");
        let told: Vec<String> = open.into_iter().chain(useless).take(TOLD).collect();
        let more = match (unmatchable.len() + ambiguous.len()).saturating_sub(TOLD) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let (reason, end) = match (ambiguous.is_empty(), unmatchable.is_empty()) {
            (true, _) => (PolicyReason::UnmatchablePattern, "The rest of the policy is in force"),
            (false, true) => {
                (PolicyReason::AmbiguousPattern, "The policy is in force as it is written")
            }
            (false, false) => {
                (PolicyReason::AmbiguousPattern, "All that can match is in force as it is written")
            }
        };
        Self { reason, message: format!("{}{more}. {end}", told.join("; ")) }
    }

    fn conditions(
        self,
        generation: Option<i64>,
        before: &[Condition],
        now: Timestamp,
    ) -> Vec<Condition> {
        let stalled = self.reason == PolicyReason::InvalidSelector;
        let ready = (READY, if stalled { "False" } else { "True" });
        let types = [Some(ready), stalled.then_some((STALLED, "True"))];
        let (types, reason) = (types.into_iter().flatten(), self.reason.as_str());
        with_transitions(types, reason, &self.message, (generation, before), now)
    }
}

#[cfg(test)]
#[path = "policy_status_tests.rs"]
mod tests;
