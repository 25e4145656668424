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

    /// Namespaces and names that are made to meet: a name by default never stands for a resource of
    /// another namespace.
    #[test]
    fn no_namespace_s_default_name_is_another_s() {
        let long = "n".repeat(62);
        let cut = default_session_name("team-a", &"x".repeat(100));
        let (_, tail) = cut.split_once('.').expect("a dot");
        let resources = [
            ("team-a", "x".to_owned()),
            ("team", "a.x".to_owned()),
            ("team-a", "b.x".to_owned()),
            ("team-a-b", "x".to_owned()),
            ("team-a", "x".repeat(100)),
            ("team-b", "x".repeat(100)),
            // What a cut name looks like, as another's whole one.
            ("team-b", tail.to_owned()),
            ("team", format!("a.{tail}")),
            (&format!("{long}a"), "x".to_owned()),
            (&format!("{long}b"), "x".to_owned()),
            (&format!("{long}a"), "x".repeat(200)),
            (&format!("{long}b"), "x".repeat(200)),
            (&long[..47], "x".repeat(30)),
            (&long[..46], "x".repeat(30)),
        ];
        let mut seen = std::collections::BTreeMap::new();
        for (namespace, name) in &resources {
            let session = default_session_name(namespace, name);
            assert!(session.len() <= LONGEST, "{session}");
            let before = seen.insert(session.clone(), (namespace, name));
            assert!(before.is_none(), "{session} is that of {before:?} and of {namespace}/{name}");
        }
    }
}
