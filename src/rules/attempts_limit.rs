//! How many attempts a minute the resources of one namespace may make, all together.
//!
//! An administrator sets it for a namespace by an annotation of the Namespace object, which its
//! tenants cannot write.

use super::ownership::Content;
use super::plan::{self, Cause};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{RefreshableCredential, names};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Highest limit. Beyond it there is none to speak of.
pub const HIGHEST: u32 = 60_000;
/// A resource that has waited for its turn so long says why.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// Attempts a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptsLimit(NonZeroU32);

impl AttemptsLimit {
    /// Reads a limit as the annotation has it.
    ///
    /// # Errors
    /// Advice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|n: &NonZeroU32| n.get() <= HIGHEST);
        number.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is not a limit: write a whole number from 1 to {HIGHEST}, for example \"60\""
            )
        })
    }

    /// The limit that a Namespace's annotations set, if they set one.
    ///
    /// # Errors
    /// Advice.
    pub fn of_namespace(annotations: &BTreeMap<String, String>) -> Option<Result<Self, String>> {
        annotations.get(names::ATTEMPTS_ANNOTATION).map(|text| Self::parse(text))
    }

    /// How far apart the attempts lie in the long run.
    pub fn spacing(self) -> Duration {
        Duration::from_mins(1) / self.0.get()
    }
}

impl fmt::Display for AttemptsLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When a resource that has to be issued for this reason, and waits for its turn, says so. `None`
/// where that is not known: what users ask for may be asked at any time.
pub fn says_so_at(
    object: &RefreshableCredential,
    content: Option<&Content>,
    cause: Cause,
) -> Option<Timestamp> {
    let due = match (cause, content) {
        (Cause::Due, Some(content)) => Some(plan::refresh_at(object, content)),
        (Cause::First, _) => object.metadata.creation_timestamp.as_ref().map(|t| t.0),
        _ => None,
    };
    due.and_then(|due| due.checked_add(PATIENCE).ok())
}

/// Message of such a resource.
pub fn message(limit: AttemptsLimit) -> String {
    format!(
        "waits for its turn: the resources of the namespace may make {limit} attempts a minute ({})",
        names::ATTEMPTS_ANNOTATION
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{credential, minute, record};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_limit_is_a_whole_number() {
        for (text, spacing) in [("1", 60_000), ("60", 1000), ("600", 100), ("60000", 1)] {
            let limit = AttemptsLimit::parse(text).expect(text);
            assert_eq!(limit.spacing(), Duration::from_millis(spacing), "{text}");
            assert_eq!(limit.to_string(), text);
        }
        for text in ["", "0", "-1", "1.5", "60/m", " 60", "60001", "6O"] {
            let advice = AttemptsLimit::parse(text).expect_err(text);
            assert!(advice.contains("from 1 to 60000, for example \"60\""), "{advice}");
        }
    }

    #[test]
    fn it_stands_at_the_namespace() {
        let of = |text: Option<&str>| {
            let annotations =
                text.map(|t| (names::ATTEMPTS_ANNOTATION.to_owned(), t.to_owned())).into_iter();
            AttemptsLimit::of_namespace(&annotations.collect())
        };
        assert_eq!(of(None), None);
        assert_eq!(of(Some("5")).expect("one").expect("a limit").to_string(), "5");
        assert!(of(Some("x")).expect("one").is_err());
    }

    #[test]
    fn a_resource_says_so_a_minute_after_it_was_due() {
        let mut object = credential(json!({}));
        object.metadata.creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(minute(3)));
        assert_eq!(says_so_at(&object, None, Cause::First), Some(minute(4)));
        let record = record(&object);
        let content = record.content.as_ref();
        let due = plan::refresh_at(&object, content.expect("content"));
        assert_eq!(says_so_at(&object, content, Cause::Due), Some(due + PATIENCE));
        assert_eq!(says_so_at(&object, content, Cause::Requested), None);
        let said = message(AttemptsLimit::parse("5").expect("a limit"));
        assert!(
            said.contains("5 attempts a minute (refreshable.dev/attempts-per-minute)"),
            "{said}"
        );
    }
}
