//! A runtime for what outlives the test that started it.
//!
//! Each test has a runtime of its own, which ends with it and takes its tasks along.
//! Parts that tests share (a proxy, for one) are served from here instead.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime that lives as long as the program.
pub fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("bench")
                .enable_all()
                .build()
                .expect("a runtime for the bench")
        })
        .handle()
}

/// Runs blocking work (a build, a key pair) away from the caller's runtime.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}
