use super::*;
use crate::Metrics;
use crate::clock::Clock;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::Arc;

/// A clock that is set.
#[derive(Debug, Default)]
struct Hand(Mutex<Duration>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn boot(&self) -> Duration {
        *self.0.lock()
    }
}

/// An API server that knows tokens by how they begin, and notes which reviews it is asked for.
struct Server {
    asked: Mutex<Vec<&'static str>>,
    answers: Semaphore,
}

const GOOD: &str = "good-0123456789abcdef";
const POOR: &str = "poor-0123456789abcdef";
const HANGS: &str = "hangs-";
const BREAKS: &str = "breaks-0123456789abcdef";

impl Server {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        let mut object: Value = serde_json::from_slice(&body).expect("JSON");
        let spec = &object["spec"];
        let (what, status) = if path == "/apis/authentication.k8s.io/v1/tokenreviews" {
            let token = spec["token"].as_str().expect("a token").to_owned();
            if token.starts_with(HANGS) {
                self.asked.lock().push("hangs");
                let _place = self.answers.acquire().await.expect("a place");
                return Response::new(Body::from(object.to_string().into_bytes()));
            }
            if token == BREAKS {
                self.asked.lock().push("breaks");
                let status = json!({
                    "kind": "Status", "status": "Failure", "code": 500, "reason": "InternalError",
                    "message": format!("a webhook repeats {token}"),
                });
                let answer = Response::builder().status(500);
                return answer
                    .body(Body::from(status.to_string().into_bytes()))
                    .expect("a response");
            }
            let known = [GOOD, POOR].contains(&token.as_str());
            ("token", json!({"authenticated": known, "user": {"username": token}}))
        } else {
            assert_eq!(path, "/apis/authorization.k8s.io/v1/subjectaccessreviews");
            assert_eq!(spec["nonResourceAttributes"], json!({"path": "/metrics", "verb": "get"}));
            ("access", json!({"allowed": spec["user"] == GOOD}))
        };
        self.asked.lock().push(what);
        object["status"] = status;
        Response::new(Body::from(object.to_string().into_bytes()))
    }

    /// Reviews that were asked for since the last time.
    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.asked.lock())
    }
}

fn access() -> (Arc<Server>, Arc<Hand>, Access) {
    let server = Arc::new(Server { asked: Mutex::default(), answers: Semaphore::new(0) });
    let (theirs, clock) = (server.clone(), Arc::new(Hand::default()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = theirs.clone();
        async move { Ok::<_, tower::BoxError>(server.answer(request).await) }
    });
    let client = Client::new(service, "default");
    let reviews = Reviews::new(client, Metrics::new(), Duration::from_secs(5));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    (server, clock.clone(), Access::new(reviews, clock, key))
}

async fn check(access: &Access, token: &str) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header's value");
    headers.insert(AUTHORIZATION, value);
    access.check(&headers).await
}

#[tokio::test]
async fn each_verdict_is_asked_for_once_in_its_time() {
    let (server, clock, access) = access();
    assert_eq!(access.check(&HeaderMap::new()).await, Err(Refusal::NoToken));
    assert!(server.asked().is_empty(), "without a token Kubernetes is not asked");
    for (token, verdict, asked, lifetime) in [
        (GOOD, Ok(()), &["token", "access"][..], 60),
        (POOR, Err(Refusal::Forbidden), &["token", "access"], 30),
        ("unknown", Err(Refusal::Unauthenticated), &["token"], 10),
    ] {
        for _ in 0..5 {
            assert_eq!(check(&access, token).await, verdict, "{token}");
        }
        assert_eq!(server.asked(), asked, "{token}");
        *clock.0.lock() += Duration::from_secs(lifetime);
        assert_eq!(check(&access, token).await, verdict, "{token}");
        assert_eq!(server.asked(), asked, "{token}, after {lifetime} s");
    }
}

#[tokio::test]
async fn what_could_not_be_checked_is_refused_and_not_kept() {
    let (server, _, access) = access();
    for _ in 0..3 {
        assert_eq!(check(&access, BREAKS).await, Err(Refusal::Unchecked));
    }
    assert_eq!(server.asked(), ["breaks"; 3]);
    let error = access.reviews.verdict(&BREAKS.into()).await.expect_err("it breaks").to_string();
    assert!(error.contains("a webhook repeats") && !error.contains(BREAKS), "{error}");
    assert!(access.complained.lock().is_some(), "the log is told");
    assert!(!access.may_complain(), "and not at each request");
}

#[tokio::test]
async fn made_up_tokens_ask_the_api_server_little_and_keep_no_scraper_out() {
    let (server, clock, access) = access();
    assert_eq!(check(&access, GOOD).await, Ok(()));
    server.asked();
    let mut busy = 0;
    for number in 0..500 {
        match check(&access, &format!("made-up-{number}")).await {
            Err(Refusal::Busy(_)) => busy += 1,
            other => assert_eq!(other, Err(Refusal::Unauthenticated)),
        }
    }
    assert_eq!((server.asked().len(), busy), (19, 481), "what the good token left of the burst");
    *clock.0.lock() += Duration::from_secs(60);
    for number in 0..500 {
        let _ = check(&access, &format!("made-up-again-{number}")).await;
    }
    server.asked();
    assert_eq!(check(&access, GOOD).await, Ok(()), "its next check has a lane of its own");
    assert_eq!(server.asked(), ["token", "access"]);
}

#[tokio::test]
async fn checks_that_hang_are_few_and_those_of_good_tokens_go_on() {
    let (server, clock, access) = access();
    let access = Arc::new(access);
    assert_eq!(check(&access, GOOD).await, Ok(()));
    *clock.0.lock() += Duration::from_secs(60);
    let hanging: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let access = access.clone();
            tokio::spawn(async move { check(&access, &format!("{HANGS}{number}")).await })
        })
        .collect();
    while access.unknown.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(check(&access, "another").await, Err(Refusal::Busy(PAUSE)));
    assert_eq!(check(&access, GOOD).await, Ok(()));
    server.answers.add_permits(AT_ONCE);
    for hangs in hanging {
        assert_eq!(hangs.await.expect("it ended"), Err(Refusal::Unauthenticated));
    }
    assert_eq!(check(&access, "another").await, Err(Refusal::Unauthenticated));
}
