//! Inputs of sources and roles, read from the cluster: Secrets, ServiceAccount tokens and
//! ConfigMaps of the resource's own namespace.

use super::{Source, of};
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use refreshable_api::{InputDigest, ObjectName, RefreshableCredentialSpec};
use refreshable_rules::input_object::InputObject;
use refreshable_rules::inputs::{InputKey, UsedInput};
use refreshable_rules::issuer::IssueError;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads inputs. Each object is read once for an attempt, and its version is remembered.
pub trait Inputs: Send + Sync {
    /// The Secret of that name.
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>>;

    /// The Secret of that name, used as storage and read anew: its changes do not count as a
    /// changed input.
    fn state<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>>;

    /// The object, of which an attempt uses the certificates that it trusts an endpoint by. No
    /// credentials are made of them: their changes matter only to an attempt that failed.
    fn trust<'a>(
        &'a self,
        object: &'a InputObject,
    ) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>>;

    /// Tests with a dry run whether a write over the state that was read would be accepted; false
    /// where another writer came first.
    fn may_replace<'a>(
        &'a self,
        over: &'a InputData,
        key: &'a str,
    ) -> BoxFuture<'a, Result<bool, IssueError>>;

    /// Writes `value` under `key` over the state that was read; false where another writer came
    /// first.
    fn replace<'a>(
        &'a self,
        over: &'a InputData,
        key: &'a str,
        value: &'a SecretString,
    ) -> BoxFuture<'a, Result<bool, IssueError>>;

    /// A token of the ServiceAccount of that name, for `audience`.
    fn token<'a>(
        &'a self,
        account: &'a str,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, IssueError>>;
}

/// The data of a Secret or ConfigMap.
pub struct InputData {
    /// The object that holds it.
    pub object: InputObject,
    /// `<uid>/<resourceVersion>`.
    pub version: String,
    /// When its data was last written, if its metadata records that.
    pub written: Option<Timestamp>,
    data: Arc<BTreeMap<String, SecretSlice<u8>>>,
    /// Keys that were requested, including missing ones.
    asked: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for InputData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InputData")
            .field("object", &self.object)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl InputData {
    /// An object of this version that holds `data`.
    pub fn new(
        object: InputObject,
        version: String,
        written: Option<Timestamp>,
        data: BTreeMap<String, SecretSlice<u8>>,
    ) -> Self {
        Self { object, version, written, data: Arc::new(data), asked: Mutex::default() }
    }

    /// The same Secret after `value` was written to `key`, which made `version` of it.
    #[must_use]
    pub fn after_write(&self, key: &str, value: &[u8], version: String) -> Self {
        let mut data = BTreeMap::clone(&self.data);
        data.insert(key.to_owned(), SecretSlice::from(value.to_vec()));
        let asked = Mutex::new(self.asked().clone());
        Self {
            object: self.object.clone(),
            version,
            written: self.written,
            data: Arc::new(data),
            asked,
        }
    }

    /// The same data for another purpose, with its own record of requested keys.
    #[must_use]
    pub fn for_another_purpose(&self) -> Self {
        let (object, version, data) =
            (self.object.clone(), self.version.clone(), self.data.clone());
        Self { object, version, written: self.written, data, asked: Mutex::default() }
    }

    /// The same data, with the requested keys of both.
    #[must_use]
    pub fn also_asked(&self, other: &Self) -> Self {
        let both = self.for_another_purpose();
        both.asked().extend(self.asked().iter().chain(other.asked().iter()).cloned());
        both
    }

    /// Record of its use: the keys that were read, with `key`'s digest of them for the resource
    /// `owner`.
    pub fn used(&self, key: Option<&InputKey>, owner: &str) -> UsedInput {
        let asked = self.asked();
        let digest = key.map(|k| self.digest(k, owner, asked.iter().map(String::as_str)));
        UsedInput { version: Some(self.version.clone()), digest }
    }

    /// `key`'s digest of the data under `keys`, for the resource `owner`. It does not count as a
    /// use.
    pub fn digest<'a>(
        &self,
        key: &InputKey,
        owner: &str,
        keys: impl IntoIterator<Item = &'a str>,
    ) -> InputDigest {
        let value = |k: &str| self.data.get(k).map(ExposeSecret::expose_secret);
        key.digest(owner, &self.object.to_string(), keys.into_iter().map(|k| (k, value(k))))
    }

    fn asked(&self) -> parking_lot::MutexGuard<'_, BTreeSet<String>> {
        self.asked.lock()
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`IssueError::InputMissing`] where the object has no such key.
    pub fn bytes(&self, key: &str) -> Result<&[u8], IssueError> {
        self.asked().insert(key.to_owned());
        self.data.get(key).map(ExposeSecret::expose_secret).ok_or_else(|| {
            IssueError::InputMissing {
                kind: self.object.kind(),
                name: self.object.name().to_owned(),
                key: Some(key.to_owned()),
            }
        })
    }

    /// The value of `key` as PEM.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`IssueError::InputInvalid`] for data that is not PEM.
    pub fn pem(&self, key: &str) -> Result<SecretString, IssueError> {
        match std::str::from_utf8(self.bytes(key)?) {
            Ok(text) if text.contains("-----BEGIN ") => Ok(SecretString::from(text)),
            _ => Err(self.invalid(key, "this is not PEM: it must begin with -----BEGIN")),
        }
    }

    /// The value of `key` as text, without white space around it.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`IssueError::InputInvalid`] for data that is empty or not
    /// text.
    pub fn text(&self, key: &str) -> Result<SecretString, IssueError> {
        let invalid = |what: &str| self.invalid(key, what);
        let text = std::str::from_utf8(self.bytes(key)?)
            .map_err(|_| invalid("the value is not text in UTF-8"))?
            .trim();
        if text.is_empty() {
            return Err(invalid("the value is empty"));
        }
        if text.contains(char::is_control) {
            return Err(invalid(
                "the value has control characters or line breaks inside: write the bare value",
            ));
        }
        Ok(SecretString::from(text))
    }

    /// The error for unusable data under `key`.
    pub fn invalid(&self, key: &str, what: &str) -> IssueError {
        let (kind, name) = (self.object.kind(), self.object.name().to_owned());
        IssueError::InputInvalid { kind, name, key: key.to_owned(), what: what.to_owned() }
    }
}

/// All objects that a specification reads: the Secrets that its credentials are obtained with, and
/// the objects with certificates to trust. Impossible names are omitted: reading them reports the
/// error.
pub fn inputs_of(spec: &RefreshableCredentialSpec) -> BTreeSet<InputObject> {
    let mut objects: BTreeSet<InputObject> =
        names_of_inputs(spec).into_iter().map(InputObject::Secret).collect();
    let source = spec.source();
    let of_source = of(&source).and_then(Source::ca_bundle_ref);
    let of_sts = spec.sts.as_ref().and_then(|sts| sts.ca_bundle_ref.as_ref());
    let trusted = of_source.into_iter().chain(of_sts).map(InputObject::from);
    objects.extend(trusted.filter(|object| ObjectName::fits(object.name())));
    objects
}

/// Names of all Secrets that the credentials of a specification are made from, without impossible
/// ones.
pub fn names_of_inputs(spec: &RefreshableCredentialSpec) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = of(&spec.source())
        .map(|s| s.secrets().into_iter().map(str::to_owned).collect())
        .unwrap_or_default();
    for role in spec.roles.iter().chain(spec.profiles.iter().flatten().flat_map(|p| &p.roles)) {
        names.extend(
            [&role.external_id_secret_ref, &role.totp_secret_ref]
                .into_iter()
                .flatten()
                .map(|r| r.name.clone()),
        );
    }
    let merged = spec.token.iter().filter_map(|t| t.ecr.as_ref()?.merge_from.as_ref());
    names.extend(merged.map(|reference| reference.name.clone()));
    names.retain(|name| ObjectName::fits(name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::fixtures::credential;
    use serde_json::{Value, json};

    #[test]
    fn what_is_no_name_is_no_input() {
        let role = json!({"roleArn": "r", "externalIdSecretRef": {"name": "../pods", "key": "k"}});
        for (name, found) in [
            ("key", vec!["key"]),
            ("?", vec![]),
            ("?watch=1", vec![]),
            ("a/b", vec![]),
            ("", vec![]),
        ] {
            let spec =
                json!({"source": {"accessKey": {"secretRef": {"name": name}}}, "roles": [role]});
            let names = names_of_inputs(&credential(spec).spec);
            assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), found, "{name:?}");
        }
    }

    #[test]
    fn every_bundle_that_a_specification_names_is_an_input_and_none_is_what_credentials_are_made_from()
     {
        let certificate = |more: Value| {
            let mut source =
                json!({"certificateSecretRef": {"name": "device"}, "caBundleRef": {"name": "ca"}});
            source
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            source
        };
        let http = |reference: Value| json!({"source": {"custom": {"http": {"url": "u", "caBundleRef": reference}}}});
        let anywhere =
            certificate(json!({"trustAnchorArn": "t", "profileArn": "p", "roleArn": "r"}));
        for (spec, all, made_from) in [
            (json!({"sts": {"caBundleRef": {"name": "ca"}}}), vec!["ConfigMap/ca"], vec![]),
            (json!({"sts": {"caBundleRef": {"name": "ca", "kind": "Secret"}}}), vec!["ca"], vec![]),
            (http(json!({"name": "ca"})), vec!["ConfigMap/ca"], vec![]),
            (http(json!({"name": "../pods"})), vec![], vec![]),
            (
                json!({"source": {"iot": certificate(json!({"endpoint": "e", "roleAlias": "a"}))}}),
                vec!["device", "ConfigMap/ca"],
                vec!["device"],
            ),
            (
                json!({"source": {"rolesAnywhere": anywhere}, "sts": {"caBundleRef": {"name": "other"}}}),
                vec!["device", "ConfigMap/ca", "ConfigMap/other"],
                vec!["device"],
            ),
        ] {
            let spec = credential(spec).spec;
            let read: Vec<String> = inputs_of(&spec).iter().map(ToString::to_string).collect();
            assert_eq!(read, all, "{spec:?}");
            assert_eq!(
                names_of_inputs(&spec).iter().map(String::as_str).collect::<Vec<_>>(),
                made_from,
                "{spec:?}"
            );
        }
    }

    #[test]
    fn what_is_asked_for_one_purpose_is_not_asked_for_another() {
        let key = InputKey::new(&[1; InputKey::LENGTH]).expect("a key");
        let keys = |held: &InputData| held.used(Some(&key), "uid").digest.expect("a digest").keys;
        let device = secret("u/1", &[("tls.crt", "1"), ("ca.crt", "2")]);
        let trusted = device.for_another_purpose();
        device.bytes("tls.crt").expect("there");
        trusted.bytes("ca.crt").expect("there");
        assert_eq!(
            (keys(&device), keys(&trusted)),
            (vec!["tls.crt".to_owned()], vec!["ca.crt".to_owned()])
        );
        assert_eq!(keys(&device.also_asked(&trusted)), ["ca.crt", "tls.crt"]);
    }

    fn secret(version: &str, data: &[(&str, &str)]) -> InputData {
        let data = data
            .iter()
            .map(|(k, v)| ((*k).to_owned(), SecretSlice::from(v.as_bytes().to_vec())))
            .collect();
        InputData::new(InputObject::Secret("s".to_owned()), version.to_owned(), None, data)
    }

    #[test]
    fn only_what_was_asked_for_was_used() {
        let key = InputKey::new(&[1; InputKey::LENGTH]).expect("a key");
        let used = |secret: &InputData| {
            secret.bytes("a").expect("there");
            // Requested, whether it exists or not.
            let _ = secret.text("missing");
            secret.used(Some(&key), "uid").digest.expect("a digest")
        };
        let first = used(&secret("u/1", &[("a", "1"), ("b", "2")]));
        assert_eq!(first.keys, ["a", "missing"]);
        assert_eq!(
            first,
            used(&secret("u/2", &[("a", "1"), ("b", "other"), ("c", "3")])),
            "other keys"
        );
        assert_ne!(first, used(&secret("u/2", &[("a", "other"), ("b", "2")])), "a used key");
        assert_ne!(
            first,
            used(&secret("u/2", &[("a", "1"), ("missing", "2")])),
            "a missing key that was made"
        );
        assert_eq!(
            secret("u/1", &[]).used(None, "uid"),
            UsedInput { version: Some("u/1".into()), digest: None }
        );

        let token = secret("u/1", &[("a", "1")]);
        used(&token);
        let written = token.after_write("a", b"9", "u/2".to_owned()).used(Some(&key), "uid");
        assert_eq!(written.version.as_deref(), Some("u/2"));
        assert_eq!(
            written.digest.expect("a digest"),
            used(&secret("u/2", &[("a", "9")])),
            "what was written is known"
        );
    }
}
