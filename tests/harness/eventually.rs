//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks: short against what is waited for, long against what a look costs.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest that one look of [`stays`] may take.
const LOOK: Duration = Duration::from_secs(60);

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
        // A condition that hangs must not outlast its deadline either. The timeout asks the
        // condition before its own timer, so that it never strikes where the condition answers at
        // once: the end of the loop does.
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => last = Some(seen.to_string()),
            Err(_) => {}
        }
        let left = deadline.saturating_sub(began.elapsed());
        if left.is_zero() {
            let seen = last.unwrap_or_else(|| "nothing: the first look did not end".into());
            return Err(format!("not within {deadline:?}: {what}; last seen: {seen}"));
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// Looks for a whole period, at its beginning and at its end, and panics at the first `Err`: for
/// what must *not* happen.
///
/// # Panics
///
/// Where the condition ceases to hold, or a look does not end.
pub async fn stays<Seen: Display>(
    period: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<(), Seen>,
) {
    let began = Instant::now();
    loop {
        let left = period.saturating_sub(began.elapsed());
        match tokio::time::timeout(LOOK, condition()).await {
            Ok(Ok(())) => {}
            Ok(Err(seen)) => panic!("after {:?} no longer: {what}; seen: {seen}", began.elapsed()),
            Err(_) => panic!("after {:?} a look did not end: {what}", began.elapsed()),
        }
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// `Ok` where the condition holds, else what was seen: for conditions without a result.
pub fn check<Seen>(holds: bool, seen: impl FnOnce() -> Seen) -> Result<(), Seen> {
    if holds { Ok(()) } else { Err(seen()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::cell::Cell;
    use std::panic::AssertUnwindSafe;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Runs this on a paused clock, in a thread of its own: what never awaits anything cannot be
    /// ended from within.
    fn ends(work: impl AsyncFnOnce() + Send + 'static) {
        let (done, waits) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build();
            runtime.expect("a runtime").block_on(work());
            let _ = done.send(());
        });
        waits.recv_timeout(Duration::from_secs(20)).expect("it ends, and without a panic");
    }

    async fn panic_of(work: impl Future<Output = ()>) -> String {
        let panic = AssertUnwindSafe(work).catch_unwind().await.expect_err("a panic");
        *panic.downcast::<String>().expect("a message")
    }

    #[test]
    fn a_condition_that_never_awaits_reaches_the_deadline() {
        ends(async || {
            let looks = Cell::new(0);
            let began = Instant::now();
            let seen = within(MINUTE, "it is there", async || {
                looks.set(looks.get() + 1);
                Err::<(), _>(format!("look {}", looks.get()))
            });
            let seen = seen.await.expect_err("it never is");
            assert_eq!(
                seen,
                format!("not within 60s: it is there; last seen: look {}", looks.get())
            );
            assert!(looks.get() > 1000, "{} looks", looks.get());
            assert!(began.elapsed() < MINUTE + PAUSE, "{:?}", began.elapsed());
        });
    }

    #[test]
    fn a_condition_that_hangs_reaches_the_deadline() {
        ends(async || {
            let hangs = within(MINUTE, "it answers", async || {
                std::future::pending::<Result<(), String>>().await
            });
            let seen = hangs.await.expect_err("it never does");
            assert_eq!(
                seen,
                "not within 60s: it answers; last seen: nothing: the first look did not end"
            );
            // What an earlier look saw is told, where a later one hangs.
            let mut first = true;
            let later = within(MINUTE, "it answers", async || {
                if !std::mem::take(&mut first) {
                    std::future::pending::<()>().await;
                }
                Err::<(), _>("a refusal")
            });
            let seen = later.await.expect_err("it never does");
            assert_eq!(seen, "not within 60s: it answers; last seen: a refusal");
        });
    }

    #[test]
    fn a_deadline_of_nothing_is_one_look() {
        ends(async || {
            let looks = Cell::new(0);
            let look = async |answer: Result<u32, &'static str>| {
                looks.set(looks.get() + 1);
                answer
            };
            assert_eq!(
                within(Duration::ZERO, "it is there", async || look(Ok(7)).await).await,
                Ok(7)
            );
            let seen =
                within(Duration::ZERO, "it is there", async || look(Err("nothing")).await).await;
            assert_eq!(seen, Err("not within 0ns: it is there; last seen: nothing".to_owned()));
            assert_eq!(looks.get(), 2);
        });
    }

    #[test]
    fn what_comes_to_hold_is_handed_over() {
        ends(async || {
            let began = Instant::now();
            let found = eventually(MINUTE, "ten seconds are over", async || {
                let now = began.elapsed();
                check(now >= Duration::from_secs(10), || format!("{now:?}")).map(|()| now)
            });
            assert!(found.await < Duration::from_secs(11));
        });
    }

    #[test]
    fn what_stays_is_looked_at_until_the_end() {
        ends(async || {
            let (began, looks) = (Instant::now(), Cell::new(0));
            let look = async |until: Duration| {
                looks.set(looks.get() + 1);
                check(began.elapsed() < until, || "gone")
            };
            stays(Duration::ZERO, "it is there", async || look(MINUTE).await).await;
            assert_eq!(looks.get(), 1, "a period of nothing is one look");
            stays(MINUTE / 2, "it is there", async || look(MINUTE).await).await;
            assert!(looks.get() > 500, "{} looks", looks.get());
            let seen =
                panic_of(stays(MINUTE / 2, "it is there", async || look(MINUTE).await)).await;
            assert_eq!(seen, "after 30s no longer: it is there; seen: gone");
            let hangs = stays(MINUTE, "it answers", async || {
                std::future::pending::<Result<(), String>>().await
            });
            let seen = panic_of(hangs).await;
            assert!(
                seen.starts_with("after 60") && seen.ends_with("a look did not end: it answers"),
                "{seen}"
            );
        });
    }
}
