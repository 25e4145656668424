//! Notices that the wall clock was set, or that the machine was suspended: what waits for a time
//! then waits for another time than was meant, as timers count the time that the machine is awake.

use crate::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Clocks that run apart by less between two looks are only adjusted.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);
/// The clocks are read one after the other; where that takes longer, they are read again.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How often that is tried.
const TRIES: u32 = 5;

/// Readings of the clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    wall: Timestamp,
    boot: Duration,
    timers: Instant,
}

impl Sample {
    fn take(clock: &dyn Clock) -> Self {
        let one = || Self { boot: clock.boot(), wall: clock.now(), timers: Instant::now() };
        let mut sample = one();
        for _ in 1..TRIES {
            if clock.boot().saturating_sub(sample.boot) <= AT_ONCE {
                break;
            }
            sample = one();
        }
        sample
    }
}

/// Jump of the clocks: the wall clock was set, or the machine was suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jump {
    /// How far the wall clock was set forward.
    pub set: SignedDuration,
    /// How long the machine was suspended.
    pub suspended: SignedDuration,
}

impl Jump {
    fn between(before: &Sample, after: &Sample) -> Self {
        let span = |d: Duration| SignedDuration::try_from(d).unwrap_or_default();
        let boot = span(after.boot.saturating_sub(before.boot));
        let timers = span(after.timers.saturating_duration_since(before.timers));
        let counted =
            |d: SignedDuration| if d.abs() > TOLERANCE { d } else { SignedDuration::ZERO };
        Self {
            set: counted(after.wall.duration_since(before.wall).saturating_sub(boot)),
            suspended: counted(boot.saturating_sub(timers)),
        }
    }

    fn and(self, later: Self) -> Self {
        Self {
            set: self.set.saturating_add(later.set),
            suspended: self.suspended.saturating_add(later.suspended),
        }
    }
}

/// Watches the clocks of one process.
#[derive(Debug)]
pub struct ClockWatch(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    last: Sample,
    /// How far the wall clock was set forward since the process began.
    stepped: SignedDuration,
    /// Jump that [`ClockWatch::jump`] has not returned yet.
    untold: Option<Jump>,
}

impl ClockWatch {
    /// Begins to watch.
    pub fn new(clock: &dyn Clock) -> Self {
        Self(Mutex::new(Watched {
            last: Sample::take(clock),
            stepped: SignedDuration::ZERO,
            untold: None,
        }))
    }

    /// Jump since this was last called, if any: every wait has to be computed anew.
    pub fn jump(&self, clock: &dyn Clock) -> Option<Jump> {
        self.look(clock).untold.take()
    }

    /// How far the wall clock was set forward since the process began.
    pub(super) fn stepped(&self, clock: &dyn Clock) -> SignedDuration {
        self.look(clock).stepped
    }

    fn look(&self, clock: &dyn Clock) -> parking_lot::MutexGuard<'_, Watched> {
        let mut watched = self.0.lock();
        let sample = Sample::take(clock);
        let jump = Jump::between(&watched.last, &sample);
        watched.last = sample;
        if jump != Jump::default() {
            watched.stepped = watched.stepped.saturating_add(jump.set);
            watched.untold = Some(watched.untold.unwrap_or_default().and(jump));
        }
        watched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    /// Clocks that follow tokio's paused one, set and suspended at will.
    #[derive(Debug)]
    struct Clocks {
        origin: Instant,
        set: Mutex<SignedDuration>,
        suspended: Mutex<Duration>,
    }

    impl Clocks {
        fn new() -> Self {
            Self { origin: Instant::now(), set: Mutex::default(), suspended: Mutex::default() }
        }

        fn set(&self, by: SignedDuration) {
            *self.set.lock() += by;
        }
    }

    impl Clock for Clocks {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.boot() + *self.set.lock()
        }

        fn boot(&self) -> Duration {
            self.origin.elapsed() + *self.suspended.lock()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_noticed_once() {
        let clocks = Clocks::new();
        let watch = ClockWatch::new(&clocks);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(
            (watch.jump(&clocks), watch.stepped(&clocks)),
            (None, SignedDuration::ZERO),
            "time goes by"
        );
        clocks.set(HOUR * 2);
        assert_eq!(watch.stepped(&clocks), HOUR * 2);
        let forward = Jump { set: HOUR * 2, suspended: SignedDuration::ZERO };
        assert_eq!(watch.jump(&clocks), Some(forward), "also where something else noticed it");
        assert_eq!(watch.jump(&clocks), None);
        clocks.set(-HOUR * 3);
        assert_eq!(watch.jump(&clocks).map(|j| j.set), Some(-HOUR * 3));
        assert_eq!(watch.stepped(&clocks), -HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_adjusted_was_not_set() {
        let clocks = Clocks::new();
        let watch = ClockWatch::new(&clocks);
        // By 500 parts in a million, which is the most that Linux does.
        for _ in 0..10_000 {
            tokio::time::advance(Duration::from_secs(5)).await;
            clocks.set(SignedDuration::from_micros(2500));
            assert_eq!(watch.jump(&clocks), None);
        }
        assert_eq!(watch.stepped(&clocks), SignedDuration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspended_machine_s_clock_was_not_set() {
        let clocks = Clocks::new();
        let watch = ClockWatch::new(&clocks);
        *clocks.suspended.lock() = Duration::from_secs(600);
        let asleep = Jump { set: SignedDuration::ZERO, suspended: SignedDuration::from_secs(600) };
        assert_eq!(
            (watch.stepped(&clocks), watch.jump(&clocks)),
            (SignedDuration::ZERO, Some(asleep))
        );
    }
}
