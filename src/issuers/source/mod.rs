//! Credential sources: the trait, and the table of its implementations.
//!
//! A source is in the file of its name. To add one: its type in [`refreshable_api::Source`], its
//! file here, its tests and its page in the docs; the compiler names all other places.

mod access_key;
mod ambient;
mod ca_bundle;
mod chain;
mod cognito;
mod container;
mod context;
mod custom_http;
mod custom_process;
mod custom_secret;
mod device;
mod endpoint;
mod federation_token;
mod home;
mod identity_center;
mod inputs;
mod instance_metadata;
mod iot;
mod mfa;
mod pod_identity;
mod profiles;
mod roles_anywhere;
mod saml;
mod session_token;
mod sso_token;
mod sso_write;
mod verify;
mod web_identity;

pub use ca_bundle::trusting;
pub use chain::issue;
pub use context::{SourceContext, Writers};
pub use home::{at_source, region, region_of_profile};
pub use inputs::{InputData, Inputs, inputs_of, names_of_inputs};
pub use profiles::{Outcome, issue_profiles};
pub use sso_token::SsoToken;

use crate::aws::region::Home;
use crate::aws::{Caller, Sts, TotpSteps};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{
    CaBundleReference, PrincipalStatus, Role, SecretKeyReference, Source as SourceSpec, SourceKind,
    StsSpec, Tag,
};
use refreshable_rules::issuer::{IssueError, Issued, Redactor};
use refreshable_rules::policy::Grants;
use secrecy::{ExposeSecret as _, SecretString};

/// A way to obtain the credentials that a chain starts from, or that are published themselves.
pub trait Source: Send + Sync {
    /// Name of the source, as in the specification.
    fn name(&self) -> &'static str;

    /// Names of the Secrets of the resource's namespace that it reads.
    fn secrets(&self) -> Vec<&str>;

    /// The object that holds the certificates which it trusts its endpoint by, if the specification
    /// names one.
    fn ca_bundle_ref(&self) -> Option<&CaBundleReference> {
        None
    }

    /// Key of the rate limit that its calls count against.
    fn rate_limit_key(&self, namespace: &str) -> String;

    /// Names the endpoint that is asked before any role is assumed, if that is not STS. Calls in
    /// flight are limited for each endpoint.
    fn endpoint(&self) -> Option<String> {
        None
    }

    /// Issuer calls that [`obtain`](Self::obtain) makes.
    fn calls(&self) -> u32;

    /// Partition and Region of its credentials, as far as the specification names them.
    fn home(&self) -> Home<'_>;

    /// Calls a second that the issuer grants, where it grants fewer than STS does.
    fn issuer_rate_limit(&self) -> Option<u32> {
        None
    }

    /// Obtains the credentials. Reads each input once and makes at most [`calls`](Self::calls)
    /// issuer calls.
    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>>;

    /// Whether `principal` is what the source was asked for, where its response does not say and
    /// only GetCallerIdentity does.
    ///
    /// # Errors
    /// [`IssueError::WrongPrincipal`].
    fn accepts(&self, _principal: &PrincipalStatus) -> Result<(), IssueError> {
        Ok(())
    }
}

/// Result of a source.
#[derive(Clone, Debug)]
pub enum Obtained {
    /// Something to sign with that is never published: the controller's identity, a long-lived key.
    Caller(Caller),
    /// A session that may be published.
    Session(Box<Issued>),
}

/// Everything that one attempt needs: the request, its terms, and the means to carry it out.
pub struct Request<'a> {
    /// Namespace of the resource.
    pub namespace: &'a str,
    /// Name of the session where the specification names none.
    pub session_name: String,
    /// The roles to assume behind the source.
    pub roles: &'a [Role],
    /// Tags that the administrator puts on the first role's session.
    pub session_tags: Vec<Tag>,
    /// On what terms policies allow it.
    pub grants: &'a Grants,
    /// How STS is reached.
    pub sts_spec: &'a StsSpec,
    /// STS.
    pub sts: &'a Sts,
    /// Reads the inputs.
    pub inputs: &'a dyn Inputs,
    /// Remembers which MFA codes were used.
    pub totp: &'a TotpSteps,
    /// The time of the attempt.
    pub now: Timestamp,
    /// The controller's own identity, where it has one.
    pub ambient: Option<Caller>,
    /// The controller's other resources that sources may use.
    pub source_context: &'a SourceContext,
}

impl Request<'_> {
    /// Reads one key of a Secret as text, without the line break that editors append. No error
    /// contains it.
    pub async fn text(&self, reference: &SecretKeyReference) -> Result<SecretString, IssueError> {
        let text = self.inputs.secret(&reference.name).await?.text(&reference.key)?;
        self.protect(&text);
        Ok(text)
    }

    /// A token of the ServiceAccount of that name, for `audience`. No error contains it.
    pub async fn token(&self, account: &str, audience: &str) -> Result<SecretString, IssueError> {
        let token = self.inputs.token(account, audience).await?;
        self.protect(&token);
        Ok(token)
    }

    /// Keeps a secret out of the attempt's errors, whichever server repeats it.
    pub fn protect(&self, secret: &SecretString) {
        self.redactor().protect(secret.expose_secret());
    }

    /// Secrets that the attempt sent, which its errors must not contain.
    pub fn redactor(&self) -> &Redactor {
        self.sts.redactor()
    }
}

/// The source that a specification names; `None` for one that this version does not know.
pub fn of(spec: &SourceSpec) -> Option<&dyn Source> {
    Some(match spec.kind()? {
        SourceKind::Ambient(source) => source,
        SourceKind::AccessKey(source) => source,
        SourceKind::WebIdentity(source) => source,
        SourceKind::Saml(source) => source,
        SourceKind::SessionToken(source) => source,
        SourceKind::FederationToken(source) => source,
        SourceKind::Container(source) => source,
        SourceKind::PodIdentity(source) => source,
        SourceKind::InstanceMetadata(source) => source,
        SourceKind::IdentityCenter(source) => source,
        SourceKind::Iot(source) => source,
        SourceKind::RolesAnywhere(source) => source,
        SourceKind::Cognito(source) => source,
        SourceKind::CustomHttp(source) => source,
        SourceKind::CustomSecret(source) => source,
        SourceKind::CustomProcess(source) => source,
    })
}

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod echo_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod long_lived_tests;
