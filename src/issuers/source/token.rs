//! Tokens that a session buys, and that are published instead of it.

use super::Request;
use crate::aws::call::counted;
use crate::aws::ecr::get_authorization_token;
use crate::aws::sts::issuer_of;
use refreshable_api::{EcrToken, RefreshableCredentialSpec, SecretReference, TokenSpec};
use refreshable_rules::issuer::{IssueError, Issued, Issuer, Lifetime};
use refreshable_rules::render::Files;
use refreshable_rules::token::docker_config::{self, Registries};
use refreshable_rules::token::ecr::{self, TokenCall};
use refreshable_rules::token::lifetime;
use secrecy::{ExposeSecret as _, SecretString};

/// A token, ready to be published. It holds secret material and therefore has no `Debug`.
pub struct Bought {
    /// Data of the Secret.
    pub files: Files,
    /// From the session's issue until the first end.
    lifetime: Lifetime,
    /// Warning for the user.
    warning: Option<String>,
    /// Secret parts of the data, which no error may repeat.
    pub secrets: Vec<SecretString>,
}

impl Bought {
    /// The published token, described as a session is: `issued` bought it.
    #[must_use]
    pub fn instead_of(&self, issued: Issued) -> Issued {
        let warnings = [issued.warning, self.warning.clone()];
        let warning = warnings.into_iter().flatten().reduce(|all, more| format!("{all}. {more}"));
        // The size of a session token says nothing about what is published.
        Issued { lifetime: self.lifetime, warning, token: Default::default(), ..issued }
    }
}

/// How many calls the token of a specification costs.
pub fn calls(spec: &RefreshableCredentialSpec) -> u32 {
    spec.token.as_ref().and_then(|t| t.ecr.as_ref()).map_or(0, ecr::count)
}

/// A token that can be bought: whatever but the session is known and has been judged. It holds
/// secret material and therefore has no `Debug`.
pub struct Order<'a> {
    calls: Vec<TokenCall>,
    others: Registries,
    merge_from: Option<&'a SecretReference>,
}

/// Reads and judges all that the token of a specification needs but the session, so that nothing
/// invalid costs a call to an issuer. It is to be published as the Secret `name`.
///
/// # Errors
/// Any [`IssueError`], without confidential values.
pub async fn order<'a>(
    token: &'a TokenSpec,
    name: &str,
    request: &Request<'_>,
) -> Result<Order<'a>, IssueError> {
    let ordered = match &token.ecr {
        Some(ecr) => of_ecr(ecr, name, request).await,
        None => Err(specification(
            "spec.token",
            "this version of the controller knows none of its members: upgrade the controller",
        )),
    };
    ordered.map_err(|error| error.redacted(request.redactor()))
}

async fn of_ecr<'a>(
    token: &'a EcrToken,
    name: &str,
    request: &Request<'_>,
) -> Result<Order<'a>, IssueError> {
    if issuer_of(request.sts_spec) == Issuer::Store {
        return Err(specification(
            "spec.token.ecr",
            "only a session of AWS buys a token of Amazon ECR: take spec.sts.endpoint out",
        ));
    }
    let calls = ecr::calls(token)?;
    let merge_from = token.merge_from.as_ref();
    let others = match merge_from {
        Some(reference) => merged(reference, name, request).await?,
        None => Registries::default(),
    };
    others.secrets().iter().for_each(|secret| request.protect(secret));
    Ok(Order { calls, others, merge_from })
}

impl Order<'_> {
    /// Buys the token with the session `issued`, which begins when what is published does.
    ///
    /// # Errors
    /// Any [`IssueError`], without confidential values.
    pub async fn buy(self, issued: &Issued, request: &Request<'_>) -> Result<Bought, IssueError> {
        self.bought(issued, request).await.map_err(|error| error.redacted(request.redactor()))
    }

    async fn bought(self, issued: &Issued, request: &Request<'_>) -> Result<Bought, IssueError> {
        let (context, redactor) = (request.source_context, request.redactor());
        let mut logins = Vec::new();
        for call in self.calls {
            let reached = (context, request.sts_spec);
            let asked =
                get_authorization_token(&call, &issued.session.key, reached, redactor, request.now);
            let login = counted(ecr::OPERATION, request.sts.meter(), asked).await?;
            logins.push((call.hosts, login));
        }
        let ends = logins.iter().map(|(_, login)| login.expires_at);
        let lifetime = lifetime(ecr::OPERATION, issued.lifetime, ends)?;
        let mut secrets = self.others.secrets();
        secrets.extend(logins.iter().map(|(_, login)| login.password.clone()));
        let rendered = docker_config::render(&logins, self.others);
        let warning = self.merge_from.and_then(|from| replaced(from, &rendered.replaced));
        let files = Files::from([(TokenSpec::DATA_KEY.to_owned(), rendered.file)]);
        Ok(Bought { files, lifetime, warning, secrets })
    }
}

/// The registries of another Secret.
async fn merged(
    reference: &SecretReference,
    published: &str,
    request: &Request<'_>,
) -> Result<Registries, IssueError> {
    if reference.name == published {
        return Err(specification(
            "spec.token.ecr.mergeFrom",
            "this is the Secret that is published: name another one, with the registries that are not Amazon ECR's",
        ));
    }
    let secret = request.inputs.secret(&reference.name).await?;
    let content = SecretString::from(
        String::from_utf8_lossy(secret.bytes(TokenSpec::DATA_KEY)?).into_owned(),
    );
    Registries::read(content.expose_secret().as_bytes())
        .map_err(|what| secret.invalid(TokenSpec::DATA_KEY, &what))
}

fn replaced(from: &SecretReference, registries: &[String]) -> Option<String> {
    let name = &from.name;
    (!registries.is_empty()).then(|| {
        format!(
            "Secret {name} has passwords of its own for registries of spec.token, which are not published: take {} out of it",
            registries.join(", ")
        )
    })
}

fn specification(field: &str, what: &str) -> IssueError {
    IssueError::Specification { field: field.to_owned(), what: what.to_owned() }
}
