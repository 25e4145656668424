//! Tokens of Kafka clusters, which are signed and not asked for.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Clusters of Amazon MSK in a Region with
/// [IAM access control](https://docs.aws.amazon.com/msk/latest/developerguide/iam-access-control.html),
/// whose token for SASL/OAUTHBEARER is published. It is signed by the controller, valid for 15
/// minutes for new connections, and costs no call.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1")
)]
pub struct MskToken {
    /// Region of the clusters.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
}
