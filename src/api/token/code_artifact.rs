//! Tokens of package repositories.

use super::TokenSpec;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A domain of AWS CodeArtifact whose token
/// ([GetAuthorizationToken](https://docs.aws.amazon.com/codeartifact/latest/APIReference/API_GetAuthorizationToken.html))
/// is published, and the repositories that package managers are configured for.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1"),
    validation = Rule::new("!has(self.durationSeconds) || self.durationSeconds == 0 || (self.durationSeconds >= 900 && self.durationSeconds <= 43200)").message("durationSeconds must be between 900 and 43200, or 0 for as long as the session that buys the token")
)]
pub struct CodeArtifactToken {
    /// Name of the domain.
    #[schemars(length(min = 2, max = 50), regex(pattern = r"^[a-z][a-z0-9-]*[a-z0-9]$"))]
    pub domain: String,
    /// AWS account that the domain belongs to, in quotes: `"111122223333"`.
    #[schemars(regex(pattern = r"^[0-9]{12}$"), length(max = 12))]
    pub domain_owner: String,
    /// Region of the domain.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// Lifetime of the token in seconds, from 900 to 43200. Defaults to 0, which is the rest of the
    /// session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Repositories of the domain, one for each format, for which the files of package managers are
    /// written. Without any, the token is published alone.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["format"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<PackageRepository>,
}

/// A repository of AWS CodeArtifact, as packages of one format are kept in it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageRepository {
    /// Format of the packages.
    pub format: PackageFormat,
    /// Name of the repository.
    #[schemars(length(min = 2, max = 100), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
}

/// Format of packages, and the files that are written for it.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum PackageFormat {
    /// `.npmrc`, for npm and pnpm.
    Npm,
    /// `pip.conf` for pip, and `.pypirc` for twine.
    Pypi,
    /// `settings.xml` for Maven, and `gradle.properties` for Gradle.
    Maven,
    /// `NuGet.Config`
    Nuget,
    /// `config.toml` and `credentials.toml`, for Cargo.
    Cargo,
}

impl PackageFormat {
    /// The data keys that are written for it.
    pub fn data_keys(self) -> &'static [&'static str] {
        match self {
            Self::Npm => &[".npmrc"],
            Self::Pypi => &["pip.conf", ".pypirc"],
            Self::Maven => &["settings.xml", "gradle.properties"],
            Self::Nuget => &["NuGet.Config"],
            Self::Cargo => &["config.toml", "credentials.toml"],
        }
    }
}

impl CodeArtifactToken {
    /// Names of the data keys that are written.
    pub fn data_keys(&self) -> Vec<&'static str> {
        let files = self.repositories.iter().flat_map(|r| r.format.data_keys());
        std::iter::once(TokenSpec::DATA_KEY).chain(files.copied()).collect()
    }

    /// Lifetime in seconds that is asked for; 0 for the rest of the session's.
    pub fn duration_seconds(&self) -> i32 {
        self.duration_seconds.unwrap_or(0)
    }
}
