//! The session name that CloudTrail shows where the user chose none.

use sha2::{Digest as _, Sha256};

const LONGEST: usize = 64;
/// Hexadecimal digits of the digest: enough that nobody finds a name with another's.
const DIGITS: usize = 16;

/// `<namespace>.<name>`: a namespace has no dot, so the first dot divides the two. What is longer
/// than AWS's 64 characters is cut and ends in a digest, so that two long names stay two names.
/// Kubernetes names hold only characters that AWS allows in a session name.
pub fn default_session_name(namespace: &str, name: &str) -> String {
    let full = format!("{namespace}.{name}");
    if full.len() <= LONGEST {
        return full;
    }
    let digest = hex::encode(Sha256::digest(full.as_bytes()));
    format!("{}-{}", &full[..LONGEST - DIGITS - 1], &digest[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_kept_whole() {
        assert_eq!(default_session_name("team-a", "reports"), "team-a.reports");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let a = default_session_name(&"n".repeat(63), &format!("{}-a", "x".repeat(100)));
        let b = default_session_name(&"n".repeat(63), &format!("{}-b", "x".repeat(100)));
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
    }
}
