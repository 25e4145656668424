//! The manifests that the answers make, and their trust policy: pure.

use super::super::manifest;
use super::super::output;
use super::super::terminal::visible;
use super::super::trust_policy::facts::Facts;
use super::super::trust_policy::plan_of;
use super::answers::{Answers, NAME, NAMESPACE, Question};
use super::source::Origin;
use refreshable_api::{CredentialPolicy, GROUP, RefreshableCredential, VERSION};
use refreshable_rules::policy::{self, Permission};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Label of a namespace's own name, which the API server sets.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The manifests of one resource.
#[derive(Clone, Debug)]
pub struct Manifests {
    /// The namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    credential: Value,
    policy: Option<Value>,
    next: &'static str,
}

impl Manifests {
    /// The manifests for these answers.
    ///
    /// # Errors
    /// The first question that is still open.
    pub fn new(from: Origin, answers: &Answers) -> Result<Self, &'static Question> {
        let (namespace, name) = (answers.one(&NAMESPACE)?, answers.one(&NAME)?);
        let (spec, allow) = from.spec(answers)?;
        let version = format!("{GROUP}/{VERSION}");
        let credential = json!({
            "apiVersion": version, "kind": "RefreshableCredential",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        });
        let policy = (!allow.is_empty()).then(|| {
            json!({
                "apiVersion": version, "kind": "CredentialPolicy",
                "metadata": {"name": format!("{namespace}-{name}")},
                "spec": {"namespaceSelector": {"matchLabels": {NAME_LABEL: namespace}}, "allow": allow},
            })
        });
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Self { namespace, name, credential, policy, next: from.next() })
    }

    /// The objects in the order in which they are applied.
    pub fn objects(&self) -> Vec<Value> {
        self.policy.iter().chain([&self.credential]).cloned().collect()
    }

    fn read(&self) -> Result<RefreshableCredential, String> {
        serde_json::from_value(self.credential.clone()).map_err(|e| e.to_string())
    }

    /// Whether the policy among the manifests allows the resource, by the controller's own rules.
    ///
    /// # Errors
    /// The rule that denies it.
    pub fn is_allowed(&self) -> Result<(), String> {
        let policies: Result<Vec<Arc<CredentialPolicy>>, _> = self
            .policy
            .iter()
            .map(|p| serde_json::from_value(p.clone()).map(Arc::new).map_err(|e| e.to_string()))
            .collect();
        let labels = BTreeMap::from([(NAME_LABEL.to_owned(), self.namespace.clone())]);
        match policy::judge(&self.read()?, &labels, &policies?).permission {
            Permission::NotNeeded | Permission::Allowed(_) => Ok(()),
            Permission::Denied(denial) => Err(denial.why),
        }
    }

    /// The policies in AWS.
    ///
    /// # Errors
    /// Which fact is missing, with the flag that supplies it.
    pub fn trust_policy(&self, facts: &Facts) -> Result<Value, String> {
        let plan = plan_of(&self.read()?.spec, facts).map_err(|missing| missing.to_string())?;
        Ok(plan.to_value())
    }

    /// All of it as one YAML stream, in which the trust policy stands in comments.
    ///
    /// # Errors
    /// Where it cannot be written in YAML.
    pub fn text(&self, trust: &Result<Value, String>) -> Result<String, String> {
        let objects = self.objects();
        let written: Result<Vec<String>, String> = objects.iter().map(manifest::write).collect();
        let mut text = written?.join("---\n");
        text.push_str(&format!("# Next: {}\n", self.next));
        match trust {
            Ok(policies) => {
                text.push_str("# In AWS, as kubectl refreshable trust-policy prints it:\n");
                for line in output::to_json(policies).lines() {
                    text.push_str(&format!("# {line}\n"));
                }
            }
            Err(missing) => {
                text.push_str(&format!(
                    "# The trust policy is left to you: {}\n",
                    visible(missing)
                ));
            }
        }
        Ok(text)
    }
}
