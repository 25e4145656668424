//! Profiles that failed beside others that were published: what is said of all of them together.

use jiff::Timestamp;
use refreshable_api::RefreshableCredential;
use refreshable_rules::failure::{Failure, RecordedFailure};
use refreshable_rules::ownership::Record;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::profiles;
use refreshable_rules::report::Finding;
use std::collections::BTreeMap;

/// One failure that speaks for all that `failed`, by the name of the profile.
pub(super) fn first_failure(
    object: &RefreshableCredential,
    failed: &BTreeMap<String, Failure>,
) -> Option<Failure> {
    let (name, first) = failed.first_key_value()?;
    let all = object.spec.profiles.iter().flatten().count();
    let message = format!("{} of {all} profiles failed; {name}: {}", failed.len(), first.message);
    Some(Failure { message, ..first.clone() })
}

/// The finding at `now` for a Secret whose profiles `failed` could not be obtained.
pub(super) fn finding(
    object: &RefreshableCredential,
    record: &Record,
    failed: &BTreeMap<String, Failure>,
    now: Timestamp,
) -> Finding {
    let Some(failure) = first_failure(object, failed) else { return Finding::Good };
    let before = object.status.as_ref().and_then(RecordedFailure::from_status);
    let attempted = plan::attempt(object, Cause::Incomplete);
    let expiration = record.content.as_ref().and_then(|c| profiles::first_end(c, now));
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let recorded = failure.record(before.as_ref(), attempted, uid, now, expiration);
    let messages = failed.iter().map(|(name, f)| (name.clone(), f.message.clone())).collect();
    Finding::Partial(recorded, messages)
}
