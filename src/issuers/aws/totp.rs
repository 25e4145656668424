//! MFA codes from a seed (RFC 6238). AWS takes a code once, so each step of 30 s is used once for a
//! seed.
//!
//! A seed is known by its namespace and its digest, not by the device's serial number: any tenant
//! can name that, and must not use up another's codes.

use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use totp_rs::{Builder, Secret};

/// Length of a step in seconds (RFC 6238's default, AWS's virtual devices).
const STEP_SECONDS: u64 = 30;

/// Why a code cannot be computed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TotpError {
    /// The seed is no base32 text of sufficient length.
    #[error("the seed is no base32 text")]
    Seed,
    /// The code of this step has been used.
    #[error("the code of this step has been used")]
    Used,
}

/// Steps that are remembered after they have passed: a clock may be set back by as much.
const KEPT_STEPS: u64 = 240;

/// Remembers the last step used of each seed.
#[derive(Debug, Default)]
pub struct TotpSteps {
    used: Mutex<HashMap<[u8; 32], u64>>,
}

impl TotpSteps {
    /// The code of `seed` in `namespace` at `now`, which counts as used from then on.
    ///
    /// # Errors
    /// [`TotpError::Seed`] for an invalid seed, [`TotpError::Used`] where this step's code was used
    /// before.
    pub fn code(
        &self,
        namespace: &str,
        seed: &SecretString,
        now: Timestamp,
    ) -> Result<SecretString, TotpError> {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let code = code(seed, seconds)?;
        let step = seconds / STEP_SECONDS;
        let key = key(namespace, seed);
        let mut used = self.used.lock();
        if used.get(&key).is_some_and(|last| *last >= step) {
            return Err(TotpError::Used);
        }
        used.retain(|_, last| *last + KEPT_STEPS >= step);
        used.insert(key, step);
        Ok(code)
    }
}

/// Digest of a namespace and the seed in it, as people write it or not.
fn key(namespace: &str, seed: &SecretString) -> [u8; 32] {
    let seed = compact(seed);
    let mut hash = Sha256::new();
    for part in [namespace, seed.expose_secret()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A seed without what people write between its letters.
fn compact(seed: &SecretString) -> SecretString {
    let letters =
        seed.expose_secret().chars().filter(|c| !c.is_whitespace() && *c != '-' && *c != '=');
    letters.collect::<String>().to_ascii_uppercase().into()
}

/// The six digits of a seed at a Unix time.
fn code(seed: &SecretString, seconds: u64) -> Result<SecretString, TotpError> {
    let compact = compact(seed);
    let secret = Secret::try_from_base32(compact.expose_secret()).map_err(|_| TotpError::Seed)?;
    let totp = Builder::new().with_secret(secret).build().map_err(|_| TotpError::Seed)?;
    Ok(SecretString::from(totp.generate(seconds).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 6238's vectors, `12345678901234567890`, in base32.
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    #[test]
    fn the_codes_are_rfc_6238_s() {
        // Appendix B has eight digits; AWS uses the last six of them.
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(
                code(&SEED.into(), seconds).expect("seed").expose_secret(),
                expected,
                "at {seconds}"
            );
        }
    }

    #[test]
    fn code_is_given_once_for_a_step_of_a_seed_in_a_namespace() {
        let steps = TotpSteps::default();
        let seed = SEED.into();
        assert!(steps.code("team-a", &seed, at(60)).is_ok());
        assert_eq!(steps.code("team-a", &seed, at(89)).err(), Some(TotpError::Used));
        let written_otherwise = "gezd gnbv gy3t qojq gezd gnbv gy3t qojq".into();
        assert_eq!(steps.code("team-a", &written_otherwise, at(89)).err(), Some(TotpError::Used));
        assert!(
            steps.code("team-a", &"MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U".into(), at(89)).is_ok(),
            "another device"
        );
        assert!(steps.code("team-b", &seed, at(89)).is_ok(), "no tenant uses up another's codes");
        assert!(steps.code("team-a", &seed, at(90)).is_ok());
        assert_eq!(
            steps.code("team-a", &seed, at(60)).err(),
            Some(TotpError::Used),
            "a clock set back"
        );
    }

    #[test]
    fn seeds_that_are_no_longer_used_are_forgotten() {
        let steps = TotpSteps::default();
        assert!(steps.code("team-a", &SEED.into(), at(60)).is_ok());
        assert!(steps.code("team-b", &SEED.into(), at(60 + 30 * 241)).is_ok());
        assert_eq!(steps.used.lock().len(), 1);
    }

    #[test]
    fn seeds_are_read_as_people_write_them() {
        for text in [
            "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ",
        ] {
            assert_eq!(code(&text.into(), 59).expect("seed").expose_secret(), "287082", "{text}");
        }
        for text in ["", "123456", "not base32!"] {
            assert_eq!(code(&text.into(), 59).err(), Some(TotpError::Seed), "{text}");
        }
    }
}
