//! The names that CloudTrail shows where the user chose none: of sessions and of federated users.

use sha2::{Digest as _, Sha256};

/// Longest `RoleSessionName` that AWS takes.
const LONGEST: usize = 64;
/// Longest `Name` that GetFederationToken takes.
const LONGEST_USER: usize = 32;
/// Hexadecimal digits of the digest: enough that no two names can be made to share one.
const DIGITS: usize = 16;
/// Stands before the digest. AWS takes it and no Kubernetes name has it, so that no resource can be
/// called what another one's name is cut to.
const CUT: char = '_';

/// `<namespace>.<name>`: a namespace has no dot, so the first dot divides the two. A name above
/// AWS's 64 characters is cut and ends in a digest, so that two long names stay different.
/// Kubernetes names hold only characters that AWS allows in a session name.
///
/// A namespace is followed by a dot only where it stands whole. One that has to be cut is followed
/// by the digest, so that what begins with `team.` is always of namespace `team`.
pub fn default_session_name(namespace: &str, name: &str) -> String {
    fit(format!("{namespace}.{name}"), LONGEST)
}

/// The name of the federated user for a resource with this [`default_session_name`], within the 32
/// characters of GetFederationToken. Where it is cut it keeps apart what the session name does.
pub fn default_user_name(session_name: &str) -> String {
    fit(session_name.to_owned(), LONGEST_USER)
}

/// Cuts a name of ASCII characters that is longer than `longest`.
fn fit(full: String, longest: usize) -> String {
    if full.len() <= longest {
        return full;
    }
    let digest = hex::encode(Sha256::digest(full.as_bytes()));
    format!("{}{CUT}{}", &full[..longest - DIGITS - 1], &digest[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn short_names_are_kept_whole() {
        let name = default_session_name("team-a", "reports");
        assert_eq!(name, "team-a.reports");
        assert_eq!(default_user_name(&name), name);
        let name = default_session_name("team-a", &"x".repeat(25));
        assert_eq!((name.len(), default_user_name(&name)), (32, name));
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let a = default_session_name(&"n".repeat(63), &format!("{}-a", "x".repeat(100)));
        let b = default_session_name(&"n".repeat(63), &format!("{}-b", "x".repeat(100)));
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
        let (a, b) = (default_user_name(&a), default_user_name(&b));
        assert_eq!((a.len(), b.len()), (32, 32));
        assert_ne!(a, b);
    }

    /// Each of these names, by the two limits of AWS.
    fn shown(namespace: &str, name: &str) -> [String; 2] {
        let session = default_session_name(namespace, name);
        let user = default_user_name(&session);
        assert!(session.len() <= 64 && user.len() <= 32, "{session} {user}");
        let taken = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        assert!(session.chars().chain(user.chars()).all(taken), "{session} {user}");
        [session, user]
    }

    /// Namespaces and names that are made to meet: no name by default stands for another resource,
    /// of another namespace or of the same one.
    #[test]
    fn no_resource_s_default_name_is_another_s() {
        let (n, x) = ("n".repeat(62), "x".repeat(200));
        let mut resources: Vec<(String, String)> = Vec::new();
        for namespace in ["team", "team-a", "team-a-b", &n[..14], &n[..15], &n[..16], &n[..46]] {
            for name in ["x", "a.x", "b.x", "a-b.x", &x[..24], &x[..60], &x[..61], &x] {
                resources.push((namespace.to_owned(), name.to_owned()));
            }
        }
        for end in ["a", "b"] {
            resources.push((format!("{n}{end}"), "x".to_owned()));
            resources.push((format!("{n}{end}"), x.clone()));
            resources.push((format!("{}{end}", &n[..47]), "x".repeat(30)));
        }
        // The form that a name is cut to, as another's whole name, in the same namespace and in
        // others. A name of Kubernetes has no underscore; the hyphen looks most alike.
        for cut in shown("team-a", &x) {
            let (_, tail) = cut.split_once('.').expect("a dot");
            let tail = tail.replace('_', "-");
            resources.push(("team-a".to_owned(), tail.clone()));
            resources.push(("team-b".to_owned(), tail.clone()));
            resources.push(("team".to_owned(), format!("a.{tail}")));
        }
        let mut seen = BTreeMap::new();
        for (at, (namespace, name)) in resources.iter().enumerate() {
            let [session, user] = shown(namespace, name);
            for shown in [format!("session {session}"), format!("user {user}")] {
                let before = seen.insert(shown.clone(), at).map(|at| &resources[at]);
                assert_eq!(before, None, "{shown} is also that of {namespace}/{name}");
            }
        }
    }

    /// A condition on `team.*` in a trust policy lets in no other namespace, at any length.
    #[test]
    fn what_begins_with_a_namespace_and_a_dot_is_of_that_namespace() {
        for length in 1..=63 {
            let namespace = "n".repeat(length);
            for name in ["x", "x.y", &"x".repeat(40), &"x.".repeat(100)] {
                for shown in shown(&namespace, name) {
                    let owner = shown.split_once('.').map(|(owner, _)| owner);
                    let cut = shown.contains(CUT);
                    assert!(
                        owner == Some(&namespace) || owner.is_none() && cut,
                        "{shown} of {namespace}"
                    );
                    // Where there is room for the namespace and its dot, they are there.
                    if length + 1 + 1 + DIGITS <= shown.len() {
                        assert_eq!(owner, Some(namespace.as_str()), "{shown}");
                    }
                }
            }
        }
    }
}
