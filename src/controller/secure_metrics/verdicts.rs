//! Verdicts on tokens: for how long each holds, and whether another token may be checked now.
//!
//! Time is that since boot, as an argument. Tokens are known by a digest alone.

use refreshable_engine::RateLimits;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A right that is taken away is gone after so long. controller-runtime keeps an authentication as
/// long, and an authorization for five minutes.
const ALLOWED: Duration = Duration::from_secs(60);
/// A right that is given is there after so long, as in controller-runtime.
const FORBIDDEN: Duration = Duration::from_secs(30);
/// A token that is not known now may be later, as when the clocks of two API servers differ.
const UNAUTHENTICATED: Duration = Duration::from_secs(10);
/// A token that was allowed within this time is checked apart from others.
const PROVEN: Duration = Duration::from_secs(15 * 60);
/// Tokens that are kept, whatever is sent.
const MOST: usize = 1000;
/// Checks a second of one lane, in the long run.
const PER_SECOND: u32 = 10;
/// Checks of one lane at once after a pause.
const BURST: u32 = 20;

/// A keyed digest of a token.
pub(super) type TokenDigest = [u8; 32];

/// Kubernetes' word on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its user may read the metrics.
    Allowed,
    /// Its user may not.
    Forbidden,
    /// It is of no user.
    Unauthenticated,
}

impl Verdict {
    /// For how long it holds.
    const fn lifetime(self) -> Duration {
        match self {
            Self::Allowed => ALLOWED,
            Self::Forbidden => FORBIDDEN,
            Self::Unauthenticated => UNAUTHENTICATED,
        }
    }
}

/// Where a token waits for its check. Each lane has limits of its own, so that whoever sends made-up
/// tokens keeps no scraper out whose token was good before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Tokens that were allowed a short while ago.
    Proven,
    /// All others.
    Unknown,
}

impl Lane {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unknown => "unknown",
        }
    }
}

/// The next step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The verdict is known.
    Known(Verdict),
    /// Kubernetes has to be asked.
    Ask(Lane),
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    verdict: Verdict,
    until: Duration,
    /// When it was allowed last, if nothing else was heard since.
    allowed_at: Option<Duration>,
}

impl Kept {
    fn is_proven(&self, now: Duration) -> bool {
        self.allowed_at.is_some_and(|at| now < at + PROVEN)
    }
}

/// Verdicts on tokens.
#[derive(Debug)]
pub(super) struct Verdicts {
    kept: HashMap<TokenDigest, Kept>,
    limits: RateLimits,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        Self { kept: HashMap::new(), limits: RateLimits::new(PER_SECOND, BURST) }
    }

    /// The next step of a request with this token.
    pub(super) fn judge(&self, token: &TokenDigest, now: Duration) -> Judgement {
        match self.kept.get(token) {
            Some(kept) if now < kept.until => Judgement::Known(kept.verdict),
            Some(kept) if kept.is_proven(now) => Judgement::Ask(Lane::Proven),
            _ => Judgement::Ask(Lane::Unknown),
        }
    }

    /// Takes one check of this lane.
    ///
    /// # Errors
    /// The pause until there is one.
    pub(super) fn take(&mut self, lane: Lane, now: Duration) -> Result<(), Duration> {
        let granted = self.limits.granted_at(lane.as_str(), 1, now);
        if granted > now {
            return Err(granted - now);
        }
        self.limits.take(&Arc::from(lane.as_str()), 1, now);
        Ok(())
    }

    /// Keeps what Kubernetes said.
    pub(super) fn record(&mut self, token: TokenDigest, verdict: Verdict, now: Duration) {
        if self.kept.len() >= MOST && !self.kept.contains_key(&token) {
            self.make_room(now);
        }
        let allowed_at = (verdict == Verdict::Allowed).then_some(now);
        self.kept.insert(token, Kept { verdict, until: now + verdict.lifetime(), allowed_at });
    }

    /// Forgets what no longer matters, or else the least of it: what was allowed goes last.
    fn make_room(&mut self, now: Duration) {
        self.kept.retain(|_, kept| now < kept.until || kept.is_proven(now));
        while self.kept.len() >= MOST {
            let least = self.kept.iter().min_by_key(|(_, k)| (k.allowed_at, k.until));
            let Some(least) = least.map(|(token, _)| *token) else { return };
            self.kept.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn token(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn a_verdict_holds_for_its_time_and_the_next_check_has_its_lane() {
        use Judgement::{Ask, Known};
        use Verdict::{Allowed, Forbidden, Unauthenticated};
        for (verdict, after, judgement) in [
            (Allowed, 0, Known(Allowed)),
            (Allowed, 59, Known(Allowed)),
            (Allowed, 60, Ask(Lane::Proven)),
            (Allowed, 899, Ask(Lane::Proven)),
            (Allowed, 900, Ask(Lane::Unknown)),
            (Forbidden, 29, Known(Forbidden)),
            (Forbidden, 30, Ask(Lane::Unknown)),
            (Unauthenticated, 9, Known(Unauthenticated)),
            (Unauthenticated, 10, Ask(Lane::Unknown)),
        ] {
            let mut verdicts = Verdicts::new();
            assert_eq!(verdicts.judge(&token(1), at(1000)), Ask(Lane::Unknown));
            verdicts.record(token(1), verdict, at(1000));
            assert_eq!(
                verdicts.judge(&token(1), at(1000 + after)),
                judgement,
                "{verdict:?} {after}"
            );
            assert_eq!(verdicts.judge(&token(2), at(1000)), Ask(Lane::Unknown), "another token");
        }
    }

    #[test]
    fn a_later_verdict_takes_the_place_of_an_earlier_one() {
        let mut verdicts = Verdicts::new();
        verdicts.record(token(1), Verdict::Allowed, at(0));
        verdicts.record(token(1), Verdict::Forbidden, at(60));
        assert_eq!(verdicts.judge(&token(1), at(61)), Judgement::Known(Verdict::Forbidden));
        assert_eq!(verdicts.judge(&token(1), at(90)), Judgement::Ask(Lane::Unknown), "not proven");
        verdicts.record(token(1), Verdict::Allowed, at(90));
        assert_eq!(verdicts.judge(&token(1), at(91)), Judgement::Known(Verdict::Allowed));
    }

    #[test]
    fn made_up_tokens_are_checked_at_a_rate_and_hold_up_no_proven_one() {
        let mut verdicts = Verdicts::new();
        let taken = (0..1000).filter(|_| verdicts.take(Lane::Unknown, at(100)).is_ok()).count();
        assert_eq!(taken, 20, "a burst");
        let pause = verdicts.take(Lane::Unknown, at(100)).expect_err("it is used up");
        assert_eq!(pause, Duration::from_millis(100));
        assert_eq!(verdicts.take(Lane::Proven, at(100)), Ok(()));
        let taken = (0..1000).filter(|_| verdicts.take(Lane::Unknown, at(101)).is_ok()).count();
        assert_eq!(taken, 10, "a second later");
    }

    #[test]
    fn made_up_tokens_fill_nothing_and_displace_no_allowed_one() {
        let mut verdicts = Verdicts::new();
        verdicts.record(token(0), Verdict::Allowed, at(0));
        for number in 1..5 * MOST {
            let verdict = [Verdict::Unauthenticated, Verdict::Forbidden][number % 2];
            verdicts.record(token(number), verdict, at(1));
            assert!(verdicts.kept.len() <= MOST, "{number}");
        }
        assert_eq!(verdicts.judge(&token(0), at(2)), Judgement::Known(Verdict::Allowed));
        let latest = 5 * MOST - 1;
        assert!(matches!(verdicts.judge(&token(latest), at(1)), Judgement::Known(_)), "{latest}");
        verdicts.record(token(5 * MOST), Verdict::Forbidden, at(3600));
        assert_eq!(verdicts.kept.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn of_allowed_tokens_too_there_is_an_end() {
        let mut verdicts = Verdicts::new();
        for number in 0..MOST + 10 {
            verdicts.record(token(number), Verdict::Allowed, at(number as u64 / 100));
        }
        assert_eq!(verdicts.kept.len(), MOST);
        assert_eq!(verdicts.judge(&token(MOST + 9), at(11)), Judgement::Known(Verdict::Allowed));
    }
}
