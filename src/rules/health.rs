//! Health summary derived from the status; alerts are made of it.

use super::timing;
use jiff::Timestamp;
use kube::ResourceExt as _;
use refreshable_api::conditions::{READY, RECONCILING, Reason, STALLED};
use refreshable_api::{RefreshableCredential, time_of};

/// Health of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its Secret holds valid credentials that match the specification; `None` before the first
    /// report.
    pub ready: Option<bool>,
    /// The reason of its last failure, or of its Ready condition where nothing fails.
    pub reason: Option<Reason>,
    /// Start of the present run of failures.
    pub failing_since: Option<Timestamp>,
    /// Attempts that failed in a row.
    pub failures: i32,
    /// A person has to change something.
    pub stalled: bool,
    /// Its renewal is suspended: its credentials may expire on purpose.
    pub suspended: bool,
    /// When the first of its published credentials expires.
    pub expiration: Option<Timestamp>,
    /// When they are renewed, or the next attempt is due.
    pub renewal: Option<Timestamp>,
    /// Half of the time between the refresh point and the expiry has passed without a renewal.
    pub running_out: bool,
    /// Credentials that it publishes have expired.
    pub expired: bool,
}

/// The values that the health of a resource follows from, in few bytes and without the resource: a
/// scrape looks at every one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// As far as no time decides.
    health: Health,
    /// Its credentials are to be renewed.
    renewed: bool,
    /// When the first of its profiles' credentials expire.
    profiles_end: Option<Timestamp>,
    /// When half of the time between the refresh point and the expiry has passed.
    half_gone: Option<Timestamp>,
}

impl Vitals {
    /// Those of `object`.
    pub fn of(object: &RefreshableCredential) -> Self {
        let suspended = object.spec.suspended();
        let Some(status) = &object.status else {
            let health = Health { suspended, ..Health::default() };
            return Self { health, ..Self::default() };
        };
        let condition = |kind: &str| status.conditions.iter().find(|c| c.type_ == kind);
        let ready = condition(READY);
        let trouble = [RECONCILING, STALLED].into_iter().filter_map(condition);
        let failing_since =
            status.failures.as_ref().and(trouble.map(|c| c.last_transition_time.0).min());
        let reason = status
            .failures
            .as_ref()
            .map(|f| f.reason.as_str())
            .or(ready.map(|c| c.reason.as_str()));
        let expiration = time_of(&status.expiration);
        let profiles = status.profiles.iter().flatten();
        let health = Health {
            ready: ready.map(|c| c.status == "True"),
            reason: reason.and_then(|text| text.parse().ok()),
            failing_since,
            failures: status.failures.as_ref().map_or(0, |f| f.count),
            stalled: condition(STALLED).is_some(),
            suspended,
            expiration,
            renewal: time_of(&status.next_refresh_time),
            ..Health::default()
        };
        Self {
            health,
            renewed: !suspended && object.metadata.deletion_timestamp.is_none(),
            profiles_end: profiles.filter_map(|p| time_of(&p.expiration)).min(),
            half_gone: time_of(&status.last_refresh_time)
                .zip(expiration)
                .map(|(issued_at, expiration)| half_gone(object, issued_at, expiration)),
        }
    }

    /// The health at `now`. With `rests` the source had nothing newer than the published
    /// credentials and is asked again in time, so a near expiry is not a fault.
    pub fn at(&self, rests: bool, now: Timestamp) -> Health {
        let past = |end: Option<Timestamp>| end.is_some_and(|e| e <= now);
        let expiration = self.health.expiration;
        let running_out = past(self.half_gone) && expiration.is_some_and(|e| e > now);
        Health {
            running_out: self.renewed && !rests && running_out,
            expired: self.renewed && (past(expiration) || past(self.profiles_end)),
            ..self.health
        }
    }
}

fn half_gone(
    object: &RefreshableCredential,
    issued_at: Timestamp,
    expiration: Timestamp,
) -> Timestamp {
    let refresh = object.spec.refresh.as_ref();
    let before = refresh.and_then(|r| r.before.as_deref()).and_then(timing::parse_before);
    let due = timing::refresh_at(issued_at, expiration, before, &object.uid().unwrap_or_default());
    due + expiration.duration_since(due) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{credential, failed, minute, record, reported, unreachable};
    use crate::issuer::IssueError;
    use serde_json::json;

    fn of(object: &RefreshableCredential, rests: bool, now: Timestamp) -> Health {
        Vitals::of(object).at(rests, now)
    }

    fn published(spec: serde_json::Value) -> RefreshableCredential {
        let object = credential(spec);
        let record = record(&object);
        reported(object, &record)
    }

    #[test]
    fn it_runs_out_when_half_of_what_is_left_for_its_renewal_is_gone() {
        // An hour, due with 20 minutes left and up to 3 early: half of that is left after 48.5 to
        // 50 minutes.
        let object = published(json!({}));
        let seen = |minutes, rests| of(&object, rests, minute(minutes));
        assert!(!seen(39, false).running_out && !seen(48, false).running_out);
        assert!(
            seen(50, false).running_out && !seen(50, true).running_out,
            "a source that has nothing newer is asked again"
        );
        assert!(seen(59, false).running_out && !seen(59, false).expired);
        assert!(!seen(60, false).running_out && seen(60, false).expired);
        let late = published(json!({"refresh": {"before": "5m"}}));
        assert!(
            !of(&late, false, minute(54)).running_out && of(&late, false, minute(58)).running_out
        );
    }

    #[test]
    fn what_is_suspended_may_end() {
        let mut object = published(json!({}));
        object.spec.suspend = Some(true);
        let seen = of(&object, false, minute(70));
        assert!(seen.suspended && !seen.expired && !seen.running_out);
    }

    #[test]
    fn failing_counts_from_the_first_failure() {
        let object = published(json!({}));
        assert_eq!(of(&object, false, minute(1)).failing_since, None);
        assert_eq!(of(&object, false, minute(1)).reason, Some(Reason::Issued));
        let record = record(&object);
        let object = failed(object, &unreachable(), Some(&record), minute(40));
        let object = failed(object, &unreachable(), Some(&record), minute(45));
        let seen = of(&object, false, minute(46));
        assert_eq!((seen.failing_since, seen.failures), (Some(minute(40)), 2));
        assert_eq!(
            (seen.ready, seen.reason, seen.stalled),
            (Some(true), Some(Reason::IssuerUnavailable), false)
        );
        let wrong =
            IssueError::Specification { field: "spec.roles".to_owned(), what: "no".to_owned() };
        assert!(of(&failed(object, &wrong, Some(&record), minute(50)), false, minute(51)).stalled);
        assert_eq!(of(&credential(json!({})), false, minute(1)), Health::default());
    }
}
