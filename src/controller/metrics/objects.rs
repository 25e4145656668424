//! Gauges of each resource, by its name. Switched on by `--object-metrics`: as many series as
//! resources.

use super::inventory::all;
use super::labels::{Object, ObjectStatus};
use super::put;
use crate::Context;
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;
use refreshable_rules::health::Health;
use std::sync::Weak;

/// Names the resources at each scrape.
#[derive(Debug)]
pub(super) struct Objects {
    context: Weak<Context>,
}

impl Objects {
    /// Of the resources that `context` knows.
    pub(super) fn new(context: Weak<Context>) -> Self {
        Self { context }
    }
}

/// The series of all resources. Made anew at each scrape: a resource that is gone leaves none.
#[derive(Debug, Default)]
pub(super) struct Series {
    expiration: Family<Object, Gauge>,
    renewal: Family<Object, Gauge>,
    ready: Family<ObjectStatus, Gauge>,
    failures: Family<Object, Gauge>,
}

impl Series {
    /// Adds one resource.
    pub(super) fn add(&self, namespace: &str, name: &str, health: &Health) {
        let labels = || Object { namespace: namespace.to_owned(), name: name.to_owned() };
        let point = |family: &Family<Object, Gauge>, time: Option<Timestamp>| {
            if let Some(time) = time {
                family.get_or_create(&labels()).set(time.as_second());
            }
        };
        point(&self.expiration, health.expiration);
        point(&self.renewal, health.renewal);
        self.failures.get_or_create(&labels()).set(i64::from(health.failures));
        for (condition, is) in [("True", Some(true)), ("False", Some(false)), ("Unknown", None)] {
            let Object { namespace, name } = labels();
            let status = ObjectStatus { namespace, name, condition };
            self.ready.get_or_create(&status).set(i64::from(health.ready == is));
        }
    }

    /// Writes them.
    pub(super) fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        let seconds = Some(&Unit::Seconds);
        let help = "When the published credentials of a resource expire, in Unix time";
        put(encoder, "credential_expiration_timestamp", help, seconds, &self.expiration)?;
        let help = "When a resource is renewed or tried again, in Unix time";
        put(encoder, "credential_renewal_timestamp", help, seconds, &self.renewal)?;
        let help = "The Ready condition of a resource: 1 for the status that it has";
        put(encoder, "credential_ready_status", help, None, &self.ready)?;
        put(
            encoder,
            "credential_failures",
            "Attempts of a resource that failed in a row",
            None,
            &self.failures,
        )
    }
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(context) = self.context.upgrade() else { return Ok(()) };
        let series = Series::default();
        all(&context, |which, health| series.add(&which.namespace, &which.name, &health));
        series.encode(&mut encoder)
    }
}
