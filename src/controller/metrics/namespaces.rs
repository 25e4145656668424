//! Counts of the resources of each namespace. Switched on by `--namespace-metrics`: some ten
//! series for each namespace that has resources.

use super::inventory::{Tally, all};
use super::labels::{InNamespace, NamespaceAttempts, NamespaceCondition};
use super::{FAILURE, SUCCESS, put};
use crate::{Context, ResourceName};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use refreshable_engine::SharedQueue;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Attempts of each namespace, by whether they succeeded. Clones share them. Nothing is counted
/// before it is switched on.
#[derive(Clone, Debug, Default)]
pub(super) struct AttemptsByNamespace(Arc<Mutex<Option<BTreeMap<String, Attempts>>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    succeeded: u64,
    failed: u64,
}

impl AttemptsByNamespace {
    fn switch_on(&self) {
        self.0.lock().get_or_insert_default();
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.lock().is_some()
    }

    /// An attempt came to its end.
    pub(super) fn add(&self, namespace: &str, failed: bool) {
        let mut all = self.0.lock();
        let Some(all) = all.as_mut() else { return };
        let attempts = all.entry(namespace.to_owned()).or_default();
        match failed {
            true => attempts.failed += 1,
            false => attempts.succeeded += 1,
        }
    }

    /// Those of the namespaces that `stay`; the others are forgotten.
    fn of(&self, stay: &BTreeMap<String, Tally>) -> BTreeMap<String, Attempts> {
        let mut all = self.0.lock();
        let all = all.get_or_insert_default();
        all.retain(|namespace, _| stay.contains_key(namespace));
        all.clone()
    }
}

/// Counts the resources of each namespace at each scrape.
#[derive(Debug)]
pub(super) struct Namespaces {
    context: Weak<Context>,
    attempts: AttemptsByNamespace,
}

impl Namespaces {
    /// Of the resources that `context` knows, and what `attempts` counts from now on.
    pub(super) fn new(context: Weak<Context>, attempts: AttemptsByNamespace) -> Self {
        attempts.switch_on();
        Self { context, attempts }
    }
}

impl Collector for Namespaces {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(context) = self.context.upgrade() else { return Ok(()) };
        let now = context.now();
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        all(&context, |which, health| match tallies.get_mut(&*which.namespace) {
            Some(tally) => tally.add(&health, now),
            None => tallies.entry(which.namespace.to_string()).or_default().add(&health, now),
        });
        encode(&tallies, &self.attempts, &mut encoder)
    }
}

/// Writes them. What is made anew at each scrape leaves nothing of a namespace that is gone.
pub(super) fn encode(
    tallies: &BTreeMap<String, Tally>,
    attempts: &AttemptsByNamespace,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    let conditions = Family::<NamespaceCondition, Gauge>::default();
    for (namespace, tally) in tallies {
        for (condition, count) in tally.conditions() {
            let labels = NamespaceCondition { namespace: namespace.clone(), condition };
            conditions.get_or_create(&labels).set(count);
        }
    }
    let help = "Resources of a namespace, by condition";
    put(encoder, "namespace_credentials", help, None, &conditions)?;
    let counts = Family::<NamespaceAttempts, Counter>::default();
    for (namespace, Attempts { succeeded, failed }) in attempts.of(tallies) {
        for (outcome, count) in [(SUCCESS, succeeded), (FAILURE, failed)] {
            let labels = NamespaceAttempts { namespace: namespace.clone(), outcome };
            counts.get_or_create(&labels).inc_by(count);
        }
    }
    let help = "Attempts of a namespace to obtain credentials, by outcome";
    put(encoder, "namespace_attempts", help, None, &counts)
}

/// Reads from the queue how many resources of each namespace wait for their turn.
#[derive(Debug)]
pub(super) struct NamespaceQueue(pub(super) SharedQueue<ResourceName>);

impl Collector for NamespaceQueue {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let waiting = Family::<InNamespace, Gauge>::default();
        for (namespace, count) in self.0.lock().waiting_by_tenant() {
            let labels = InNamespace { namespace: namespace.to_string() };
            waiting.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let help = "Resources of a namespace that wait for their turn at an issuer";
        put(&mut encoder, "namespace_rate_limited_resources", help, None, &waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_once_it_is_switched_on_and_while_the_namespace_has_resources() {
        let attempts = AttemptsByNamespace::default();
        attempts.add("a", false);
        attempts.switch_on();
        for failed in [false, false, true] {
            attempts.add("a", failed);
        }
        attempts.add("b", true);
        let both: BTreeMap<String, Tally> =
            [("a".to_owned(), Tally::default()), ("b".to_owned(), Tally::default())].into();
        let of = |stay: &BTreeMap<String, Tally>, namespace: &str| {
            attempts.of(stay).get(namespace).map(|a| (a.succeeded, a.failed))
        };
        assert_eq!((of(&both, "a"), of(&both, "b")), (Some((2, 1)), Some((0, 1))));
        let one: BTreeMap<String, Tally> = [("a".to_owned(), Tally::default())].into();
        assert_eq!(of(&one, "b"), None);
        assert_eq!((of(&both, "a"), of(&both, "b")), (Some((2, 1)), None), "it was forgotten");
    }
}
