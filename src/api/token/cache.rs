//! Passwords of caches, which are signed and not asked for.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A cache of Amazon ElastiCache (Valkey, Redis OSS) with
/// [IAM authentication](https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html),
/// whose password is published. It is signed by the controller, valid for 15 minutes for new
/// connections, and costs no call.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1")
)]
pub struct ElastiCacheToken {
    /// Name of the replication group or of the serverless cache: not its host name.
    #[schemars(length(min = 1, max = 50), regex(pattern = r"^[A-Za-z][A-Za-z0-9-]*$"))]
    pub cache_name: String,
    /// Region of the cache.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// User of the cache: its id, which is its name, too.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[A-Za-z][A-Za-z0-9-]*$"))]
    pub user: String,
    /// Whether it is a serverless cache. Defaults to `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serverless: Option<bool>,
}

impl ElastiCacheToken {
    /// Data key of the user's name.
    pub const USERNAME: &str = "username";
    /// Data key of the password, under the name that redis-cli takes it by.
    pub const VARIABLE: &str = "REDISCLI_AUTH";

    /// Whether it is a serverless cache.
    pub fn serverless(&self) -> bool {
        self.serverless.unwrap_or(false)
    }
}
