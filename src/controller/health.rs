//! Whether this process is alive and ready, from signs that can be missing.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The API server must have answered within this time.
const HEARD_WITHIN: Duration = Duration::from_secs(15);
/// The runtime must have beaten within this time.
const BEAT_WITHIN: Duration = Duration::from_secs(30);

/// Signs of life. Clones share them.
#[derive(Clone, Debug)]
pub struct Health(Arc<Signs>);

#[derive(Debug)]
struct Signs {
    heard: Mutex<Option<Instant>>,
    beat: Mutex<Instant>,
    synced: AtomicBool,
    leads: AtomicBool,
    lost: AtomicBool,
    stopping: AtomicBool,
}

impl Default for Health {
    /// Nothing has been heard yet.
    fn default() -> Self {
        Self(Arc::new(Signs {
            heard: Mutex::new(None),
            beat: Mutex::new(Instant::now()),
            synced: AtomicBool::new(false),
            leads: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }))
    }
}

impl Health {
    /// The API server answered.
    pub(super) fn heard(&self) {
        *self.0.heard.lock() = Some(Instant::now());
    }

    /// The controller's runtime still turns.
    pub(super) fn beat(&self) {
        *self.0.beat.lock() = Instant::now();
    }

    /// This replica leads, and its watches must be synced from now on.
    pub(super) fn leads(&self) {
        self.0.leads.store(true, Ordering::Release);
    }

    /// Every watch has had its first list.
    pub(super) fn synced(&self) {
        self.0.synced.store(true, Ordering::Release);
    }

    /// The lease was lost.
    pub(super) fn lost(&self) {
        self.0.lost.store(true, Ordering::Release);
    }

    /// The process is shutting down.
    pub(super) fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Why the process is not alive, if it is not.
    pub(super) fn ailment(&self) -> Option<String> {
        let beat = self.0.beat.lock().elapsed();
        if beat > BEAT_WITHIN {
            return Some(format!("the controller has stood still for {} s", beat.as_secs()));
        }
        self.0.lost.load(Ordering::Acquire).then(|| "the lease was lost".to_owned())
    }

    /// Why the process is not ready, if it is not. A replica that waits for the lease is ready.
    pub(super) fn unready(&self) -> Option<String> {
        if self.0.stopping.load(Ordering::Acquire) {
            return Some("shutting down".to_owned());
        }
        if let Some(ailment) = self.ailment() {
            return Some(ailment);
        }
        let heard = self.0.heard.lock().map(|h| h.elapsed());
        match heard {
            None => return Some("the API server has not answered yet".to_owned()),
            Some(ago) if ago > HEARD_WITHIN => {
                return Some(format!("the API server has not answered for {} s", ago.as_secs()));
            }
            Some(_) => {}
        }
        let waits = self.0.leads.load(Ordering::Acquire) && !self.0.synced.load(Ordering::Acquire);
        waits.then(|| "the watches have not had their first lists yet".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_follows_its_signs() {
        let health = Health::default();
        assert!(health.unready().is_some_and(|u| u.contains("has not answered yet")));
        health.heard();
        assert_eq!(health.unready(), None, "a replica that waits for the lease is ready");
        health.leads();
        assert!(health.unready().is_some_and(|u| u.contains("first lists")));
        health.synced();
        assert_eq!(health.unready(), None);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(health.unready().is_some_and(|u| u.contains("not answered for")));
        assert_eq!(health.ailment(), None, "an API server that is away is no reason to be killed");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(health.ailment().is_some_and(|a| a.contains("stood still")));
        health.beat();
        health.heard();
        assert_eq!(health.unready(), None);
        health.lost();
        assert!(health.ailment().is_some());
    }
}
