//! Looks that follow changes, beside the queue of resources: a rotation neither waits for them nor
//! causes them.

use super::CallError;
use std::time::Duration;
use tokio::time::Instant;

/// Between the first change and the look at it: what is applied together is looked at together.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// Least pause after a look, so that many changes cost few writes.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// A look at very many resources is followed by a pause that is so many times as long.
const REST: u32 = 10;
/// Longest pause after looks whose writes failed, which doubles and which a change ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// The subject of looks.
pub(super) trait Looking {
    /// Waits for a change.
    fn change(&self) -> impl Future<Output = ()> + Send;

    /// Looks at what changed, and writes what follows. An error asks for another look.
    fn look(&mut self) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Another look, though nothing changed.
    fn again(&self);
}

/// Looks for as long as it is polled. `failed` is what is logged of a look that failed.
pub(super) async fn keep_looking(mut looking: impl Looking, failed: &'static str) {
    let mut pause = PAUSE;
    loop {
        looking.change().await;
        tokio::time::sleep(SETTLE).await;
        let began = Instant::now();
        match looking.look().await {
            Ok(()) => {
                pause = PAUSE;
                tokio::time::sleep(PAUSE.max(began.elapsed() * REST)).await;
            }
            Err(error) => {
                tracing::warn!(%error, again_in = ?pause, "{failed}");
                tokio::time::sleep(PAUSE).await;
                // A change elsewhere does not wait for what was refused.
                let _ = tokio::time::timeout(pause - PAUSE, looking.change()).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                looking.again();
            }
        }
    }
}
