//! Decides about each request for the metrics: what is known of its token, or what Kubernetes says
//! of it, within limits.

use super::bearer::bearer;
use super::refusal::Refusal;
use super::review::Reviews;
use super::verdicts::{Judgement, Lane, TokenDigest, Verdict, Verdicts};
use crate::clock::SharedClock;
use aws_lc_rs::hmac;
use http::HeaderMap;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Checks of one lane under way at the same time.
const AT_ONCE: usize = 8;
/// Pause that callers are told where so many are under way.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause between two log lines about checks that failed: callers decide how many there are.
const QUIET: Duration = Duration::from_secs(10);

/// Access to the metrics.
pub(super) struct Access {
    reviews: Reviews,
    clock: SharedClock,
    /// Made anew by each process, so that its memory does not tell a token that is short.
    key: hmac::Key,
    verdicts: Mutex<Verdicts>,
    proven: Semaphore,
    unknown: Semaphore,
    complained: Mutex<Option<Duration>>,
}

impl Access {
    /// Access by `reviews`. `key` is a random one.
    pub(super) fn new(reviews: Reviews, clock: SharedClock, key: hmac::Key) -> Self {
        Self {
            reviews,
            clock,
            key,
            verdicts: Mutex::new(Verdicts::new()),
            proven: Semaphore::new(AT_ONCE),
            unknown: Semaphore::new(AT_ONCE),
            complained: Mutex::default(),
        }
    }

    /// Whether a request with these headers is answered.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = bearer(headers)?;
        let digest = self.digest(&token);
        let judgement = self.verdicts.lock().judge(&digest, self.clock.boot());
        let verdict = match judgement {
            Judgement::Known(verdict) => verdict,
            Judgement::Ask(lane) => self.ask(lane, &token, digest).await?,
        };
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden => Err(Refusal::Forbidden),
            Verdict::Unauthenticated => Err(Refusal::Unauthenticated),
        }
    }

    async fn ask(
        &self,
        lane: Lane,
        token: &SecretString,
        digest: TokenDigest,
    ) -> Result<Verdict, Refusal> {
        let room = match lane {
            Lane::Proven => &self.proven,
            Lane::Unknown => &self.unknown,
        };
        let _place = room.try_acquire().map_err(|_| Refusal::Busy(PAUSE))?;
        self.verdicts.lock().take(lane, self.clock.boot()).map_err(Refusal::Busy)?;
        let verdict = self.reviews.verdict(token).await.map_err(|error| {
            if self.may_complain() {
                tracing::warn!(
                    %error,
                    "a token for /metrics could not be checked, so that it was refused: see that the API server answers, and that \
                     this ServiceAccount may create tokenreviews and subjectaccessreviews"
                );
            }
            Refusal::Unchecked
        })?;
        self.verdicts.lock().record(digest, verdict, self.clock.boot());
        Ok(verdict)
    }

    fn digest(&self, token: &SecretString) -> TokenDigest {
        let tag = hmac::sign(&self.key, token.expose_secret().as_bytes());
        let mut digest = TokenDigest::default();
        digest.copy_from_slice(tag.as_ref());
        digest
    }

    fn may_complain(&self) -> bool {
        let now = self.clock.boot();
        let mut complained = self.complained.lock();
        if complained.is_some_and(|at| now < at + QUIET) {
            return false;
        }
        *complained = Some(now);
        true
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
