//! Faults of what a ClusterRefreshableCredential makes: with the name of a namespace in it, its
//! template has to be a specification.

use super::finding::Finding;
use super::{Checker, Severity};
use refreshable_api::ClusterRefreshableCredential;
use refreshable_rules::fleet;
use serde_json::Value;

/// The namespace that stands for all.
const EXAMPLE: &str = "example";

/// The faults of what `object`, which its own schema takes, makes in a namespace.
pub(super) fn check(checker: &Checker, object: &Value) -> Vec<Finding> {
    // One that cannot be read has other faults, which are told.
    let Ok(cluster) = serde_json::from_value::<ClusterRefreshableCredential>(object.clone()) else {
        return Vec::new();
    };
    let made = match fleet::made_in(&cluster, EXAMPLE) {
        Ok(made) => made,
        Err(error) => return vec![Finding::error("/spec/template/spec", error.to_string())],
    };
    let findings = checker.object(&made).unwrap_or_default();
    let of_template = findings.into_iter().filter_map(|finding| {
        let pointer = finding.pointer.strip_prefix("/spec")?;
        let message = format!("in namespace {EXAMPLE}: {}", finding.message);
        Some(Finding { pointer: format!("/spec/template/spec{pointer}"), message, ..finding })
    });
    of_template.filter(|finding| finding.severity == Severity::Error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_placeholder_is_judged_by_what_it_becomes() {
        let checker = Checker::new();
        let found = |secret: Value| {
            let role = json!({"roleArn": "arn:aws:iam::111122223333:role/{namespace}"});
            let object = json!({
                "apiVersion": "refreshable.dev/v1alpha1", "kind": "ClusterRefreshableCredential",
                "metadata": {"name": "metrics"},
                "spec": {"namespaceSelector": {}, "template": {"spec": {"roles": [role], "secret": secret}}},
            });
            let findings = checker.object(&object).expect("a known kind");
            findings.into_iter().map(|f| (f.pointer, f.message)).collect::<Vec<_>>()
        };
        assert_eq!(found(json!({"name": "{namespace}-aws"})), []);
        for (secret, pointer, words) in [
            (
                json!({"name": "{namespace}_aws"}),
                "/spec/template/spec/secret/name",
                "in namespace example: ",
            ),
            (json!({"name": "Aws"}), "/spec/template/spec/secret/name", "lower-case letters"),
            (
                json!({"template": {"x": "{{ accessKey }}"}}),
                "/spec/template/spec/secret/template/x",
                "in namespace example: line 1: accessKey is none of accessKeyId",
            ),
        ] {
            let found = found(secret);
            let fits = |(at, message): &(String, String)| at == pointer && message.contains(words);
            assert!(found.iter().any(fits), "{pointer}, {words}: {found:?}");
        }
    }
}
