//! The only loop: it takes what is touched, starts what may start, and records how it ended.

use crate::{Admission, Key, Next, Now, Queue, SharedClock};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt as _};
use futures::{FutureExt as _, pin_mut};
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// While nothing may begin, for want of the lease, it is asked for again after this.
const CLOSED: Duration = Duration::from_millis(500);
/// How often limits that are back at their start are forgotten.
const TIDY: Duration = Duration::from_secs(60);

/// A queue that metrics read, too.
pub type SharedQueue<K> = Arc<Mutex<Queue<K>>>;

/// Carries out looks and attempts.
pub trait Worker: Send + Sync + 'static {
    /// Names the resources.
    type Key: Key;

    /// Whether anything may begin: this process can prove that it leads.
    fn may_begin(&self) -> bool;

    /// Whether the clock was set or the machine was suspended since this was last asked.
    fn clock_jumped(&self) -> bool;

    /// Looks at a resource, which asks no issuer.
    fn look(&self, key: Self::Key, waited: Duration) -> BoxFuture<'static, Next>;

    /// Asks the issuer of a resource, and publishes what it gives.
    fn attempt(
        &self,
        key: Self::Key,
        admission: Admission,
        waited: Duration,
    ) -> BoxFuture<'static, Next>;
}

/// Works until `stop`, and then until everything under way has ended. The clocks are compared at
/// least every `tick`: deadlines are times of the wall clock, and a sleep knows nothing of one that
/// is set, or of a machine that was suspended.
pub async fn run<W: Worker>(
    worker: &W,
    queue: SharedQueue<W::Key>,
    clock: SharedClock,
    touched: impl Stream<Item = W::Key>,
    tick: Duration,
    stop: impl Future<Output = ()>,
) {
    let touched = touched.fuse();
    let stop = stop.fuse();
    pin_mut!(touched, stop);
    let mut work: FuturesUnordered<BoxFuture<'static, Ended<W::Key>>> = FuturesUnordered::new();
    let mut tidied = clock.boot();
    loop {
        let now = Now::read(&*clock);
        if worker.clock_jumped() {
            queue.lock().touch_all(now);
        }
        if now.boot.saturating_sub(tidied) >= TIDY {
            tidied = now.boot;
            queue.lock().tidy(now);
        }
        let open = worker.may_begin();
        if open {
            begin(worker, &queue, now, &mut work);
        }
        let wait = {
            let queue = queue.lock();
            match open {
                true => queue.idle_for(now).unwrap_or(tick),
                false if queue.has_due(now) => CLOSED,
                false => queue.idle_for(now).unwrap_or(tick),
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = work.next(), if !work.is_empty() => record(&queue, ended, &*clock),
            Some(key) = touched.next() => queue.lock().touch(key, Now::read(&*clock)),
            () = tokio::time::sleep(wait.min(tick)) => {}
        }
        // What else has come is taken at once, so that neither kind waits for the other.
        let now = Now::read(&*clock);
        while let Some(Some(ended)) = work.next().now_or_never() {
            record(&queue, ended, &*clock);
        }
        while let Some(Some(key)) = touched.next().now_or_never() {
            queue.lock().touch(key, now);
        }
    }
    while let Some(ended) = work.next().await {
        record(&queue, ended, &*clock);
    }
}

/// How a look or an attempt ended.
enum Ended<K> {
    Look(K, Next),
    Attempt(K, Next),
}

fn begin<W: Worker>(
    worker: &W,
    queue: &Mutex<Queue<W::Key>>,
    now: Now,
    work: &mut FuturesUnordered<BoxFuture<'static, Ended<W::Key>>>,
) {
    let mut queue = queue.lock();
    while let Some(due) = queue.due(now) {
        let look = worker.look(due.key.clone(), due.waited);
        work.push(look.map(|next| Ended::Look(due.key, next)).boxed());
    }
    while let Some(admitted) = queue.admit(now) {
        let attempt = worker.attempt(admitted.key.clone(), admitted.admission, admitted.waited);
        work.push(attempt.map(|next| Ended::Attempt(admitted.key, next)).boxed());
    }
}

fn record<K: Key>(queue: &Mutex<Queue<K>>, ended: Ended<K>, clock: &dyn crate::Clock) {
    let (mut queue, now) = (queue.lock(), Now::read(clock));
    match ended {
        Ended::Look(key, next) => queue.looked(&key, next, now),
        Ended::Attempt(key, next) => queue.attempted(&key, next, now),
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
