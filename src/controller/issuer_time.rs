//! The time as the issuer of a resource has it. When a session ends is the issuer's to say, and it
//! is published and recorded as it was said: our own clock may be wrong, and it may be set while
//! the session lives.
//!
//! All work on a resource is done by its issuer's time, so that the rules know of one clock alone.
//! How far that is ahead of ours is learned from the `Date` of the issuer's answers, for each
//! resource by itself: an issuer that lies about the time lies to whoever asks it.

use super::Context;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use refreshable_api::{RefreshableCredential, names};
use refreshable_rules::issuer::CLOCKS_AGREE;
use std::cell::Cell;

tokio::task_local! {
    static AHEAD: Cell<SignedDuration>;
}

/// How far the issuer's clock is ahead of ours, in work done [`by`] it; elsewhere there is no
/// issuer.
pub(super) fn ahead() -> SignedDuration {
    AHEAD.try_with(Cell::get).unwrap_or_default()
}

/// Does `work` by a clock that is `ahead` of ours. Its result, and how far ahead the clock was in
/// the end.
pub(super) async fn by<T>(
    ahead: SignedDuration,
    work: impl Future<Output = T>,
) -> (T, SignedDuration) {
    AHEAD.scope(Cell::new(ahead), async { (work.await, self::ahead()) }).await
}

impl Context {
    /// The time; in work done [`by`] an issuer's clock, what that clock says.
    pub fn now(&self) -> Timestamp {
        let wall = self.clock.now();
        wall.checked_add(ahead()).unwrap_or(wall)
    }

    /// How far the clock of the resource's issuer is ahead of ours, as far as is known. What
    /// another process learned is believed as far as it makes nothing late: our clock may have been
    /// set in between.
    pub(super) fn issuer_ahead(&self, object: &RefreshableCredential, uid: &str) -> SignedDuration {
        let stepped = self.clocks.stepped(&*self.clock);
        match self.memory.clock_of(uid) {
            Some(learned) => learned.saturating_sub(stepped),
            None => {
                let told = self.view.issuer_clock_ahead(object).unwrap_or_default();
                told.max(SignedDuration::ZERO).saturating_add((-stepped).max(SignedDuration::ZERO))
            }
        }
    }

    /// Takes note that the issuer, asked at `asked`, dated its answer `dated`.
    pub(super) fn learn_clock(
        &self,
        object: &RefreshableCredential,
        asked: Timestamp,
        dated: Timestamp,
    ) {
        let apart = dated.duration_since(asked);
        let apart = if apart.abs() > CLOCKS_AGREE { apart } else { SignedDuration::ZERO };
        // Outside of such work there is nothing to learn for.
        let _ = AHEAD.try_with(|ahead| ahead.set(ahead.get().saturating_add(apart)));
        let learned = ahead().saturating_add(self.clocks.stepped(&*self.clock));
        self.memory.clock_learned(&object.uid().unwrap_or_default(), learned);
    }
}

/// The annotation that tells the next process that the issuer's clock is so far `ahead`, where that
/// is worth a word.
pub(super) fn annotation(ahead: SignedDuration) -> Option<(&'static str, String)> {
    (ahead.abs() > CLOCKS_AGREE).then(|| (names::CLOCK_ANNOTATION, ahead.as_secs().to_string()))
}
