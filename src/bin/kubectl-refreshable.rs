//! The kubectl plugin's program.

#![forbid(unsafe_code)]

mod not_dumpable;

use refreshable_plugin::output::say;
use std::alloc::System;
use std::process::ExitCode;
use zeroizing_alloc::ZeroAlloc;

/// Memory is overwritten when it is given back, so that no credential outlives its use.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Err(error) = not_dumpable::make_not_dumpable() {
        say(&format!("warning: core dumps of this process are not turned off: {error}"));
    }
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        say("error: the TLS provider is set already");
        return ExitCode::FAILURE;
    }
    refreshable_plugin::run(std::env::args_os()).await
}
