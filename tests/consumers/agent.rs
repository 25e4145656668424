//! The sidecar, as a process: AWS's own clients take credentials from it, and nobody else gets any.

use crate::harness::agent::Agent;
use crate::harness::{canary, eventually, http, mounted, ports, process, python, scratch};
use ::http::{Method, Request, Response};
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PROGRAM: &str = env!("CARGO_BIN_EXE_refreshable-agent");
const SOON: Duration = Duration::from_secs(30);

/// A folder that looks as a mounted Secret does, with session number `number` that lives for
/// `seconds`.
fn mount(folder: &Path, number: usize, seconds: i64) {
    let expiration = Timestamp::now() + SignedDuration::from_secs(seconds);
    let session = |name: &str| {
        let (secret, token) = (
            format!("secret-of-{name}-number-{number}"),
            format!("token-of-{name}-number-{number}"),
        );
        canary::register(&secret);
        canary::register(&token);
        let text = json!({
            "Version": 1, "AccessKeyId": format!("ASIA{}{number}", name.to_uppercase()), "SecretAccessKey": secret,
            "SessionToken": token, "Expiration": expiration.to_string(), "AccountId": "111122223333",
        });
        text.to_string().into_bytes()
    };
    let data = BTreeMap::from([
        ("credentials.json".to_owned(), session("default")),
        ("prod.json".to_owned(), session("prod")),
    ]);
    mounted::write(folder, &data).expect("a mounted Secret");
}

async fn set(seconds: i64) -> (PathBuf, Agent) {
    let folder = scratch::subfolder("mounted");
    mount(&folder, 1, seconds);
    let agent = Agent::program(PROGRAM, &folder.join("credentials.json")).start().await;
    (folder, agent)
}

async fn ask(agent: &Agent, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("http://{}{path}", agent.address());
    let answer = send(Request::get(url), headers).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

async fn send(request: ::http::request::Builder, headers: &[(&str, &str)]) -> Response<Bytes> {
    let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
    http::send(request.body(Bytes::new()).expect("a request")).await.expect("an answer")
}

#[tokio::test]
async fn boto3_and_awscrt_follow_the_file_without_a_failure() {
    // awscrt asks again ten seconds before the end.
    const LIFE: i64 = 15;
    let (folder, agent) = set(LIFE).await;
    let rotation = {
        let folder = folder.clone();
        tokio::spawn(async move {
            for number in 2.. {
                tokio::time::sleep(Duration::from_secs(3)).await;
                mount(&folder, number, LIFE);
            }
        })
    };
    let environment = agent.environment();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let found = python::run("agent.py", &["4"], &environment).await;
    rotation.abort();
    assert_eq!(found["failures"], json!([]), "{found}");
    assert_eq!(
        (&found["method"], &found["account"]),
        (&json!("container-role"), &json!("111122223333"))
    );
    for client in ["boto3", "awscrt"] {
        let seen = found["seen"][client].as_array().expect("sessions");
        assert!(seen.len() >= 4, "{client} saw {} sessions", seen.len());
        for session in seen {
            let number = session[0].as_str().expect("an id").trim_start_matches("ASIADEFAULT");
            let whole = json!([
                format!("ASIADEFAULT{number}"),
                format!("secret-of-default-number-{number}"),
                format!("token-of-default-number-{number}"),
            ]);
            assert_eq!(*session, whole, "{client} never sees half of a change");
        }
    }
    agent.assert_clean();
}

#[tokio::test]
async fn what_is_served_is_the_file_as_it_is_now() {
    let (folder, agent) = set(3600).await;
    let token = agent.token();
    let own = [("authorization", token.as_str())];
    let (status, body) = ask(&agent, "/v1/credentials", &own).await;
    assert_eq!((status, &body["AccessKeyId"]), (200, &json!("ASIADEFAULT1")));
    assert_eq!(
        (&body["Token"], &body["AccountId"]),
        (&json!("token-of-default-number-1"), &json!("111122223333"))
    );
    assert_eq!(ask(&agent, "/v1/credentials/prod", &own).await.1["AccessKeyId"], "ASIAPROD1");
    mount(&folder, 2, 3600);
    assert_eq!(ask(&agent, "/v1/credentials", &own).await.1["AccessKeyId"], "ASIADEFAULT2");
    assert_eq!(agent.page("/readyz").await, Ok((200, "ok\n".to_owned())));

    let log = agent.process().log();
    assert_eq!(log.matches("ASIADEFAULT2").count(), 1, "a change is told once: {log}");
    agent.assert_clean();
}

/// Spoils the mounted files: credentials that have expired, no files, or half of one.
fn spoil(folder: &Path, how: &str) {
    match how {
        "expired" => mount(folder, 3, -1),
        "missing" => std::fs::remove_file(folder.join("..data")).expect("removed"),
        _ => {
            std::fs::create_dir(folder.join("..data")).expect("a folder");
            std::fs::write(folder.join("..data/credentials.json"), "{\"SecretAccessKey\":")
                .expect("written");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_spoiled_for_a_moment_costs_no_answer_while_credentials_are_valid() {
    let (folder, agent) = set(3600).await;
    let token = agent.token();
    let own = [("authorization", token.as_str())];
    for path in ["/v1/credentials", "/v1/credentials/prod"] {
        assert_eq!(ask(&agent, path, &own).await.0, 200);
    }
    for how in ["expired", "missing", "malformed"] {
        spoil(&folder, how);
        for (path, id) in
            [("/v1/credentials", "ASIADEFAULT1"), ("/v1/credentials/prod", "ASIAPROD1")]
        {
            let (status, body) = ask(&agent, path, &own).await;
            assert_eq!((status, &body["AccessKeyId"]), (200, &json!(id)), "{how} {path}");
        }
        assert_eq!(agent.page("/readyz").await, Ok((200, "ok\n".to_owned())), "{how}");
    }
    // The fault is told all the same.
    let log = agent.process().log();
    assert!(
        log.contains("CredentialsMalformed") && log.contains("CredentialsUnavailable"),
        "{log}"
    );
    agent.assert_clean();
}

#[tokio::test]
async fn without_valid_credentials_the_answer_says_what_is_wrong_with_the_file() {
    let (folder, agent) = set(-1).await;
    let token = agent.token();
    let own = [("authorization", token.as_str())];
    for path in ["/v1/credentials", "/v1/credentials/prod"] {
        let (status, body) = ask(&agent, path, &own).await;
        assert_eq!((status, &body["code"]), (503, &json!("ExpiredCredentials")));
        assert!(body["message"].as_str().is_some_and(|m| m.contains("expired at")), "{body}");
    }
    assert!(matches!(agent.page("/readyz").await, Ok((503, why)) if why.contains("expired at")));
    assert_eq!(agent.page("/healthz").await, Ok((200, "ok\n".to_owned())));
    spoil(&folder, "missing");
    let (status, body) = ask(&agent, "/v1/credentials", &own).await;
    assert_eq!((status, &body["code"]), (503, &json!("CredentialsUnavailable")));
    spoil(&folder, "malformed");
    assert_eq!(ask(&agent, "/v1/credentials", &own).await.1["code"], "CredentialsMalformed");

    let log = agent.process().log();
    assert_eq!(log.matches("\"level\":\"WARN\"").count(), 4, "{log}");
    agent.assert_clean();
}

#[tokio::test]
async fn who_does_not_know_the_token_or_calls_another_name_gets_nothing() {
    let (_folder, agent) = set(3600).await;
    let (token, address) = (agent.token(), agent.address().to_owned());
    let short = &token[..63];
    let port = address.rsplit(':').next().expect("a port");
    let (named, other_port) = (
        format!("localhost:{port}"),
        format!("127.0.0.1:{}", port.parse::<u16>().expect("a port") + 1),
    );
    let rebound = format!("evil.example:{port}");
    let right = ("authorization", token.as_str());
    let table = [
        (vec![right, ("host", named.as_str())], 200, None),
        (vec![], 401, Some("MissingAuthenticationToken")),
        (vec![("authorization", short)], 403, Some("AccessDenied")),
        (vec![("authorization", "wrong")], 403, Some("AccessDenied")),
        (vec![right, ("host", rebound.as_str())], 403, Some("InvalidHost")),
        (vec![right, ("host", other_port.as_str())], 403, Some("InvalidHost")),
        (vec![right, ("host", "evil.example")], 403, Some("InvalidHost")),
        (vec![right, ("x-forwarded-for", "10.0.0.1")], 403, Some("ForwardedRequest")),
    ];
    for (headers, expected, code) in table {
        let (status, body) = ask(&agent, "/v1/credentials", &headers).await;
        assert_eq!((status, body["code"].as_str()), (expected, code), "{headers:?}");
        canary::assert_clean(
            &if code.is_some() { body.to_string() } else { String::new() },
            "a refusal",
        );
    }
    for method in [Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS, Method::DELETE] {
        let answer = send(Request::builder().method(&method).uri(agent.url()), &[right]).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["allow"].as_bytes()),
            (405, &b"GET"[..]),
            "{method}"
        );
    }
    // The pages that need no token are no way round the name.
    for page in ["/readyz", "/healthz"] {
        assert_eq!(ask(&agent, page, &[("host", rebound.as_str())]).await.0, 403);
    }
    // What is no HTTP, or too much of it, ends the connection and nothing else.
    for garbage in [
        "\x16\x03\x01\x02\0",
        "GET / HTTP/1.1\r\n",
        &format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connected");
        let _ = stream.write_all(garbage.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut said = Vec::new();
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut said)).await.expect("it ends");
        assert!(!String::from_utf8_lossy(&said).contains(" 200 "));
    }
    assert_eq!(ask(&agent, "/v1/credentials", &[right]).await.0, 200);
    agent.assert_clean();
}

/// Runs the program to its end.
async fn end_of(arguments: &[&str]) -> (bool, String) {
    let run = tokio::process::Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .kill_on_drop(true)
        .output();
    let Output { status, stdout, stderr } =
        tokio::time::timeout(SOON, run).await.expect("it ends").expect("it starts");
    (
        status.success(),
        [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat(),
    )
}

#[tokio::test]
async fn wrong_flags_say_what_to_write_instead() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("an address").to_string();
    let table: [(&[&str], &str); 5] = [
        (&["--listen", "0.0.0.0:9911", "--without-token"], "--allow-non-loopback"),
        (&["--listen", "10.0.0.1:9911", "--without-token"], "choose a loopback address"),
        (&["--listen", "127.0.0.1:0"], "--without-token"),
        (
            &["--listen", "127.0.0.1:0", "--create-token", "--token-file", "/nowhere/token"],
            "emptyDir",
        ),
        (&["--listen", &taken, "--without-token"], "choose another one with --listen"),
    ];
    for (arguments, hint) in table {
        let (ok, said) = end_of(arguments).await;
        assert!(!ok && said.contains(hint), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_probe_asks_the_sidecar_that_runs() {
    let (folder, agent) = set(3600).await;
    let probe = async |agent: &Agent, which: &str| {
        end_of(&["--listen", agent.address(), "--probe", which]).await
    };
    assert_eq!((probe(&agent, "readyz").await.0, probe(&agent, "healthz").await.0), (true, true));
    mount(&folder, 2, -1);
    assert!(probe(&agent, "readyz").await.0, "the last valid credentials are served");
    let (_folder, without) = set(-1).await;
    let (ready, why) = probe(&without, "readyz").await;
    assert!(!ready && why.contains("expired at"), "{why}");
    assert!(probe(&without, "healthz").await.0);
    canary::assert_clean(&why, "a probe's words");
    let free = format!("127.0.0.1:{}", ports::free());
    let (alive, why) = end_of(&["--listen", &free, "--probe", "healthz"]).await;
    assert!(!alive && why.contains("does not answer"), "{why}");
}

#[tokio::test]
async fn the_token_outlives_a_restart_and_an_idle_connection_does_not_hold_up_the_end() {
    let (folder, agent) = set(3600).await;
    let token = agent.token();
    // Kept alive, and idle.
    let mut idle = tokio::net::TcpStream::connect(agent.address()).await.expect("connected");
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", agent.address());
    idle.write_all(request.as_bytes()).await.expect("sent");
    assert!(idle.read(&mut [0; 1024]).await.expect("an answer") > 0);
    let began = std::time::Instant::now();
    assert!(agent.process().stop(SOON).await.success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap_or(0), 0, "the connection is closed");

    let file = agent.token_file().to_owned();
    let again =
        process::Process::builder("agent-again", PROGRAM, &scratch::subfolder("agent-again"))
            .args(["--listen", agent.address(), "--create-token"])
            .args(["--token-file".as_ref(), file.as_os_str()])
            .args(["--credentials".as_ref(), folder.join("credentials.json").as_os_str()])
            .start();
    eventually(SOON, "it serves again", async || {
        again.assert_running();
        agent.page("/readyz").await
    })
    .await;
    assert_eq!(std::fs::read_to_string(&file).expect("a token"), token);
    assert_eq!(ask(&agent, "/v1/credentials", &[("authorization", &token)]).await.0, 200);
    canary::assert_clean(&again.log(), "the sidecar's log");
}

#[tokio::test]
async fn who_holds_connections_keeps_out_nobody() {
    let (_folder, agent) = set(3600).await;
    let mut held = Vec::new();
    for number in 0..400 {
        let mut stream = tokio::net::TcpStream::connect(agent.address()).await.expect("connected");
        stream.write_all(b"GET /v1/credentials HTTP/1.1\r\nhost: ").await.expect("sent");
        held.push(stream);
        if number % 100 == 99 {
            let answer = tokio::time::timeout(Duration::from_secs(5), agent.page("/readyz")).await;
            assert!(
                matches!(answer, Ok(Ok((200, _)))),
                "with {number} connections open: {answer:?}"
            );
        }
    }
    agent.process().assert_running();
}
