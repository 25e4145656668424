//! What waits for the reconciler, and since when. It only looks on: the queue itself is kube's,
//! which tells nothing.

use super::Metrics;
use super::metrics::put;
use kube::runtime::reflector::{Lookup, ObjectRef};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Which resources are to be reconciled, and when. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    /// When each resource is due, by a digest of its name: names would take as much memory as the
    /// view.
    due: HashMap<u64, Instant>,
    running: i64,
}

impl Queue {
    /// A queue whose numbers are among `metrics`.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let queue = Self::default();
        metrics.collect(queue.clone());
        queue
    }

    /// A resource is due at `when`, unless it is earlier already.
    pub(super) fn due<K: Lookup>(&self, which: &ObjectRef<K>, when: Instant) {
        let mut entries = self.lock();
        let due = entries.due.entry(key(which)).or_insert(when);
        *due = when.min(*due);
    }

    /// A resource will not be reconciled: it is gone.
    pub(super) fn dropped<K: Lookup>(&self, which: &ObjectRef<K>) {
        self.lock().due.remove(&key(which));
    }

    /// The reconciler takes a resource at `now`: how long it has waited. The turn ends with
    /// [`left`](Self::left).
    pub(super) fn taken<K: Lookup>(&self, which: &ObjectRef<K>, now: Instant) -> Duration {
        let mut entries = self.lock();
        entries.running += 1;
        entries
            .due
            .remove(&key(which))
            .map_or(Duration::ZERO, |due| now.saturating_duration_since(due))
    }

    /// The reconciler is done with a resource.
    pub(super) fn left(&self) {
        self.lock().running -= 1;
    }

    /// How many wait at `now`, and how long the first of them has.
    fn waiting(&self, now: Instant) -> (i64, Duration) {
        let entries = self.lock();
        let waits =
            entries.due.values().filter(|due| **due <= now).map(|due| now.duration_since(*due));
        waits.fold((0, Duration::ZERO), |(count, longest), wait| (count + 1, longest.max(wait)))
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Entries> {
        self.0.lock()
    }
}

fn key<K: Lookup>(which: &ObjectRef<K>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&which.namespace, &which.name).hash(&mut hasher);
    hasher.finish()
}

impl Collector for Queue {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (depth, oldest) = self.waiting(Instant::now());
        let (depth, running) = (ConstGauge::new(depth), ConstGauge::new(self.lock().running));
        put(
            &mut encoder,
            "workqueue_depth",
            "Resources that are due and wait for the reconciler",
            None,
            &depth,
        )?;
        let help = "How long the resource that waits longest has waited so far";
        let oldest = ConstGauge::new(oldest.as_secs_f64());
        put(&mut encoder, "workqueue_longest_wait", help, Some(&Unit::Seconds), &oldest)?;
        put(&mut encoder, "active_workers", "Reconciles under way", None, &running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::RefreshableCredential;

    fn named(name: &str) -> ObjectRef<RefreshableCredential> {
        ObjectRef::new(name).within("team-a")
    }

    #[test]
    fn what_is_due_waits_until_it_is_taken_or_dropped() {
        let (queue, start) = (Queue::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        queue.due(&named("a"), after(10));
        queue.due(&named("a"), after(2));
        queue.due(&named("a"), after(5));
        queue.due(&named("b"), after(4));
        queue.due(&named("c"), after(60));
        assert_eq!(queue.waiting(after(1)), (0, Duration::ZERO));
        assert_eq!(queue.waiting(after(7)), (2, Duration::from_secs(5)), "the earlier time counts");
        assert_eq!(queue.taken(&named("a"), after(8)), Duration::from_secs(6));
        assert_eq!(queue.waiting(after(8)), (1, Duration::from_secs(4)));
        queue.dropped(&named("b"));
        assert_eq!(queue.waiting(after(59)), (0, Duration::ZERO));
        assert_eq!(queue.taken(&named("c"), after(50)), Duration::ZERO, "taken early, by a change");
        assert_eq!(queue.lock().running, 2);
        queue.left();
        assert_eq!(queue.lock().running, 1);
    }
}
