//! Carries out the looks and attempts that the engine starts.

use super::isolation::step;
use super::{Context, Next};
use futures::future::{BoxFuture, FutureExt as _};
use refreshable_engine::{Admission, Key, Worker};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Names a resource in the engine, and an object in the view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Key for ResourceName {
    fn tenant(&self) -> &Arc<str> {
        &self.namespace
    }
}

impl ResourceName {
    /// The name of an object that belongs to no namespace.
    pub(super) fn of_cluster(name: &str) -> Self {
        Self { namespace: "".into(), name: name.into() }
    }
}

/// The controller, as the engine's worker.
#[derive(Clone, Debug)]
pub struct Reconciler(pub Arc<Context>);

impl Reconciler {
    fn step(&self, which: &ResourceName, admission: Option<Admission>) -> BoxFuture<'static, Next> {
        let Some(object) = self.0.view.credentials.get(which) else {
            return futures::future::ready(Next::Gone).boxed();
        };
        let context = self.0.clone();
        async move {
            let began = Instant::now();
            let next = step(object, admission, &context).await;
            context.metrics.reconciled(began.elapsed());
            next
        }
        .boxed()
    }
}

impl Worker for Reconciler {
    type Key = ResourceName;

    fn may_begin(&self) -> bool {
        self.0.calls.fence().check().is_ok()
    }

    fn clock_jumped(&self) -> bool {
        let Some(jump) = self.0.clocks.jump(&*self.0.clock) else { return false };
        tracing::warn!(
            set_by = %jump.set,
            suspended_for = %jump.suspended,
            "the clock was set, or the machine was suspended: every resource is looked at"
        );
        true
    }

    fn look(&self, key: ResourceName, waited: Duration) -> BoxFuture<'static, Next> {
        self.0.metrics.waited(waited);
        self.step(&key, None)
    }

    fn attempt(
        &self,
        key: ResourceName,
        admission: Admission,
        waited: Duration,
    ) -> BoxFuture<'static, Next> {
        self.0.metrics.admitted(waited);
        self.step(&key, Some(admission))
    }
}
