//! The controller's program.

#![forbid(unsafe_code)]

mod no_core_dumps;
mod not_dumpable;

use clap::Parser as _;
use refreshable_controller::{Options, run, start_logging};
use std::alloc::System;
use std::process::ExitCode;
use zeroizing_alloc::ZeroAlloc;

/// Memory is overwritten when it is given back, so that no credential outlives its use.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

#[tokio::main]
async fn main() -> ExitCode {
    let not_dumpable = not_dumpable::make_not_dumpable();
    let options = Options::parse();
    start_logging(&options);
    if let Err(error) = not_dumpable.and(no_core_dumps::forbid_core_dumps()) {
        tracing::warn!(%error, "core dumps of this process are not turned off");
    }
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::error!("the TLS provider is set already");
        return ExitCode::FAILURE;
    }
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the controller ends");
            ExitCode::FAILURE
        }
    }
}
