//! How long a lease lasts, how long its holder relies on it, and how often it is renewed: together,
//! or two could lead.

use std::time::Duration;

/// Timings of the lease, valid together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

impl Default for LeaseTimings {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { duration: 15 * second, renew_deadline: 10 * second, retry_period: 2 * second }
    }
}

impl LeaseTimings {
    /// `duration`: how long others respect a lease that nobody renews, in whole seconds, which is
    /// all that a Lease can say. `renew_deadline`: how long its holder relies on it after it sent a
    /// renewal. `retry_period`: the pause between renewals, and between attempts to get it.
    ///
    /// # Errors
    /// The rule that they break, with advice.
    pub fn new(
        duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, String> {
        if duration.subsec_nanos() != 0 || duration > Duration::from_secs(3600) {
            return Err(format!("--lease-duration {duration:?} must be whole seconds, at most 1h"));
        }
        if retry_period < Duration::from_millis(100) {
            return Err(format!("--lease-retry-period {retry_period:?} must be at least 100ms"));
        }
        if duration.saturating_sub(renew_deadline) < Duration::from_secs(1) {
            return Err(format!(
                "--lease-duration {duration:?} must be at least 1s longer than --lease-renew-deadline {renew_deadline:?}: writes that are under way end in between"
            ));
        }
        let least = retry_period.saturating_mul(2).saturating_add(Duration::from_secs(1));
        if renew_deadline < least {
            return Err(format!(
                "--lease-renew-deadline {renew_deadline:?} must be at least {least:?}, so that a renewal that fails is tried again in time: raise it, or lower --lease-retry-period {retry_period:?}"
            ));
        }
        Ok(Self { duration, renew_deadline, retry_period })
    }

    /// How long others respect a lease that nobody renews.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// How long its holder relies on it after a renewal was sent.
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// Pause between renewals, and between attempts to get it.
    pub fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// How long a write that began while the lease was relied on may still take before another
    /// replica may lead.
    pub fn margin(&self) -> Duration {
        self.duration - self.renew_deadline
    }

    /// Time limit for one call: it ends within the [margin](Self::margin), and a second one begins
    /// before the deadline.
    pub fn call(&self) -> Duration {
        self.margin().min(self.renew_deadline - 2 * self.retry_period) * 4 / 5
    }
}

#[cfg(test)]
mod tests {
    use super::LeaseTimings;
    use std::time::Duration;

    #[test]
    fn timings_that_would_let_two_lead_are_refused() {
        for (duration, deadline, period, wrong) in [
            (15.0, 10.0, 2.0, None),
            (60.0, 40.0, 15.0, None),
            (3.0, 2.0, 0.5, None),
            (10.0, 10.0, 2.0, Some("--lease-duration 10s must be at least 1s longer")),
            (15.0, 16.0, 2.0, Some("--lease-duration 15s must be at least 1s longer")),
            (15.5, 10.0, 2.0, Some("--lease-duration 15.5s must be whole seconds")),
            (7200.0, 10.0, 2.0, Some("--lease-duration 7200s must be whole seconds, at most 1h")),
            (15.0, 10.0, 0.0, Some("--lease-retry-period 0ns must be at least 100ms")),
            (15.0, 10.0, 5.0, Some("--lease-renew-deadline 10s must be at least")),
            (15.0, 10.0, 10.0, Some("--lease-renew-deadline 10s must be at least")),
        ] {
            let [duration, deadline, period] =
                [duration, deadline, period].map(Duration::from_secs_f64);
            let made = LeaseTimings::new(duration, deadline, period);
            match (&made, wrong) {
                (Ok(timings), None) => {
                    assert!(timings.call() < timings.margin(), "{timings:?}");
                    assert!(timings.call() >= Duration::from_millis(800), "{timings:?}");
                    assert!(period + timings.call() + period < deadline, "{timings:?}");
                }
                (Err(why), Some(wrong)) => assert!(why.starts_with(wrong), "{why}"),
                _ => panic!("{made:?}, wanted {wrong:?}"),
            }
        }
        let (second, longest) = (Duration::from_secs(1), Duration::MAX);
        for [duration, deadline, period] in [
            [longest, second, second],
            [second, longest, second],
            [15 * second, 10 * second, longest],
        ] {
            assert!(
                LeaseTimings::new(duration, deadline, period).is_err(),
                "{duration:?} {deadline:?} {period:?}"
            );
        }
        let timings = LeaseTimings::default();
        let same =
            LeaseTimings::new(timings.duration(), timings.renew_deadline(), timings.retry_period());
        assert_eq!(same, Ok(timings));
        assert_eq!(timings.call(), Duration::from_secs(4));
    }
}
