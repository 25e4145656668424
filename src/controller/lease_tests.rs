use super::*;
use crate::clock::Clock;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(2);

/// Clocks that follow tokio's paused one, and a machine that may have been suspended.
#[derive(Clone, Debug)]
struct Clocks {
    origin: Instant,
    suspended: Arc<Mutex<Duration>>,
}

impl Clocks {
    fn new() -> Self {
        Self { origin: Instant::now(), suspended: Arc::default() }
    }

    /// Timers stand still in suspend.
    fn suspend(&self, time: Duration) {
        *self.suspended.lock() += time;
    }
}

impl Clock for Clocks {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.boot()
    }

    fn boot(&self) -> Duration {
        self.origin.elapsed() + *self.suspended.lock()
    }
}

/// Change by somebody else between a candidate's read and its write.
type Interference = Box<dyn FnOnce(&mut Value) + Send>;

/// An API server that has one lease.
#[derive(Default)]
struct Server {
    lease: Option<Value>,
    version: u64,
    interferences: Vec<Interference>,
    /// It takes requests and answers none.
    hangs: bool,
    /// How long it takes to answer.
    takes: Duration,
    reads: usize,
    writes: usize,
}

impl Server {
    fn write(&mut self, change: impl FnOnce(&mut Value)) {
        self.version += 1;
        let lease = self.lease.get_or_insert_with(
            || json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"}}),
        );
        change(lease);
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
    }

    fn data(&self) -> (u64, Option<Value>) {
        (self.version, self.lease.clone())
    }

    fn restore(&mut self, version: u64, lease: Option<Value>) {
        (self.version, self.lease) = (version, lease);
    }

    fn holder(&self) -> Option<&str> {
        self.lease.as_ref()?["spec"]["holderIdentity"].as_str()
    }

    fn answer(&mut self, method: &Method, body: &Value) -> (u16, Value) {
        let refusal = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
            )
        };
        if *method != Method::GET
            && let Some(interfere) = self.interferences.pop()
        {
            self.write(interfere);
        }
        self.reads += usize::from(*method == Method::GET);
        match (method, &self.lease) {
            (&Method::GET, Some(lease)) => (200, lease.clone()),
            (&Method::GET, None) => refusal(404, "NotFound"),
            (&Method::POST, Some(_)) => refusal(409, "AlreadyExists"),
            (&Method::PUT, None) => refusal(404, "NotFound"),
            (&Method::PUT, Some(lease))
                if lease["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] =>
            {
                refusal(409, "Conflict")
            }
            _ => {
                self.writes += 1;
                self.write(|lease| lease["spec"] = body["spec"].clone());
                (200, self.lease.clone().unwrap_or_default())
            }
        }
    }
}

/// A server, and the machine that its candidates run on.
struct Stage {
    server: Arc<Mutex<Server>>,
    clocks: Clocks,
}

impl Stage {
    fn new() -> Self {
        Self { server: Arc::default(), clocks: Clocks::new() }
    }

    fn candidate(&self, identity: &str) -> Candidate {
        let server = self.server.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                if server.lock().hangs {
                    std::future::pending::<()>().await;
                }
                let (code, answer) = server.lock().answer(&parts.method, &body);
                let takes = server.lock().takes;
                tokio::time::sleep(takes).await;
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, tower::BoxError>(
                    Response::builder().status(code).body(answer).expect("a response"),
                )
            }
        });
        let fence = Fence::closed(Arc::new(self.clocks.clone()), LeaseTimings::default());
        Candidate::new(
            kube::Client::new(service, "default"),
            "ns",
            "leader",
            identity,
            fence,
            Metrics::new(),
        )
    }

    /// A candidate that holds the lease.
    async fn holder(&self, identity: &str) -> Candidate {
        let mut candidate = self.candidate(identity);
        candidate.acquire(|| ()).await;
        candidate
    }

    fn server(&self) -> parking_lot::MutexGuard<'_, Server> {
        self.server.lock()
    }

    /// Between the next read and its write, after those that were asked for before, somebody else
    /// writes.
    fn interfere(&self, change: impl FnOnce(&mut Value) + Send + 'static) {
        self.server().interferences.insert(0, Box::new(change));
    }
}

fn taken_by(thief: &'static str) -> impl FnOnce(&mut Value) + Send {
    move |lease| lease["spec"]["holderIdentity"] = thief.into()
}

fn labelled(lease: &mut Value) {
    lease["metadata"]["labels"] = json!({"team": "a"});
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_made_and_renewed() {
    let stage = Stage::new();
    let mut candidate = stage.candidate("me");
    assert_eq!(candidate.fence.check(), Err(NotLeading));
    candidate.acquire(|| ()).await;
    let first = stage.server().lease.clone().expect("a lease");
    assert_eq!(
        (stage.server().holder(), &first["spec"]["leaseTransitions"]),
        (Some("me"), &json!(1))
    );
    assert!(candidate.fence.check().is_ok_and(|left| left <= DURATION));

    let renewed = std::sync::atomic::AtomicUsize::new(0);
    let held = candidate.hold(|| {
        renewed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(tokio::time::timeout(SECOND * 61, held).await.is_err(), "it is held on and on");
    assert_eq!(renewed.into_inner(), 30);
    let last = stage.server().lease.clone().expect("a lease");
    for kept in ["acquireTime", "leaseTransitions", "leaseDurationSeconds"] {
        assert_eq!(first["spec"][kept], last["spec"][kept], "{kept}");
    }
    assert_ne!(first["spec"]["renewTime"], last["spec"]["renewTime"]);
    assert!(candidate.fence.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn slow_answers_do_not_put_the_next_renewal_off() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    let (fence, reads) = (candidate.fence.clone(), stage.server().reads);
    stage.server().takes = Duration::from_millis(3500);
    let watch = async {
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(fence.check().is_ok(), "after {:?}", stage.clocks.boot());
        }
    };
    tokio::select! {
        () = candidate.hold(|| ()) => panic!("it is lost"),
        () = watch => {}
    }
    assert_eq!(stage.server().reads, reads, "a renewal is one call");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_is_made_again() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    stage.server().lease = None;
    let held = candidate.hold(|| ());
    assert!(tokio::time::timeout(SECOND * 5, held).await.is_err(), "it is held on");
    assert_eq!(stage.server().holder(), Some("me"));
    assert!(candidate.fence.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_renews_is_taken_after_its_time() {
    let stage = Stage::new();
    drop(stage.holder("other").await);
    let began = Instant::now();
    let mut candidate = stage.candidate("me");
    candidate.acquire(|| ()).await;
    assert!(
        began.elapsed() > DURATION && began.elapsed() < DURATION + PAUSE * 2,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(stage.server().holder(), Some("me"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_left_alone() {
    let stage = Stage::new();
    let mut other = stage.holder("other").await;
    let mut candidate = stage.candidate("me");
    tokio::select! {
        () = other.hold(|| ()) => panic!("lost"),
        () = candidate.acquire(|| ()) => panic!("taken"),
        () = tokio::time::sleep(SECOND * 300) => {}
    }
    assert_eq!(candidate.fence.check(), Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_labelled_is_still_held() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    for _ in 0..2 {
        stage.interfere(labelled);
    }
    assert!(tokio::time::timeout(SECOND * 30, candidate.hold(|| ())).await.is_err(), "it is held");
    assert!(stage.server().interferences.is_empty(), "there were conflicts");
    assert!(candidate.fence.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_written_again_and_again_is_lost_with_its_proof_alone() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    for _ in 0..TRIES {
        stage.interfere(labelled);
    }
    assert!(candidate.attempt().await.is_err_and(|e| e.is_conflict()), "tried {TRIES} times");
    assert!(candidate.fence.check().is_ok(), "the last renewal still counts");
    assert!(tokio::time::timeout(SECOND * 30, candidate.hold(|| ())).await.is_err(), "it is held");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_another_holder_is_the_end() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    stage.interfere(taken_by("thief"));
    tokio::time::timeout(SECOND * 3, candidate.hold(|| ())).await.expect("it is lost at once");
    assert_eq!(candidate.fence.check(), Err(NotLeading));
    assert_eq!(stage.server().holder(), Some("thief"), "and is not taken back");
}

#[tokio::test(start_paused = true)]
async fn of_two_candidates_for_a_new_lease_one_gets_it() {
    let stage = Stage::new();
    let mut candidate = stage.candidate("me");
    stage.interfere(|lease| {
        lease["spec"] = json!({"holderIdentity": "faster", "leaseDurationSeconds": 15})
    });
    assert!(!candidate.attempt().await.expect("an answer"));
    assert_eq!(stage.server().holder(), Some("faster"));
    assert_eq!(candidate.fence.check(), Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn a_fence_lapses_and_comes_back_with_the_next_renewal() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    let fence = candidate.fence.clone();
    let mut held = std::pin::pin!(candidate.hold(|| ()));
    for outage in [8, 12, 300] {
        assert!(tokio::time::timeout(SECOND * 5, &mut held).await.is_err());
        assert!(fence.check().is_ok(), "it is renewed");
        stage.server().hangs = true;
        assert!(
            tokio::time::timeout(SECOND * outage, &mut held).await.is_err(),
            "nobody else is known to have it"
        );
        assert_eq!(
            fence.check().is_ok(),
            outage < 10,
            "after {outage} s: it is relied on for ten seconds"
        );
        stage.server().hangs = false;
        // The request that hangs takes four seconds to be given up, and two more go by.
        assert!(tokio::time::timeout(SECOND * 7, &mut held).await.is_err());
        assert!(fence.check().is_ok(), "after {outage} s it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_others_held_in_between_is_lost() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    stage.server().hangs = true;
    assert!(tokio::time::timeout(SECOND * 60, candidate.hold(|| ())).await.is_err());
    stage.server().hangs = false;
    let mut other = stage.holder("other").await;
    other.release().await;
    assert_eq!(stage.server().holder(), None);
    tokio::time::timeout(SECOND * 3, candidate.hold(|| ()))
        .await
        .expect("it is lost, though nobody has it");
    assert_eq!(candidate.fence.check(), Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_or_freed_by_hand_is_taken_again() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    stage.server().lease = None;
    assert!(tokio::time::timeout(SECOND * 30, candidate.hold(|| ())).await.is_err(), "it is held");
    stage.server().write(|lease| lease["spec"]["holderIdentity"] = Value::Null);
    assert!(tokio::time::timeout(SECOND * 30, candidate.hold(|| ())).await.is_err(), "it is held");
    assert_eq!(stage.server().holder(), Some("me"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_version_goes_back_is_lost() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    let (version, lease) = stage.server().data();
    assert!(tokio::time::timeout(SECOND * 30, candidate.hold(|| ())).await.is_err(), "it is held");
    stage.server().restore(version, lease);
    tokio::time::timeout(SECOND * 3, candidate.hold(|| ())).await.expect("it is lost");
    assert_eq!(candidate.fence.check(), Err(NotLeading));

    // The older data have no lease: the one that is made is older than what was known.
    let mut candidate = stage.holder("other").await;
    assert!(tokio::time::timeout(SECOND * 30, candidate.hold(|| ())).await.is_err(), "it is held");
    stage.server().restore(1, None);
    tokio::time::timeout(SECOND * 3, candidate.hold(|| ())).await.expect("it is lost");
    assert_eq!(candidate.fence.check(), Err(NotLeading));

    // Who waits for it has nothing to lose.
    let mut waiting = stage.candidate("next");
    assert!(!waiting.attempt().await.expect("an answer"));
    stage.server().version = 0;
    stage.server().write(|lease| lease["spec"]["holderIdentity"] = Value::Null);
    waiting.acquire(|| ()).await;
    assert!(waiting.fence.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_suspended_cannot_prove_that_it_leads() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    stage.clocks.suspend(SECOND * 60);
    assert_eq!(candidate.fence.check(), Err(NotLeading), "others did not stand still");
    // Nobody else was there: it goes on.
    assert!(candidate.attempt().await.expect("an answer"));
    assert!(candidate.fence.check().is_ok());
    stage.clocks.suspend(SECOND * 60);
    stage.server().write(taken_by("other"));
    tokio::time::timeout(SECOND * 3, candidate.hold(|| ())).await.expect("it is lost");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_back_by_its_holder_alone() {
    let stage = Stage::new();
    let mut candidate = stage.holder("me").await;
    stage.interfere(labelled);
    candidate.release().await;
    assert_eq!(stage.server().holder(), None, "also where somebody wrote in between");
    assert_eq!(candidate.fence.check(), Err(NotLeading));
    let began = Instant::now();
    let mut next = stage.holder("next").await;
    assert!(began.elapsed() < SECOND, "nobody waits for its end");

    candidate.release().await;
    assert_eq!(stage.server().holder(), Some("next"), "what is another's is left alone");
    stage.interfere(taken_by("thief"));
    let before = stage.server().writes;
    next.release().await;
    let server = stage.server();
    assert_eq!((server.holder(), server.writes), (Some("thief"), before));
}

#[tokio::test(start_paused = true)]
async fn what_remains_of_a_fence_ends_before_others_may_lead() {
    let clocks = Clocks::new();
    let fence = Fence::closed(Arc::new(clocks.clone()), LeaseTimings::default());
    fence.renewed(clocks.boot());
    assert_eq!(fence.check(), Ok(DURATION));
    tokio::time::advance(SECOND * 9).await;
    assert_eq!(fence.check(), Ok(DURATION - SECOND * 9));
    tokio::time::advance(SECOND).await;
    assert_eq!(fence.check(), Err(NotLeading));
    assert!(fence.has_lapsed());
    fence.close();
    assert!(!fence.has_lapsed(), "it was closed");
    assert_eq!(Fence::open().check(), Ok(Duration::MAX));
}
