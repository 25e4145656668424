//! The whole way to one set of credentials: the source, then each role with the credentials of the
//! one before, then the check of the principal.

use super::{Obtained, Request, Source, SourceSpec, mfa, of, verify};
use crate::aws::Caller;
use crate::aws::sts::{RoleCall, issuer_of};
use aws_credential_types::provider::ProvideCredentials as _;
use refreshable_api::{PrincipalSpec, Role, Tag};
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::session_tags;
use secrecy::SecretString;

/// Obtains credentials for `request`, starting from `source`.
///
/// # Errors
/// Any [`IssueError`], without confidential values.
pub async fn issue(
    source: &SourceSpec,
    principal: Option<&PrincipalSpec>,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    obtain(source, principal, request).await.map_err(|error| error.redacted(request.redactor()))
}

async fn obtain(
    source: &SourceSpec,
    principal: Option<&PrincipalSpec>,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let (source, base) = begin(source, request).await?;
    let obtained = assume_all(request.roles, &request.session_tags, base, request).await?;
    end(source, obtained, request.roles.is_empty(), principal, request).await
}

/// Credentials of the source.
pub(super) async fn begin<'a>(
    source: &'a SourceSpec,
    request: &Request<'_>,
) -> Result<(&'a dyn Source, Obtained), IssueError> {
    let source = of(source).ok_or_else(|| IssueError::Specification {
        field: "spec.source".to_owned(),
        what:
            "this version of the controller knows none of its members: upgrade the controller or choose another source"
                .to_owned(),
    })?;
    let obtained = source.obtain(request).await?;
    match &obtained {
        Obtained::Session(issued) => request.redactor().protect_key(&issued.session.key),
        Obtained::Caller(Caller::Key(key)) => request.redactor().protect_key(key),
        // Its session token is seen where it is sent.
        Obtained::Caller(Caller::Ambient(_)) => {}
    }
    Ok((source, obtained))
}

/// Assumes each of `roles` with the credentials of the one before, the first with `tags`, which the
/// others inherit.
pub(super) async fn assume_all(
    roles: &[Role],
    tags: &[Tag],
    mut so_far: Obtained,
    request: &Request<'_>,
) -> Result<Obtained, IssueError> {
    for (at, role) in roles.iter().enumerate() {
        let tagged = (at == 0 && !tags.is_empty()).then(|| session_tags::put_on(role, tags));
        let role = tagged.as_ref().unwrap_or(role);
        let caller = match so_far {
            Obtained::Caller(caller) => caller,
            Obtained::Session(issued) => Caller::Key(issued.session.key),
        };
        let clamped = clamp(role, &caller).await;
        let mut issued = assume(clamped.as_ref().unwrap_or(role), &caller, request).await?;
        issued.warning = clamped.is_some().then(|| {
            format!(
                "durationSeconds of {} was lowered to {LONGEST_CHAINED}: the identity that assumes it is a role's session itself, and AWS limits chained sessions",
                role.role_arn
            )
        });
        so_far = Obtained::Session(Box::new(issued));
    }
    Ok(so_far)
}

/// The session to publish, after the check of its principal. `direct`: it is the source's own.
pub(super) async fn end(
    source: &dyn Source,
    obtained: Obtained,
    direct: bool,
    principal: Option<&PrincipalSpec>,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let Obtained::Session(mut issued) = obtained else {
        return Err(IssueError::Specification {
            field: "spec.roles".to_owned(),
            what: format!(
                "the credentials of source {} are never published themselves: name at least one role",
                source.name()
            ),
        });
    };
    verify::check(&mut issued, direct.then_some(source), principal, request).await?;
    Ok(*issued)
}

/// AWS's limit for a role assumed with the session of another, in seconds.
const LONGEST_CHAINED: i32 = 3600;

/// The role with AWS's longest duration, where more was requested. Only at run time is it known
/// that the controller's own identity is a session; admission covers all other cases.
async fn clamp(role: &Role, caller: &Caller) -> Option<Role> {
    let Caller::Ambient(provider) = caller else { return None };
    if role.duration_seconds.is_none_or(|s| s <= LONGEST_CHAINED) {
        return None;
    }
    let own = provider.provide_credentials().await.ok()?;
    own.session_token()
        .is_some()
        .then(|| Role { duration_seconds: Some(LONGEST_CHAINED), ..role.clone() })
}

async fn assume(role: &Role, caller: &Caller, request: &Request<'_>) -> Result<Issued, IssueError> {
    let external_id = match &role.external_id_secret_ref {
        Some(reference) => Some(request.text(reference).await?),
        None => role.external_id.clone().map(SecretString::from),
    };
    external_id.iter().for_each(|id| request.protect(id));
    let token_code =
        mfa::code(role.serial_number.as_deref(), role.totp_secret_ref.as_ref(), request).await?;
    let call = RoleCall {
        role,
        session_name: role.role_session_name.as_deref().unwrap_or(&request.session_name),
        external_id: external_id.as_ref(),
        token_code: token_code.as_ref(),
    };
    let issued = request.sts.assume_role(call, caller, request.sts_spec, request.now).await?;
    verify::assumed(role, call.session_name, &issued.principal, issuer_of(request.sts_spec))?;
    Ok(issued)
}
