//! JSON Web Tokens that AWS signs for others.

use crate::Tag;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A JSON Web Token of
/// [GetWebIdentityToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html),
/// by which the role is known to services outside AWS. The account must have outbound identity
/// federation enabled.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebIdentityToken {
    /// Services that the token is for: claim `aud`.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 1000)), extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<String>,
    /// How it is signed. Defaults to `RS256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<SigningAlgorithm>,
    /// Lifetime in seconds. Defaults to 3600, the longest that AWS grants.
    #[schemars(range(min = 60, max = 3600))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Claims about the request: `request_tags` in the token.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
}

/// Algorithm of a token's signature.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum SigningAlgorithm {
    /// RSA with SHA-256, which every service reads.
    #[default]
    RS256,
    /// ECDSA with P-384 and SHA-384.
    ES384,
}

impl WebIdentityToken {
    /// How it is signed.
    pub fn signing_algorithm(&self) -> SigningAlgorithm {
        self.signing_algorithm.unwrap_or_default()
    }

    /// Lifetime in seconds.
    pub fn duration_seconds(&self) -> i32 {
        self.duration_seconds.unwrap_or(3600)
    }
}

impl SigningAlgorithm {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES384 => "ES384",
        }
    }
}
