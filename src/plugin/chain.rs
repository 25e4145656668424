//! The steps of a chain in a specification: a pure function, which reveals no confidential value.

use kube::ResourceExt as _;
use refreshable_api::{RefreshableCredential, Role};
use refreshable_issuers::source;
use refreshable_rules::session_name::default_session_name;
use serde::Serialize;
use serde_json::Value;

/// Longer texts (policies, certificates) are only counted.
const LONGEST: usize = 160;
/// Members whose values are kept to their owners although AWS does not call them secret.
const DISCREET: [&str; 3] = ["externalId", "args", "contextAssertion"];

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Name of the step: the source's name, `assumeRole`, or `profile <name>`.
    pub step: String,
    /// The parameters in the specification, and AWS's defaults where they matter.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name, as in the specification.
    pub name: String,
    /// Its value, for people.
    pub value: String,
}

/// The steps in order: the source, the shared roles, then those of each profile.
pub fn steps(object: &RefreshableCredential) -> Vec<Step> {
    let spec = &object.spec;
    let source = spec.source();
    let name = source::of(&source).map_or("of a newer version", source::Source::name);
    let given = serde_json::to_value(&source).unwrap_or_default();
    let mut inner = &given;
    for member in name.split('.') {
        inner = inner.get(member).unwrap_or(&Value::Null);
    }
    let mut steps = vec![Step { step: name.to_owned(), parameters: parameters(inner) }];
    steps.extend(spec.roles.iter().map(|r| role("assumeRole".to_owned(), r, object)));
    if let Some(token) = &spec.token {
        let given = serde_json::to_value(token).unwrap_or_default();
        let (kind, inner) = token.name().map_or(("of a newer version", &Value::Null), |kind| {
            (kind, given.get(kind).unwrap_or(&Value::Null))
        });
        steps.push(Step { step: format!("token {kind}"), parameters: parameters(inner) });
    }
    for profile in spec.profiles.iter().flatten() {
        let title = format!("profile {}", profile.name);
        match profile.roles.is_empty() {
            true => steps.push(Step { step: title, parameters: Vec::new() }),
            false => steps.extend(
                profile.roles.iter().map(|r| role(format!("{title}: assumeRole"), r, object)),
            ),
        }
    }
    steps
}

fn role(step: String, role: &Role, object: &RefreshableCredential) -> Step {
    let mut parameters = parameters(&serde_json::to_value(role).unwrap_or_default());
    // The role comes first, not in alphabetical order.
    parameters.sort_by_key(|p| p.name != "roleArn");
    if role.role_session_name.is_none() {
        let value =
            default_session_name(&object.namespace().unwrap_or_default(), &object.name_any());
        parameters.push(Parameter {
            name: "roleSessionName".into(),
            value: format!("{value} (by default)"),
        });
    }
    if role.duration_seconds.is_none() {
        parameters
            .push(Parameter { name: "durationSeconds".into(), value: "3600 (by default)".into() });
    }
    Step { step, parameters }
}

fn parameters(given: &Value) -> Vec<Parameter> {
    let members = given.as_object().into_iter().flatten();
    members
        .map(|(name, value)| Parameter { name: name.clone(), value: shown(name, value) })
        .collect()
}

fn shown(name: &str, value: &Value) -> String {
    let discreet = DISCREET.contains(&name);
    match value {
        Value::Array(list) if discreet => format!("{} values", list.len()),
        _ if discreet => "(set)".to_owned(),
        Value::String(text) if text.chars().count() > LONGEST || text.contains('\n') => {
            format!("({} characters)", text.chars().count())
        }
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(|v| shown("", v)).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let text: Vec<String> =
                members.iter().map(|(k, v)| format!("{k}={}", shown(k, v))).collect();
            text.join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::fixtures::credential;
    use serde_json::json;

    fn lines(spec: Value) -> Vec<String> {
        let step = |s: &Step| {
            let parameters: Vec<String> =
                s.parameters.iter().map(|p| format!("{}: {}", p.name, p.value)).collect();
            format!("{} [{}]", s.step, parameters.join("; "))
        };
        steps(&credential(spec)).iter().map(step).collect()
    }

    #[test]
    fn every_step_is_shown_in_order() {
        let spec = json!({
            "source": {"webIdentity": {"roleArn": "arn:aws:iam::111122223333:role/first", "serviceAccountRef": {"name": "batch"}}},
            "roles": [{"roleArn": "arn:aws:iam::444455556666:role/second", "externalId": "4f2a", "durationSeconds": 900,
                "tags": [{"key": "team", "value": "a"}], "policy": "{".repeat(200)}],
        });
        assert_eq!(
            lines(spec),
            [
                "webIdentity [roleArn: arn:aws:iam::111122223333:role/first; serviceAccountRef: audience=sts.amazonaws.com name=batch]",
                "assumeRole [roleArn: arn:aws:iam::444455556666:role/second; durationSeconds: 900; externalId: (set); \
                 policy: (200 characters); tags: key=team value=a; roleSessionName: team-a.x (by default)]",
            ]
        );
    }

    #[test]
    fn sources_of_one_s_own_and_profiles_are_steps_too() {
        let arn = "arn:aws:iam::111122223333:role/x";
        let spec = json!({
            "source": {"custom": {"process": {"name": "vault", "args": ["--token", "hush"]}}},
            "profiles": [{"name": "a", "roles": [{"roleArn": arn, "roleSessionName": "s"}]}, {"name": "b"}],
        });
        assert_eq!(
            lines(spec),
            [
                "custom.process [args: 2 values; name: vault]".to_owned(),
                format!(
                    "profile a: assumeRole [roleArn: {arn}; roleSessionName: s; durationSeconds: 3600 (by default)]"
                ),
                "profile b []".to_owned(),
            ]
        );
        assert_eq!(lines(json!({}))[0], "ambient []");
    }
}
