//! The whole way to one set of credentials: the source, then each role with the credentials of the
//! one before, then the check whose they are.

use super::{IssueError, Issued, Obtained, Request, SourceSpec, of, verify};
use crate::api::{PrincipalSpec, Role};
use crate::aws::sts::RoleCall;
use crate::aws::{Caller, totp};
use secrecy::SecretString;

/// Obtains credentials for `request`, starting from `source`.
///
/// # Errors
/// Any [`IssueError`]; nothing has been published then.
pub async fn issue(
    source: &SourceSpec,
    principal: Option<&PrincipalSpec>,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let source = of(source).ok_or_else(|| IssueError::Specification {
        field: "spec.source".to_owned(),
        what:
            "this version of the controller knows none of its members: upgrade the controller or choose another source"
                .to_owned(),
    })?;
    let mut so_far = source.obtain(request).await?;
    for role in request.roles {
        let caller = match so_far {
            Obtained::Caller(caller) => caller,
            Obtained::Session(issued) => Caller::Key(issued.session.key),
        };
        so_far = Obtained::Session(Box::new(assume(role, &caller, request).await?));
    }
    let Obtained::Session(mut issued) = so_far else {
        return Err(IssueError::Specification {
            field: "spec.roles".to_owned(),
            what: format!(
                "the credentials of source {} are never published themselves: name at least one role",
                source.name()
            ),
        });
    };
    verify::check(&mut issued, principal, request).await?;
    Ok(*issued)
}

async fn assume(role: &Role, caller: &Caller, request: &Request<'_>) -> Result<Issued, IssueError> {
    let external_id = match &role.external_id_secret_ref {
        Some(reference) => Some(request.text(reference).await?),
        None => role.external_id.clone().map(SecretString::from),
    };
    let token_code = match (&role.serial_number, &role.totp_secret_ref) {
        (Some(serial), Some(reference)) => {
            let seed = request.text(reference).await?;
            Some(request.totp.code(serial, &seed, request.now).map_err(|e| match e {
                totp::TotpError::Seed => IssueError::InputInvalid {
                    name: reference.name.clone(),
                    key: reference.key.clone(),
                    what: "this is no TOTP seed: it must be the base32 text that AWS shows as the secret key when the device is made".to_owned(),
                },
                totp::TotpError::Used => IssueError::MfaCodeUsed { serial_number: serial.clone() },
            })?)
        }
        _ => None,
    };
    let call = RoleCall {
        role,
        session_name: role.role_session_name.as_deref().unwrap_or(&request.session_name),
        external_id: external_id.as_ref(),
        token_code: token_code.as_ref(),
    };
    let issued = request.sts.assume_role(call, caller, request.sts_spec, request.now).await?;
    verify::assumed(role, call.session_name, &issued.principal, request.sts_spec)?;
    Ok(issued)
}
