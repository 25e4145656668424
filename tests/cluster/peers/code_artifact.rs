//! Tokens of AWS CodeArtifact, from a stand-in that botocore's own client accepts, and their files,
//! which package managers judge.

use super::python;
use crate::cluster::stage::{SOON, Stage};
use crate::harness::standin::{Asked, StandIn};
use crate::harness::{canary, eventually, scratch};
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use refreshable_api::RefreshableCredential;
use refreshable_rules::token::code_artifact::endpoint;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The outcome of the next request.
#[derive(Clone, Copy)]
enum Mood {
    /// A token that lasts for so many seconds.
    Lasts(i64),
    Fails,
    Denies,
}

/// CodeArtifact, whose tokens tell their number.
struct CodeArtifact {
    server: StandIn,
    mood: Arc<Mutex<Mood>>,
}

impl CodeArtifact {
    async fn start() -> Self {
        let (mood, count) = (Arc::new(Mutex::new(Mood::Lasts(7200))), AtomicUsize::new(0));
        let moods = mood.clone();
        let server = StandIn::start(move |asked| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let mood = *moods.lock().expect("no panic inside");
            async move { answer(&asked, number, mood) }
        })
        .await;
        Self { server, mood }
    }

    fn asked(&self) -> Vec<Asked> {
        self.server.asked("POST /v1/authorization-token?")
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().expect("no panic inside") = mood;
    }
}

/// A token with each character that tokens may have.
fn token(number: usize) -> String {
    format!("eyJ2ZXIiOjEs{number}.a-b_c~d+e/f==")
}

fn answer(asked: &Asked, number: usize, mood: Mood) -> (u16, Value) {
    let signed = asked.header("authorization").contains("/codeartifact/aws4_request")
        && !asked.header("x-amz-security-token").is_empty();
    if !signed || !asked.what.starts_with("POST /v1/authorization-token?") {
        return (400, json!({"__type": "ValidationException", "message": "no such request"}));
    }
    match mood {
        Mood::Fails => (500, json!({"__type": "InternalServerException", "message": "try later"})),
        Mood::Denies => (403, json!({"__type": "AccessDeniedException", "message": "no"})),
        Mood::Lasts(seconds) => {
            let token = token(number);
            canary::register(&token);
            let expiration = Timestamp::now().as_second() + seconds;
            (200, json!({"authorizationToken": token, "expiration": expiration}))
        }
    }
}

/// A stage whose controller asks `code_artifact`, with a role that may.
async fn stage(code_artifact: &CodeArtifact) -> (Stage, String) {
    let stage = Stage::without_controller().await;
    let stage = stage
        .started(|program| {
            program
                .env("AWS_ENDPOINT_URL_CODEARTIFACT", code_artifact.server.url())
                .args(["--no-leader-election"])
        })
        .await;
    let account = stage.issuer.account(&stage.account);
    let actions = ["codeartifact:GetAuthorizationToken", "sts:GetServiceBearerToken"];
    let trusted = account.user_arn("controller");
    let role = account.role("builder").trusting(trusted).allowing(&actions).create().await;
    stage.allow(&[&role]).await;
    (stage, role)
}

/// Asks for a token of the domain that botocore asks for too, with `more`.
fn asking(role: &str, more: Value) -> Value {
    let mut domain =
        json!({"domain": "team", "domainOwner": "111122223333", "region": "eu-west-1"});
    let more = more.as_object().expect("an object").clone();
    domain.as_object_mut().expect("an object").extend(more);
    json!({"roles": [{"roleArn": role}], "token": {"codeArtifact": domain}})
}

fn expiration(object: &RefreshableCredential) -> Timestamp {
    let status = object.status.as_ref().expect("a status");
    status.expiration.as_ref().expect("an expiration").0
}

fn message(object: &RefreshableCredential) -> String {
    object.status.as_ref().map(|s| s.conditions[0].message.clone()).unwrap_or_default()
}

/// Path of a request, and its parameters in order.
fn path(asked: &Asked) -> (&str, Vec<&str>) {
    let (path, query) = asked.what.split_once('?').expect("a query");
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    (path, parameters)
}

/// For what a request was signed: Region, service and headers.
fn signed(asked: &Asked) -> (Vec<&str>, &str) {
    let after = |name: &str| {
        let rest = asked.header("authorization").split(name).nth(1).unwrap_or_default();
        rest.split(',').next().unwrap_or_default()
    };
    // Key and day differ.
    (after("Credential=").split('/').skip(2).collect(), after("SignedHeaders="))
}

/// Has package managers use the data of a Secret, and says what each made of it.
async fn judged(stage: &Stage, name: &str) -> Value {
    let folder = scratch::subfolder("packages");
    for (key, text) in stage.published(name).await {
        scratch::write(folder.join(key), text);
    }
    let at = |folder: std::path::PathBuf| folder.display().to_string();
    python("packages.py", &[&at(folder), &at(scratch::subfolder("judged"))], &[]).await
}

#[tokio::test]
async fn package_managers_take_the_files_of_a_token_that_is_asked_for_as_by_botocore() {
    let code_artifact = CodeArtifact::start().await;
    let judge = python("code_artifact.py", &[code_artifact.server.url()], &[]).await;
    assert_eq!(judge["read"]["token"], token(0));
    let ends = judge["read"]["expiration"].as_i64().expect("seconds");
    assert!(ends > Timestamp::now().as_second() + 7000, "{ends}");
    for found in judge["endpoints"].as_array().expect("a list") {
        let (region, flag) = (found[0].as_str().expect("a Region"), |at: usize| found[at] == true);
        assert_eq!(endpoint(region, flag(1), flag(2)), found[3], "{found}");
    }

    let (stage, role) = stage(&code_artifact).await;
    let repositories = ["Npm", "Pypi", "Maven", "Nuget", "Cargo"]
        .map(|format| json!({"format": format, "name": "libs"}));
    let more = json!({"durationSeconds": 7200, "repositories": repositories});
    stage.credential("packages", asking(&role, more)).await;
    let ready = stage.until("packages", "True", "Issued").await;

    let asked = code_artifact.asked();
    let [theirs, ours] = &asked[..] else { panic!("{} requests", asked.len()) };
    assert_eq!(path(ours), path(theirs));
    assert_eq!(signed(ours), signed(theirs));
    assert_eq!(signed(ours).0, ["eu-west-1", "codeartifact", "aws4_request"]);
    assert_eq!((&ours.body, &theirs.body), (&Bytes::new(), &Bytes::new()), "all is in the query");

    let secret = stage.namespace.api::<Secret>().get("packages").await.expect("the Secret");
    assert_eq!(secret.type_.as_deref(), Some("refreshable.dev/aws-token"));
    let annotations = secret.metadata.annotations.expect("annotations");
    assert_eq!(annotations["refreshable.dev/token"], "codeArtifact");
    let published = stage.published("packages").await;
    assert_eq!(
        published.keys().collect::<Vec<_>>(),
        [
            ".npmrc",
            ".pypirc",
            "NuGet.Config",
            "config.toml",
            "credentials.toml",
            "gradle.properties",
            "pip.conf",
            "settings.xml",
            "token",
        ],
        "no AWS key"
    );
    assert_eq!(published["token"], token(1));
    // The session that bought it has one hour.
    let left = expiration(&ready).duration_since(Timestamp::now());
    assert!(
        left <= SignedDuration::from_hours(2) && left > SignedDuration::from_mins(118),
        "{left}"
    );
    let principal = ready.status.as_ref().and_then(|s| s.principal.clone()).and_then(|p| p.arn);
    let principal = principal.expect("a principal");
    let words = format!("a token (codeArtifact) of {principal} is published");
    assert!(message(&ready).contains(&words), "{}", message(&ready));

    let judged = judged(&stage, "packages").await;
    // Others are not on every machine.
    for name in ["pip", "cargo", "twine", "nuget"] {
        assert_eq!(judged[name]["ran"], true, "{name}: {judged:#}");
    }
    for (name, verdict) in judged.as_object().expect("an object") {
        let took = verdict["ok"] == true || verdict["ran"] == false;
        assert!(took, "{name} does not take its file: {verdict:#}");
    }
    stage.strike().await;
}

#[tokio::test]
async fn a_token_of_packages_is_renewed_and_stays_while_code_artifact_fails() {
    let code_artifact = CodeArtifact::start().await;
    let (stage, role) = stage(&code_artifact).await;
    code_artifact.set(Mood::Lasts(20));
    stage.credential("packages", asking(&role, json!({}))).await;
    stage.until("packages", "True", "Issued").await;
    let first = stage.published("packages").await;
    assert_eq!(first.keys().collect::<Vec<_>>(), ["token"], "without a repository no files");
    code_artifact.set(Mood::Lasts(60));
    let renewed = eventually(SOON, "another token", async || {
        let now = stage.published("packages").await;
        if now == first { Err(format!("{now:?}")) } else { Ok(now) }
    })
    .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), 2, "each with a session of its own");
    // Without durationSeconds the token is to end with its session.
    for asked in code_artifact.asked() {
        assert!(path(&asked).1.contains(&"duration=0"), "{}", asked.what);
    }

    code_artifact.set(Mood::Fails);
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
    stage.patch("packages", again).await;
    let failing = stage.until("packages", "True", "RefreshFailing").await;
    let failure = failing.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(
        (failure.code.as_deref(), failure.class.as_str()),
        (Some("InternalServerException"), "Transient")
    );
    assert_eq!(failure.request_id.as_deref(), Some("stand-in"));
    assert_eq!(stage.published("packages").await, renewed, "what is valid stays");
    stage.strike().await;
}

#[tokio::test]
async fn whoever_may_not_have_a_token_of_packages_is_told_what_to_allow() {
    let code_artifact = CodeArtifact::start().await;
    let (stage, role) = stage(&code_artifact).await;
    code_artifact.set(Mood::Denies);
    stage.credential("packages", asking(&role, json!({}))).await;
    let denied = stage.until("packages", "False", "AccessDenied").await;
    let failure = denied.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(failure.code.as_deref(), Some("AccessDeniedException"));
    for part in [
        "CodeArtifactGetAuthorizationToken of codeartifact in eu-west-1: ",
        "codeartifact:GetAuthorizationToken on the domain",
        "sts:GetServiceBearerToken on resource *",
    ] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    let secret = stage.namespace.api::<Secret>().get_opt("packages").await.expect("an answer");
    assert!(secret.is_none(), "nothing is published");
    stage.strike().await;
}
