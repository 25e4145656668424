//! Which namespaces a policy selects, by their labels.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{ParseExpressionError, Selector, SelectorExt as _};
use std::collections::BTreeMap;

/// Why a selector cannot be read. The words begin with the place in it.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// An operator that compares with values has none.
    #[error(
        "matchExpressions[{at}] has no values, which operator {operator} compares with: add values"
    )]
    NoValues {
        /// Which of the expressions.
        at: usize,
        /// Its operator.
        operator: String,
    },
    /// Values for an operator that takes none.
    #[error(
        "matchExpressions[{at}] has values, which operator {operator} does not take: take them out"
    )]
    Values {
        /// Which of the expressions.
        at: usize,
        /// Its operator.
        operator: String,
    },
    /// Unknown operator.
    #[error(
        "matchExpressions[{at}] has operator {operator}: write In, NotIn, Exists or DoesNotExist"
    )]
    Operator {
        /// Which of the expressions.
        at: usize,
        /// Its operator.
        operator: String,
    },
    /// Something else.
    #[error("it cannot be read: {0}")]
    Other(#[from] ParseExpressionError),
}

/// Reads a selector.
///
/// # Errors
/// Where Kubernetes would not take it either. The schema of a CRD does not say what a selector must
/// be like.
pub fn read(selector: &LabelSelector) -> Result<Selector, Unreadable> {
    for (at, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let operator = expression.operator.clone();
        let values = expression.values.as_ref().is_some_and(|v| !v.is_empty());
        match (operator.as_str(), values) {
            ("In" | "NotIn", true) | ("Exists" | "DoesNotExist", false) => {}
            ("In" | "NotIn", false) => return Err(Unreadable::NoValues { at, operator }),
            ("Exists" | "DoesNotExist", true) => return Err(Unreadable::Values { at, operator }),
            _ => return Err(Unreadable::Operator { at, operator }),
        }
    }
    Ok(Selector::try_from(selector.clone())?)
}

/// Whether a selector selects these labels. An unreadable one selects nothing.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    read(selector).is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn selector(value: Value) -> LabelSelector {
        serde_json::from_value(value).expect("a selector")
    }

    #[test]
    fn what_cannot_be_read_is_named_and_selects_nothing() {
        for (operator, values, words) in [
            ("In", json!([]), "matchExpressions[1] has no values, which operator In compares with"),
            (
                "NotIn",
                json!(null),
                "matchExpressions[1] has no values, which operator NotIn compares with",
            ),
            (
                "Exists",
                json!(["a"]),
                "matchExpressions[1] has values, which operator Exists does not take",
            ),
            (
                "DoesNotExist",
                json!(["a"]),
                "matchExpressions[1] has values, which operator DoesNotExist does not take",
            ),
            ("Equals", json!(["a"]), "matchExpressions[1] has operator Equals: write In, NotIn"),
        ] {
            let first = json!({"key": "other", "operator": "DoesNotExist"});
            let expressions =
                json!([first, {"key": "team", "operator": operator, "values": values}]);
            let selector = selector(json!({"matchExpressions": expressions}));
            let error = read(&selector).expect_err("unreadable").to_string();
            assert!(error.starts_with(words), "{error}");
            assert!(
                !selects(&selector, &[("team".to_owned(), "b".to_owned())].into()),
                "{operator}"
            );
        }
    }

    #[test]
    fn what_can_be_read_selects_by_labels() {
        let labels = [("team".to_owned(), "a".to_owned())].into();
        for (value, selected) in [
            (json!({}), true),
            (json!({"matchLabels": {"team": "a"}}), true),
            (json!({"matchLabels": {"team": "b"}}), false),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}),
                true,
            ),
            (json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}), false),
        ] {
            assert_eq!(selects(&selector(value.clone()), &labels), selected, "{value}");
        }
    }
}
