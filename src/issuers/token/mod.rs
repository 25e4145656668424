//! Tokens that a session buys, and that are published instead of it: what buying one needs, and the
//! purchase. Rules and files of each kind are in [`refreshable_rules::token`].

mod registries;

use crate::aws::call::counted;
use crate::aws::code_artifact::get_authorization_token;
use crate::aws::service::{Means, presign};
use crate::aws::sts::{Caller, OutboundCall, issuer_of};
use crate::source::Request;
use refreshable_api::{
    CodeArtifactToken, RefreshableCredentialSpec, TokenKind, TokenSpec, WebIdentityToken,
};
use refreshable_rules::issuer::{IssueError, Issued, Issuer, Lifetime, WEB_IDENTITY_TOKEN};
use refreshable_rules::render::Files;
use refreshable_rules::token::presigned::Presigned;
use refreshable_rules::token::{self, code_artifact, ecr, lifetime, own_lifetime, web_identity};
use registries::RegistryOrder;
use secrecy::SecretString;

/// A token, ready to be published. It holds secret material and therefore has no `Debug`.
pub struct Bought {
    /// Data of the Secret.
    pub files: Files,
    /// From the session's issue, or from the signature, until the first end.
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
    match spec.token.as_ref().and_then(TokenSpec::kind) {
        Some(TokenKind::Ecr(token)) => ecr::count(token),
        Some(TokenKind::CodeArtifact(_) | TokenKind::WebIdentity(_)) => 1,
        _ => 0,
    }
}

/// A token that can be bought: whatever but the session is known and has been judged. It holds
/// secret material and therefore has no `Debug`.
pub struct Order<'a>(Kind<'a>);

enum Kind<'a> {
    Registries(RegistryOrder<'a>),
    CodeArtifact(&'a CodeArtifactToken),
    WebIdentity(&'a WebIdentityToken),
    /// It is signed, and not asked for.
    Signed(TokenKind<'a>, Presigned),
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
    ordered(token, name, request).await.map_err(|error| error.redacted(request.redactor()))
}

async fn ordered<'a>(
    token: &'a TokenSpec,
    name: &str,
    request: &Request<'_>,
) -> Result<Order<'a>, IssueError> {
    let kind = token.kind().ok_or_else(unknown)?;
    if issuer_of(request.sts_spec) == Issuer::Store {
        return Err(specification(
            &format!("spec.token.{}", kind.name()),
            "only a session of AWS buys a token: take spec.sts.endpoint out",
        ));
    }
    if let Some(presigned) = token::presigned(kind)? {
        return Ok(Order(Kind::Signed(kind, presigned)));
    }
    match kind {
        TokenKind::Ecr(token) => {
            registries::order(token, name, request).await.map(Kind::Registries).map(Order)
        }
        TokenKind::CodeArtifact(token) => {
            code_artifact::checked(token)?;
            Ok(Order(Kind::CodeArtifact(token)))
        }
        TokenKind::WebIdentity(token) => Ok(Order(Kind::WebIdentity(token))),
        // Neither signed nor one of these.
        _ => Err(unknown()),
    }
}

/// The error for a token that this version cannot buy.
fn unknown() -> IssueError {
    specification(
        "spec.token",
        "this version of the controller knows none of its members: upgrade the controller",
    )
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
        match self.0 {
            Kind::Registries(order) => order.bought(issued, request).await,
            Kind::CodeArtifact(token) => {
                let asked = get_authorization_token(token, means(issued, request));
                let answer = counted(code_artifact::OPERATION, request.sts.meter(), asked).await?;
                // AWS's documents say that it lives on after its session.
                let (now, end) = (request.now, answer.expires_at);
                let lifetime = own_lifetime(code_artifact::OPERATION, issued.lifetime, now, end)?;
                Ok(Bought::of(TokenKind::CodeArtifact(token), answer.token, lifetime))
            }
            Kind::Signed(kind, presigned) => {
                let now = request.now;
                let url = presign(&presigned, &issued.session.key, now)?;
                let end = presigned.end(now).min(issued.lifetime.expiration);
                let lifetime = own_lifetime(SIGN, issued.lifetime, now, end)?;
                Ok(Bought::of(kind, token::in_signed(kind, &url), lifetime))
            }
            Kind::WebIdentity(token) => {
                let caller = Caller::Key(issued.session.key.clone());
                let (spec, now) = (request.sts_spec, request.now);
                let seconds = web_identity::duration_seconds(token, issued.lifetime, now);
                let call = OutboundCall { token, seconds };
                let (jwt, end) =
                    request.sts.get_web_identity_token(call, &caller, spec, now).await?;
                let lifetime = lifetime(WEB_IDENTITY_TOKEN, issued.lifetime, [end])?;
                Ok(Bought::of(TokenKind::WebIdentity(token), jwt, lifetime))
            }
        }
    }
}

/// Names the signing of a token in errors.
const SIGN: &str = "SignToken";

impl Bought {
    /// A token that is the one secret part of its files.
    fn of(kind: TokenKind<'_>, token: SecretString, lifetime: Lifetime) -> Self {
        let files = token::files(kind, &token);
        Self { files, lifetime, warning: None, secrets: vec![token] }
    }
}

/// Means of the calls of a purchase.
fn means<'a>(issued: &'a Issued, request: &'a Request<'_>) -> Means<'a> {
    Means {
        key: &issued.session.key,
        context: request.source_context,
        spec: request.sts_spec,
        redactor: request.redactor(),
        now: request.now,
    }
}

fn specification(field: &str, what: &str) -> IssueError {
    IssueError::Specification { field: field.to_owned(), what: what.to_owned() }
}
