//! Every SDK in every way of giving it credentials, across rotations: how many of its calls fail?
//!
//! Each is a program that calls AWS all the time, through a proxy of its own that sees with which
//! key. The sessions live for seconds, and AWS (as ministack plays it) refuses them afterwards. The
//! Secret is written by the controller; the files change as the kubelet changes them, as late as it
//! does, in the scale of the sessions.
//!
//! `REFRESHABLE_SESSION_SECONDS` chooses longer sessions: with 900, AWS's shortest, every delay is
//! as it is in a cluster, and a run takes forty minutes. `REFRESHABLE_WRITE_TABLE` puts the table
//! into the documentation.

use super::sdks::{self, Fate, Sdk, Way};
use super::table::{self, Outcome, Outcomes};
use crate::cluster::peers::{Desk, allow};
use crate::cluster::stage::Stage;
use crate::harness::agent::Agent;
use crate::harness::mounted::Mount;
use crate::harness::process::Process;
use crate::harness::standin::StandIn;
use crate::harness::{Proxy, canary, eventually, issuer, page, scratch};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a session lives, in seconds, unless told.
const LIFE: i32 = 20;
/// AWS's shortest session, in seconds.
const SHORTEST: i32 = 900;
/// From the change of a Secret to the change of the file, in seconds, as measured on a kubelet with
/// its defaults.
const KUBELET_DELAYS: [u32; 3] = [47, 81, 72];
/// So many times the files change after the last program has started.
const ROTATIONS: usize = 3;
/// Between two looks at what all the programs have said, which takes a while itself.
const LOOK: Duration = Duration::from_millis(500);
/// What nothing takes, beyond what the sessions' lives demand.
const PATIENCE: Duration = Duration::from_secs(120);

const PAGE: &str = "docs/consumers.md";

/// One program that runs.
struct Cell {
    sdk: &'static Sdk,
    way: Way,
    aws: Proxy,
    process: Process,
}

/// What is given to the programs.
struct Given {
    stage: Stage,
    mount: Mount,
    folder: PathBuf,
    sidecar: Agent,
    /// When each session that was issued ends.
    ends: Arc<Mutex<Vec<Timestamp>>>,
    life: i32,
    _source: StandIn,
}

impl Cell {
    /// All that the program has said of its calls.
    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        // The last line may be half written.
        let log = self.process.log();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines().filter(|line| line.starts_with('{')) {
            let line: Value = serde_json::from_str(line)
                .unwrap_or_else(|e| panic!("{}: {e}: {line}", self.name()));
            if let Some(sdk) = line["sdk"].as_str() {
                outcome.sdk = sdk.to_owned();
                continue;
            }
            outcome.calls += 1;
            if line["ok"] != true {
                outcome.failed += 1;
                *outcome
                    .codes
                    .entry(line["code"].as_str().unwrap_or("none").to_owned())
                    .or_default() += 1;
            }
        }
        outcome
    }

    /// How many calls it has made.
    fn calls(&self) -> usize {
        self.process.log().matches("\"ok\"").count()
    }

    /// With how many keys AWS has let it in.
    fn keys(&self) -> usize {
        self.aws.honoured_keys().len()
    }

    fn name(&self) -> String {
        format!("{} with {}", self.sdk.name, self.way.title())
    }

    /// What is wrong with it: a way that must work does not, or one that is said to fail does not
    /// fail.
    fn complaint(&self) -> Option<String> {
        let outcome = self.outcome();
        let Outcome { failed, calls, .. } = outcome;
        let wrong = match self.sdk.fate(self.way) {
            _ if calls == 0 => "it has not called".to_owned(),
            Fate::Whole if failed > 0 => format!("{failed} of {calls} calls failed"),
            Fate::Edge(why) if failed > self.keys() => {
                format!("{failed} of {calls} calls failed, more than by: {why}")
            }
            Fate::Fails(why) if failed == 0 => {
                format!("none of {calls} calls failed, despite: {why}")
            }
            _ => return None,
        };
        Some(format!(
            "{}: {wrong} ({:?})\n{}",
            self.name(),
            outcome.codes,
            self.process.log_tail(10)
        ))
    }
}

impl Given {
    async fn out(life: i32) -> Self {
        let stage = Stage::set().await;
        let desk = Desk::of(&stage, "consumer").await;
        let ends = Arc::new(Mutex::new(Vec::new()));
        let noted = ends.clone();
        let server = StandIn::start(move |_| {
            let (desk, noted) = (desk.clone(), noted.clone());
            async move {
                let session = desk.session_of(life).await;
                noted.lock().expect("no panic inside").push(session.expiration);
                (200, session.process_json())
            }
        })
        .await;
        allow(&stage, "consumers", json!({"urls": [server.url()]})).await;
        let folder = scratch::subfolder("mount");
        let spec = json!({
            "source": {"custom": {"http": {"url": format!("{}/credentials", server.url())}}},
            "sts": {"region": issuer::REGION},
            "secret": {"mountPath": folder, "formats": ["Credentials", "Config", "ProcessJson", "Environment"]},
        });
        stage.credential("consumer", spec).await;
        stage.until("consumer", "True", "Issued").await;
        let scale = f64::from(life) / f64::from(SHORTEST);
        let delays = KUBELET_DELAYS
            .map(|seconds| Duration::from_secs(seconds.into()).mul_f64(scale))
            .to_vec();
        let secrets = stage.namespace.api();
        let mount =
            Mount::of(secrets, "consumer", folder.clone(), delays).await.expect("a mounted Secret");
        let sidecar = Agent::program(
            env!("CARGO_BIN_EXE_refreshable-agent"),
            &folder.join("credentials.json"),
        )
        .start()
        .await;
        Self { stage, mount, folder, sidecar, ends, life, _source: server }
    }

    async fn start(&self, sdk: &'static Sdk, way: Way) -> Cell {
        let aws = Proxy::to(self.stage.issuer.url()).start().await;
        let [program, arguments @ ..] = &sdk.prepared().await[..] else {
            panic!("{}: no program", sdk.name)
        };
        let folder = scratch::subfolder("consumer");
        let pause = sdk.pause.mul_f64((f64::from(self.life) / f64::from(LIFE)).min(10.0));
        let mut process = Process::builder("consumer", program, &folder)
            .args(arguments)
            .env("CALL_EVERY_MS", pause.as_millis().to_string())
            .env("AWS_ENDPOINT_URL", aws.url())
            .env("AWS_REGION", issuer::REGION)
            .env("AWS_DEFAULT_REGION", issuer::REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        for (name, value) in self.environment(way).await {
            process = process.env(name, value);
        }
        Cell { sdk, way, aws, process: process.start() }
    }

    /// What a Pod's manifest sets.
    async fn environment(&self, way: Way) -> Vec<(String, String)> {
        let file = |variable: &str, name: &str| {
            vec![(variable.to_owned(), self.folder.join(name).display().to_string())]
        };
        match way {
            Way::File => file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            Way::Process => file("AWS_CONFIG_FILE", "config"),
            Way::Endpoint => {
                self.sidecar.environment().map(|(name, value)| (name.to_owned(), value)).to_vec()
            }
            Way::Environment => {
                let data = self.stage.published("consumer").await;
                data.into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect()
            }
        }
    }

    /// When the last of the sessions ends that the files no longer hold.
    fn former_end(&self) -> Timestamp {
        let text =
            std::fs::read_to_string(self.folder.join("credentials.json")).expect("a mounted file");
        let mounted: Value = serde_json::from_str(&text).expect("JSON");
        let mounted: Timestamp =
            mounted["Expiration"].as_str().and_then(|t| t.parse().ok()).expect("an expiration");
        let ends = self.ends.lock().expect("no panic inside");
        ends.iter().copied().filter(|end| *end < mounted).max().expect("a former session")
    }

    /// Lets everybody call until the files have changed often enough, everybody who can has
    /// followed, and whoever has not has been refused.
    async fn rotate(&self, cells: &[Cell]) {
        let life = Duration::from_secs(u64::try_from(self.life).expect("positive"));
        let deadline = life * 4 + PATIENCE;
        let before = self.mount.written();
        eventually(deadline, "the files have changed three times", async || {
            let changes = self.mount.written() - before;
            eventually::check(changes >= ROTATIONS, || changes)
        })
        .await;
        eventually(deadline, "everybody who can has followed", async || {
            tokio::time::sleep(LOOK).await;
            let behind = |cell: &&Cell| {
                !matches!(cell.sdk.fate(cell.way), Fate::Fails(_)) && cell.keys() <= ROTATIONS
            };
            let behind: Vec<String> = cells
                .iter()
                .filter(behind)
                .map(|cell| cell.name() + &cell.process.log_tail(3))
                .collect();
            eventually::check(behind.is_empty(), || behind.join("\n"))
        })
        .await;
        let former = self.former_end();
        eventually(deadline, "what was there before has ended", async || {
            eventually::check(Timestamp::now() > former, Timestamp::now)
        })
        .await;
        let then: Vec<usize> = cells.iter().map(Cell::calls).collect();
        eventually(deadline, "everybody has called since", async || {
            tokio::time::sleep(LOOK).await;
            let waiting =
                cells.iter().zip(&then).filter(|(cell, calls)| cell.calls() < **calls + 2);
            let waiting: Vec<String> = waiting.map(|(cell, _)| cell.name()).collect();
            eventually::check(waiting.is_empty(), || waiting.join("\n"))
        })
        .await;
    }
}

fn number(variable: &str) -> Option<i32> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[tokio::test]
async fn rotation_reaches_every_sdk_as_the_documentation_says() {
    let (missing, there): (Vec<&'static Sdk>, Vec<_>) =
        sdks::ALL.iter().partition(|sdk| sdk.missing().is_some());
    for sdk in &missing {
        println!("SKIPPED: {}: {} is missing", sdk.name, sdk.missing().unwrap_or_default());
    }
    for sdk in &there {
        sdk.prepared().await;
    }
    let given = Given::out(number("REFRESHABLE_SESSION_SECONDS").unwrap_or(LIFE)).await;
    let mut cells: Vec<Cell> = Vec::new();
    // What is in the environment does not last: those first. And not all at once, which two
    // processors would feel.
    for way in [Way::Environment, Way::File, Way::Process, Way::Endpoint] {
        for sdk in &there {
            cells.push(given.start(sdk, way).await);
        }
        eventually(PATIENCE, "everybody has called", async || {
            tokio::time::sleep(LOOK).await;
            cells.iter().for_each(|cell| cell.process.assert_running());
            let silent: Vec<String> =
                cells.iter().filter(|cell| cell.calls() == 0).map(Cell::name).collect();
            eventually::check(silent.is_empty(), || silent.join("\n"))
        })
        .await;
    }
    given.rotate(&cells).await;
    for cell in &cells {
        cell.process.assert_running();
        cell.process.kill();
        canary::assert_clean(&cell.process.log(), &cell.name());
    }
    given.sidecar.assert_clean();

    let outcomes: Outcomes =
        cells.iter().map(|cell| ((cell.sdk.name, cell.way), cell.outcome())).collect();
    let text = table::render(&outcomes);
    println!("{text}");
    for way in Way::ALL {
        let answered =
            outcomes.iter().any(|((_, w), outcome)| *w == way && outcome.failed < outcome.calls);
        assert!(answered, "with {} nobody ever had an answer\n{text}", way.title());
    }
    let complaints: Vec<String> = cells.iter().filter_map(Cell::complaint).collect();
    assert!(complaints.is_empty(), "{}\n{text}", complaints.join("\n"));
    if std::env::var_os("REFRESHABLE_WRITE_TABLE").is_some() {
        assert!(
            missing.is_empty(),
            "a table without these is no table: {:?}",
            missing.iter().map(|s| s.name).collect::<Vec<_>>()
        );
        page::renew(PAGE, "table", &text).expect("written");
    }
    let documented =
        page::part(PAGE, "table").and_then(|part| table::shapes(&part)).expect("a table");
    let run = table::shapes(&text).expect("a table");
    let differences = table::differences(&documented, &run);
    assert!(
        differences.is_empty(),
        "{PAGE} is stale (make consumers-table):\n{}\n{text}",
        differences.join("\n")
    );
    given.stage.strike().await;
}
