use super::super::LeaseTimings;
use super::*;
use crate::clock::{Clock, SystemClock};
use jiff::Timestamp;
use kube::core::Status;
use std::sync::Arc;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.0.elapsed()
    }

    fn boot(&self) -> Duration {
        self.0.elapsed()
    }
}

fn api(code: u16) -> CallError {
    let status =
        Status { code, message: "words".into(), reason: "Reason".into(), ..Status::default() };
    CallError::from(Box::new(kube::Error::Api(Box::new(status))))
}

fn calls(fence: Fence) -> Calls {
    let nobody = tower::service_fn(async |_: http::Request<kube::client::Body>| {
        Err::<http::Response<kube::client::Body>, tower::BoxError>("nobody is asked".into())
    });
    Calls::new(Client::new(nobody, "default"), fence, SECOND * 5, Metrics::new())
}

#[test]
fn errors_are_told_apart() {
    let unreachable = || CallError::from(Box::new(kube::Error::Service("cut off".into())));
    for (error, outcome, transient) in [
        (api(409), "conflict", false),
        (api(404), "not_found", false),
        (api(403), "forbidden", false),
        (api(401), "unauthorized", true),
        (api(408), "refused", true),
        (api(422), "refused", false),
        (api(400), "refused", false),
        (api(429), "throttled", true),
        (api(500), "server_error", true),
        (api(503), "server_error", true),
        (unreachable(), "unreachable", true),
        (CallError::Timeout(SECOND), "timeout", true),
        (CallError::NotLeading(NotLeading), "not_leading", false),
    ] {
        assert_eq!((error.outcome(), error.is_transient()), (outcome, transient), "{error}");
        let kinds =
            [error.is_conflict(), error.is_not_found(), error.is_forbidden(), error.is_invalid()];
        let code = error.status().map(|(code, _)| code);
        assert_eq!(kinds, [409, 404, 403, 422].map(|c| code == Some(c)), "{error}");
    }
    assert_eq!(api(403).to_string(), "words (403 Reason)");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_is_ended() {
    let began = Instant::now();
    let error = bounded(SECOND * 3, std::future::pending::<Result<(), kube::Error>>())
        .await
        .expect_err("no answer");
    assert!(matches!(error, CallError::Timeout(limit) if limit == SECOND * 3), "{error}");
    assert_eq!(began.elapsed(), SECOND * 3);
    let calls = calls(Fence::open());
    let began = Instant::now();
    calls
        .read("get secrets", std::future::pending::<Result<(), _>>())
        .await
        .expect_err("no answer");
    calls
        .write("patch status", std::future::pending::<Result<(), _>>())
        .await
        .expect_err("no answer");
    assert_eq!(began.elapsed(), SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn a_write_behind_a_closed_fence_is_not_begun() {
    let fence = Fence::closed(Arc::new(SystemClock), LeaseTimings::default());
    let calls = calls(fence);
    let begun = std::cell::Cell::new(0);
    let call = || async {
        begun.set(begun.get() + 1);
        Ok(())
    };
    let refused = calls.write("patch status", call()).await.expect_err("not written");
    assert!(matches!(refused, CallError::NotLeading(_)), "{refused}");
    assert_eq!(begun.get(), 0);
    calls.read("get secrets", call()).await.expect("what is read harms nobody");
    assert_eq!(begun.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_ends_before_others_may_lead() {
    let clock = Arc::new(Paused(Instant::now()));
    let fence = Fence::closed(clock.clone(), LeaseTimings::default());
    fence.renewed(clock.boot());
    let calls = Calls { limit: SECOND * 60, ..calls(fence) };
    tokio::time::advance(SECOND * 9).await;
    let began = Instant::now();
    let written = calls.write("apply secrets", std::future::pending::<Result<(), _>>()).await;
    assert!(matches!(written, Err(CallError::Timeout(_))), "{written:?}");
    assert_eq!(began.elapsed(), SECOND * 6, "the lease is respected for fifteen seconds");
}
