//! Passwords of Amazon ECR: from ministack, which checks signatures and policies, and from a
//! stand-in that botocore's own clients accept.

use super::python;
use crate::cluster::stage::{SOON, Stage};
use crate::harness::standin::{Asked, StandIn};
use crate::harness::{canary, eventually};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use refreshable_api::RefreshableCredential;
use refreshable_rules::token::ecr::{self, Service};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

const KEY: &str = ".dockerconfigjson";
const PRIVATE: &str = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const PUBLIC: &str = "SpencerFrontendService.GetAuthorizationToken";

/// ECR and ECR Public, whose passwords tell Region and number.
struct Ecr {
    server: StandIn,
    /// Lifetime of a token in seconds; 0 answers an error.
    lifetime: Arc<AtomicI64>,
}

impl Ecr {
    async fn start() -> Self {
        let (lifetime, count) = (Arc::new(AtomicI64::new(43_200)), Arc::new(AtomicUsize::new(0)));
        let seconds = lifetime.clone();
        let server = StandIn::start(move |asked| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let left = seconds.load(Ordering::Relaxed);
            async move { answer(&asked, number, left) }
        })
        .await;
        Self { server, lifetime }
    }

    fn asked(&self) -> Vec<Asked> {
        self.server.asked("POST /")
    }

    fn lasts(&self, seconds: i64) {
        self.lifetime.store(seconds, Ordering::Relaxed);
    }
}

/// The Region that a request was signed for.
fn region_of(asked: &Asked) -> String {
    let scope = asked.header("authorization").split("Credential=").nth(1).unwrap_or_default();
    scope.split('/').nth(2).unwrap_or_default().to_owned()
}

fn answer(asked: &Asked, number: usize, left: i64) -> (u16, Value) {
    if left == 0 {
        return (500, json!({"__type": "ServerException", "message": "try later"}));
    }
    let signed_for = |service: &str| {
        asked.header("authorization").contains(&format!("/{service}/aws4_request"))
            && !asked.header("x-amz-security-token").is_empty()
    };
    let password = format!("password-{}-{number}", region_of(asked));
    canary::register(&password);
    let expires_at = Timestamp::now().as_second() + left;
    let token = STANDARD.encode(format!("AWS:{password}"));
    let data = json!({"authorizationToken": token, "expiresAt": expires_at});
    match asked.header("x-amz-target") {
        PRIVATE if signed_for("ecr") => (200, json!({"authorizationData": [data]})),
        PUBLIC if signed_for("ecr-public") => (200, json!({"authorizationData": data})),
        _ => (400, json!({"__type": "UnknownOperationException"})),
    }
}

/// A stage whose controller asks `ecr`, with a role that may.
async fn stage(url: &str) -> (Stage, String) {
    let stage = Stage::without_controller().await;
    let stage = stage
        .started(|program| {
            program
                .env("AWS_ENDPOINT_URL_ECR", url)
                .env("AWS_ENDPOINT_URL_ECR_PUBLIC", url)
                .args(["--no-leader-election"])
        })
        .await;
    let role = stage.role_allowing("puller", &["ecr:GetAuthorizationToken"]).await;
    (stage, role)
}

fn asking(role: &str, ecr: Value) -> Value {
    json!({"roles": [{"roleArn": role}], "token": {"ecr": ecr}})
}

fn registry(region: &str) -> Value {
    json!({"accountId": "111122223333", "region": region})
}

async fn secret(stage: &Stage, name: &str) -> Secret {
    stage.namespace.api::<Secret>().get(name).await.expect("the Secret is there")
}

/// User and password of each registry in the published Secret.
async fn logins(stage: &Stage, name: &str) -> BTreeMap<String, (String, String)> {
    let file: Value = serde_json::from_str(&stage.published(name).await[KEY]).expect("JSON");
    let entries = file["auths"].as_object().expect("auths").clone();
    let login = |entry: Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let (user, password) = (text("username"), text("password"));
        assert_eq!(text("auth"), STANDARD.encode(format!("{user}:{password}")), "{entry}");
        (user, password)
    };
    entries.into_iter().map(|(host, entry)| (host, login(entry))).collect()
}

fn expiration(object: &RefreshableCredential) -> Timestamp {
    let status = object.status.as_ref().expect("a status");
    status.expiration.as_ref().expect("an expiration").0
}

fn message(object: &RefreshableCredential) -> String {
    object.status.as_ref().map(|s| s.conditions[0].message.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_password_of_ecr_is_published_with_a_signature_and_a_policy_that_aws_checks() {
    let issuer = crate::harness::Issuer::shared().await;
    let (stage, role) = stage(issuer.url()).await;
    stage.credential("images", asking(&role, json!({"registries": [registry("eu-west-1")]}))).await;
    let ready = stage.until("images", "True", "Issued").await;

    let published = secret(&stage, "images").await;
    assert_eq!(published.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    assert_eq!(published.data.expect("data").keys().collect::<Vec<_>>(), [KEY], "no AWS key");
    let host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com".to_owned();
    let login = ("AWS".to_owned(), "ministack-auth-token".to_owned());
    assert_eq!(logins(&stage, "images").await, BTreeMap::from([(host, login)]));
    let annotations = published.metadata.annotations.expect("annotations");
    assert_eq!(annotations["refreshable.dev/token"], "ecr");
    // The token says twelve hours, and the session that bought it has one.
    let left = expiration(&ready).duration_since(Timestamp::now());
    assert!(
        left <= SignedDuration::from_hours(1) && left > SignedDuration::from_mins(58),
        "{left}"
    );
    let principal = ready.status.as_ref().and_then(|s| s.principal.clone()).and_then(|p| p.arn);
    let principal = principal.expect("a principal");
    assert!(principal.contains(":assumed-role/puller/"), "{principal}");
    assert!(message(&ready).contains(&format!("a token (ecr) of {principal} is published")));

    let poor = stage.role_allowing("poor", &["s3:GetObject"]).await;
    stage.credential("denied", asking(&poor, json!({"registries": [registry("eu-west-1")]}))).await;
    let denied = stage.until("denied", "False", "AccessDenied").await;
    let failure = denied.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.code.is_some_and(|c| c.starts_with("AccessDenied")));
    for part in
        ["GetAuthorizationToken of ECR in eu-west-1: ", "ecr:GetAuthorizationToken on resource *"]
    {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    stage.strike().await;
}

#[tokio::test]
async fn each_region_is_asked_once_in_the_words_of_botocore() {
    let ecr = Ecr::start().await;
    let judge = python("ecr.py", &[ecr.server.url()], &[]).await;
    assert_eq!(judge["read"], json!(["AWS:password-us-east-1-0", "AWS:password-us-east-1-1"]));
    for found in judge["endpoints"].as_array().expect("a list") {
        let service = if found[0] == "ecr" { Service::Private } else { Service::Public };
        let (region, flag) = (found[1].as_str().expect("a Region"), |at: usize| found[at] == true);
        assert_eq!(ecr::endpoint(service, region, flag(2), flag(3)), found[4], "{found}");
    }
    let theirs = ecr.asked();

    ecr.lasts(1800);
    let (stage, role) = stage(ecr.server.url()).await;
    let mut dual = registry("eu-central-1");
    dual["hosts"] = json!(["Standard", "DualStack"]);
    let mut other = registry("eu-west-1");
    other["accountId"] = "444455556666".into();
    let registries = json!([registry("eu-west-1"), dual, other]);
    stage
        .credential("images", asking(&role, json!({"registries": registries, "public": true})))
        .await;
    let ready = stage.until("images", "True", "Issued").await;

    let ours = ecr.asked().split_off(theirs.len());
    let regions: Vec<String> = ours.iter().map(region_of).collect();
    assert_eq!(regions, ["eu-central-1", "eu-west-1", "us-east-1"], "one call for each");
    for (mine, botocore) in [(&ours[0], &theirs[0]), (&ours[2], &theirs[1])] {
        for header in ["content-type", "x-amz-target"] {
            assert_eq!(mine.header(header), botocore.header(header));
        }
        assert_eq!(mine.json(), botocore.json());
        let signed = |asked: &Asked| {
            let scheme = asked.header("authorization").split(' ').next().map(str::to_owned);
            (scheme, asked.header("authorization").contains("/us-east-1/ecr-public/aws4_request"))
        };
        assert_eq!(signed(mine), signed(botocore));
    }
    let found = logins(&stage, "images").await;
    let password = |host: &str| found.get(host).map(|(user, p)| (user.as_str(), p.as_str()));
    for (host, expected) in [
        ("111122223333.dkr.ecr.eu-central-1.amazonaws.com", "password-eu-central-1-2"),
        ("111122223333.dkr-ecr.eu-central-1.on.aws", "password-eu-central-1-2"),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com", "password-eu-west-1-3"),
        ("444455556666.dkr.ecr.eu-west-1.amazonaws.com", "password-eu-west-1-3"),
        ("public.ecr.aws", "password-us-east-1-4"),
        ("ecr-public.aws.com", "password-us-east-1-4"),
    ] {
        assert_eq!(password(host), Some(("AWS", expected)), "{host}: {found:?}");
    }
    assert_eq!(found.len(), 6, "{found:?}");
    // The tokens end before the session.
    let left = expiration(&ready).duration_since(Timestamp::now());
    assert!(left <= SignedDuration::from_mins(30), "{left}");
    stage.strike().await;
}

#[tokio::test]
async fn a_password_is_renewed_and_stays_while_ecr_fails() {
    let ecr = Ecr::start().await;
    let (stage, role) = stage(ecr.server.url()).await;
    ecr.lasts(20);
    stage.credential("images", asking(&role, json!({"registries": [registry("eu-west-1")]}))).await;
    stage.until("images", "True", "Issued").await;
    let first = logins(&stage, "images").await;
    ecr.lasts(60);
    let renewed = eventually(SOON, "another password", async || {
        let now = logins(&stage, "images").await;
        if now == first { Err(format!("{now:?}")) } else { Ok(now) }
    })
    .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2, "each with a session of its own");

    ecr.lasts(0);
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
    stage.patch("images", again).await;
    let failing = stage.until("images", "True", "RefreshFailing").await;
    let failure = failing.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(
        (failure.code.as_deref(), failure.class.as_str()),
        (Some("ServerException"), "Transient")
    );
    assert_eq!(failure.request_id.as_deref(), Some("stand-in"));
    assert_eq!(logins(&stage, "images").await, renewed, "what is valid stays");
    stage.strike().await;
}

async fn others(stage: &Stage, content: &str) {
    let secrets = stage.namespace.api::<Secret>();
    let body = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": {KEY: content},
        "metadata": {"name": "others", "labels": {"refreshable.dev/watch": "true"}}});
    let parameters = PatchParams::apply("test").force();
    secrets.patch("others", &parameters, &Patch::Apply(body)).await.expect("applied");
}

#[tokio::test]
async fn registries_of_another_secret_are_published_with_those_of_ecr() {
    let ecr = Ecr::start().await;
    let (stage, role) = stage(ecr.server.url()).await;
    let merging = json!({"registries": [registry("eu-west-1")], "mergeFrom": {"name": "others"}});
    stage.credential("images", asking(&role, merging)).await;
    let missing = stage.until("images", "False", "InputMissing").await;
    assert!(message(&missing).contains("Secret others does not exist"), "{}", message(&missing));

    let entry = |password: &str| {
        canary::register(password);
        json!({"username": "u", "password": password, "auth": STANDARD.encode(format!("u:{password}"))})
    };
    others(&stage, &json!({"auths": {"registry.example.com": entry("first-static")}}).to_string())
        .await;
    stage.until("images", "True", "Issued").await;
    let host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
    let found = logins(&stage, "images").await;
    assert_eq!(found["registry.example.com"].1, "first-static");
    assert_eq!((found[host].0.as_str(), found.len()), ("AWS", 2));

    // A change is published at once and costs one attempt; a registry of ECR's own is told.
    let calls = ecr.asked().len();
    let both = json!({"auths": {
        "registry.example.com": entry("second-static"), (format!("https://{host}")): entry("stale-static"),
    }});
    others(&stage, &both.to_string()).await;
    let told = stage
        .until_it("images", "the registry that is in both is told", |c| {
            message(c).contains("passwords of its own")
        })
        .await;
    assert!(
        message(&told).contains(&format!("take https://{host} out of it")),
        "{}",
        message(&told)
    );
    let found = logins(&stage, "images").await;
    assert_eq!(found["registry.example.com"].1, "second-static");
    assert_eq!((found[host].0.as_str(), found.len()), ("AWS", 2), "{found:?}");
    assert_eq!(ecr.asked().len(), calls + 1);

    // What cannot be read leaves what is published.
    others(&stage, "{\"auths\": {\"registry.example.com\": \"third-static\"}}").await;
    let wrong = stage.until("images", "True", "RefreshFailing").await;
    let failure = wrong.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!((failure.reason.as_str(), failure.class.as_str()), ("InputInvalid", "Input"));
    let words = "Secret others, key .dockerconfigjson: the entry of registry registry.example.com is not an object";
    assert!(failure.message.contains(words), "{}", failure.message);
    assert_eq!(logins(&stage, "images").await, found);
    stage.strike().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_merged_costs_no_call_to_aws() {
    let ecr = Ecr::start().await;
    let (stage, role) = stage(ecr.server.url()).await;
    let merging = json!({"registries": [registry("eu-west-1")], "mergeFrom": {"name": "others"}});
    stage.secret("others", &[("auths", "{}")]).await;
    stage.credential("images", asking(&role, merging)).await;
    let missing = stage.until("images", "False", "InputMissing").await;
    let words = "Secret others, key .dockerconfigjson does not exist";
    assert!(message(&missing).contains(words), "{}", message(&missing));

    let login = json!({"username": "u", "password": 7});
    for (content, words) in [
        ("registry.example.com", "this is not a JSON object"),
        ("{\"registry.example.com\": {}}", "it has no object auths"),
        (&json!({"auths": {"registry.example.com": login}}).to_string(), "password of registry"),
    ] {
        others(&stage, content).await;
        let told = stage
            .until_it("images", "what is wrong with the other registries is told", |c| {
                message(c).contains(words)
            })
            .await;
        let failure = told.status.and_then(|s| s.failures).expect("a failure");
        assert_eq!((failure.reason.as_str(), failure.class.as_str()), ("InputInvalid", "Input"));
    }
    let called = (stage.aws.calls_for_role(&role).len(), ecr.asked().len());
    assert_eq!(called, (0, 0), "calls to STS and ECR");

    let login = json!({"username": "u", "password": "static-password"});
    others(&stage, &json!({"auths": {"registry.example.com": login}}).to_string()).await;
    stage.until("images", "True", "Issued").await;
    let called = (stage.aws.calls_for_role(&role).len(), ecr.asked().len());
    assert_eq!(called, (1, 1), "calls to STS and ECR");
    stage.strike().await;
}

#[tokio::test]
async fn a_secret_of_another_type_or_owner_is_left_and_told() {
    let ecr = Ecr::start().await;
    let (stage, role) = stage(ecr.server.url()).await;
    let spec = asking(&role, json!({"registries": [registry("eu-west-1")]}));
    // Another's, of a third type and of the same.
    stage.secret("opaque", &[("theirs", "kept")]).await;
    let docker = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "docker"}, "stringData": {KEY: "{\"auths\": {}}"}});
    let docker: Secret = serde_json::from_value(docker).expect("a Secret");
    stage.namespace.api().create(&PostParams::default(), &docker).await.expect("made");
    for name in ["opaque", "docker"] {
        let before = secret(&stage, name).await;
        stage.credential(name, spec.clone()).await;
        let told = stage.until(name, "False", "SecretConflict").await;
        let words = "it is left as it is. Choose another spec.secret.name, or delete the Secret";
        assert!(message(&told).contains(words), "{}", message(&told));
        assert_eq!(secret(&stage, name).await, before, "untouched");
    }

    // Its own, from before it asked for a token: one of the other type takes its place.
    stage.credential("own", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("own", "True", "Issued").await;
    let before = secret(&stage, "own").await;
    let token = json!({"spec": {"token": {"ecr": {"registries": [registry("eu-west-1")]}}}});
    stage.patch("own", token).await;
    eventually(SOON, "the Secret is of the token's type", async || {
        let there = stage.namespace.api::<Secret>().get_opt("own").await.expect("an answer");
        let kind = there.and_then(|s| s.type_);
        if kind.as_deref() == Some("kubernetes.io/dockerconfigjson") {
            Ok(())
        } else {
            Err(format!("{kind:?}"))
        }
    })
    .await;
    stage.until("own", "True", "Issued").await;
    assert_ne!(secret(&stage, "own").await.metadata.uid, before.metadata.uid);

    // With another name the earlier Secret goes.
    let moved = json!({"spec": {"token": null, "secret": {"name": "files"}}});
    stage.patch("own", moved).await;
    eventually(SOON, "the token's Secret is gone", async || {
        let there = stage.namespace.api::<Secret>().get_opt("own").await.expect("an answer");
        there.map_or(Ok(()), |s| Err(format!("{:?}", s.metadata.annotations)))
    })
    .await;
    stage.until("own", "True", "Issued").await;
    assert_eq!(
        secret(&stage, "files").await.type_.as_deref(),
        Some("refreshable.dev/aws-credentials")
    );
    stage.strike().await;
}
