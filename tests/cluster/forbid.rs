//! Admission policies that refuse writes in one test's namespace.

use super::stage::Stage;
use serde_json::{Value, json};

/// The message of such a policy, unless the test needs another.
pub const REFUSAL: &str = "the house says no";

impl Stage {
    /// An admission policy for this namespace that refuses writes of `resources` for which
    /// `expression` is false, with `message`; its name. It is in force a moment later.
    pub async fn forbid(
        &self,
        name: &str,
        resources: Value,
        expression: &str,
        message: &str,
    ) -> String {
        let namespace = &self.namespace.name;
        let name = format!("{namespace}-{name}");
        self.apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [resources]},
                // Objects of the cluster are no business of a namespace selector's.
                "matchConditions": [{"name": "namespaced", "expression": "has(object.metadata.namespace)"}],
                "validations": [{"expression": expression, "message": message}],
            },
        }))
        .await;
        self.apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
            },
        }))
        .await;
        name
    }

    /// Takes away what [`Stage::forbid`] made.
    pub async fn permit(&self, name: &str) {
        self.cluster
            .kubectl(&[
                "delete",
                "validatingadmissionpolicybinding,validatingadmissionpolicy",
                name,
            ])
            .await;
    }
}
