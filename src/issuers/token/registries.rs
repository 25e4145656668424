//! Passwords of Amazon ECR, with the registries of another Secret beside them.

use super::{Bought, means, specification};
use crate::aws::call::counted;
use crate::aws::ecr::get_authorization_token;
use crate::source::Request;
use refreshable_api::{EcrToken, SecretReference};
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::render::Files;
use refreshable_rules::token::docker_config::{self, Registries};
use refreshable_rules::token::ecr::{self, TokenCall};
use refreshable_rules::token::lifetime;
use secrecy::{ExposeSecret as _, SecretString};

/// Passwords that can be bought, and the registries that they are published with.
pub(super) struct RegistryOrder<'a> {
    calls: Vec<TokenCall>,
    others: Registries,
    merge_from: Option<&'a SecretReference>,
}

/// Judges the registries, and reads those of the other Secret.
pub(super) async fn order<'a>(
    token: &'a EcrToken,
    name: &str,
    request: &Request<'_>,
) -> Result<RegistryOrder<'a>, IssueError> {
    let calls = ecr::calls(token)?;
    let merge_from = token.merge_from.as_ref();
    let others = match merge_from {
        Some(reference) => merged(reference, name, request).await?,
        None => Registries::default(),
    };
    others.secrets().iter().for_each(|secret| request.protect(secret));
    Ok(RegistryOrder { calls, others, merge_from })
}

impl RegistryOrder<'_> {
    /// Buys the passwords, one after the other.
    pub(super) async fn bought(
        self,
        issued: &Issued,
        request: &Request<'_>,
    ) -> Result<Bought, IssueError> {
        let mut logins = Vec::new();
        for call in self.calls {
            let asked = get_authorization_token(&call, means(issued, request));
            let login = counted(ecr::OPERATION, request.sts.meter(), asked).await?;
            logins.push((call.hosts, login));
        }
        let ends = logins.iter().map(|(_, login)| login.expires_at);
        let lifetime = lifetime(ecr::OPERATION, issued.lifetime, ends)?;
        let mut secrets = self.others.secrets();
        secrets.extend(logins.iter().map(|(_, login)| login.password.clone()));
        let rendered = docker_config::render(&logins, self.others);
        let warning = self.merge_from.and_then(|from| replaced(from, &rendered.replaced));
        let files = Files::from([(EcrToken::DATA_KEY.to_owned(), rendered.file)]);
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
    let content =
        SecretString::from(String::from_utf8_lossy(secret.bytes(EcrToken::DATA_KEY)?).into_owned());
    Registries::read(content.expose_secret().as_bytes())
        .map_err(|what| secret.invalid(EcrToken::DATA_KEY, &what))
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
