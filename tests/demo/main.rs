//! The main job on a real control plane and a local AWS emulator, as a user would do it: `make demo`.
//! `KEEP=1` leaves everything running; `--write-readme` puts what was shown into README.md.

#[path = "../harness/mod.rs"]
mod harness;
mod steps;
mod terminal;

use std::process::ExitCode;
use terminal::Terminal;

#[tokio::main]
async fn main() -> ExitCode {
    let terminal = Terminal::new();
    let mut stage = None;
    let result = steps::all(&terminal, &mut stage).await;
    if let Err(error) = &result {
        eprintln!("\nThe demo failed in {}: {error}", terminal.now());
        if let Some(stage) = &stage {
            eprintln!("{}", stage.controller.process().log_tail(30));
        }
        return ExitCode::FAILURE;
    }
    if std::env::args().any(|a| a == "--write-readme")
        && let Err(error) = write_readme(&terminal.transcript())
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if std::env::var_os("KEEP").is_some_and(|k| !k.is_empty() && k != "0")
        && let Some(stage) = &stage
    {
        println!("\nEverything goes on running until Ctrl-C. To look around:\n");
        println!("  export KUBECONFIG={}", stage.cluster.control_plane.admin_kubeconfig().display());
        let _ = tokio::signal::ctrl_c().await;
    }
    ExitCode::SUCCESS
}

/// Puts the demo's output into README.md, so that what stands there is what happens.
fn write_readme(transcript: &str) -> Result<(), String> {
    harness::page::renew("README.md", "demo", &format!("```text\n{}\n```", transcript.trim()))
}
