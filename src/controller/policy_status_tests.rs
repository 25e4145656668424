use super::super::looks::{PAUSE, SETTLE};
use super::super::{Fence, Metrics};
use super::*;
use crate::clock::SystemClock;
use crate::store::Store;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Mutex;
use std::time::Duration;

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn policy(name: &str, generation: i64) -> CredentialPolicy {
    let metadata =
        json!({"name": name, "uid": name, "generation": generation, "resourceVersion": "1"});
    let spec =
        json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]}});
    let kind = "CredentialPolicy";
    object(
        json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}),
    )
}

fn resource(name: &str, generation: i64) -> RefreshableCredential {
    let metadata =
        json!({"namespace": "team-a", "name": name, "uid": name, "generation": generation});
    let spec = json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
    let kind = "RefreshableCredential";
    object(
        json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}),
    )
}

fn namespace(labels: Value) -> PartialObjectMeta<Namespace> {
    object(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a", "uid": "n", "labels": labels}}),
    )
}

fn changed<K: Clone>(before: Option<&K>, after: Option<&K>) -> [Change<K>; 1] {
    [Change { before: before.cloned().map(Arc::new), after: after.cloned().map(Arc::new) }]
}

/// Whether there are news, which are then old.
async fn is_told(news: &PolicyNews) -> bool {
    tokio::time::timeout(Duration::ZERO, news.come()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_something_else_is_news_and_what_reports_is_not() {
    let news = PolicyNews::default();
    let (one, other) = (resource("a", 1), resource("a", 2));
    let mut rotated = one.clone();
    rotated.status =
        Some(object(json!({"observedGeneration": 1, "lastRefreshTime": "2026-01-01T00:00:00Z"})));
    for (before, after, told) in [
        (None, Some(&one), true),
        (Some(&one), Some(&other), true),
        (Some(&one), None, true),
        (Some(&one), Some(&rotated), false),
    ] {
        news.of_resources(&changed(before, after));
        assert_eq!(is_told(&news).await, told, "{before:?} {after:?}");
    }
    let (one, other) = (policy("p", 1), policy("p", 2));
    let mut reported = one.clone();
    reported.status =
        Some(CredentialPolicyStatus { namespaces: Some(1), ..CredentialPolicyStatus::default() });
    for (before, after, told) in [
        (None, Some(&one), true),
        (Some(&one), Some(&other), true),
        (Some(&one), Some(&reported), false),
    ] {
        news.of_policies(&changed(before, after));
        assert_eq!(is_told(&news).await, told, "{before:?} {after:?}");
    }
    let (plain, labelled) = (namespace(json!({})), namespace(json!({"team": "a"})));
    for (before, after, told) in [
        (None, Some(&plain), true),
        (Some(&plain), Some(&labelled), true),
        (Some(&labelled), Some(&labelled), false),
        (Some(&labelled), None, true),
    ] {
        news.of_namespaces(&changed(before, after));
        assert_eq!(is_told(&news).await, told, "{before:?} {after:?}");
    }
}

/// An API server that takes statuses, and what they were.
#[derive(Default)]
struct Server {
    written: Vec<(String, Value)>,
    version: u64,
    refuses: bool,
}

impl Server {
    fn answer(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.written.push((path.to_owned(), body.clone()));
        if self.refuses {
            let reason = "Forbidden";
            return (
                403,
                json!({"kind": "Status", "status": "Failure", "code": 403, "reason": reason, "message": ""}),
            );
        }
        self.version += 1;
        let mut answer = json!(policy("p", 1));
        answer["metadata"]["resourceVersion"] = (self.version + 1).to_string().into();
        answer["status"] = body["status"].clone();
        (200, answer)
    }
}

/// A keeper at work, with one policy, one namespace and one resource in its view.
struct Bench {
    server: Arc<Mutex<Server>>,
    news: PolicyNews,
    resources: Store<RefreshableCredential>,
}

impl Bench {
    fn new(everywhere: bool) -> Self {
        let server = Arc::<Mutex<Server>>::default();
        let answering = server.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = answering.clone();
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await?.to_bytes();
                let (code, answer) =
                    server.lock().expect("a server").answer(&path, serde_json::from_slice(&body)?);
                let answer = Response::builder()
                    .status(code)
                    .body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, tower::BoxError>(answer?)
            }
        });
        let calls =
            Calls::new(Client::new(service, "default"), Fence::open(), SETTLE, Metrics::new());
        let view = View::new(true, false);
        view.credentials.show(resource("a", 1));
        view.policies.show(policy("p", 1));
        view.namespaces.show(namespace(json!({})));
        let resources = view.credentials.clone();
        let news = view.policy_news.clone();
        let clock = Arc::new(SystemClock);
        let reported = Reported::default();
        let keeper = Keeper { calls, view, clock, everywhere, reported, served: None };
        tokio::spawn(keep_looking(keeper, "a status could not be written"));
        Self { server, news, resources }
    }

    /// Statuses that are written within that time after news.
    async fn written_within(&self, time: Duration) -> Vec<(String, Value)> {
        self.news.again();
        tokio::time::sleep(time).await;
        std::mem::take(&mut self.server.lock().expect("a server").written)
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_is_written_once_for_what_is_new_in_it() {
    let bench = Bench::new(true);
    let first = bench.written_within(SETTLE * 2).await;
    let [(path, body)] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(path, "/apis/refreshable.dev/v1alpha1/credentialpolicies/p/status");
    assert_eq!(body["metadata"]["uid"], "p");
    let counts =
        |body: &Value| (body["status"]["namespaces"].clone(), body["status"]["resources"].clone());
    assert_eq!(counts(body), (json!(1), json!(1)));
    // The view lags: it shows the policy as it was, and what was written counts all the same.
    assert_eq!(bench.written_within(PAUSE * 2).await, []);

    // Many changes are one write.
    for name in ["b", "c"] {
        let new = resource(name, 1);
        bench.resources.show(new.clone());
        bench.news.of_resources(&changed(None, Some(&new)));
    }
    let second = bench.written_within(PAUSE * 2).await;
    let [(_, body)] = second.as_slice() else { panic!("{second:?}") };
    assert_eq!(counts(body), (json!(1), json!(3)));
    assert_eq!(bench.written_within(PAUSE * 2).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_is_tried_again_more_and_more_slowly() {
    let bench = Bench::new(true);
    bench.server.lock().expect("a server").refuses = true;
    let hour = Duration::from_secs(3600);
    let tries = bench.written_within(hour).await.len();
    assert!((25..40).contains(&tries), "{tries}");
    bench.server.lock().expect("a server").refuses = false;
    assert_eq!(bench.written_within(hour).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_watches_some_namespaces_alone_writes_no_count_of_resources() {
    let bench = Bench::new(false);
    let written = bench.written_within(PAUSE * 2).await;
    let [(_, body)] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!((body["status"].get("resources"), &body["status"]["namespaces"]), (None, &json!(1)));
    assert_eq!(body["status"]["conditions"][0]["reason"], "Accepted");
    assert_eq!(bench.written_within(PAUSE * 2).await, []);
}

#[test]
fn what_changed_is_judged_again_and_adds_up_to_what_all_would() {
    let view = View::new(true, false);
    let (mut other, mut of_a) = (policy("other", 1), policy("of-a", 1));
    other.spec.allow.roles[0].arns = vec!["arn:aws:iam::*:role/other".to_owned()];
    of_a.spec.namespace_selector =
        serde_json::from_value(json!({"matchLabels": {"team": "a"}})).expect("a selector");
    let policies = [Arc::new(other), Arc::new(of_a)];
    let news = view.policy_news.clone();
    let mut kept = None;
    let mut look = |view: &View| {
        let namespaces: Vec<_> = view.namespaces.all().collect();
        let index = PolicyIndex::new(&policies, namespaces.iter().map(|n| labelled(n.as_ref())));
        let since = news.take();
        let all = served(None, &News::default(), &policies, &index, view);
        let now = served(kept.take(), &since, &policies, &index, view);
        assert_eq!(now.counts(), all.counts(), "{since:?}");
        let counts = now.counts().to_vec();
        kept = Some(now);
        counts
    };
    let news = view.policy_news.clone();
    assert_eq!(look(&view), [0, 0]);

    let (first, second) = (resource("a", 1), resource("b", 1));
    let plain = namespace(json!({}));
    view.namespaces.show(plain.clone());
    news.of_namespaces(&changed(None, Some(&plain)));
    view.credentials.show(first.clone());
    news.of_resources(&changed(None, Some(&first)));
    assert_eq!(look(&view), [0, 0]);

    let labelled = namespace(json!({"team": "a"}));
    view.namespaces.show(labelled.clone());
    news.of_namespaces(&changed(Some(&plain), Some(&labelled)));
    view.credentials.show(second.clone());
    news.of_resources(&changed(None, Some(&second)));
    assert_eq!(look(&view), [0, 2]);

    let mut elsewhere = resource("a", 2);
    elsewhere.spec.roles[0].role_arn = "arn:aws:iam::111122223333:role/other".to_owned();
    view.namespaces.show(plain.clone());
    news.of_namespaces(&changed(Some(&labelled), Some(&plain)));
    view.credentials.show(elsewhere.clone());
    news.of_resources(&changed(Some(&first), Some(&elsewhere)));
    assert_eq!(look(&view), [1, 0]);

    view.credentials.remove(&name_of(&elsewhere));
    news.of_resources(&changed(Some(&elsewhere), None));
    assert_eq!(look(&view), [0, 0]);

    view.credentials.show(elsewhere.clone());
    let many: Vec<_> = (0..=MANY).map(|n| resource(&n.to_string(), 1)).collect();
    for one in &many {
        news.of_resources(&changed(None, Some(one)));
    }
    assert_eq!(look(&view), [1, 0], "too many to remember: all are judged again");
    view.namespaces.remove(&ResourceName::of_cluster("team-a"));
    news.of_namespaces(&changed(Some(&plain), None));
    assert_eq!(look(&view), [0, 0]);
}
