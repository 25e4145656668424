//! The ARN of a role's session: what AWS makes of the role's own, and what other stores make of it.

use refreshable_api::Arn;

/// The ARN of a role's session at AWS: without the role's path. `None` where `role_arn` is not the
/// ARN of a role at AWS.
pub fn at_aws(role_arn: &str, session_name: &str) -> Option<String> {
    let role = Parts::of(role_arn).filter(|p| p.session.is_none() && p.arn.is_aws())?;
    let Arn { partition, account_id: account, .. } = role.arn;
    Some(format!("arn:{partition}:sts::{account}:assumed-role/{}/{session_name}", role.name()))
}

/// Whether `found`, a store's name for a session, matches the requested role and session.
///
/// Stores keep the role's path or drop it, have no accounts or write a tenant's name instead of the
/// account, and use a partition of their own. `session_name` is absent where none was chosen.
pub fn is_same_at_store(role_arn: &str, session_name: Option<&str>, found: &str) -> bool {
    let (Some(asked), Some(found)) = (Parts::of(role_arn), Parts::of(found)) else {
        // A form of the store's own on either side: the role's name must at least stand in it.
        let name = role_arn.rsplit(['/', ':']).next().unwrap_or_default();
        return !name.is_empty() && found.split(['/', ':']).any(|part| part == name);
    };
    let partitions =
        asked.arn.partition == found.arn.partition || !(asked.arn.is_aws() && found.arn.is_aws());
    let roles = found.role == asked.role || found.role == asked.name();
    let sessions = match (session_name, found.session) {
        (Some(wanted), Some(session)) => wanted == session,
        _ => true,
    };
    partitions && roles && sessions && are_same_account(asked.arn.account_id, found.arn.account_id)
}

/// A tenant's name is a part of the role's identity, so both ARNs have it or neither does; a store
/// without accounts may omit an account's number.
fn are_same_account(asked: &str, found: &str) -> bool {
    let is_number = |account: &str| account.bytes().all(|b| b.is_ascii_digit());
    let either_is_silent = asked.is_empty() || found.is_empty();
    asked == found || either_is_silent && is_number(asked) && is_number(found)
}

/// The ARN of a role (`role/a/b/name`), or of a session of one (`assumed-role/a/b/name/session`).
struct Parts<'a> {
    arn: Arn<'a>,
    /// The role's path and name.
    role: &'a str,
    session: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let arn = Arn::parse(arn)?;
        let (role, session) = match arn.resource.split_once('/')? {
            ("role", role) => (role, None),
            ("assumed-role", rest) => {
                rest.rsplit_once('/').map(|(role, session)| (role, Some(session)))?
            }
            _ => return None,
        };
        Some(Self { arn, role, session })
    }

    fn name(&self) -> &'a str {
        self.role.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_leaves_the_path_out() {
        for (role, session) in [
            (
                "arn:aws:iam::111122223333:role/x",
                Some("arn:aws:sts::111122223333:assumed-role/x/s"),
            ),
            (
                "arn:aws-cn:iam::111122223333:role/a/b/x",
                Some("arn:aws-cn:sts::111122223333:assumed-role/x/s"),
            ),
            ("arn:aws:iam::111122223333:user/x", None),
            ("arn:minio:iam:::role/x", None),
            ("x", None),
        ] {
            assert_eq!(at_aws(role, "s").as_deref(), session, "{role}");
        }
    }

    #[test]
    fn a_store_s_own_forms_are_the_same_where_they_say_the_same() {
        let (path, flat) = ("arn:aws:iam:::role/a/b/S3Access", "arn:aws:iam:::role/S3Access");
        let (tenant, number) = ("arn:aws:iam::acme:role/x", "arn:aws:iam::111122223333:role/x");
        let minio = "arn:minio:iam:::role/abc";
        for (asked, found, same) in [
            // Ceph RGW keeps the path and has no accounts.
            (path, "arn:aws:sts:::assumed-role/a/b/S3Access/s", true),
            (path, "arn:aws:sts:::assumed-role/S3Access/s", true),
            (path, "arn:aws:sts:::assumed-role/a/b/S3Access/other", false),
            (path, "arn:aws:sts:::assumed-role/a/c/S3Access/s", false),
            (path, "arn:aws:sts:::assumed-role/b/S3Access/s", false),
            (path, "arn:aws:sts:::assumed-role/a/b/Admin/s", false),
            (flat, "arn:aws:sts:::assumed-role/S3Access/s", true),
            (flat, "arn:aws:sts:::assumed-role/a/b/S3Access/s", false),
            (flat, "arn:aws:iam:::user/S3Access2", false),
            // A tenant's name in the account's place is a part of the role.
            (tenant, "arn:aws:sts::acme:assumed-role/x/s", true),
            (tenant, "arn:aws:sts::other:assumed-role/x/s", false),
            (tenant, "arn:aws:sts:::assumed-role/x/s", false),
            ("arn:aws:iam:::role/x", "arn:aws:sts::acme:assumed-role/x/s", false),
            // An account's number may be left out, and is never another one.
            (number, "arn:aws:sts::111122223333:assumed-role/x/s", true),
            (number, "arn:aws:sts:::assumed-role/x/s", true),
            (number, "arn:aws:sts::444455556666:assumed-role/x/s", false),
            ("arn:aws:iam:::role/x", "arn:aws:sts::000000000000:assumed-role/x/s", true),
            // A partition of the store's own.
            (minio, "arn:minio:sts:::assumed-role/abc/s", true),
            (minio, "arn:minio:iam:::role/abc", true),
            (minio, "arn:aws:sts:::assumed-role/abc/s", true),
            (minio, "arn:minio:iam:::role/other", false),
            (number, "arn:aws-cn:sts::111122223333:assumed-role/x/s", false),
            // Unknown forms that contain the role's name.
            (minio, "urn:store:session:abc/s", true),
            (minio, "urn:store:session:admin/s", false),
            ("arn:aws:iam::role/x", "arn:aws:sts::assumed-role/x/s", true),
            ("arn:aws:iam::role/x", "arn:aws:sts::assumed-role/y/s", false),
        ] {
            assert_eq!(is_same_at_store(asked, Some("s"), found), same, "{asked} {found}");
        }
        assert!(is_same_at_store(path, None, "arn:aws:sts:::assumed-role/a/b/S3Access/any"));
    }
}
