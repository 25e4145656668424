//! Calls that block their thread: a token answers when it likes, and the runtime's workers must not
//! wait for it. One of them renews the lease.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work`, which blocks, while another thread takes over what this one had to do for the
/// runtime.
pub(super) fn off_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    // TLS signs in the middle of a handshake, where nothing can be awaited. A runtime of one thread
    // has no other to hand its work to; the controller's has.
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
        // The only worker is the slow call's: this ends it, if somebody else takes over.
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
