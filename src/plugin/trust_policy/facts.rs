//! Facts outside the resource that a trust policy needs.

use super::arn::Identity;
use refreshable_api::Tag;

/// Known facts about the resource's surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// Caller of the first call: the controller's own identity, or the user whose key a Secret
    /// holds.
    pub base_identity: Option<Identity>,
    /// The role of a source whose specification does not name it.
    pub source_role: Option<Identity>,
    /// The issuer of tokens, like `https://oidc.example.com/id/ABC`.
    pub oidc_issuer: Option<String>,
    /// The subject of a token or assertion in a Secret.
    pub subject: Option<String>,
    /// The audience of a token in a Secret.
    pub audience: Option<String>,
    /// The external id in a Secret.
    pub external_id: Option<String>,
    /// Subject of the certificate.
    pub certificate: Option<Certificate>,
    /// Tags that an administrator's policy puts on the first role's session, transitive.
    pub session_tags: Vec<Tag>,
}

/// Subject of a certificate, as IAM Roles Anywhere [maps it to
/// tags](https://docs.aws.amazon.com/rolesanywhere/latest/userguide/trust-model.html).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Tags like `x509Subject/CN` with their values.
    pub tags: Vec<(String, String)>,
}

/// A missing fact, and the flag to supply it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}: give {flag}")]
pub struct Missing {
    /// Why it is needed.
    pub why: String,
    /// The flag with its value.
    pub flag: &'static str,
}

impl Missing {
    /// A missing fact.
    pub fn new(flag: &'static str, why: impl Into<String>) -> Self {
        Self { why: why.into(), flag }
    }
}

impl Facts {
    /// Caller of the first call.
    ///
    /// # Errors
    /// Where it is not known.
    pub fn base(&self, who: &str) -> Result<&Identity, Missing> {
        let missing = || {
            Missing::new(
                "--base-identity <ARN of a role or user>",
                format!("the trust policy names {who}"),
            )
        };
        self.base_identity.as_ref().ok_or_else(missing)
    }

    /// The role of the source.
    ///
    /// # Errors
    /// Where it is not known.
    pub fn given_role(&self, source: &str) -> Result<&Identity, Missing> {
        let missing = || {
            let why = format!("the resource does not say which role source {source} gives");
            Missing::new("--source-role <ARN of the role>", why)
        };
        self.source_role.as_ref().ok_or_else(missing)
    }
}
