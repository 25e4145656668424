//! Callers of the controller's pages that mean no good: memory stays, and its kubelet and its
//! Prometheus are answered.

use super::stage::Stage;
use crate::harness::Controller;
use crate::harness::usage::memory;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A kubelet waits a second for the answer to a probe, if nobody says otherwise; this machine may
/// be busy.
const PROBE: Duration = Duration::from_secs(5);
/// More than the controller's patience with a connection.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// Most memory that all the callers together may cost, in KiB.
const LITTLE: u64 = 12 * 1024;

/// Sends what is no whole request, and stays until the other side has had enough.
async fn pester(address: String, rubbish: Vec<u8>) {
    let Ok(mut stream) = TcpStream::connect(&address).await else { return };
    // It may be closed before all is sent.
    let (mut from, mut to) = stream.split();
    let (_, _) = tokio::join!(to.write_all(&rubbish), async {
        let mut answer = Vec::new();
        from.read_to_end(&mut answer).await
    });
}

/// A kubelet takes a Pod for dead, and Prometheus a target, after so many answers that did not come
/// in a row.
const THRESHOLD: usize = 3;

async fn alive(controller: &Controller, when: &str) {
    for page in ["/healthz", "/readyz", "/metrics"] {
        let mut seen = Vec::new();
        while seen.len() < THRESHOLD {
            let began = Instant::now();
            let answer = controller.page(page).await;
            if matches!(answer, Ok((200, _))) && began.elapsed() < PROBE {
                break;
            }
            seen.push(format!("{answer:?} after {:?}", began.elapsed()));
        }
        assert!(seen.len() < THRESHOLD, "{when}: {page}: {seen:#?}");
    }
}

#[tokio::test]
async fn who_floods_its_pages_costs_it_little_and_hides_it_from_nobody() {
    let stage = Stage::without_controller().await;
    let program = stage.program().arg("--no-leader-election");
    let address = program.address().to_owned();
    let stage = stage.with_controller(program.start().await);
    let controller = stage.controller();
    alive(controller, "before").await;
    let process = controller.process().id();
    let before = memory(process, "VmRSS");

    let head = |size: usize| {
        format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(size)).into_bytes()
    };
    // Long heads without end, short ones that are never finished, and connections that say nothing.
    for (what, rubbish) in
        [("long heads", head(380 * 1024)), ("short heads", head(8)), ("silence", Vec::new())]
    {
        let mut callers = JoinSet::new();
        for number in 0..700 {
            callers.spawn(pester(address.clone(), rubbish.clone()));
            if number % 100 == 99 {
                alive(controller, what).await;
            }
        }
        let all_gone = async { while callers.join_next().await.is_some() {} };
        let gone = tokio::time::timeout(GIVEN_UP, all_gone).await;
        assert!(gone.is_ok(), "{what}: connections are still open");
        alive(controller, what).await;
        let most = memory(process, "VmHWM");
        assert!(most < before + LITTLE, "{what}: {before} KiB became {most} KiB");
    }
    stage.strike().await;
}
