//! `.dockerconfigjson`: the registries of a Secret, as
//! [Kubernetes](https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets)
//! reads them for `imagePullSecrets`.

use super::ecr::Login;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

/// Registries of another Secret. They hold secret material and therefore have no `Debug`.
#[derive(Default)]
pub struct Registries(Map<String, Value>);

/// Members of an entry that need no protection.
const OPEN: [&str; 2] = ["username", "email"];

impl Registries {
    /// Reads the content of a `.dockerconfigjson`.
    ///
    /// # Errors
    /// The fault, and a valid value; never a part of the content but the name of a registry.
    pub fn read(content: &[u8]) -> Result<Self, String> {
        const FORM: &str =
            r#"write {"auths": {"registry.example.com": {"username": "...", "password": "..."}}}"#;
        let Ok(Value::Object(mut file)) = serde_json::from_slice(content) else {
            return Err(format!("this is not a JSON object: {FORM}"));
        };
        let Some(Value::Object(auths)) = file.remove("auths") else {
            return Err(format!("it has no object auths: {FORM}"));
        };
        for (registry, entry) in &auths {
            let Value::Object(entry) = entry else {
                return Err(format!("the entry of registry {registry} is not an object: {FORM}"));
            };
            let texts = ["username", "password", "auth"];
            if let Some(wrong) =
                texts.iter().find(|key| entry.get(**key).is_some_and(|v| !v.is_string()))
            {
                return Err(format!("{wrong} of registry {registry} is not text: {FORM}"));
            }
            let has = |key: &str| entry.get(key).is_some_and(|v| v != "");
            let is_login = has("auth") || (has("username") && has("password"));
            if !is_login {
                return Err(format!(
                    "the entry of registry {registry} has neither auth nor username and password: {FORM}"
                ));
            }
        }
        Ok(Self(auths))
    }

    /// The secret texts, which no error may repeat.
    pub fn secrets(&self) -> Vec<SecretString> {
        let entries = self.0.values().filter_map(Value::as_object).flatten();
        let texts = entries.filter(|(key, _)| !OPEN.contains(&key.as_str()));
        let texts = texts.filter_map(|(key, value)| Some((key, value.as_str()?)));
        texts.flat_map(|(key, text)| of_text(key, text)).collect()
    }
}

/// A secret text; of a pair in base64, also its password.
fn of_text(key: &str, text: &str) -> Vec<SecretString> {
    let pair = (key == "auth").then(|| STANDARD.decode(text).ok()).flatten();
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
    let password = pair.and_then(|pair| Some(SecretString::from(pair.split_once(':')?.1)));
    [SecretString::from(text)].into_iter().chain(password).collect()
}

/// A file, and what became of the other registries.
pub struct Rendered {
    /// The content of `.dockerconfigjson`.
    pub file: SecretString,
    /// The other registries that were left out, because there is a login for their host.
    pub replaced: Vec<String>,
}

/// Writes `logins`, each for its hosts, and the `others` for theirs.
pub fn render(logins: &[(Vec<String>, Login)], others: Registries) -> Rendered {
    let mut auths = Map::new();
    for (hosts, login) in logins {
        let (user, password) = (&login.user, login.password.expose_secret());
        let auth = STANDARD.encode(format!("{user}:{password}"));
        for host in hosts {
            let entry = json!({"username": user, "password": password, "auth": auth});
            auths.insert(host.clone(), entry);
        }
    }
    let mut replaced = Vec::new();
    for (registry, entry) in others.0 {
        // A longer path is more specific, and kubelets try it first: it stays.
        if auths.contains_key(host_of(&registry).as_str()) {
            replaced.push(registry);
        } else {
            auths.insert(registry, entry);
        }
    }
    Rendered { file: json!({"auths": auths}).to_string().into(), replaced }
}

/// The host by which [kubelets](https://kubernetes.io/docs/concepts/containers/images/#config-json)
/// find an entry: without scheme, version of the API and slashes.
fn host_of(registry: &str) -> String {
    let bare = registry.trim();
    let bare = bare.strip_prefix("https://").or(bare.strip_prefix("http://")).unwrap_or(bare);
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or(bare.strip_suffix("/v2")).unwrap_or(bare);
    bare.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
#[path = "docker_config_tests.rs"]
mod tests;
