//! Tokens that a session buys: they are published, and the session is not.

mod cache;
mod code_artifact;
mod database;
mod ecr;
mod eks;
mod kafka;
mod web_identity;

pub use cache::ElastiCacheToken;
pub use code_artifact::{CodeArtifactToken, PackageFormat, PackageRepository};
pub use database::{DatabaseEngine, DsqlToken, RdsToken};
pub use ecr::{EcrHost, EcrRegistry, EcrToken};
pub use eks::EksToken;
pub use kafka::MskToken;
pub use web_identity::{SigningAlgorithm, WebIdentityToken};

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Token to publish instead of the credentials: exactly one member.
///
/// A struct of options instead of an enum: a controller that reads a member it does not know yet
/// can then report that on the one object, instead of failing to read the whole list.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.ecr), has(self.codeArtifact), has(self.rds), has(self.dsql), has(self.elastiCache), has(self.msk), has(self.eks), has(self.webIdentity)].filter(known, known).size() == 1").message("token must have exactly one of ecr, codeArtifact, rds, dsql, elastiCache, msk, eks, webIdentity, for example {ecr: {registries: [{accountId: \"111122223333\", region: eu-west-1}]}}")
)]
pub struct TokenSpec {
    /// Passwords of Amazon ECR registries, in a Secret of type `kubernetes.io/dockerconfigjson`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecr: Option<EcrToken>,
    /// A token of AWS CodeArtifact, with the files of package managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_artifact: Option<CodeArtifactToken>,
    /// A password of a database of Amazon RDS or Aurora, which is valid for 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rds: Option<RdsToken>,
    /// A password of a cluster of Aurora DSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dsql: Option<DsqlToken>,
    /// A password of a cache of Amazon ElastiCache, which is valid for 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elasti_cache: Option<ElastiCacheToken>,
    /// A token of Amazon MSK's Kafka clusters, which is valid for 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msk: Option<MskToken>,
    /// A bearer token of an Amazon EKS cluster, which is valid for 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eks: Option<EksToken>,
    /// A JSON Web Token that AWS signs for services outside of it (outbound identity federation).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentityToken>,
}

/// The member of a [`TokenSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind<'a> {
    /// `ecr`
    Ecr(&'a EcrToken),
    /// `codeArtifact`
    CodeArtifact(&'a CodeArtifactToken),
    /// `rds`
    Rds(&'a RdsToken),
    /// `dsql`
    Dsql(&'a DsqlToken),
    /// `elastiCache`
    ElastiCache(&'a ElastiCacheToken),
    /// `msk`
    Msk(&'a MskToken),
    /// `eks`
    Eks(&'a EksToken),
    /// `webIdentity`
    WebIdentity(&'a WebIdentityToken),
}

impl TokenSpec {
    /// Data key of every token but that of image registries, which stands in a file alone.
    pub const DATA_KEY: &str = "token";

    /// The member; `None` where this version knows none of them.
    pub fn kind(&self) -> Option<TokenKind<'_>> {
        let Self { ecr, code_artifact, rds, dsql, elasti_cache, msk, eks, web_identity } = self;
        ecr.as_ref()
            .map(TokenKind::Ecr)
            .or_else(|| code_artifact.as_ref().map(TokenKind::CodeArtifact))
            .or_else(|| rds.as_ref().map(TokenKind::Rds))
            .or_else(|| dsql.as_ref().map(TokenKind::Dsql))
            .or_else(|| elasti_cache.as_ref().map(TokenKind::ElastiCache))
            .or_else(|| msk.as_ref().map(TokenKind::Msk))
            .or_else(|| eks.as_ref().map(TokenKind::Eks))
            .or_else(|| web_identity.as_ref().map(TokenKind::WebIdentity))
    }

    /// Name of the member, as the published Secret names it.
    pub fn name(&self) -> Option<&'static str> {
        self.kind().map(TokenKind::name)
    }

    /// Type of the Secret that the token is published in.
    pub fn secret_type(&self) -> &'static str {
        match self.kind() {
            Some(TokenKind::Ecr(_)) => EcrToken::SECRET_TYPE,
            _ => crate::names::TOKEN_SECRET_TYPE,
        }
    }

    /// Names of the data keys that are written.
    ///
    /// ```
    /// use refreshable_api::TokenSpec;
    /// use serde_json::json;
    ///
    /// let token: TokenSpec = serde_json::from_value(json!({
    ///     "eks": {"clusterName": "prod", "region": "eu-west-1"},
    /// }))?;
    /// assert_eq!(token.data_keys(), ["token"]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn data_keys(&self) -> Vec<&'static str> {
        match self.kind() {
            Some(TokenKind::Ecr(_)) => vec![EcrToken::DATA_KEY],
            Some(TokenKind::CodeArtifact(token)) => token.data_keys(),
            Some(TokenKind::Rds(token)) => token.data_keys(),
            Some(TokenKind::Dsql(token)) => token.data_keys(),
            Some(TokenKind::ElastiCache(_)) => {
                vec![Self::DATA_KEY, ElastiCacheToken::USERNAME, ElastiCacheToken::VARIABLE]
            }
            Some(TokenKind::Eks(token)) => token.data_keys(),
            Some(TokenKind::Msk(_) | TokenKind::WebIdentity(_)) | None => vec![Self::DATA_KEY],
        }
    }
}

impl TokenKind<'_> {
    /// Its name in [`TokenSpec`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecr(_) => "ecr",
            Self::CodeArtifact(_) => "codeArtifact",
            Self::Rds(_) => "rds",
            Self::Dsql(_) => "dsql",
            Self::ElastiCache(_) => "elastiCache",
            Self::Msk(_) => "msk",
            Self::Eks(_) => "eks",
            Self::WebIdentity(_) => "webIdentity",
        }
    }
}
