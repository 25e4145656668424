//! Queue metrics, computed at each scrape.

use super::put;
use crate::ResourceName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use refreshable_engine::{Backlog, Now, SharedClock, SharedQueue};

/// Reads the queue.
#[derive(Debug)]
pub(super) struct QueueMetrics {
    queue: SharedQueue<ResourceName>,
    clock: SharedClock,
}

impl QueueMetrics {
    pub(super) fn new(queue: SharedQueue<ResourceName>, clock: SharedClock) -> Self {
        Self { queue, clock }
    }
}

impl Collector for QueueMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        encode(self.queue.lock().backlog(Now::read(&*self.clock)), encoder)
    }
}

fn encode(backlog: Backlog, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let number = |number: usize| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
    let encoder = &mut encoder;
    let help = "Resources that are due and wait for a look";
    put(encoder, "workqueue_depth", help, None, &number(backlog.looks))?;
    let help = "How long the resource that has waited longest for a look has waited so far";
    let longest = ConstGauge::new(backlog.longest_look.as_secs_f64());
    put(encoder, "workqueue_longest_wait", help, Some(&Unit::Seconds), &longest)?;
    let help = "Looks and attempts under way";
    put(encoder, "active_workers", help, None, &number(backlog.running))?;
    let help = "Resources that wait for their turn at an issuer";
    put(encoder, "rate_limited_resources", help, None, &number(backlog.claims))?;
    let help = "How long the resource that has waited longest for its turn has waited so far";
    let longest = ConstGauge::new(backlog.longest_claim.as_secs_f64());
    put(encoder, "rate_limited_longest_wait", help, Some(&Unit::Seconds), &longest)
}
