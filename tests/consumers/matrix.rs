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

use super::given::{Given, LIFE};
use super::sdks::{self, Fate, Sdk, Way};
use super::table::{self, Outcome, Outcomes};
use crate::harness::environment::number;
use crate::harness::process::Process;
use crate::harness::{Proxy, canary, eventually, issuer, page, scratch};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// So many times the files change after the last program has started.
const ROTATIONS: usize = 3;
/// Between two looks at what all the programs have said, which takes a while itself.
const LOOK: Duration = Duration::from_millis(500);
/// Longest time that anything may take beyond what the sessions' lives demand.
const PATIENCE: Duration = Duration::from_secs(120);

const PAGE: &str = "docs/consumers.md";

/// One program that runs.
struct Cell {
    sdk: &'static Sdk,
    way: Way,
    aws: Proxy,
    process: Process,
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

    /// Objection to its result, if any: a way that must work does not, or one that is said to fail
    /// does not fail.
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

    async fn start(given: &Given, sdk: &'static Sdk, way: Way) -> Self {
        let aws = Proxy::to(given.stage.issuer.url()).start().await;
        let [program, arguments @ ..] = &sdk.prepared().await[..] else {
            panic!("{}: no program", sdk.name)
        };
        let folder = scratch::subfolder("consumer");
        let pause = sdk.pause.mul_f64((f64::from(given.life) / f64::from(LIFE)).min(10.0));
        let mut process = Process::builder("consumer", program, &folder)
            .args(arguments)
            .env("CALL_EVERY_MS", pause.as_millis().to_string())
            .env("AWS_ENDPOINT_URL", aws.url())
            .env("AWS_REGION", issuer::REGION)
            .env("AWS_DEFAULT_REGION", issuer::REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        for (name, value) in given.environment(way).await {
            process = process.env(name, value);
        }
        Self { sdk, way, aws, process: process.start() }
    }
}

/// Lets everybody call until the files have changed often enough, everybody who can has
/// followed, and whoever has not has been refused.
async fn rotate(given: &Given, cells: &[Cell]) {
    let life = Duration::from_secs(u64::try_from(given.life).expect("positive"));
    let deadline = life * 4 + PATIENCE;
    let before = given.mount.written();
    eventually(deadline, "the files have changed three times", async || {
        let changes = given.mount.written() - before;
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
    let former = given.former_end();
    eventually(deadline, "what was there before has ended", async || {
        eventually::check(Timestamp::now() > former, Timestamp::now)
    })
    .await;
    let then: Vec<usize> = cells.iter().map(Cell::calls).collect();
    eventually(deadline, "everybody has called since", async || {
        tokio::time::sleep(LOOK).await;
        let waiting = cells.iter().zip(&then).filter(|(cell, calls)| cell.calls() < **calls + 2);
        let waiting: Vec<String> = waiting.map(|(cell, _)| cell.name()).collect();
        eventually::check(waiting.is_empty(), || waiting.join("\n"))
    })
    .await;
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
            cells.push(Cell::start(&given, sdk, way).await);
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
    rotate(&given, &cells).await;
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
