//! Whether a Secret can have the type that a resource asks for: what the API server would refuse is
//! told before any issuer is asked.

use super::issuer::IssueError;
use refreshable_api::{RefreshableCredentialSpec, SecretType};

/// Judges the type that a specification asks for. The CRD refuses the same, but an object may have
/// been stored under an older one.
///
/// # Errors
/// [`IssueError::Specification`] with what to write instead.
pub fn checked(spec: &RefreshableCredentialSpec) -> Result<(), IssueError> {
    let Some(kind) = spec.secret.as_ref().and_then(|secret| secret.type_.as_deref()) else {
        return Ok(());
    };
    let refused =
        |what: String| IssueError::Specification { field: "spec.secret.type".to_owned(), what };
    SecretType::check(kind)
        .map_err(|hint| refused(format!("{kind:?} cannot be chosen: {hint}")))?;
    let needed: &[&str] = match kind {
        SecretType::BASIC_AUTH => &SecretType::BASIC_AUTH_KEYS,
        SecretType::DOCKER_CONFIG => &[SecretType::DOCKER_CONFIG_KEY],
        _ => return Ok(()),
    };
    let written = spec.data_keys();
    if needed.iter().any(|key| written.iter().any(|w| w == key)) {
        return Ok(());
    }
    Err(refused(format!(
        "a Secret of type {kind} needs the data key {}: write it with spec.secret.template",
        needed.join(" or ")
    )))
}

/// The refusal to give a type to a Secret that was adopted; its type stays as it is.
///
/// # Errors
/// [`IssueError::Specification`] where `spec` asks for one.
pub fn of_adopted(spec: &RefreshableCredentialSpec) -> Result<(), IssueError> {
    let (field, asks) = match &spec.token {
        Some(_) => ("spec.token", true),
        None => ("spec.secret.type", spec.secret().type_.is_some()),
    };
    if !asks {
        return Ok(());
    }
    Err(IssueError::Specification {
        field: field.to_owned(),
        what: "the Secret was adopted and keeps its type: choose another spec.secret.name"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(value: Value) -> RefreshableCredentialSpec {
        serde_json::from_value(value).expect("a specification")
    }

    fn fault(value: Value) -> Option<String> {
        checked(&spec(value)).err().map(|error| error.to_string())
    }

    fn cache() -> Value {
        json!({"elastiCache": {"cacheName": "sessions", "region": "eu-west-1", "user": "app"}})
    }

    #[test]
    fn a_type_has_the_data_keys_that_kubernetes_asks_of_it() {
        let secret = |secret: Value| json!({"secret": secret});
        let (basic, docker) = (SecretType::BASIC_AUTH, SecretType::DOCKER_CONFIG);
        let renamed = json!({
            "type": basic, "formats": ["Environment"], "keys": {"accessKeyId": "username"},
        });
        for right in [
            json!({}),
            secret(json!({"type": "Opaque"})),
            secret(json!({"type": basic, "template": {"password": "x"}})),
            secret(json!({"type": docker, "template": {".dockerconfigjson": "{}"}})),
            secret(renamed),
            json!({"secret": {"type": docker}, "token": {"ecr": {"public": true}}}),
            json!({"secret": {"type": basic}, "token": cache()}),
            json!({"secret": {"type": "Opaque"}, "token": cache()}),
        ] {
            assert_eq!(fault(right.clone()), None, "{right}");
        }
        let unwritten = json!({"type": basic, "keys": {"accessKeyId": "username"}});
        for (wrong, words) in [
            (secret(json!({"type": basic})), "data key username or password"),
            (secret(unwritten), "data key username or password"),
            (secret(json!({"type": docker, "template": {"a": "b"}})), "data key .dockerconfigjson"),
            (json!({"secret": {"type": docker}, "token": cache()}), "data key .dockerconfigjson"),
            (
                secret(json!({"type": "kubernetes.io/service-account-token"})),
                "\"kubernetes.io/service-account-token\" cannot be chosen: types of kubernetes.io",
            ),
            (secret(json!({"type": "opaque"})), "type must be Opaque"),
        ] {
            let said = fault(wrong.clone()).unwrap_or_else(|| panic!("{wrong} is taken"));
            assert!(said.contains(words) && said.contains("spec.secret.type"), "{said}");
        }
    }

    #[test]
    fn an_adopted_secret_keeps_its_type() {
        let taken = |value: Value| of_adopted(&spec(value)).is_ok();
        assert!(taken(json!({})) && taken(json!({"secret": {"adopt": true}})));
        assert!(!taken(json!({"secret": {"type": "Opaque"}})));
        assert!(!taken(json!({"token": cache()})));
    }
}
