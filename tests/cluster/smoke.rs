//! The bench itself works: what the other tests lean on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, PostParams};
use kube::{Resource, ResourceExt};

use crate::harness::eventually::eventually;
use crate::harness::faults::{Fault, When};
use crate::harness::process::Process;
use crate::harness::{
    Cluster, Issuer, Proxy, canary, certificates, controlplane, issuer, proxy, scratch,
};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_owned_secret_goes_with_its_owner() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("smoke").label("bench", "smoke").create().await;
    let (maps, secrets) = (namespace.api::<ConfigMap>(), namespace.api::<Secret>());

    let mut map = ConfigMap::default();
    map.metadata.name = Some("owner".into());
    let map = maps.create(&PostParams::default(), &map).await.unwrap();
    let mut secret = Secret {
        string_data: Some(BTreeMap::from([("key".into(), "value".into())])),
        ..Secret::default()
    };
    secret.metadata.name = Some("owned".into());
    secret.owner_references_mut().extend(map.controller_owner_ref(&()));
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    maps.delete("owner", &DeleteParams::default()).await.unwrap();

    eventually(SOON, "the Secret is collected", async || match secrets.get_opt("owned").await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|secret| secret.map(|secret| secret.metadata)))),
    })
    .await;
    let audit = cluster.audit().within(&namespace.name).named("owned");
    assert_eq!(audit.clone().of("create", "secrets").count(), 1, "{audit}");
    assert_eq!(audit.clone().of("delete", "secrets").count(), 1, "{audit}");
}

#[tokio::test]
async fn a_service_account_is_held_to_its_own_rights() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("smoke").create().await;
    cluster.kubectl(&["create", "serviceaccount", "reader", "--namespace", &namespace.name]).await;
    let kubeconfig = cluster.kubeconfig_for(&namespace.name, "reader").await;

    let client = crate::harness::cluster::client(&kubeconfig).await;
    let refused =
        kube::Api::<Secret>::namespaced(client, &namespace.name).get("any").await.unwrap_err();

    let kube::Error::Api(refused) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.code, 403);
    let audit = cluster.audit().by_account(&namespace.name, "reader").of("get", "secrets");
    assert_eq!(audit.count(), 1, "{audit}");
}

#[tokio::test]
async fn a_short_session_is_refused_when_it_is_over() {
    // Alone with it: at each new session the emulator forgets those that are over, and then knows
    // no such key.
    let issuer = Issuer::start().await;
    let account = issuer.account("111122223333");
    let user = account.user("smoke").await;
    let role = account
        .role("smoke")
        .trusting(account.user_arn("smoke"))
        .external_id("4f2a")
        .create()
        .await;
    let proxy = Proxy::to(issuer.url()).latency(proxy::USUAL_LATENCY).start().await;
    let sts = issuer::sts(proxy.url(), user.clone());

    let assume = sts.assume_role().role_arn(&role).role_session_name("bench").duration_seconds(3);
    let refused =
        assume.clone().send().await.expect_err("the role asks an external id").into_service_error();
    assert_eq!(
        aws_smithy_types::error::metadata::ProvideErrorMetadata::code(&refused),
        Some("AccessDenied")
    );
    let answer = assume.external_id("4f2a").send().await.unwrap();
    let session = session(answer.credentials.unwrap());
    let session = issuer::sts(proxy.url(), session);
    let principal = session.get_caller_identity().send().await.unwrap();
    assert_eq!(principal.account(), Some("111122223333"));
    assert_eq!(principal.arn(), Some("arn:aws:sts::111122223333:assumed-role/smoke/bench"));

    let refused = eventually(SOON, "the session is over", async || {
        match session.get_caller_identity().send().await {
            Ok(_) => Err("it is still good"),
            Err(refused) => Ok(refused),
        }
    })
    .await;
    assert_eq!(refused.into_service_error().meta().code(), Some("ExpiredToken"));

    let calls = proxy.calls_for_role(&role);
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(403), Some(200)]);
    assert_eq!(calls[1].action, "AssumeRole");
    assert_eq!(calls[1].access_key_id.as_deref(), Some(user.access_key_id()));
    assert_eq!(calls[1].parameter("DurationSeconds"), Some("3"));
    assert!(calls[1].took >= Some(proxy::USUAL_LATENCY));
}

#[tokio::test]
async fn a_role_trusts_one_service_account_of_the_cluster() {
    let (cluster, issuer) = (Cluster::shared().await, Issuer::shared().await);
    let namespace = cluster.namespace("smoke").create().await;
    for name in ["trusted", "other"] {
        cluster.kubectl(&["create", "serviceaccount", name, "--namespace", &namespace.name]).await;
    }
    let account = issuer.account("333344445555");
    let provider = controlplane::TOKEN_ISSUER.trim_start_matches("https://");
    let subject = format!("system:serviceaccount:{}:trusted", namespace.name);
    let role = account.role("web").trusting_web_identity(provider, &subject).create().await;
    let sts = issuer::sts(issuer.url(), account.root());
    let assume = async |name| {
        let token = cluster.token(&namespace.name, name, &["sts.amazonaws.com"]).await;
        sts.assume_role_with_web_identity()
            .role_arn(&role)
            .role_session_name("bench")
            .web_identity_token(token)
            .send()
            .await
    };

    assert!(assume("trusted").await.unwrap().credentials.is_some());
    let refused = assume("other").await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("AccessDenied"));
}

#[tokio::test]
async fn a_chain_crosses_accounts() {
    let issuer = Issuer::shared().await;
    let (hub, spoke) = (issuer.account("444455556666"), issuer.account("555566667777"));
    let user = hub.user("start").await;
    let first = hub.role("hub").trusting("arn:aws:iam::444455556666:root").create().await;
    let second = spoke.role("spoke").trusting(&first).create().await;

    let mut link = user.clone();
    for role in [&first, &second] {
        let assume =
            issuer::sts(issuer.url(), link).assume_role().role_arn(role).role_session_name("bench");
        link = session(assume.send().await.unwrap().credentials.unwrap());
    }

    let principal = issuer::sts(issuer.url(), link).get_caller_identity().send().await.unwrap();
    assert_eq!(principal.arn(), Some("arn:aws:sts::555566667777:assumed-role/spoke/bench"));
    let past_the_hub =
        issuer::sts(issuer.url(), user).assume_role().role_arn(&second).role_session_name("bench");
    let refused = past_the_hub.send().await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("AccessDenied"));
}

fn session(issued: aws_sdk_sts::types::Credentials) -> Credentials {
    let (id, secret, token) =
        (issued.access_key_id, issued.secret_access_key, issued.session_token);
    Credentials::new(id, secret, Some(token), None, "session")
}

#[tokio::test]
async fn faults_strike_whom_they_are_meant_for() {
    let issuer = Issuer::shared().await;
    let account = issuer.account("222233334444");
    let role =
        account.role("struck").trusting("arn:aws:iam::222233334444:user/struck").create().await;
    let user = account.user("struck").await;
    let proxy = Proxy::to(issuer.url()).start().await;
    let sts = issuer::sts(proxy.url(), user);
    let assume = sts.assume_role().role_arn(&role).role_session_name("bench");
    let error = async || {
        let error = assume.clone().send().await.expect_err("a fault strikes");
        let code = error.as_service_error().and_then(|error| error.meta().code()).map(String::from);
        code.unwrap_or_else(|| format!("{error:?}"))
    };

    let elsewhere = proxy.on("AssumeRole").of_role("arn:aws:iam::222233334444:role/other").hangs();
    let throttled = proxy.on("AssumeRole").of_role(&role).once().throttles();
    assert_eq!(error().await, "Throttling");
    assert_eq!((elsewhere.hits(), throttled.hits()), (0, 1));

    let troubles: [(Trouble, &str); 5] = [
        (When::breaks, "InternalFailure"),
        (When::gets_cut_off, "DispatchFailure"),
        (When::loses_its_answer, "DispatchFailure"),
        (|when| when.answers_html(200), "no root element"),
        (|when| when.says_it_expires("tomorrow"), "timestamp"),
    ];
    for (trouble, hint) in troubles {
        let fault = trouble(proxy.on("AssumeRole"));
        let seen = error().await;
        assert!(seen.contains(hint), "{hint}: {seen}");
        fault.lift();
    }

    proxy.on("AssumeRole").expires_in(Duration::from_secs(30));
    let answer = assume.clone().send().await.unwrap();
    let left = answer.credentials.unwrap().expiration.secs() - jiff::Timestamp::now().as_second();
    assert!((25..=30).contains(&left), "{left} s left");

    proxy.heal();
    proxy.on("AssumeRole").hangs();
    let waited = tokio::time::timeout(Duration::from_millis(300), assume.clone().send()).await;
    assert!(waited.is_err(), "it is not answered: {waited:?}");
    assert_eq!(proxy.calls().last().unwrap().status, None);
}

#[tokio::test]
async fn the_proxy_speaks_https() {
    let folder = scratch::subfolder("https");
    let authority = certificates::Authority::new(&folder);
    let issuer = Issuer::shared().await;
    let proxy = Proxy::to(issuer.url()).tls(&authority.server("sts", &[])).start().await;
    let output = Command::new("openssl")
        .args(["s_client", "-verify_return_error", "-CAfile"])
        .arg(authority.certificate_file())
        .args(["-connect", proxy.url().trim_start_matches("https://")])
        .stdin(Stdio::null())
        .output()
        .expect("openssl starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_leak_is_found_in_every_disguise() {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine as _};
    let secret = "smoke/secret+access=key";
    let other = "smoke\"secret??????key";
    canary::register(other);
    canary::register(secret);

    canary::assert_clean("nothing to see", "a harmless text");
    let inside = |before: &str| BASE64_STANDARD.encode(format!("{before}{secret} and more"));
    let escaped = [
        "smoke%2Fsecret%2Baccess%3Dkey",
        "smoke%2fsecret%2baccess%3dkey",
        "smoke\\/secret+access=key",
    ];
    for text in [other.replace('"', "\\\""), BASE64_URL_SAFE.encode(other)] {
        assert_eq!(canary::leaks(&text).len(), 1, "{text}");
    }
    for text in
        [&[secret, &inside(""), &inside("1"), &inside("12"), &inside("123")][..], &escaped].concat()
    {
        let leaks = canary::leaks(&format!("first line\nsecond {text}"));
        assert_eq!(leaks, ["line 2: the secret of 23 characters that starts with smok"], "{text}");
    }
}

/// A fault, still to be told which calls it is for.
type Trouble = fn(When) -> Fault;

/// Where the run that is about to be killed writes the id of its child.
const CHILD_FILE: &str = "BENCH_CHILD_FILE";

#[test]
fn a_killed_run_leaves_nothing_behind() {
    let file = scratch::subfolder("killed").join("child");
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", &test_name("a_run_to_be_killed")])
        .env(CHILD_FILE, &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (child, folder) = wait_for(|| {
        let text = std::fs::read_to_string(&file).ok()?;
        let (child, folder) = text.split_once('\n')?;
        Some((
            PathBuf::from(format!("/proc/{child}/exe")),
            PathBuf::from(folder.strip_suffix('\n')?),
        ))
    });
    assert!(child.read_link().is_ok() && folder.is_dir());

    run.kill().unwrap();
    run.wait().unwrap();

    // A dead process that nobody has reaped yet has no program any more.
    wait_for(|| (child.read_link().is_err() && !folder.exists()).then_some(()));
}

#[test]
#[ignore = "runs inside a_killed_run_leaves_nothing_behind"]
fn a_run_to_be_killed() {
    let Some(file) = std::env::var_os(CHILD_FILE) else { return };
    // Its thread ends, as a test's does: the child must live on all the same.
    let start = || Process::builder("sleep", "sleep", scratch::folder()).arg("1000").start();
    let child = std::thread::spawn(start).join().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    child.assert_running();
    std::fs::write(file, format!("{}\n{}\n", child.id(), scratch::folder().display())).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

fn test_name(function: &str) -> String {
    let (_, module) = module_path!().split_once("::").unwrap();
    format!("{module}::{function}")
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None if began.elapsed() < SOON => std::thread::sleep(Duration::from_millis(20)),
            None => panic!("not within {SOON:?}"),
        }
    }
}
