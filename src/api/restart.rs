//! Workloads that are restarted after a rotation, for programs that read their credentials only at
//! start.

use super::ObjectName;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A workload of the namespace that is restarted after each rotation, like `kubectl rollout
/// restart`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartTarget {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    #[schemars(with = "ObjectName")]
    pub name: String,
}

/// A kind whose Pods are replaced by a rollout (API group `apps`, version `v1`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    /// The kind as written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// The kind's name in URLs.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }
}

/// Progress of one workload through the rotations.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartStatus {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// Issue time of the credentials that its Pods started with or were restarted for.
    #[serde(default)]
    pub restarted_for: Option<Time>,
    /// When those credentials expire.
    #[serde(default)]
    pub expiration: Option<Time>,
    /// When it was last restarted.
    #[serde(default)]
    pub last_restart_time: Option<Time>,
    /// Why the next restart waits, or why the last one did not wait any longer.
    #[serde(default)]
    pub message: Option<String>,
}
