//! Calls that block their thread: a token may take long, and the runtime's workers, one of which
//! renews the lease, must not wait for it.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work`, which blocks, while another thread takes over what this one had to do for the
/// runtime.
pub(super) fn off_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    // TLS signs in the middle of a handshake, which cannot await. A runtime with one thread has no
    // other to take over its work; the controller's has.
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    /// Longest time that a test waits for what should come at once.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn runtime_goes_on_while_a_token_is_slow() {
        let turned = Arc::new(AtomicBool::new(false));
        let (release, held) = mpsc::channel();
        let slow = tokio::spawn(async move { off_the_runtime(|| held.recv_timeout(PATIENCE)) });
        let seen = turned.clone();
        // The slow call occupies the only worker: this ends it, if another thread takes over.
        let other = tokio::spawn(async move {
            seen.store(true, Ordering::Relaxed);
            release.send(()).expect("the slow call waits");
        });
        slow.await.expect("no panic").expect("released before its patience ended");
        other.await.expect("no panic");
        assert!(turned.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn runtime_of_one_thread_does_the_work_itself() {
        assert_eq!(off_the_runtime(|| 7), 7);
    }
}
