//! The controller's log, searched for secrets as it is written.

use super::sts::CANARY;
use std::io::{Result, Write};
use std::sync::{Arc, Mutex};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

/// Listens to what this thread logs, as the controller's program would write it. A line is kept
/// only if a secret stands in it.
pub struct Logs {
    leaks: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Logs {
    /// Listens until dropped.
    pub fn listen() -> Self {
        let leaks: Arc<Mutex<Vec<String>>> = Arc::default();
        let writer = leaks.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(LevelFilter::INFO)
            .with_writer(move || Search(writer.clone()))
            .finish();
        Self { leaks, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines with a secret in them so far, without the secret.
    pub fn take_leaks(&self) -> Vec<String> {
        std::mem::take(&mut *self.leaks.lock().expect("a list"))
    }
}

/// Takes one line.
struct Search(Arc<Mutex<Vec<String>>>);

impl Write for Search {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        if line.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
            let text = String::from_utf8_lossy(line);
            self.0
                .lock()
                .expect("a list")
                .push(text.split(CANARY).next().unwrap_or_default().to_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
