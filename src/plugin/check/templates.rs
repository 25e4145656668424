//! Faults of `spec.secret.template`, which no rule of the CRD can find.

use super::finding::Finding;
use crate::manifest::member;
use refreshable_api::RefreshableCredentialSpec;
use refreshable_rules::template::faults;
use serde_json::Value;

/// The faults of a resource's templates.
pub fn check(object: &Value) -> Vec<Finding> {
    // One that cannot be read has other faults, which are told.
    let spec = object.get("spec").cloned().unwrap_or_default();
    let Ok(spec) = serde_json::from_value::<RefreshableCredentialSpec>(spec) else {
        return Vec::new();
    };
    let finding = |key: &str, line: usize, what: &str| {
        Finding::error(member("/spec/secret/template", key), format!("line {line}: {what}"))
    };
    faults(&spec).iter().map(|(key, fault)| finding(key, fault.line, &fault.what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_fault_is_told_with_its_key_and_line() {
        let object = json!({"spec": {"secret": {"template": {
            "good.conf": "{{ accessKeyId }}",
            "bad.conf": "a\n{{ accessKey }}\n",
            "credentials": "x",
        }}}});
        let found: Vec<_> = check(&object).into_iter().map(|f| (f.pointer, f.message)).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].0, "/spec/secret/template/bad.conf");
        assert!(found[0].1.starts_with("line 2: accessKey is none of accessKeyId, "), "{found:?}");
        assert!(found[1].1.starts_with("line 1: a format writes this key, too"), "{found:?}");
        assert!(check(&json!({"spec": {"secret": 7}})).is_empty());
        assert!(check(&json!({})).is_empty());
    }
}
