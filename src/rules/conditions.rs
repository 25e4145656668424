//! Conditions that follow one verdict.

use crate::timing::down_to_second;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Conditions of these types and statuses, with one reason and message. `before` are the generation
/// of the object and its conditions until now: where a status stays the same, so does the time of
/// its last transition.
pub(crate) fn with_transitions<'a>(
    types: impl Iterator<Item = (&'a str, &'a str)>,
    reason: &str,
    message: &str,
    (generation, before): (Option<i64>, &[Condition]),
    now: Timestamp,
) -> Vec<Condition> {
    let one = |(kind, status): (&str, &str)| {
        let same = before.iter().find(|c| c.type_ == kind && c.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: same
                .map_or_else(|| Time(down_to_second(now)), |c| c.last_transition_time.clone()),
            observed_generation: generation,
        }
    };
    types.map(one).collect()
}
