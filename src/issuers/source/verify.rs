//! Checks the principal of credentials before they are published.

use super::{Request, Source};
use crate::aws::Caller;
use crate::aws::sts::issuer_of;
use refreshable_api::{PrincipalSpec, PrincipalStatus, Role, VerifyPrincipal};
use refreshable_rules::issuer::{IssueError, Issued, Issuer};
use refreshable_rules::patterns::wildcard_matches;
use refreshable_rules::session_arn;

/// In the place of an ARN.
const UNNAMED: &str = "a principal that the issuer does not name";

/// Checks one step of a chain: the issuer's response must name the requested role and session.
pub(super) fn assumed(
    role: &Role,
    session_name: &str,
    principal: &PrincipalStatus,
    issuer: Issuer,
) -> Result<(), IssueError> {
    is_role(&role.role_arn, Some(session_name), principal, issuer)
}

/// Checks that a session belongs to this role, and has that name where it was chosen. A store may
/// omit the principal; one that it names must still be the requested role.
pub(super) fn is_role(
    role_arn: &str,
    session_name: Option<&str>,
    principal: &PrincipalStatus,
    issuer: Issuer,
) -> Result<(), IssueError> {
    let found = principal.arn.as_deref();
    let is_it = match (issuer, found) {
        (Issuer::Aws, Some(found)) => is_session_at_aws(role_arn, session_name, found),
        (Issuer::Aws, None) => false,
        (_, Some(found)) => session_arn::is_same_at_store(role_arn, session_name, found),
        (_, None) => true,
    };
    if is_it {
        return Ok(());
    }
    let session = session_name.unwrap_or("*");
    Err(IssueError::WrongPrincipal {
        expected: match issuer {
            Issuer::Aws => {
                session_arn::at_aws(role_arn, session).unwrap_or_else(|| role_arn.to_owned())
            }
            _ => format!("session {session} of {role_arn}"),
        },
        found: found.unwrap_or(UNNAMED).to_owned(),
    })
}

fn is_session_at_aws(role_arn: &str, session_name: Option<&str>, found: &str) -> bool {
    session_arn::at_aws(role_arn, session_name.unwrap_or_default()).is_some_and(|expected| {
        match session_name {
            Some(_) => found == expected,
            None => found.starts_with(&expected),
        }
    })
}

/// Checks the credentials against `spec.principal` before they are published; asks the issuer for
/// the principal where no response named it. `source` is set if the session is its own.
pub(super) async fn check(
    issued: &mut Issued,
    source: Option<&dyn Source>,
    wanted: Option<&PrincipalSpec>,
    request: &Request<'_>,
) -> Result<(), IssueError> {
    let verify = wanted.and_then(|w| w.verify).unwrap_or_default();
    let expects = wanted.is_some_and(|w| w.account_id.is_some() || w.arn.is_some());
    if verify == VerifyPrincipal::Never {
        return Ok(());
    }
    if issued.principal.arn.is_none() {
        let caller = Caller::Key(issued.session.key.clone());
        match request.sts.get_caller_identity(&caller, request.sts_spec, request.now).await {
            Ok(principal) => issued.principal = principal,
            // A store that is not AWS's may not know the operation; then only an expectation needs
            // it.
            Err(error)
                if issuer_of(request.sts_spec) == Issuer::Store
                    && !expects
                    && error.code().is_some() => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(source) = source {
        source.accepts(&issued.principal)?;
    }
    matches(&issued.principal, wanted)
}

fn matches(found: &PrincipalStatus, wanted: Option<&PrincipalSpec>) -> Result<(), IssueError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let arn = found.arn.as_deref().unwrap_or_default();
    let account = found.account_id.as_deref().unwrap_or_default();
    if let Some(expected) = &wanted.account_id
        && expected != account
    {
        return Err(wrong(format!("account {expected}"), found));
    }
    if let Some(pattern) = &wanted.arn
        && !wildcard_matches(pattern, arn, |_| true)
    {
        return Err(wrong(pattern.clone(), found));
    }
    Ok(())
}

fn wrong(expected: String, found: &PrincipalStatus) -> IssueError {
    let found = found.arn.clone().unwrap_or_else(|| UNNAMED.to_owned());
    IssueError::WrongPrincipal { expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::Arn;

    fn principal(arn: &str) -> PrincipalStatus {
        PrincipalStatus {
            account_id: Arn::account_of(arn),
            arn: Some(arn.to_owned()),
            user_id: None,
        }
    }

    fn role(arn: &str) -> Role {
        Role { role_arn: arn.into(), ..Role::default() }
    }

    #[test]
    fn a_step_must_be_the_role_and_session_asked_for() {
        let role = role("arn:aws:iam::111122223333:role/team-a/reports");
        for (arn, right) in [
            ("arn:aws:sts::111122223333:assumed-role/reports/s", true),
            ("arn:aws:sts::111122223333:assumed-role/team-a/reports/s", false),
            ("arn:aws:sts:::assumed-role/reports/s", false),
            ("arn:aws-cn:sts::111122223333:assumed-role/reports/s", false),
            ("arn:aws:sts::111122223333:assumed-role/reports/other", false),
            ("arn:aws:sts::444455556666:assumed-role/reports/s", false),
            ("arn:aws:sts::111122223333:assumed-role/admin/s", false),
            ("arn:aws:iam::111122223333:user/reports", false),
        ] {
            assert_eq!(assumed(&role, "s", &principal(arn), Issuer::Aws).is_ok(), right, "{arn}");
        }
        let unnamed = assumed(&role, "s", &PrincipalStatus::default(), Issuer::Aws)
            .expect_err("no principal is named");
        assert!(
            matches!(&unnamed, IssueError::WrongPrincipal { found, .. } if found == UNNAMED),
            "{unnamed}"
        );
    }

    #[test]
    fn other_stores_may_name_nobody_but_not_somebody_else() {
        let is_it = |asked: &str, found: Option<&str>| {
            let found = found.map(principal).unwrap_or_default();
            assumed(&role(asked), "s", &found, Issuer::Store).map_err(|e| e.to_string())
        };
        let (account, path) =
            ("arn:aws:iam::111122223333:role/reports", "arn:aws:iam:::role/a/b/S3Access");
        assert_eq!(is_it(account, None), Ok(()));
        assert_eq!(is_it("arn:minio:iam:::role/abc", None), Ok(()));
        assert_eq!(is_it(path, Some("arn:aws:sts:::assumed-role/a/b/S3Access/s")), Ok(()));
        let error = is_it(account, Some("arn:aws:sts::444455556666:assumed-role/reports/s"))
            .expect_err("another account");
        assert!(
            error.contains("444455556666") && error.contains(&format!("session s of {account}")),
            "{error}"
        );
        let error =
            is_it(path, Some("arn:aws:sts:::assumed-role/a/b/Admin/s")).expect_err("another role");
        assert!(error.contains("assumed-role/a/b/Admin/s"), "{error}");
    }

    #[test]
    fn the_principal_asked_for_is_held_to() {
        let found = principal("arn:aws:sts::111122223333:assumed-role/reports/s");
        let want = |account: Option<&str>, arn: Option<&str>| PrincipalSpec {
            account_id: account.map(str::to_owned),
            arn: arn.map(str::to_owned),
            verify: None,
        };
        let (here, own) = ("111122223333", "arn:aws:sts::*:assumed-role/reports/*");
        let (elsewhere, other) = ("444455556666", "arn:aws:sts::*:assumed-role/admin/*");
        for (found, wanted, missed) in [
            (&found, None, None),
            (&found, Some(want(Some(here), None)), None),
            (&found, Some(want(None, Some(own))), None),
            (&found, Some(want(Some(elsewhere), None)), Some(elsewhere)),
            (&found, Some(want(None, Some(other))), Some(other)),
            (&PrincipalStatus::default(), Some(want(Some(here), None)), Some(here)),
        ] {
            let expected = match matches(found, wanted.as_ref()) {
                Ok(()) => None,
                Err(IssueError::WrongPrincipal { expected, .. }) => Some(expected),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(expected.is_some(), missed.is_some(), "{wanted:?}");
            assert!(missed.is_none_or(|m| expected.is_some_and(|e| e.contains(m))), "{wanted:?}");
        }
    }
}
