//! IAM policy documents, see the
//! [grammar](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html).

use serde_json::{Map, Value, json};

/// A statement of a policy: what may be done, by whom, under which conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    sid: &'static str,
    principal: Option<Value>,
    actions: Vec<&'static str>,
    resources: Vec<String>,
    conditions: Vec<(&'static str, String, Value)>,
}

impl Statement {
    /// One of a role's trust policy.
    pub fn trust(sid: &'static str, principal: Value, actions: &[&'static str]) -> Self {
        Self {
            sid,
            principal: Some(principal),
            actions: actions.to_vec(),
            resources: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// One of an identity's own policy.
    pub fn permission(
        sid: &'static str,
        actions: &[&'static str],
        resource: impl Into<String>,
    ) -> Self {
        Self {
            sid,
            principal: None,
            actions: actions.to_vec(),
            resources: vec![resource.into()],
            conditions: Vec::new(),
        }
    }

    /// The same, for these resources.
    #[must_use]
    pub fn on(self, resources: Vec<String>) -> Self {
        Self { resources, ..self }
    }

    /// Only where `key` compares so to `value`.
    #[must_use]
    pub fn when(
        mut self,
        operator: &'static str,
        key: impl Into<String>,
        value: impl Into<Value>,
    ) -> Self {
        self.conditions.push((operator, key.into(), value.into()));
        self
    }

    /// The same, where there is a value.
    #[must_use]
    pub fn when_some(
        self,
        operator: &'static str,
        key: &str,
        value: Option<impl Into<Value>>,
    ) -> Self {
        match value {
            Some(value) => self.when(operator, key, value),
            None => self,
        }
    }

    /// The statement in JSON.
    pub fn to_value(&self) -> Value {
        let mut whole = Map::new();
        whole.insert("Sid".to_owned(), self.sid.into());
        whole.insert("Effect".to_owned(), "Allow".into());
        whole.extend(self.principal.clone().map(|p| ("Principal".to_owned(), p)));
        whole.insert(
            "Action".to_owned(),
            one_or_many(self.actions.iter().map(|a| Value::from(*a)).collect()),
        );
        if !self.resources.is_empty() {
            let resources = self.resources.iter().map(|r| Value::from(r.as_str())).collect();
            whole.insert("Resource".to_owned(), one_or_many(resources));
        }
        if !self.conditions.is_empty() {
            let mut conditions = Map::new();
            for (operator, key, value) in &self.conditions {
                let of = conditions.entry((*operator).to_owned()).or_insert_with(|| json!({}));
                of[key.as_str()] = value.clone();
            }
            whole.insert("Condition".to_owned(), Value::Object(conditions));
        }
        Value::Object(whole)
    }
}

/// A policy of these statements. A repeated `Sid` gets a number.
pub fn document(statements: &[Statement]) -> Value {
    let mut seen: Vec<&str> = Vec::new();
    let numbered = statements.iter().map(|statement| {
        seen.push(statement.sid);
        let mut value = statement.to_value();
        let times = seen.iter().filter(|s| **s == statement.sid).count();
        if times > 1 {
            value["Sid"] = format!("{}{times}", statement.sid).into();
        }
        value
    });
    json!({"Version": "2012-10-17", "Statement": numbered.collect::<Vec<_>>()})
}

/// AWS itself writes a list of one as its entry.
fn one_or_many(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_one_operator_stand_together_and_sids_are_unique() {
        let statement = Statement::trust("Assume", json!({"AWS": "a"}), &["sts:AssumeRole"])
            .when("StringEquals", "sts:ExternalId", "x")
            .when("StringEquals", "sts:RoleSessionName", "y")
            .when_some("Bool", "aws:MultiFactorAuthPresent", None::<&str>);
        let document = document(&[statement.clone(), statement]);
        let first = &document["Statement"][0];
        assert_eq!(
            first["Condition"],
            json!({"StringEquals": {"sts:ExternalId": "x", "sts:RoleSessionName": "y"}})
        );
        assert_eq!(
            (&first["Sid"], &document["Statement"][1]["Sid"]),
            (&json!("Assume"), &json!("Assume2"))
        );
        assert_eq!(first["Action"], "sts:AssumeRole");
    }
}
