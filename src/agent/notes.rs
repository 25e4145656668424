//! Log lines about files: one for each change, not one for each request.

use super::file::Served;
use super::refusal::Refusal;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Last logged outcome of each file.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<BTreeMap<PathBuf, String>>);

impl Notes {
    /// Logs the state of a file, if it differs from the last one.
    pub(super) fn file(&self, path: &Path, outcome: Result<&Served, &Refusal>) {
        // Any caller can request profiles that do not exist, under any number of names.
        if matches!(outcome, Err(Refusal::Profile { .. } | Refusal::Page)) {
            return;
        }
        let now = match outcome {
            Ok(served) => format!("{} {}", served.access_key_id, served.expiration),
            Err(refusal) => refusal.to_string(),
        };
        let mut said = self.0.lock();
        if said.get(path) == Some(&now) {
            return;
        }
        said.insert(path.into(), now);
        let file = path.display();
        match outcome {
            Ok(s) => {
                tracing::info!(%file, access_key_id = %s.access_key_id, expiration = %s.expiration, "serves credentials")
            }
            Err(refusal) => tracing::warn!(code = refusal.code(), "{refusal}"),
        }
    }
}
