use super::*;
use crate::{Band, Claim, Clock, LONGEST, Limits};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(Arc<str>);

impl Key for Name {
    fn tenant(&self) -> &Arc<str> {
        &self.0
    }
}

/// tokio's paused clock; the wall clock can be set.
#[derive(Debug)]
struct TestClock(Instant, Mutex<SignedDuration>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.boot()).expect("in range");
        Timestamp::UNIX_EPOCH + passed + *self.1.lock()
    }

    fn boot(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Each look and attempt, with its time.
type Log = UnboundedSender<(&'static str, Duration)>;

struct Recorder {
    clock: Arc<TestClock>,
    log: Log,
    open: AtomicBool,
    jumped: AtomicBool,
    /// How long an attempt takes.
    takes: Duration,
    attempts: Arc<AtomicUsize>,
}

impl Worker for Recorder {
    type Key = Name;

    fn may_begin(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    fn clock_jumped(&self) -> bool {
        self.jumped.swap(false, Ordering::Relaxed)
    }

    fn look(&self, _: Name, _: Duration) -> BoxFuture<'static, Next> {
        self.log.unbounded_send(("look", self.clock.boot())).expect("read");
        let attempted = self.attempts.load(Ordering::Relaxed) > 0;
        let claim = Claim {
            endpoint: "e".into(),
            bucket: "b".into(),
            calls: 1,
            spacing: Duration::ZERO,
            band: Band::Normal,
            expires: None,
            look_at: Timestamp::MAX,
        };
        let next = if attempted { Next::Change } else { Next::Attempt(Box::new(claim)) };
        std::future::ready(next).boxed()
    }

    fn attempt(&self, _: Name, admission: Admission, _: Duration) -> BoxFuture<'static, Next> {
        admission.called();
        self.log.unbounded_send(("attempt", self.clock.boot())).expect("read");
        let (takes, attempts) = (self.takes, self.attempts.clone());
        async move {
            tokio::time::sleep(takes).await;
            attempts.fetch_add(1, Ordering::Relaxed);
            Next::Change
        }
        .boxed()
    }
}

struct Stage {
    worker: Arc<Recorder>,
    touch: UnboundedSender<Name>,
    log: UnboundedReceiver<(&'static str, Duration)>,
    stop: tokio::sync::oneshot::Sender<()>,
    driver: tokio::task::JoinHandle<()>,
}

fn stage(open: bool, takes: Duration) -> Stage {
    let clock = Arc::new(TestClock(Instant::now(), Mutex::default()));
    let (log, logged) = unbounded();
    let (touch, touched) = unbounded();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let worker = Arc::new(Recorder {
        clock: clock.clone(),
        log,
        open: AtomicBool::new(open),
        jumped: AtomicBool::new(false),
        takes,
        attempts: Arc::default(),
    });
    let limits =
        Limits { slots: 2, slow_after: Duration::from_secs(1), calls_per_second: 9, burst: 9 };
    let shared = worker.clone();
    let driver = tokio::spawn(async move {
        let tick = Duration::from_secs(5);
        let stopped = stopped.map(|_| ());
        run(&*shared, Queue::shared(limits), clock, touched, tick, stopped).await;
    });
    Stage { worker, touch, log: logged, stop, driver }
}

impl Stage {
    async fn next(&mut self) -> (&'static str, u128) {
        let (what, at) = self.log.next().await.expect("the driver runs");
        (what, at.as_millis())
    }
}

#[tokio::test(start_paused = true)]
async fn a_touched_key_is_looked_at_and_attempted_and_then_rests() {
    let mut stage = stage(true, Duration::from_millis(60));
    stage.touch.unbounded_send(Name("a".into())).expect("it runs");
    assert_eq!(stage.next().await, ("look", 0));
    assert_eq!(stage.next().await, ("attempt", 0));
    let (what, at) = stage.next().await;
    assert_eq!((what, at), ("look", u128::try_from(LONGEST.as_millis()).expect("ms") + 60));
}

#[tokio::test(start_paused = true)]
async fn a_closed_fence_keeps_what_is_due_until_it_opens() {
    let mut stage = stage(false, Duration::ZERO);
    stage.touch.unbounded_send(Name("a".into())).expect("it runs");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(stage.log.next().now_or_never().is_none(), "nothing begins");
    stage.worker.open.store(true, Ordering::Relaxed);
    let (what, at) = stage.next().await;
    assert!(what == "look" && at <= 60_500, "{at}");
}

#[tokio::test(start_paused = true)]
async fn everything_is_looked_at_within_a_tick_of_a_step_of_the_clock() {
    let mut stage = stage(true, Duration::ZERO);
    stage.touch.unbounded_send(Name("a".into())).expect("it runs");
    assert_eq!((stage.next().await.0, stage.next().await.0), ("look", "attempt"));
    tokio::time::sleep(Duration::from_secs(7)).await;
    *stage.worker.clock.1.lock() = SignedDuration::from_hours(-5);
    stage.worker.jumped.store(true, Ordering::Relaxed);
    let (what, at) = stage.next().await;
    assert!(what == "look" && at <= 12_000, "{at}");
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_what_is_under_way_has_ended() {
    let mut stage = stage(true, Duration::from_secs(30));
    stage.touch.unbounded_send(Name("a".into())).expect("it runs");
    assert_eq!((stage.next().await.0, stage.next().await.0), ("look", "attempt"));
    stage.stop.send(()).expect("it runs");
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(!stage.driver.is_finished(), "the attempt goes on");
    stage.driver.await.expect("ended");
    assert_eq!(stage.worker.attempts.load(Ordering::Relaxed), 1);
}
