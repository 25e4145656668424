//! Passwords of Amazon RDS: a real PostgreSQL asks of each whether a session signed it
//! (`tests/python/rds.py`, with botocore's signer), and clients of databases read the files.

use super::python;
use crate::cluster::stage::{SOON, Stage};
use crate::harness::eventually::{check, eventually};
use crate::harness::process::Process;
use crate::harness::{background, canary, ports, programs, scratch};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time until PostgreSQL takes connections, on a loaded machine.
const READY: Duration = Duration::from_secs(60);
/// How long RDS takes a password, in seconds.
const LIFE: i64 = 900;
const POOLS: [&str; 3] = ["a password", ".pgpass", "token"];

/// A database with the IAM authentication of RDS. It ends when dropped.
struct Database {
    root: String,
    folder: PathBuf,
    port: u16,
    _server: Process,
}

impl Database {
    /// A database that takes what this session signs.
    async fn start(session: &Value) -> Self {
        let (root, folder) = (root().await, scratch::subfolder("rds"));
        scratch::write(folder.join("sessions.json"), json!([session]).to_string());
        let port = ports::free();
        let (place, at) = (folder.display().to_string(), port.to_string());
        let server = script(&folder, "database", &["serve", &root, &place, &at]).await;
        eventually(READY, "PostgreSQL takes connections", async || {
            server.assert_running();
            check(folder.join("ready").exists(), || server.log_tail(20))
        })
        .await;
        Self { root, folder, port, _server: server }
    }

    /// Its answers to botocore's password, and to others.
    async fn judged(&self) -> Value {
        let (folder, port) = (self.folder.display().to_string(), self.port.to_string());
        python("rds.py", &["judge", &self.root, &folder, &port], &[]).await
    }

    /// Answers to clients that log in with these files.
    async fn logins(&self, files: &Path) -> Value {
        python("rds.py", &["login", &self.root, &files.display().to_string()], &[]).await
    }

    /// Sets the time that it judges passwords by.
    fn set_clock(&self, seconds: i64) {
        let new = scratch::write(self.folder.join("now.new"), seconds.to_string());
        fs::rename(new, self.folder.join("now")).expect("the clock is set");
    }

    /// The file with its certificate.
    fn certificate(&self) -> String {
        self.folder.join("server.crt").display().to_string()
    }

    /// A specification of a password for it, signed with the session in Secret `session`.
    fn asking(&self, more: &Value) -> Value {
        let mut rds = json!({"host": "localhost", "port": self.port, "region": "eu-west-1", "user": "app", "database": "postgres"});
        let more = more.as_object().expect("an object").clone();
        rds.as_object_mut().expect("an object").extend(more);
        asking(&rds)
    }
}

/// The folder of the programs of databases.
async fn root() -> String {
    background::blocking(programs::postgres).await.display().to_string()
}

/// The script, as a process.
async fn script(folder: &Path, name: &str, arguments: &[&str]) -> Process {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/rds.py");
    let program = background::blocking(|| programs::python("python")).await;
    Process::builder(name, program, folder).arg(path).args(arguments).start()
}

fn asking(rds: &Value) -> Value {
    json!({
        "source": {"custom": {"secret": {"secretRef": {"name": "session"}, "preset": "ProcessJson"}}},
        // The database alone knows the session.
        "principal": {"verify": "Never"},
        "token": {"rds": rds},
    })
}

/// A session with a token as long as AWS's.
fn session() -> Value {
    let bytes = (0..900).map(|n| u8::try_from(n * 7 % 256).expect("a byte"));
    let (secret, token) =
        ("the/secret+of/a+session+of/rds/4711", STANDARD.encode(bytes.collect::<Vec<_>>()));
    for text in [secret, &token] {
        canary::register(text);
    }
    let end = Timestamp::now() + SignedDuration::from_hours(1);
    json!({
        "Version": 1, "AccessKeyId": "ASIARDSPEERSSESSION1", "SecretAccessKey": secret, "SessionToken": token,
        "Expiration": end.to_string(),
    })
}

/// A stage with the session in Secret `session`.
async fn stage(session: &Value) -> Stage {
    let stage = Stage::set().await;
    stage.secret("session", &[("credentials.json", &session.to_string())]).await;
    stage
}

/// Writes the published data as files that only their owner may read, which libpq demands of a
/// password file. A reader sees the former file or this one.
async fn lay_out(stage: &Stage, name: &str, folder: &Path) -> BTreeMap<String, String> {
    let published = stage.published(name).await;
    canary::register(&published["token"]);
    for (key, text) in &published {
        let new = scratch::write(folder.join(".new"), text);
        fs::set_permissions(&new, Permissions::from_mode(0o600)).expect("the owner's alone");
        fs::rename(new, folder.join(key)).expect("it is replaced");
    }
    published
}

/// When a password was signed, in seconds since 1970.
fn signed_at(password: &str) -> i64 {
    let date = password.split("X-Amz-Date=").nth(1).unwrap_or_default();
    let date = date.split('&').next().unwrap_or_default();
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", date).expect("a date");
    date.to_zoned(TimeZone::UTC).expect("a time").timestamp().as_second()
}

#[tokio::test]
async fn a_password_of_rds_opens_a_database_that_checks_the_signature() {
    let session = session();
    let database = Database::start(&session).await;
    let judged = database.judged().await;
    let found = judged["found"].as_object().expect("an object");
    for (password, said) in found {
        let said = said.as_str().expect("a text");
        let expected = match password.as_str() {
            "botocore" | "ten minutes ago" => "app over TLS",
            "without TLS" => "no encryption",
            _ => "LDAP authentication failed",
        };
        assert!(said.contains(expected), "{password}: {said}");
    }
    assert_eq!(found.len(), 17, "{found:?}");

    let stage = stage(&session).await;
    stage.credential("open", database.asking(&json!({}))).await;
    let checked = json!({"caFile": database.certificate()});
    stage.credential("checked", database.asking(&checked)).await;
    for name in ["open", "checked"] {
        let ready = stage.until(name, "True", "Issued").await;
        let expiration = ready.status.and_then(|s| s.expiration).expect("an expiration").0;
        let left = expiration.duration_since(Timestamp::now());
        let most = SignedDuration::from_secs(LIFE);
        assert!(left <= most && left > SignedDuration::from_mins(13), "{left}");

        let secret = stage.namespace.api::<Secret>().get(name).await.expect("the Secret is there");
        assert_eq!(secret.type_.as_deref(), Some("refreshable.dev/aws-token"));
        let annotations = secret.metadata.annotations.expect("annotations");
        assert_eq!(annotations["refreshable.dev/token"], "rds");

        let files = scratch::subfolder("files");
        let published = lay_out(&stage, name, &files).await;
        assert!(published["token"].len() > 1024, "as long as with AWS's sessions");
        let logins = database.logins(&files).await;
        for way in ["pg_service.conf", ".pgpass", "variables"] {
            let said = logins[way].as_str().expect("a text");
            assert!(said.starts_with("app over TLS"), "{name}, {way}: {said}");
        }
        let refused = logins[".pgpass that others may read"].as_str().expect("a text");
        assert!(refused.contains("has group or world access"), "{refused}");
    }

    // Clients check the certificate where they have been told to.
    let other = json!({"caFile": "/etc/ssl/certs/ca-certificates.crt"});
    stage.credential("distrusting", database.asking(&other)).await;
    stage.until("distrusting", "True", "Issued").await;
    let files = scratch::subfolder("files");
    lay_out(&stage, "distrusting", &files).await;
    let logins = database.logins(&files).await;
    for way in ["pg_service.conf", "variables"] {
        let said = logins[way].as_str().expect("a text");
        assert!(!said.contains("app over TLS") && said.contains("certificate"), "{way}: {said}");
    }
    let calls = stage.aws.calls().len();
    assert_eq!(calls, 0, "a signature costs no call");
    stage.strike().await;
}

/// Pools of connections, as programs keep them.
struct Pools {
    process: Process,
    state: PathBuf,
}

impl Pools {
    async fn start(database: &Database, files: &Path) -> Self {
        let folder = scratch::subfolder("pools");
        let state = folder.join("state.json");
        let (root, files, told) =
            (&database.root, files.display().to_string(), state.display().to_string());
        let process = script(&folder, "pools", &["pool", root, &files, &told]).await;
        Self { process, state }
    }

    /// Waits until a round has gone so.
    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, what, async || {
            self.process.assert_running();
            let text = fs::read_to_string(&self.state).unwrap_or_default();
            let state: Value = serde_json::from_str(&text).unwrap_or_default();
            if holds(&state) {
                Ok(state)
            } else {
                Err(format!("{state}\n{}", self.process.log_tail(10)))
            }
        })
        .await
    }

    /// Waits until each of these has opened a connection after this.
    async fn open_new_ones(&self, pools: &[&str]) -> Value {
        let now = Timestamp::now().as_duration().as_secs_f64();
        let began = |state: &Value, pool: &str| state["new"][pool]["began"].as_f64();
        let what = format!("{pools:?} open new connections");
        self.until(&what, |state| pools.iter().all(|p| began(state, p).is_some_and(|b| b > now)))
            .await
    }
}

#[tokio::test]
async fn a_pool_goes_on_where_it_reads_the_password_for_each_connection() {
    let session = session();
    let database = Database::start(&session).await;
    let (stage, files) = (stage(&session).await, scratch::subfolder("files"));
    stage.credential("database", database.asking(&json!({}))).await;
    stage.until("database", "True", "Issued").await;
    let first = signed_at(&lay_out(&stage, "database", &files).await["token"]);
    let pools = Pools::start(&database, &files).await;
    let held = pools.open_new_ones(&POOLS).await["held"].clone();

    // A password says in which second it was signed: the next one is of a later second.
    eventually(SOON, "the second is over", async || {
        check(Timestamp::now().as_second() > first, || "not yet")
    })
    .await;
    let again = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "again"}}});
    stage.patch("database", again).await;
    eventually(SOON, "another password", async || {
        let second = signed_at(&stage.published("database").await["token"]);
        check(second > first, || second)
    })
    .await;
    lay_out(&stage, "database", &files).await;
    // Until its end the former one is as good.
    pools.open_new_ones(&POOLS).await;

    database.set_clock(first + LIFE);
    pools.open_new_ones(&[".pgpass", "token"]).await;
    let stuck = pools
        .until("a pool with the former password gets no connection", |state| {
            state["new"]["a password"]["error"].is_string()
        })
        .await;
    assert_eq!(stuck["held"], held, "what is open stays open");
    let log = pools.process.log();
    assert!(log.contains("authentication failed for user \"app\""), "{log}");
    pools.open_new_ones(&[".pgpass", "token"]).await;
    stage.strike().await;
}

#[tokio::test]
async fn the_client_of_mariadb_reads_its_option_file() {
    let (stage, files) = (stage(&session()).await, scratch::subfolder("files"));
    let user = r#"a"b\c#d;e"#;
    let rds = json!({
        "host": "db.example.com", "region": "eu-west-1", "user": user, "database": "shop", "engine": "MySQL",
        "caFile": "/etc/rds/global-bundle.pem",
    });
    stage.credential("shop", asking(&rds)).await;
    stage.until("shop", "True", "Issued").await;
    let published = lay_out(&stage, "shop", &files).await;
    let file = files.join("my.cnf").display().to_string();
    let found = python("rds.py", &["options", &root().await, &file], &[]).await;
    assert_eq!(found["read"]["password"], published["token"].as_str());
    for (option, value) in [
        ("host", "db.example.com"),
        ("port", "3306"),
        ("user", user),
        ("database", "shop"),
        ("ssl-ca", "/etc/rds/global-bundle.pem"),
        ("ssl-verify-server-cert", "TRUE"),
    ] {
        assert_eq!(found["taken"][option], value, "{option}");
    }
    stage.strike().await;
}
