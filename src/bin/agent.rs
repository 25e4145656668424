//! The sidecar's program.

#![forbid(unsafe_code)]

mod not_dumpable;

use clap::Parser as _;
use refreshable_agent::{Options, logging, probe, run};
use std::alloc::System;
use std::process::ExitCode;
use zeroizing_alloc::ZeroAlloc;

/// Memory is overwritten when it is given back, so that no credential outlives its use.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let not_dumpable = not_dumpable::make_not_dumpable();
    let options = Options::parse();
    if let Some(which) = options.probe {
        return match probe(options.listen, which) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    logging::start(options.log_format, options.log_level, &[]);
    if let Err(error) = not_dumpable {
        tracing::warn!(%error, "core dumps of this process are not turned off");
    }
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the sidecar ends");
            ExitCode::FAILURE
        }
    }
}
