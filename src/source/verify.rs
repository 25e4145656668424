//! Whose credentials are these? Known and checked before anything is published.

use super::{Request, Source};
use crate::api::{PrincipalSpec, PrincipalStatus, Role, StsSpec, VerifyPrincipal};
use crate::aws::Caller;
use crate::issuer::{IssueError, Issued};
use crate::rules::patterns::wildcard_matches;

/// Checks one step of a chain: the issuer's answer must name the role and the session that were asked for.
/// An STS other than AWS's may name nobody; what it names must still be right where it looks like AWS's.
pub(super) fn assumed(
    role: &Role,
    session_name: &str,
    principal: &PrincipalStatus,
    sts: &StsSpec,
) -> Result<(), IssueError> {
    is_role(&role.role_arn, Some(session_name), principal, sts)
}

/// Checks that a session is one of this role, and of that name where it was chosen.
pub(super) fn is_role(
    role_arn: &str,
    session_name: Option<&str>,
    principal: &PrincipalStatus,
    sts: &StsSpec,
) -> Result<(), IssueError> {
    let Some(mut expected) = assumed_role_arn(role_arn, session_name.unwrap_or_default()) else { return Ok(()) };
    let is_it = |found: &str| match session_name {
        Some(_) => found == expected,
        None => found.starts_with(&expected),
    };
    match principal.arn.as_deref() {
        Some(found) if is_it(found) => Ok(()),
        Some(found) if sts.endpoint.is_some() && !found.starts_with("arn:aws") => Ok(()),
        None if sts.endpoint.is_some() => Ok(()),
        found => Err(IssueError::WrongPrincipal {
            expected: {
                expected.push_str(if session_name.is_none() { "*" } else { "" });
                expected
            },
            found: found.unwrap_or("nobody that the issuer names").to_owned(),
        }),
    }
}

/// The ARN that sessions of an AWS role have: the role's path is left out of it.
fn assumed_role_arn(role_arn: &str, session_name: &str) -> Option<String> {
    let mut parts = role_arn.splitn(6, ':');
    let (arn, partition, _iam, _region, account) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = parts.next()?.strip_prefix("role/")?.rsplit('/').next()?;
    (arn == "arn" && partition.starts_with("aws"))
        .then(|| format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}"))
}

/// Checks the credentials that are to be published against `spec.principal`, asking the issuer who
/// they are where its answers so far did not say. `source` is whose own session it is.
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
            // A store that is not AWS's may not know the operation; then only an expectation needs it.
            Err(error) if request.sts_spec.endpoint.is_some() && !expects && error.code().is_some() => {}
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
    let found = found.arn.clone().unwrap_or_else(|| "nobody that the issuer names".to_owned());
    IssueError::WrongPrincipal { expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(arn: &str) -> PrincipalStatus {
        PrincipalStatus {
            account_id: crate::rules::ownership::account_of(arn),
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
        let sts = StsSpec::default();
        for (arn, right) in [
            ("arn:aws:sts::111122223333:assumed-role/reports/s", true),
            ("arn:aws:sts::111122223333:assumed-role/reports/other", false),
            ("arn:aws:sts::444455556666:assumed-role/reports/s", false),
            ("arn:aws:sts::111122223333:assumed-role/admin/s", false),
            ("arn:aws:iam::111122223333:user/reports", false),
        ] {
            assert_eq!(assumed(&role, "s", &principal(arn), &sts).is_ok(), right, "{arn}");
        }
        assert!(assumed(&role, "s", &PrincipalStatus::default(), &sts).is_err());
    }

    #[test]
    fn other_stores_may_name_nobody_but_not_somebody_else() {
        let sts = StsSpec { endpoint: Some("https://minio.example.com".into()), ..StsSpec::default() };
        let aws = role("arn:aws:iam::111122223333:role/reports");
        assert!(assumed(&aws, "s", &PrincipalStatus::default(), &sts).is_ok());
        assert!(assumed(&aws, "s", &principal("arn:aws:sts::444455556666:assumed-role/reports/s"), &sts).is_err());
        assert!(assumed(&role("arn:minio:iam:::role/abc"), "s", &PrincipalStatus::default(), &sts).is_ok());
    }

    #[test]
    fn the_principal_asked_for_is_held_to() {
        let found = principal("arn:aws:sts::111122223333:assumed-role/reports/s");
        let want = |account: Option<&str>, arn: Option<&str>| PrincipalSpec {
            account_id: account.map(str::to_owned),
            arn: arn.map(str::to_owned),
            verify: None,
        };
        assert!(matches(&found, None).is_ok());
        assert!(matches(&found, Some(&want(Some("111122223333"), None))).is_ok());
        assert!(matches(&found, Some(&want(Some("444455556666"), None))).is_err());
        assert!(matches(&found, Some(&want(None, Some("arn:aws:sts::*:assumed-role/reports/*")))).is_ok());
        assert!(matches(&found, Some(&want(None, Some("arn:aws:sts::*:assumed-role/admin/*")))).is_err());
        assert!(matches(&PrincipalStatus::default(), Some(&want(Some("111122223333"), None))).is_err());
    }
}
