//! Common parts of STS's responses: credentials, principal, and the issuer's clock.

use crate::aws::ask::Ask;
use crate::aws::call::DateSeen;
use jiff::Timestamp;
use refreshable_api::{Arn, PrincipalStatus};
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Lifetime, Session, TokenSize};
use secrecy::SecretString;

/// The parts of a response.
pub(super) struct Given<'a> {
    pub(super) credentials: Option<&'a aws_sdk_sts::types::Credentials>,
    pub(super) arn: Option<&'a str>,
    pub(super) user_id: Option<&'a str>,
    pub(super) packed_policy_size: Option<i32>,
    pub(super) token: TokenSize,
    pub(super) request_id: Option<&'a str>,
}

/// The session in a response, if it is complete and valid.
pub(super) fn issued(
    ask: &Ask<'_>,
    given: &Given<'_>,
    date: &DateSeen,
) -> Result<Issued, IssueError> {
    let session = session(ask.operation, given.credentials, given.request_id)?;
    Ok(Issued {
        lifetime: Lifetime::judge(ask.operation, session.expiration, date.get(), ask.now)?,
        session,
        principal: principal(given.arn, given.user_id),
        packed_policy_size: given.packed_policy_size,
        token: given.token,
        warning: None,
    })
}

fn session(
    operation: &'static str,
    given: Option<&aws_sdk_sts::types::Credentials>,
    request_id: Option<&str>,
) -> Result<Session, IssueError> {
    let lacks = |what: &str| IssueError::InvalidAnswer {
        operation,
        what: what.to_owned(),
        request_id: request_id.map(str::to_owned),
    };
    let given = given.ok_or_else(|| lacks("it lacks credentials"))?;
    let key = AccessKey {
        id: given.access_key_id().to_owned(),
        secret: SecretString::from(given.secret_access_key()),
        token: Some(SecretString::from(given.session_token())),
    };
    let expiration =
        expiration(given).ok_or_else(|| lacks("Expiration is missing or cannot be read"))?;
    Session::checked(key, expiration).map_err(|what| lacks(&what))
}

fn expiration(given: &aws_sdk_sts::types::Credentials) -> Option<Timestamp> {
    let e = given.expiration();
    Timestamp::new(e.secs(), i32::try_from(e.subsec_nanos()).ok()?)
        .ok()
        .filter(|t| t.as_second() > 0)
}

/// The principal that an ARN and an id name.
pub(super) fn principal(arn: Option<&str>, user_id: Option<&str>) -> PrincipalStatus {
    let arn = arn.filter(|a| !a.is_empty());
    PrincipalStatus {
        account_id: arn.and_then(Arn::account_of),
        arn: arn.map(str::to_owned),
        user_id: user_id.filter(|u| !u.is_empty()).map(str::to_owned),
    }
}
