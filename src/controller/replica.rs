//! One replica, from its candidacy for the lease to its end: all of the controller but the process
//! around it. The simulated world runs it as it is.

use super::health::Health;
use super::isolation::vital;
use super::lease::Candidate;
use super::run::Error;
use super::{
    Announcement, Context, EventPublisher, Metrics, Reconciler, ResourceName, events, fleet,
    policy_status, watches,
};
use futures::future::BoxFuture;
use kube::Client;
use refreshable_engine::{Queue, SharedQueue, Worker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Pause between two looks at the clocks.
const CLOCKS: Duration = Duration::from_secs(5);
/// Pause between two rounds of forgetting.
const TIDY: Duration = Duration::from_secs(60);

/// A replica that has not begun.
#[derive(Debug)]
pub struct Replica {
    /// Its name in Events.
    pub identity: String,
    /// Its candidacy; without one it leads from the start.
    pub candidate: Option<Candidate>,
    /// The namespaces that are watched; none means all.
    pub namespaces: Vec<String>,
    /// Resources that are worked on at the same time.
    pub slots: u16,
    /// How long work under way may take to end after it was asked to stop.
    pub shutdown: Duration,
    /// Its signs of life.
    pub health: Health,
    /// Its numbers.
    pub metrics: Metrics,
}

impl Replica {
    /// Waits for the lease, and then works until `stop` or until the lease is lost. Once it leads,
    /// `prepare` makes what it works with, and `worker` what looks at resources and asks issuers.
    /// All that it began ends with the returned future, also where that is dropped.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] and [`Error::Deadline`].
    pub async fn run<W: Worker<Key = ResourceName>>(
        mut self,
        client: Client,
        prepare: impl AsyncFnOnce(EventPublisher) -> Arc<Context>,
        worker: impl FnOnce(Reconciler) -> W,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        if let Some(candidate) = &mut self.candidate {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = candidate.acquire(|| self.health.heard()) => tracing::info!("this replica leads"),
            }
        }
        self.health.leads();
        self.metrics.leads(true);
        let (event_publisher, announcements) = EventPublisher::new();
        let _events = self.publish_events(client, announcements);
        let context = prepare(event_publisher).await;
        let worker = worker(Reconciler(context.clone()));
        let result = self.lead(&context, worker, &stop).await;
        self.metrics.leads(false);
        if let Some(candidate) = &mut self.candidate
            && !matches!(result, Err(Error::LeaseLost))
        {
            candidate.release().await;
        }
        result
    }

    fn publish_events(
        &self,
        client: Client,
        announcements: Receiver<Announcement>,
    ) -> AbortOnDropHandle<()> {
        let publish =
            events::publish(client, self.identity.clone(), announcements, self.metrics.clone());
        AbortOnDropHandle::new(tokio::spawn(vital("events", publish)))
    }

    /// Works until asked to stop, or until the lease is lost.
    async fn lead(
        &mut self,
        context: &Arc<Context>,
        worker: impl Worker<Key = ResourceName>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let ended = CancellationToken::new();
        let scope = watches::Scope {
            namespaces: self.namespaces.clone(),
            policies: context.view.reads_policies,
            clusters: context.view.reads_clusters && self.namespaces.is_empty(),
            pods: context.view.reads_pods,
        };
        let (touched, watches) = watches::start(&scope, context);
        let work = Work {
            slots: self.slots,
            everywhere: self.namespaces.is_empty(),
            context: context.clone(),
            health: self.health.clone(),
        };
        let work = vital("work", work.run(worker, touched, ended.clone()));
        let mut work = AbortOnDropHandle::new(tokio::spawn(work));
        let health = &self.health;
        let held: BoxFuture<'_, ()> = match &mut self.candidate {
            Some(candidate) => Box::pin(candidate.hold(|| health.heard())),
            None => Box::pin(std::future::pending()),
        };
        let mut held = std::pin::pin!(held);
        tokio::select! {
            biased;
            () = &mut held => return Err(lost(health, &work)),
            () = stop.cancelled() => {}
        }
        tracing::info!("asked to stop");
        health.stopping();
        ended.cancel();
        drop(watches);
        tokio::select! {
            biased;
            // The lease is held until the work under way has ended.
            () = held => Err(lost(health, &work)),
            result = tokio::time::timeout(self.shutdown, &mut work) => match result {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::Deadline(self.shutdown)),
            },
        }
    }
}

/// The fence is closed by now: whatever is under way can no longer write.
fn lost(health: &Health, work: &AbortOnDropHandle<()>) -> Error {
    tracing::error!("the lease was lost; this process ends");
    health.lost();
    work.abort();
    Error::LeaseLost
}

/// The work of a leader beside holding its lease.
struct Work {
    slots: u16,
    /// Whether every namespace is watched.
    everywhere: bool,
    context: Arc<Context>,
    health: Health,
}

impl Work {
    /// Hands resources to `worker` until `ended`, and keeps meanwhile the statuses of policies, and
    /// what ClusterRefreshableCredentials ask for.
    async fn run(
        self,
        worker: impl Worker<Key = ResourceName>,
        touched: watches::Touched,
        ended: CancellationToken,
    ) {
        let context = self.context;
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            () = watches::synced(&context.view) => {}
        }
        self.health.synced();
        tracing::info!(resources = context.view.credentials.len(), "watches are synced");
        let tidy = AbortOnDropHandle::new(tokio::spawn(vital("tidy", tidy(context.clone()))));
        let policies = context.view.reads_policies.then(|| {
            let keep = policy_status::keep(context.clone(), self.everywhere);
            AbortOnDropHandle::new(tokio::spawn(vital("policy statuses", keep)))
        });
        let clusters = (context.view.reads_clusters && self.everywhere).then(|| {
            let keep = vital("cluster credentials", fleet::keep(context.clone()));
            AbortOnDropHandle::new(tokio::spawn(keep))
        });
        let limits = context.settings.queue_limits(self.slots.into());
        let queue: SharedQueue<ResourceName> = Queue::shared(limits);
        context.metrics.observe_queue(&queue, &context.clock);
        let clock = context.clock.clone();
        refreshable_engine::run(&worker, queue, clock, touched, CLOCKS, ended.cancelled()).await;
        drop((tidy, policies, clusters));
    }
}

/// Forgets faults that are long past.
async fn tidy(context: Arc<Context>) {
    loop {
        tokio::time::sleep(TIDY).await;
        context.panics.tidy(context.clock.boot());
    }
}
