//! PINs of PKCS#11 tokens, and the memory of those that a token refused.
//!
//! A token locks itself after a few wrong PINs in a row, for all who use it. Each wrong PIN is
//! therefore tried once, by whichever resource comes with it first.

use aws_lc_rs::hmac;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::{BTreeMap, HashMap};

/// Refused PINs that are remembered for one token. Of more, one is forgotten: it would be tried once
/// more.
const MOST: usize = 1024;

/// A user PIN, and where it was read.
#[derive(Clone)]
pub struct Pin {
    /// The PIN.
    pub text: SecretString,
    /// `<uid>/<resourceVersion>` of its Secret.
    pub secret: String,
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pin").field("secret", &self.secret).finish_non_exhaustive()
    }
}

/// PINs that tokens refused, by module and label of the token.
pub(super) struct RefusedPins {
    /// Made anew by each process, so that its memory does not tell the few digits of a PIN.
    key: hmac::Key,
    of_token: Mutex<HashMap<(String, String), Refused>>,
}

/// The refused PINs of one token, by keyed digest: of each, the versions of the Secrets that came
/// with it, by their UIDs.
type Refused = BTreeMap<Vec<u8>, HashMap<String, String>>;

impl Default for RefusedPins {
    fn default() -> Self {
        let mut key = [0; 32];
        // Without random bytes the digests can be guessed from a memory dump, and are as right.
        let _ = aws_lc_rs::rand::fill(&mut key);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), of_token: Mutex::default() }
    }
}

impl std::fmt::Debug for RefusedPins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefusedPins").finish_non_exhaustive()
    }
}

impl RefusedPins {
    /// Whether the token refused this PIN, from whichever Secret, and the Secret that it is from
    /// has not changed since.
    pub(super) fn holds(&self, module: &str, token: &str, pin: &Pin) -> bool {
        let mut of_token = self.of_token.lock();
        let refused = of_token.get_mut(&(module.to_owned(), token.to_owned()));
        let Some(secrets) = refused.and_then(|r| r.get_mut(&self.digest(pin))) else {
            return false;
        };
        let (uid, version) = parts(pin);
        secrets.entry(uid.to_owned()).or_insert_with(|| version.to_owned()) == version
    }

    /// Takes note of a PIN that the token refused.
    pub(super) fn add(&self, module: &str, token: &str, pin: &Pin) {
        let mut of_token = self.of_token.lock();
        let refused = of_token.entry((module.to_owned(), token.to_owned())).or_default();
        let (uid, version) = parts(pin);
        let secrets = refused.entry(self.digest(pin)).or_default();
        secrets.insert(uid.to_owned(), version.to_owned());
        if refused.len() > MOST {
            refused.pop_first();
        }
    }

    /// Takes note of a PIN that the token accepted: it may have another since.
    pub(super) fn remove(&self, module: &str, token: &str, pin: &Pin) {
        if let Some(refused) = self.of_token.lock().get_mut(&(module.to_owned(), token.to_owned()))
        {
            refused.remove(&self.digest(pin));
        }
    }

    fn digest(&self, pin: &Pin) -> Vec<u8> {
        hmac::sign(&self.key, pin.text.expose_secret().as_bytes()).as_ref().to_vec()
    }
}

/// UID and version of the Secret.
fn parts(pin: &Pin) -> (&str, &str) {
    pin.secret.split_once('/').unwrap_or((&pin.secret, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str, secret: &str) -> Pin {
        Pin { text: SecretString::from(text), secret: secret.to_owned() }
    }

    #[test]
    fn a_refused_pin_is_tried_again_only_from_a_secret_that_changed() {
        let refused = RefusedPins::default();
        let holds = |text: &str, secret: &str| refused.holds("tpm", "bench", &pin(text, secret));
        assert!(!holds("0000", "a/1"), "nothing was tried");
        refused.add("tpm", "bench", &pin("0000", "a/1"));
        assert!(holds("0000", "a/1"));
        assert!(!holds("1111", "a/1") && !holds("1111", "a/2"), "another PIN");
        assert!(!refused.holds("tpm", "other", &pin("0000", "a/1")), "another token");
        assert!(!refused.holds("other", "bench", &pin("0000", "a/1")), "another module");
        assert!(holds("0000", "b/1"), "somebody else's Secret with the same PIN");
        assert!(!holds("0000", "a/2") && !holds("0000", "b/2"), "its Secret was written");
        refused.add("tpm", "bench", &pin("0000", "a/2"));
        assert!(holds("0000", "a/2"), "and it was refused again");
        refused.remove("tpm", "bench", &pin("0000", "a/3"));
        assert!(!holds("0000", "a/2"), "the token's PIN was changed to this one");
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_shows_no_pin() {
        let refused = RefusedPins::default();
        for number in 0..MOST + 10 {
            refused.add("tpm", "bench", &pin(&number.to_string(), "a/1"));
        }
        assert_eq!(refused.of_token.lock().values().map(BTreeMap::len).sum::<usize>(), MOST);
        assert_eq!(format!("{refused:?}"), "RefusedPins { .. }");
        assert!(!format!("{:?}", pin("9317", "a/1")).contains("9317"));
    }
}
