//! The labels of metrics. Each has few values, all known here or in the rules: none comes from a
//! user.

use prometheus_client::encoding::EncodeLabelSet;

/// An attempt to obtain and publish credentials.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Attempt {
    pub(super) outcome: &'static str,
    pub(super) class: &'static str,
    pub(super) cause: &'static str,
}

/// Why credentials were replaced.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RotationLabels {
    pub(super) cause: &'static str,
}

/// A call to an issuer and what came of it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct IssuerCall {
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
    pub(super) class: &'static str,
}

/// An issuer's operation.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Operation {
    pub(super) operation: &'static str,
}

/// A call to the Kubernetes API and what came of it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct KubernetesCall {
    pub(super) call: &'static str,
    pub(super) outcome: &'static str,
}

/// A call to the Kubernetes API.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Call {
    pub(super) call: &'static str,
}

/// The kind that a watch is of.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Watched {
    pub(super) resource: &'static str,
}

/// How a restart of a workload went.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Restarted {
    pub(super) outcome: &'static str,
}

/// A condition that resources are in.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct InCondition {
    pub(super) condition: &'static str,
}

/// A reason of [`Reason`](refreshable_api::conditions::Reason).
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ForReason {
    pub(super) reason: &'static str,
}

/// One namespace. Only where namespace metrics are switched on.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct InNamespace {
    pub(super) namespace: String,
}

/// A condition that resources of a namespace are in.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct NamespaceCondition {
    pub(super) namespace: String,
    pub(super) condition: &'static str,
}

/// Attempts of a namespace and how they ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct NamespaceAttempts {
    pub(super) namespace: String,
    pub(super) outcome: &'static str,
}

/// One resource. Only where object metrics are switched on.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Object {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// One resource and a status that its Ready condition may have.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ObjectStatus {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) condition: &'static str,
}
