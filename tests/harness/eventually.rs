//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Between two looks: short against what is waited for, long against what a look costs.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until the condition gives `Ok`, and hands that over.
///
/// An `Err` says what was seen instead; the last one is in the panic when the deadline passes.
///
/// # Panics
///
/// Where the condition does not hold within the deadline.
pub async fn eventually<T, Seen: Display>(
    deadline: Duration,
    what: &str,
    condition: impl AsyncFnMut() -> Result<T, Seen>,
) -> T {
    match within(deadline, what, condition).await {
        Ok(found) => found,
        Err(seen) => panic!("{seen}"),
    }
}

/// As [`eventually`], with an error instead of a panic.
pub async fn within<T, Seen: Display>(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T, Seen>,
) -> Result<T, String> {
    let began = Instant::now();
    let mut last = None;
    loop {
        let left = deadline.saturating_sub(began.elapsed());
        // A condition that hangs must not outlast its deadline either.
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => last = Some(seen.to_string()),
            Err(_) => {
                let seen = last.unwrap_or_else(|| "nothing: the first look did not end".into());
                return Err(format!("not within {deadline:?}: {what}; last seen: {seen}"));
            }
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// Looks for a whole period, and panics at the first `Err`: for what must *not* happen.
///
/// # Panics
///
/// Where the condition ceases to hold.
pub async fn stays<Seen: Display>(period: Duration, what: &str, mut condition: impl AsyncFnMut() -> Result<(), Seen>) {
    let began = Instant::now();
    while began.elapsed() < period {
        if let Err(seen) = condition().await {
            panic!("after {:?} no longer: {what}; seen: {seen}", began.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// `Ok` where the condition holds, else what was seen: for conditions without a result.
pub fn check<Seen>(holds: bool, seen: impl FnOnce() -> Seen) -> Result<(), Seen> {
    if holds { Ok(()) } else { Err(seen()) }
}
