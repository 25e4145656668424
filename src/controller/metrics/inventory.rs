//! Gauges computed at scrape time, counted over all resources.

use super::labels::{ForReason, InCondition};
use super::put;
use crate::packed::Form as _;
use crate::{Context, ResourceName};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Unit;
use refreshable_api::conditions::Reason;
use refreshable_rules::health::Health;
use std::sync::Weak;

/// Counts the resources at each scrape.
#[derive(Debug)]
pub(super) struct Inventory {
    context: Weak<Context>,
}

impl Inventory {
    /// Of the resources that `context` knows.
    pub(super) fn new(context: Weak<Context>) -> Self {
        Self { context }
    }
}

/// How each resource in view fares.
pub(super) fn all(context: &Context, mut each: impl FnMut(&ResourceName, Health)) {
    let now = context.now();
    for (name, kept) in context.view.credentials.entries() {
        let (uid, _) = kept.state();
        let not_before = context.memory.ledger.not_before(uid.unwrap_or_default());
        let rests = not_before.is_some_and(|until| until > now);
        each(&name, kept.vitals.at(rests, now));
    }
}

/// Totals over the resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    ready: i64,
    not_ready: i64,
    failing: i64,
    stalled: i64,
    suspended: i64,
    expiring: i64,
    expired: i64,
    reasons: [i64; Reason::ALL.len()],
    first_expiry: Option<Timestamp>,
    first_failure: Option<Timestamp>,
}

impl Tally {
    /// Adds one resource. What has expired is counted, and no longer the first to expire.
    pub(super) fn add(&mut self, one: &Health, now: Timestamp) {
        let ready = one.ready == Some(true);
        for (count, holds) in [
            (&mut self.ready, ready),
            (&mut self.not_ready, !ready),
            (&mut self.failing, one.failures > 0),
            (&mut self.stalled, one.stalled),
            (&mut self.suspended, one.suspended),
            (&mut self.expiring, one.running_out),
            (&mut self.expired, one.expired),
        ] {
            *count += i64::from(holds);
        }
        if let Some(place) = one.reason.and_then(|r| Reason::ALL.iter().position(|a| *a == r)) {
            self.reasons[place] += 1;
        }
        let expiry = one.expiration.filter(|e| *e > now && !one.suspended);
        self.first_expiry = self.first_expiry.into_iter().chain(expiry).min();
        self.first_failure = self.first_failure.into_iter().chain(one.failing_since).min();
    }

    /// How many resources are in each condition.
    pub(super) fn conditions(&self) -> [(&'static str, i64); 7] {
        [
            ("ready", self.ready),
            ("not_ready", self.not_ready),
            ("failing", self.failing),
            ("stalled", self.stalled),
            ("suspended", self.suspended),
            ("expiring", self.expiring),
            ("expired", self.expired),
        ]
    }

    /// Until the first of the valid credentials expires, if there are any.
    pub(super) fn until_expiry(&self, now: Timestamp) -> Option<SignedDuration> {
        self.first_expiry.map(|e| e.duration_since(now))
    }

    /// For how long the resource that has failed longest has been failing.
    pub(super) fn longest_failure(&self, now: Timestamp) -> SignedDuration {
        self.first_failure
            .map_or(SignedDuration::ZERO, |f| now.duration_since(f).max(SignedDuration::ZERO))
    }

    /// Writes it, and how many resources wait for a turn at an issuer.
    pub(super) fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        now: Timestamp,
    ) -> Result<(), std::fmt::Error> {
        let conditions = Family::<InCondition, Gauge>::default();
        for (condition, count) in self.conditions() {
            conditions.get_or_create(&InCondition { condition }).set(count);
        }
        put(encoder, "credentials", "Resources, by condition", None, &conditions)?;
        let reasons = Family::<ForReason, Gauge>::default();
        for (reason, count) in Reason::ALL.iter().zip(self.reasons) {
            reasons.get_or_create(&ForReason { reason: reason.as_str() }).set(count);
        }
        let help =
            "Resources, by the reason of their last failure, or of Ready where nothing fails";
        put(encoder, "reasons", help, None, &reasons)?;
        if let Some(left) = self.until_expiry(now) {
            let help = "Time until the first of the valid credentials expires";
            put(
                encoder,
                "earliest_expiry",
                help,
                Some(&Unit::Seconds),
                &ConstGauge::new(left.as_secs_f64()),
            )?;
        }
        let longest = ConstGauge::new(self.longest_failure(now).as_secs_f64());
        let help = "How long the resource that has failed longest has been failing";
        put(encoder, "longest_failure", help, Some(&Unit::Seconds), &longest)
    }
}

impl Collector for Inventory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // The process is ending.
        let Some(context) = self.context.upgrade() else { return Ok(()) };
        let now = context.now();
        let mut tally = Tally::default();
        all(&context, |_, health| tally.add(&health, now));
        tally.encode(&mut encoder, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    #[test]
    fn resources_add_up() {
        let good = Health {
            ready: Some(true),
            reason: Some(Reason::Issued),
            expiration: Some(at(600)),
            ..Health::default()
        };
        let failing = Health {
            reason: Some(Reason::AccessDenied),
            failures: 3,
            failing_since: Some(at(40)),
            expiration: Some(at(300)),
            running_out: true,
            ..good
        };
        let expired = Health {
            ready: Some(false),
            expiration: Some(at(50)),
            expired: true,
            running_out: false,
            ..failing
        };
        let suspended = Health { suspended: true, expiration: Some(at(101)), ..good };
        let mut tally = Tally::default();
        for one in [good, failing, expired, suspended, Health::default()] {
            tally.add(&one, at(100));
        }
        let counts = [3, 2, 2, 0, 1, 1, 1];
        assert_eq!(tally.conditions().map(|(_, count)| count), counts, "{:?}", tally.conditions());
        assert_eq!(tally.reasons[0], 2, "{:?} stands first", Reason::ALL[0]);
        assert_eq!(
            tally.until_expiry(at(100)),
            Some(SignedDuration::from_secs(200)),
            "neither expired nor suspended"
        );
        assert_eq!(tally.longest_failure(at(100)), SignedDuration::from_secs(60));
        assert_eq!(Tally::default().until_expiry(at(100)), None);
        assert_eq!(Tally::default().longest_failure(at(100)), SignedDuration::ZERO);
    }
}
