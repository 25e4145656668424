//! What sources and roles read from the cluster: Secrets and ServiceAccount tokens of the
//! resource's own namespace.

use super::of;
use crate::api::{ObjectName, RefreshableCredentialSpec};
use crate::issuer::IssueError;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads inputs. Each Secret is read once for an attempt, and its version is remembered.
pub trait Inputs: Send + Sync {
    /// The Secret of that name.
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<SecretData>, IssueError>>;

    /// The Secret of that name as the place where something is kept, read anew: its changes are no changed input.
    fn state<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<SecretData>, IssueError>>;

    /// Tries, without changing anything, whether a write over the state that was read would be let through; false where
    /// somebody else wrote since.
    fn may_replace<'a>(&'a self, over: &'a SecretData, key: &'a str) -> BoxFuture<'a, Result<bool, IssueError>>;

    /// Writes `value` under `key` over the state that was read; false where somebody else wrote since.
    fn replace<'a>(
        &'a self,
        over: &'a SecretData,
        key: &'a str,
        value: &'a SecretString,
    ) -> BoxFuture<'a, Result<bool, IssueError>>;

    /// A token of the ServiceAccount of that name, for `audience`.
    fn token<'a>(&'a self, account: &'a str, audience: &'a str) -> BoxFuture<'a, Result<SecretString, IssueError>>;
}

/// A Secret's data.
pub struct SecretData {
    /// Its name.
    pub name: String,
    /// `<uid>/<resourceVersion>`.
    pub version: String,
    /// When its data was last written, where its metadata says so.
    pub written: Option<Timestamp>,
    /// The data.
    pub data: BTreeMap<String, SecretSlice<u8>>,
}

impl std::fmt::Debug for SecretData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretData").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl SecretData {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`IssueError::InputMissing`] where the Secret has no such key.
    pub fn bytes(&self, key: &str) -> Result<&[u8], IssueError> {
        self.data.get(key).map(ExposeSecret::expose_secret).ok_or_else(|| IssueError::InputMissing {
            kind: "Secret",
            name: self.name.clone(),
            key: Some(key.to_owned()),
        })
    }

    /// The value of `key` as PEM.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`IssueError::InputInvalid`] for what is no PEM.
    pub fn pem(&self, key: &str) -> Result<SecretString, IssueError> {
        match std::str::from_utf8(self.bytes(key)?) {
            Ok(text) if text.contains("-----BEGIN ") => Ok(SecretString::from(text)),
            _ => Err(IssueError::InputInvalid {
                name: self.name.clone(),
                key: key.to_owned(),
                what: "this is no PEM: it must begin with -----BEGIN".to_owned(),
            }),
        }
    }

    /// The value of `key` as text, without white space around it.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`IssueError::InputInvalid`] for what is empty or no text.
    pub fn text(&self, key: &str) -> Result<SecretString, IssueError> {
        let invalid = |what: &str| IssueError::InputInvalid {
            name: self.name.clone(),
            key: key.to_owned(),
            what: what.to_owned(),
        };
        let text = std::str::from_utf8(self.bytes(key)?).map_err(|_| invalid("the value is not text in UTF-8"))?.trim();
        if text.is_empty() {
            return Err(invalid("the value is empty"));
        }
        if text.contains(char::is_control) {
            return Err(invalid("the value has control characters or line breaks inside: write the bare value"));
        }
        Ok(SecretString::from(text))
    }
}

/// Names of all Secrets that a specification reads. One that is no name is left out: it is said when it is to be read.
pub fn names_of_inputs(spec: &RefreshableCredentialSpec) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        of(&spec.source()).map(|s| s.secrets().into_iter().map(str::to_owned).collect()).unwrap_or_default();
    for role in spec.roles.iter().chain(spec.profiles.iter().flatten().flat_map(|p| &p.roles)) {
        names.extend(
            [&role.external_id_secret_ref, &role.totp_secret_ref].into_iter().flatten().map(|r| r.name.clone()),
        );
    }
    names.retain(|name| ObjectName::fits(name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixtures::credential;
    use serde_json::json;

    #[test]
    fn what_is_no_name_is_no_input() {
        let role = json!({"roleArn": "r", "externalIdSecretRef": {"name": "../pods", "key": "k"}});
        for (name, found) in [("key", vec!["key"]), ("?", vec![]), ("?watch=1", vec![]), ("a/b", vec![]), ("", vec![])]
        {
            let spec = json!({"source": {"accessKey": {"secretRef": {"name": name}}}, "roles": [role]});
            let names = names_of_inputs(&credential(spec).spec);
            assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), found, "{name:?}");
        }
    }
}
