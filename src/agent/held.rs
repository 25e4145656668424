//! The last valid credentials of each file.
//!
//! A client that gets an error while it renews waits for 5 to 10 minutes before it asks again, by
//! the SDKs' common refresh specification
//! ([smithy-rs](https://github.com/smithy-lang/smithy-rs/pull/4774)). So a file that is missing or
//! malformed for a moment costs no answer while credentials of it are valid.

use super::file::Served;
use super::refusal::Refusal;
use hyper::body::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Credentials by their file. Only files that held some are here, so callers who name profiles
/// cannot make it grow. Bodies are overwritten when they are dropped.
#[derive(Default)]
pub(super) struct Held(Mutex<BTreeMap<PathBuf, Last>>);

struct Last {
    body: Bytes,
    expiration: Timestamp,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Held {
    /// The body for what was read from `path` at `now`: its credentials, else those that were read
    /// before, until they expire.
    ///
    /// # Errors
    /// The refusal, where no valid credentials are held.
    pub(super) fn answer(
        &self,
        path: PathBuf,
        read: Result<Served, Refusal>,
        now: Timestamp,
    ) -> Result<Bytes, Refusal> {
        let mut held = self.0.lock();
        match read {
            Ok(Served { body, expiration, .. }) => {
                let body = Bytes::from_owner(body);
                held.insert(path, Last { body: body.clone(), expiration });
                Ok(body)
            }
            Err(refusal) => match held.get(&path) {
                Some(last) if now < last.expiration => Ok(last.body.clone()),
                _ => {
                    held.remove(&path);
                    Err(refusal)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn good(body: &str, expires: i64) -> Result<Served, Refusal> {
        Ok(Served {
            body: Zeroizing::new(body.as_bytes().to_vec()),
            access_key_id: "ASIAX".into(),
            expiration: at(expires),
        })
    }

    fn faults() -> Vec<Refusal> {
        let path = PathBuf::from("/c.json");
        vec![
            Refusal::Unreadable { path: path.clone(), why: "no".into() },
            Refusal::Malformed { path: path.clone(), what: "half of it".into() },
            Refusal::Profile { path: path.clone() },
            Refusal::Expired { path, at: at(1) },
        ]
    }

    #[test]
    fn a_fault_of_the_file_is_no_answer_while_credentials_are_valid() {
        for fault in faults() {
            let held = Held::default();
            let read = |read, now| held.answer("/c.json".into(), read, at(now));
            assert_eq!(read(Err(fault.clone()), 0), Err(fault.clone()), "nothing is held yet");
            assert_eq!(read(good("one", 100), 10), Ok("one".into()));
            assert_eq!(read(Err(fault.clone()), 99), Ok("one".into()));
            assert_eq!(read(good("two", 200), 99), Ok("two".into()), "what is new comes first");
            assert_eq!(read(Err(fault.clone()), 199), Ok("two".into()));
            assert_eq!(read(Err(fault.clone()), 200), Err(fault.clone()), "and none that expired");
            assert!(held.0.lock().is_empty(), "nothing that expired is kept");
        }
    }

    #[test]
    fn each_file_has_its_own() {
        let held = Held::default();
        let fault = Refusal::Profile { path: "/b.json".into() };
        assert!(held.answer("/a.json".into(), good("a", 100), at(0)).is_ok());
        let other = held.answer("/b.json".into(), Err(fault.clone()), at(0));
        assert_eq!(other, Err(fault));
        assert_eq!(held.0.lock().len(), 1);
    }

    #[test]
    fn debug_shows_no_secret() {
        let held = Held::default();
        assert!(held.answer("/a.json".into(), good("s3cr3t", 100), at(0)).is_ok());
        assert_eq!(format!("{held:?}"), "Held { .. }");
    }
}
