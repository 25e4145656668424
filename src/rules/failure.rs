//! A failed attempt, as the rules see it: what the user reads, and when it is repeated.

use super::inputs::{self, UsedInputs};
use super::retry::{self, Class};
use super::timing;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use refreshable_api::{
    AttemptStatus, FailureStatus, RefreshableCredentialStatus, conditions::Reason,
};

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Decides the retry.
    pub class: Class,
    /// Reason of the conditions.
    pub reason: Reason,
    /// AWS's error code.
    pub code: Option<String>,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// The error and advice, for a person.
    pub message: String,
    /// Inputs that the attempt read.
    pub inputs: UsedInputs,
}

/// Longest message kept: a condition's limit is 32,768 characters, an event's 1,024.
const LONGEST_MESSAGE: usize = 900;

impl Failure {
    /// The same failure, of an attempt that read these inputs.
    #[must_use]
    pub fn after_reading(self, inputs: UsedInputs) -> Self {
        Self { inputs, ..self }
    }

    /// The failure as recorded in the status. `request` is the digest of the request: the count
    /// continues if the earlier failures had the same request and the same data, else it starts
    /// anew.
    pub fn record(
        &self,
        before: Option<&RecordedFailure>,
        request: String,
        uid: &str,
        now: Timestamp,
        expiration: Option<Timestamp>,
    ) -> RecordedFailure {
        let repeats = |attempt: &AttemptStatus| {
            attempt.request == request
                && inputs::same_data(&inputs::from_status(&attempt.inputs), &self.inputs)
        };
        let same = before.filter(|b| b.attempt.as_ref().is_some_and(repeats));
        let count = same.map_or(0, |b| b.shown.count).saturating_add(1);
        let next = retry::next_try(self.class, count, uid, now, expiration);
        let shown = FailureStatus {
            count,
            class: self.class.as_str().to_owned(),
            reason: self.reason.as_str().to_owned(),
            code: self.code.clone(),
            request_id: self.request_id.clone(),
            message: shorten(&self.message, LONGEST_MESSAGE),
            next_try_time: Time(timing::up_to_second(next)),
        };
        RecordedFailure {
            shown,
            attempt: Some(AttemptStatus { request, inputs: inputs::to_status(&self.inputs) }),
        }
    }
}

/// A failure as a status holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedFailure {
    /// The failure as shown in the status.
    pub shown: FailureStatus,
    /// Request and inputs of the attempt; absent in a status of an earlier version.
    pub attempt: Option<AttemptStatus>,
}

impl RecordedFailure {
    /// The failure in `status`, if there is one.
    pub fn from_status(status: &RefreshableCredentialStatus) -> Option<Self> {
        let attempt = status.controller.as_ref().and_then(|c| c.failed_attempt.clone());
        Some(Self { shown: status.failures.clone()?, attempt })
    }

    /// Puts the failure into `status`.
    pub fn put_into(self, status: &mut RefreshableCredentialStatus) {
        status.failures = Some(self.shown);
        status.controller.get_or_insert_default().failed_attempt = self.attempt;
    }

    /// When the next attempt is due.
    pub fn next_try(&self) -> Timestamp {
        self.shown.next_try_time.0
    }
}

/// A message of at most `longest` bytes, cut between characters.
pub fn shorten(message: &str, longest: usize) -> String {
    const MORE: char = '…';
    if message.len() <= longest {
        return message.to_owned();
    }
    let room = longest.saturating_sub(MORE.len_utf8());
    let end = message
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= room)
        .last()
        .unwrap_or_default();
    format!("{}{MORE}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Failure {
        Failure {
            class: Class::Denied,
            reason: Reason::AccessDenied,
            code: Some("AccessDenied".into()),
            request_id: Some("id".into()),
            message: "no".into(),
            inputs: UsedInputs::new(),
        }
    }

    #[test]
    fn the_same_attempt_counts_on_and_another_starts_anew() {
        let now = Timestamp::UNIX_EPOCH;
        let first = denied().record(None, "a".into(), "uid", now, None);
        let second = denied().record(Some(&first), "a".into(), "uid", now, None);
        let other = denied().record(Some(&second), "b".into(), "uid", now, None);
        assert_eq!((first.shown.count, second.shown.count, other.shown.count), (1, 2, 1));
    }

    #[test]
    fn other_data_of_an_input_starts_anew_and_a_label_counts_on() {
        let key = inputs::InputKey::new(&[1; inputs::InputKey::LENGTH]).expect("a key");
        let failed = |version: &str, value: &str, before: Option<&RecordedFailure>| {
            let digest = Some(key.digest("uid", "s", [("k", Some(value.as_bytes()))]));
            let used = inputs::UsedInput { version: Some(version.to_owned()), digest };
            let failure = denied().after_reading([("s".to_owned(), used)].into());
            failure.record(before, "a".into(), "uid", Timestamp::UNIX_EPOCH, None)
        };
        let first = failed("u/1", "v", None);
        assert_eq!(failed("u/2", "v", Some(&first)).shown.count, 2, "a label");
        assert_eq!(failed("u/2", "w", Some(&first)).shown.count, 1, "other data");
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let cut = shorten(&"ä".repeat(2000), 10);
        assert_eq!((cut.as_str(), cut.len()), ("äää…", 9));
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("longer", 5), "lo…");
    }
}
