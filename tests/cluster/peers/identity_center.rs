//! IAM Identity Center, against a stand-in that botocore's SSO provider accepts: refresh tokens are
//! good once.

use super::{Desk, Stage, honoured, python};
use crate::cluster::forbid::REFUSAL;
use crate::cluster::stage::SOON;
use crate::harness::eventually::{check, eventually};
use crate::harness::standin::StandIn;
use crate::harness::{background, programs, scratch};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

const ROLE: &str = "AWSReservedSSO_Reader_0123456789abcdef";

/// The tokens that are good now: each renewal replaces both.
#[derive(Clone, Default)]
pub(in crate::cluster) struct Tokens(
    Arc<Mutex<(u32, u32)>>,
    Arc<Mutex<u32>>,
    Arc<AtomicBool>,
    Arc<Gate>,
);

/// Gate that the answers to renewals wait for.
struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Gate {
    fn close(&self) {
        self.0.send_replace(false);
    }

    fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        self.0.subscribe().wait_for(|open| *open).await.expect("the gate stands");
    }
}

impl Tokens {
    pub(in crate::cluster) fn access(&self) -> String {
        format!("access-token-{}", self.0.lock().expect("no panic inside").0)
    }

    pub(in crate::cluster) fn refresh(&self) -> String {
        format!("refresh-token-{}", self.0.lock().expect("no panic inside").1)
    }

    /// Replaces both, if this is the refresh token that is good.
    fn renew(&self, refresh: &str) -> bool {
        let good = refresh == self.refresh();
        if good {
            let mut tokens = self.0.lock().expect("no panic inside");
            *tokens = (tokens.0 + 1, tokens.1 + 1);
        }
        good
    }

    /// A person has confirmed the code, at the second time that it is asked for.
    fn by_device(&self, body: &Value) -> (u16, Value) {
        if body["deviceCode"] != "the-device-s-code" {
            return (400, json!({"__type": "InvalidGrantException", "error": "invalid_grant"}));
        }
        let mut polls = self.1.lock().expect("no panic inside");
        *polls += 1;
        if *polls == 1 {
            return (
                400,
                json!({"__type": "AuthorizationPendingException", "error": "authorization_pending"}),
            );
        }
        let answer = json!({
            "accessToken": self.access(), "expiresIn": 28800, "refreshToken": self.refresh(), "tokenType": "Bearer",
        });
        (200, answer)
    }

    /// Signs in anew.
    pub(in crate::cluster) fn sign_in(&self) {
        let mut tokens = self.0.lock().expect("no panic inside");
        *tokens = (tokens.0 + 100, tokens.1 + 100);
    }

    /// The file that the AWS CLI caches after somebody signed in.
    fn cached(&self, expires_at: &str) -> String {
        json!({
            "startUrl": "https://example.awsapps.com/start", "region": "eu-west-1", "accessToken": self.access(),
            "expiresAt": expires_at, "clientId": "client", "clientSecret": "the-secret-of-the-client",
            "registrationExpiresAt": "2099-01-01T00:00:00Z", "refreshToken": self.refresh(),
        })
        .to_string()
    }
}

/// A stand-in for Identity Center that hands out the sessions of `desk` in `account`.
pub(in crate::cluster) async fn center(desk: Desk, tokens: Tokens, account: String) -> StandIn {
    StandIn::start(move |asked| {
        let (desk, tokens, account) = (desk.clone(), tokens.clone(), account.clone());
        async move {
            match asked.what.as_str() {
                "POST /client/register" => return (200, registered()),
                "POST /device_authorization" => return (200, authorization()),
                _ => {}
            }
            if asked.what == "POST /token" {
                let body = asked.json();
                if body["grantType"] == "urn:ietf:params:oauth:grant-type:device_code" {
                    return tokens.by_device(&body);
                }
                let refresh = body["refreshToken"].as_str().unwrap_or_default();
                if body["grantType"] != "refresh_token" || body["clientSecret"] != "the-secret-of-the-client" {
                    return (400, json!({"__type": "InvalidRequestException", "error": "invalid_request"}));
                }
                if !tokens.renew(refresh) {
                    return (400, json!({"__type": "InvalidGrantException", "error": "invalid_grant"}));
                }
                tokens.3.passed().await;
                let answer = json!({
                    "accessToken": tokens.access(), "expiresIn": 28800, "refreshToken": tokens.refresh(), "tokenType": "Bearer",
                });
                return (200, answer);
            }
            if !asked.what.starts_with("GET /federation/credentials?") {
                return (404, json!({"__type": "ResourceNotFoundException", "message": asked.what}));
            }
            if tokens.2.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            if asked.header("x-amz-sso_bearer_token") != tokens.access() {
                return (401, json!({"__type": "UnauthorizedException", "message": "Session token not found or invalid"}));
            }
            if !asked.what.contains("role_name=Reader") || !asked.what.contains(&format!("account_id={account}")) {
                return (403, json!({"__type": "ForbiddenException", "message": "No access"}));
            }
            let session = desk.session().await;
            let credentials = json!({
                "accessKeyId": session.id, "secretAccessKey": session.secret, "sessionToken": session.token,
                "expiration": session.expiration.as_millisecond(),
            });
            (200, json!({"roleCredentials": credentials}))
        }
    })
    .await
}

/// The SDKs' settings that lead to this stand-in.
pub(in crate::cluster) fn endpoints(center: &StandIn) -> [(&'static str, &str); 2] {
    [("AWS_ENDPOINT_URL_SSO", center.url()), ("AWS_ENDPOINT_URL_SSO_OIDC", center.url())]
}

/// A stage whose controller calls this stand-in.
pub(in crate::cluster) async fn served(stage: Stage, center: &StandIn) -> Stage {
    stage
        .started(|program| {
            let program = program.args(["--no-leader-election"]);
            endpoints(center).into_iter().fold(program, |p, (name, value)| p.env(name, value))
        })
        .await
}

fn registered() -> Value {
    json!({
        "clientId": "client", "clientSecret": "the-secret-of-the-client", "clientIdIssuedAt": 1,
        "clientSecretExpiresAt": 4_070_908_800_i64,
    })
}

fn authorization() -> Value {
    json!({
        "deviceCode": "the-device-s-code", "userCode": "ABCD-EFGH", "verificationUri": "https://example.awsapps.com/device",
        "verificationUriComplete": "https://example.awsapps.com/device?user_code=ABCD-EFGH", "expiresIn": 600, "interval": 1,
    })
}

/// Signs in with `aws sso login --use-device-code`, and gives back the token that it caches.
async fn sign_in(center: &StandIn) -> String {
    let home = scratch::subfolder("home");
    let config = "[profile p]\nsso_session = bench\n[sso-session bench]\nsso_region = eu-west-1\n\
        sso_start_url = https://example.awsapps.com/start\nsso_registration_scopes = sso:account:access\n";
    std::fs::create_dir_all(home.join(".aws")).expect("a folder");
    scratch::write(home.join(".aws/config"), config);
    let aws = background::blocking(programs::aws_cli_2).await;
    let output = tokio::process::Command::new(aws)
        .args(["sso", "login", "--use-device-code", "--no-browser", "--sso-session", "bench"])
        .env_clear()
        .env("HOME", &home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_ENDPOINT_URL_SSO_OIDC", center.url())
        .env("AWS_ENDPOINT_URL_SSO", center.url())
        .output()
        .await
        .expect("a run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cache = std::fs::read_dir(home.join(".aws/sso/cache")).expect("a cache");
    let texts = cache.map(|f| std::fs::read_to_string(f.expect("a file").path()).expect("text"));
    texts.into_iter().find(|t| t.contains("refreshToken")).expect("a token that can be renewed")
}

async fn kept(stage: &Stage) -> Value {
    let secret = stage.namespace.api::<Secret>().get("sso").await.expect("it is there");
    serde_json::from_slice(&secret.data.expect("data")["token.json"].0).expect("JSON")
}

#[tokio::test]
async fn what_the_aws_cli_caches_at_sign_in_is_used_as_it_is() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "AWSReservedSSO_Reader_fedcba9876543210").await;
    let center = center(desk, Tokens::default(), stage.account.clone()).await;
    let token = sign_in(&center).await;
    let stage = served(stage, &center).await;
    stage.secret("sso", &[("token.json", &token)]).await;
    let source = json!({"accountId": stage.account, "roleName": "Reader", "tokenSecretRef": {"name": "sso"}});
    stage.credential("reader", json!({"source": {"identityCenter": source}})).await;
    assert!(honoured(&stage, "reader").await.contains("AWSReservedSSO_Reader_"));
    assert_eq!(center.asked("POST /token").len(), 2, "both by the CLI: the token is fresh");
    stage.strike().await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_controller_dies_between_the_renewal_and_its_use() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "AWSReservedSSO_Reader_00112233445566aa").await;
    let tokens = Tokens::default();
    let center = center(desk, tokens.clone(), stage.account.clone()).await;
    let mut stage = served(stage, &center).await;
    stage.secret("sso", &[("token.json", &tokens.cached("2026-01-01T00:00:00Z"))]).await;
    tokens.2.store(true, Ordering::Relaxed);
    let source = json!({"accountId": stage.account, "roleName": "Reader", "tokenSecretRef": {"name": "sso"}});
    stage.credential("reader", json!({"source": {"identityCenter": source}})).await;
    eventually(SOON, "the new token is about to be used", async || {
        if center.asked("GET /federation").is_empty() { Err("not yet") } else { Ok(()) }
    })
    .await;
    assert_eq!(kept(&stage).await["refreshToken"], tokens.refresh(), "it was kept before");
    tokens.2.store(false, Ordering::Relaxed);
    stage.restart().await;
    honoured(&stage, "reader").await;
    assert_eq!(
        center.asked("POST /token").len(),
        1,
        "the refresh token that was good once was used once"
    );
    stage.strike().await;
}

#[tokio::test]
async fn renewed_token_survives_a_write_that_is_refused_for_a_while() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "AWSReservedSSO_Reader_8899aabbccddeeff").await;
    let tokens = Tokens::default();
    let center = center(desk, tokens.clone(), stage.account.clone()).await;
    let stage = served(stage, &center).await;
    stage.secret("sso", &[("token.json", &tokens.cached("2026-01-01T00:00:00Z"))]).await;
    let source = json!({"accountId": stage.account, "roleName": "Reader", "tokenSecretRef": {"name": "sso"}});
    // The Secret could be written when the controller looked. While it renews, that ends.
    tokens.3.close();
    stage.credential("reader", json!({"source": {"identityCenter": source}})).await;
    eventually(SOON, "the token is about to be renewed", async || {
        check(!center.asked("POST /token").is_empty(), || "not yet".to_owned())
    })
    .await;
    let secrets = stage.namespace.api::<Secret>();
    let label = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]});
    let policy = stage.forbid("sso", rule, "object.metadata.name != 'sso'", REFUSAL).await;
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    eventually(SOON, "the admission policy is in force", async || {
        let answer = secrets.patch("sso", &dry_run, &label).await;
        check(answer.is_err_and(|e| e.to_string().contains(REFUSAL)), || {
            "it would be taken".to_owned()
        })
    })
    .await;
    let renewed = Timestamp::now();
    tokens.3.open();
    eventually(SOON, "a write of the renewed token is refused", async || {
        let writes = stage
            .cluster
            .audit()
            .within(&stage.namespace.name)
            .named("sso")
            .since(renewed)
            .writes();
        check(writes.only(|r| r.code >= 400).count() > 0, || "none yet".to_owned())
    })
    .await;
    // A person edits the Secret as soon as it can be written: the controller's next try finds
    // another version of it.
    stage.permit(&policy).await;
    eventually(SOON, "the Secret can be written", async || {
        secrets
            .patch("sso", &PatchParams::default(), &label)
            .await
            .map(drop)
            .map_err(|e| e.to_string())
    })
    .await;
    honoured(&stage, "reader").await;
    assert_eq!(
        center.asked("POST /token").len(),
        1,
        "a refresh token is good once, and its successor is not lost"
    );
    assert_eq!(kept(&stage).await["refreshToken"], tokens.refresh());
    stage.strike().await;
}

#[tokio::test]
async fn a_token_is_renewed_and_kept_before_it_is_used_until_a_person_must_sign_in() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, ROLE).await;
    let tokens = Tokens::default();
    let center = center(desk, tokens.clone(), stage.account.clone()).await;
    let old = "2026-01-01T00:00:00Z";
    let accepted =
        python("sso.py", &[&stage.account, "Reader", &tokens.cached(old)], &endpoints(&center))
            .await;
    assert_eq!(accepted["method"], "sso", "botocore's provider accepts the stand-in");
    assert_eq!(center.asked("POST /token").len(), 1, "and its renewal");

    let stage = served(stage, &center).await;
    stage.secret("sso", &[("token.json", &tokens.cached(old))]).await;
    let labels = json!({"metadata": {"labels": {"refreshable.dev/watch": "true", "refreshable.dev/renew": "true"}}});
    let secrets = stage.namespace.api::<Secret>();
    let change = async |patch: Value| {
        secrets.patch("sso", &PatchParams::default(), &Patch::Merge(patch)).await.expect("changed");
    };
    change(labels).await;
    let source = json!({"accountId": stage.account, "roleName": "Reader", "tokenSecretRef": {"name": "sso"}});
    stage.credential("reader", json!({"source": {"identityCenter": source}})).await;
    assert!(honoured(&stage, "reader").await.contains(ROLE));
    assert_eq!(kept(&stage).await["refreshToken"], tokens.refresh(), "the new one is kept");
    assert_eq!(kept(&stage).await["registrationExpiresAt"], "2099-01-01T00:00:00Z");
    assert_eq!(center.asked("POST /token").len(), 2);
    let credentials = || center.asked("GET /federation/credentials").len();
    let asked = credentials();

    // Another resource with the same token neither renews it nor makes the first one start anew.
    stage.credential("second", json!({"source": {"identityCenter": source}})).await;
    honoured(&stage, "second").await;
    let key = stage.key_id("reader").await;
    assert_eq!((center.asked("POST /token").len(), credentials()), (2, asked + 1));
    assert_eq!(stage.key_id("reader").await, key);

    // The session ends: what is published stays, and a person is asked for.
    tokens.sign_in();
    stage
        .patch(
            "reader",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    let needed = stage.until("reader", "True", "RefreshFailing").await;
    let failure = needed.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(failure.reason, "PersonNeeded");
    assert!(failure.message.contains("aws sso login"), "{}", failure.message);
    assert_eq!(stage.key_id("reader").await, key);

    change(json!({"stringData": {"token.json": tokens.cached("2099-01-01T00:00:00Z")}})).await;
    eventually(SOON, "it goes on by itself", async || {
        let now = stage.key_id("reader").await;
        if now == key { Err(now) } else { Ok(()) }
    })
    .await;
    stage.until("reader", "True", "Issued").await;

    // Another permission set than the one that the credentials are of is never published.
    let other =
        json!({"accountId": stage.account, "roleName": "Read", "tokenSecretRef": {"name": "sso"}});
    stage.credential("other", json!({"source": {"identityCenter": other}})).await;
    stage.until("other", "False", "AccessDenied").await;
    stage.strike().await;
}
