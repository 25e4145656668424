//! How many attempts a namespace may make, where its administrator limits them.

use crate::rate_limits;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Share that may be used at once after a pause: a tenth of what a minute grants, whatever the
/// limit. Any minute so sees at most eleven tenths of the limit.
const AT_ONCE: Duration = Duration::from_secs(6);

/// Attempts of each namespace, by the generic cell rate algorithm. Time is that since boot.
#[derive(Debug, Default)]
pub(crate) struct Pace(BTreeMap<Arc<str>, Debt>);

/// Attempts that were made and are not paid for yet.
#[derive(Clone, Copy, Debug)]
struct Debt {
    /// When they will be.
    paid_at: Duration,
    /// How far apart the attempts lay when the last of them was made.
    spacing: Duration,
}

impl Debt {
    /// When they are paid for where attempts lie `spacing` apart from now on: after another limit was
    /// set, as many attempts are owed, and each counts as it does now.
    fn paid_at(self, spacing: Duration, now: Duration) -> Duration {
        if self.spacing == spacing {
            return self.paid_at;
        }
        let attempts = self.paid_at.saturating_sub(now).div_duration_f64(self.spacing);
        now.saturating_add(
            Duration::try_from_secs_f64(attempts * spacing.as_secs_f64()).unwrap_or(Duration::MAX),
        )
    }
}

impl Pace {
    /// From when on an attempt of `tenant` may start, asked at `now`, where its attempts lie
    /// `spacing` apart in the long run; zero where they are not limited.
    pub(crate) fn granted_at(&self, tenant: &str, spacing: Duration, now: Duration) -> Duration {
        if spacing.is_zero() {
            return now;
        }
        rate_limits::granted_at(self.paid_at(tenant, spacing, now), spacing, AT_ONCE, now)
    }

    /// An attempt starts.
    pub(crate) fn take(&mut self, tenant: &Arc<str>, spacing: Duration, now: Duration) {
        if spacing.is_zero() {
            self.0.remove(tenant);
            return;
        }
        let paid_at = self.paid_at(tenant, spacing, now).saturating_add(spacing);
        let debt = Debt { paid_at, spacing };
        self.0.insert(tenant.clone(), debt);
    }

    /// An attempt that was counted asked no issuer.
    pub(crate) fn give_back(&mut self, tenant: &str) {
        if let Some(debt) = self.0.get_mut(tenant) {
            debt.paid_at = debt.paid_at.saturating_sub(debt.spacing);
        }
    }

    /// When all attempts of `tenant` so far are paid for.
    fn paid_at(&self, tenant: &str, spacing: Duration, now: Duration) -> Duration {
        self.0.get(tenant).map_or(now, |debt| debt.paid_at(spacing, now)).max(now)
    }

    /// Forgets namespaces that owe nothing.
    pub(crate) fn tidy(&mut self, now: Duration) {
        self.0.retain(|_, debt| debt.paid_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts `a` starts in the second minute, of as many as it likes; and in the first
    /// second.
    fn started(spacing: Duration) -> (usize, usize) {
        let (mut pace, tenant) = (Pace::default(), Arc::<str>::from("a"));
        let mut times = Vec::new();
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(120) && times.len() < 100_000 {
            now = pace.granted_at(&tenant, spacing, now);
            pace.take(&tenant, spacing, now);
            times.push(now);
        }
        let within = |from: u64, to: u64| {
            let range = Duration::from_secs(from)..Duration::from_secs(to);
            times.iter().filter(|t| range.contains(t)).count()
        };
        (within(60, 120), within(0, 1))
    }

    #[test]
    fn a_minute_grants_what_the_limit_says_and_a_tenth_of_it_at_once() {
        for (spacing, minute, at_once) in [
            (Duration::from_secs(60), 1, 1),
            (Duration::from_secs(1), 60, 6),
            (Duration::from_millis(100), 600, 69),
        ] {
            assert_eq!(started(spacing), (minute, at_once), "{spacing:?}");
        }
    }

    #[test]
    fn who_is_not_limited_waits_for_nothing() {
        assert_eq!(started(Duration::ZERO).1, 100_000);
    }

    #[test]
    fn another_limit_holds_for_what_is_owed_too() {
        let minute = Duration::from_secs(60);
        let (often, seldom) = (Duration::from_millis(100), Duration::from_secs(600));
        let mut pace = Pace::default();
        let tenant = Arc::<str>::from("a");
        pace.take(&tenant, minute, Duration::ZERO);
        pace.take(&tenant, minute, minute);
        let now = minute;
        assert_eq!(pace.granted_at(&tenant, minute, now), minute * 2);
        assert_eq!(pace.granted_at(&tenant, often, now), now, "a higher one, at once");
        assert_eq!(pace.granted_at(&tenant, Duration::ZERO, now), now, "none");
        assert_eq!(pace.granted_at(&tenant, seldom, now), now + seldom, "a lower one");
        pace.take(&tenant, often, now);
        assert_eq!(pace.granted_at(&tenant, minute, now), now + minute * 2);
        pace.tidy(now + often * 3);
        assert_eq!(pace.granted_at(&tenant, minute, now), now, "nothing is owed any more");
    }

    #[test]
    fn what_made_no_call_is_given_back() {
        let (mut pace, tenant) = (Pace::default(), Arc::<str>::from("a"));
        let minute = Duration::from_secs(60);
        pace.take(&tenant, minute, Duration::ZERO);
        assert_eq!(pace.granted_at(&tenant, minute, Duration::ZERO), minute);
        assert_eq!(pace.granted_at("b", minute, Duration::ZERO), Duration::ZERO);
        pace.give_back(&tenant);
        assert_eq!(pace.granted_at(&tenant, minute, Duration::ZERO), Duration::ZERO);
    }
}
