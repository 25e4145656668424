//! The main job on a real control plane and a local AWS emulator, as a user would do it: `make
//! demo`. Where the machine can run a Kubernetes node, all of it goes on in a namespace with one,
//! and ends in a Pod.
//!
//! `KEEP=1` leaves everything running; `--write-page` puts what was shown into docs/demo.md.

#[path = "../harness/mod.rs"]
mod harness;
mod pod;
mod stage;
mod steps;
mod terminal;

use harness::node::enter;
use harness::{background, programs};
use std::process::ExitCode;
use terminal::Terminal;

#[tokio::main]
async fn main() -> ExitCode {
    if enter::inside() {
        return show(None).await;
    }
    if let Some(obstacle) = background::blocking(enter::obstacle).await {
        return show(Some(&obstacle)).await;
    }
    background::blocking(programs::of_a_node).await;
    let status =
        enter::again().args(std::env::args().skip(1)).status().await.expect("setpriv starts");
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Shows everything; `obstacle` is why there is no node.
async fn show(obstacle: Option<&str>) -> ExitCode {
    let terminal = Terminal::new();
    let mut stage = None;
    let result = steps::all(&terminal, obstacle, &mut stage).await;
    if let Err(error) = &result {
        eprintln!("\nThe demo failed in {}: {error}", terminal.now());
        if let Some(stage) = &stage {
            eprintln!("{}", stage.log_tail().await);
        }
        return ExitCode::FAILURE;
    }
    if std::env::args().any(|a| a == "--write-page")
        && let Err(error) = write_page(&terminal.transcript())
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if std::env::var_os("KEEP").is_some_and(|k| !k.is_empty() && k != "0")
        && let Err(error) = terminal.keep().await
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Puts the demo's output into its page, so that what stands there is what happens.
fn write_page(transcript: &str) -> Result<(), String> {
    harness::page::renew("docs/demo.md", "demo", &format!("```text\n{}\n```", transcript.trim()))
}
