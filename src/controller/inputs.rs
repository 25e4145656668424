//! Reads a resource's inputs from the API server: each object once for an attempt.

use super::secret_meta::{data_written, version_of};
use super::{CallError, Calls, Context};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use parking_lot::{Mutex, MutexGuard};
use refreshable_api::{ObjectName, names};
use refreshable_issuers::source::{InputData, Inputs};
use refreshable_rules::input_object::InputObject;
use refreshable_rules::inputs::{UsedInput, UsedInputs};
use refreshable_rules::issuer::IssueError;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lifetime asked for ServiceAccount tokens, in seconds: the shortest that Kubernetes grants.
const TOKEN_SECONDS: i64 = 600;

/// Objects that were read; `None` where there is none of that kind and name.
pub(super) type ReadInputs = BTreeMap<InputObject, Option<Arc<InputData>>>;

/// Inputs of one attempt.
pub(super) struct ClusterInputs<'a> {
    context: &'a Context,
    calls: &'a Calls,
    namespace: &'a str,
    at_hand: &'a ReadInputs,
    read: Mutex<ReadInputs>,
    /// Objects that the controller itself writes to: they matter only to an attempt that failed.
    states: Mutex<ReadInputs>,
    /// Objects with the certificates that endpoints are trusted by: these, too, matter only to an
    /// attempt that failed.
    trusted: Mutex<ReadInputs>,
}

/// Reads an object of the cluster.
pub(super) async fn read_input(
    calls: &Calls,
    namespace: &str,
    object: &InputObject,
) -> Result<Option<Arc<InputData>>, CallError> {
    let (metadata, data) = match object {
        InputObject::Secret(name) => {
            let api = Api::<Secret>::namespaced(calls.client(), namespace);
            let Some(secret) = calls.read("get secrets", api.get_opt(name)).await? else {
                return Ok(None);
            };
            let data = secret.data.unwrap_or_default().into_iter();
            (secret.metadata, data.map(|(k, v)| (k, SecretSlice::from(v.0))).collect())
        }
        InputObject::ConfigMap(name) => {
            let api = Api::<ConfigMap>::namespaced(calls.client(), namespace);
            let Some(map) = calls.read("get configmaps", api.get_opt(name)).await? else {
                return Ok(None);
            };
            let text = map.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.into_bytes()));
            let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0));
            (map.metadata, text.chain(bytes).map(|(k, v)| (k, SecretSlice::from(v))).collect())
        }
    };
    let written = data_written(&metadata);
    Ok(Some(Arc::new(InputData::new(object.clone(), version_of(&metadata), written, data))))
}

impl<'a> ClusterInputs<'a> {
    /// Inputs in `namespace`, of which some are `at_hand`: they were read a moment ago to see
    /// whether they changed.
    pub(super) fn new(context: &'a Context, namespace: &'a str, at_hand: &'a ReadInputs) -> Self {
        let (read, states, trusted) = Default::default();
        Self { context, calls: &context.calls, namespace, at_hand, read, states, trusted }
    }

    /// Inputs of the resource `owner`: the data that it was given of the Secrets that were read,
    /// from which its credentials were made.
    pub(super) fn used(&self, owner: &str) -> UsedInputs {
        self.of(&lock(&self.read), owner)
    }

    /// The same with all that decides whether another attempt would fare otherwise.
    pub(super) fn attempted(&self, owner: &str) -> UsedInputs {
        let mut all = self.of(&lock(&self.states), owner);
        all.extend(self.of(&both(&lock(&self.read), &lock(&self.trusted)), owner));
        all
    }

    fn of(&self, objects: &ReadInputs, owner: &str) -> UsedInputs {
        let key = self.context.input_keys.known();
        let used = |held: &Option<Arc<InputData>>| {
            held.as_ref().map_or(UsedInput::default(), |h| h.used(key, owner))
        };
        objects.iter().map(|(object, held)| (object.to_string(), used(held))).collect()
    }

    /// The object, read once for `purpose` and for the `other` one together, which must not share
    /// what was asked of it: a Secret with a certificate often holds that of its authority, too.
    async fn read_once(
        &self,
        object: &InputObject,
        purpose: &Mutex<ReadInputs>,
        other: &Mutex<ReadInputs>,
    ) -> Result<Arc<InputData>, IssueError> {
        let for_another = |held: &Option<Arc<InputData>>| {
            held.as_ref().map(|h| Arc::new(h.for_another_purpose()))
        };
        let known = lock(purpose).get(object).cloned();
        let known = known.or_else(|| lock(other).get(object).map(for_another));
        let known = known.or_else(|| self.at_hand.get(object).map(for_another));
        let known = match known {
            Some(known) => {
                lock(purpose).insert(object.clone(), known.clone());
                known
            }
            None => self.fetch(object, purpose).await?,
        };
        known.ok_or_else(|| missing(object.kind(), object.name()))
    }

    async fn fetch(
        &self,
        object: &InputObject,
        into: &Mutex<ReadInputs>,
    ) -> Result<Option<Arc<InputData>>, IssueError> {
        checked(object.kind(), object.name())?;
        self.context.input_keys.get(self.calls, self.context.now()).await;
        let held = read_input(self.calls, self.namespace, object).await;
        let held = held.map_err(|e| unread(object, e.to_string()))?;
        lock(into).insert(object.clone(), held.clone());
        Ok(held)
    }

    /// Writes one key over the version that was read; the API server refuses it over any other. A
    /// dry run is refused as the write itself would be, by RBAC and by admission.
    async fn replace_key(
        &self,
        over: &InputData,
        key: &str,
        value: &[u8],
        dry_run: bool,
    ) -> Result<bool, IssueError> {
        let api = Api::<Secret>::namespaced(self.calls.client(), self.namespace);
        let (uid, version) = over.version.split_once('/').unwrap_or_default();
        let body = json!({
            "metadata": {"uid": uid, "resourceVersion": version},
            "data": {key: STANDARD.encode(value)},
        });
        let field_manager = Some(names::FIELD_MANAGER.to_owned());
        let parameters = PatchParams { field_manager, dry_run, ..PatchParams::default() };
        let patch = Patch::Merge(&body);
        let name = over.object.name();
        match self.calls.write("patch secrets", api.patch_metadata(name, &parameters, &patch)).await
        {
            Ok(written) => {
                if !dry_run {
                    let after = over.after_write(key, value, version_of(&written.metadata));
                    lock(&self.states).insert(over.object.clone(), Some(Arc::new(after)));
                }
                Ok(true)
            }
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(false),
            Err(e) if e.is_forbidden() => Err(unread(
                &over.object,
                format!(
                    "renewed tokens cannot be written to it: {e}. Label it: kubectl label secret {} {}={}",
                    name,
                    names::RENEW_LABEL,
                    names::RENEW
                ),
            )),
            Err(e) => Err(unread(&over.object, e.to_string())),
        }
    }

    async fn request_token(
        &self,
        account: &str,
        audience: &str,
    ) -> Result<SecretString, IssueError> {
        checked("ServiceAccount", account)?;
        let api = Api::<ServiceAccount>::namespaced(self.calls.client(), self.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                expiration_seconds: Some(TOKEN_SECONDS),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let call = api.create_token_request(account, &parameters, &request);
        let answer = self.calls.read("create serviceaccounts/token", call).await.map_err(|e| {
            if e.is_not_found() {
                missing("ServiceAccount", account)
            } else {
                no_token(account, &e)
            }
        })?;
        answer.status.map(|s| SecretString::from(s.token)).ok_or_else(|| IssueError::Kubernetes {
            what: format!("a token of ServiceAccount {account}"),
            detail: "the answer holds none".to_owned(),
        })
    }
}

impl Inputs for ClusterInputs<'_> {
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
        Box::pin(async move {
            let object = InputObject::Secret(name.to_owned());
            self.read_once(&object, &self.read, &self.trusted).await
        })
    }

    fn state<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
        Box::pin(async move {
            let object = InputObject::Secret(name.to_owned());
            self.fetch(&object, &self.states).await?.ok_or_else(|| missing("Secret", name))
        })
    }

    fn trust<'a>(
        &'a self,
        object: &'a InputObject,
    ) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
        Box::pin(self.read_once(object, &self.trusted, &self.read))
    }

    fn may_replace<'a>(
        &'a self,
        over: &'a InputData,
        key: &'a str,
    ) -> BoxFuture<'a, Result<bool, IssueError>> {
        Box::pin(async move { self.replace_key(over, key, over.bytes(key)?, true).await })
    }

    fn replace<'a>(
        &'a self,
        over: &'a InputData,
        key: &'a str,
        value: &'a SecretString,
    ) -> BoxFuture<'a, Result<bool, IssueError>> {
        Box::pin(self.replace_key(over, key, value.expose_secret().as_bytes(), false))
    }

    fn token<'a>(
        &'a self,
        account: &'a str,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, IssueError>> {
        Box::pin(self.request_token(account, audience))
    }
}

/// Holds a name to Kubernetes' form before it becomes a part of a URL: an object that was stored
/// before the CRD said so may hold any text.
fn checked(kind: &str, name: &str) -> Result<(), IssueError> {
    let wrong = |what| IssueError::Specification { field: format!("the name of a {kind}"), what };
    ObjectName::check(name).map(drop).map_err(wrong)
}

/// All that was read for two purposes. Of an object that served both, it tells what was asked for
/// either.
fn both(one: &ReadInputs, other: &ReadInputs) -> ReadInputs {
    let mut all = other.clone();
    for (object, held) in one {
        let joined = match (held, other.get(object)) {
            (Some(held), Some(Some(also))) => Some(Arc::new(held.also_asked(also))),
            (held, _) => held.clone(),
        };
        all.insert(object.clone(), joined);
    }
    all
}

fn lock(objects: &Mutex<ReadInputs>) -> MutexGuard<'_, ReadInputs> {
    objects.lock()
}

fn unread(object: &InputObject, detail: String) -> IssueError {
    IssueError::Kubernetes { what: format!("{} {}", object.kind(), object.name()), detail }
}

/// Why there is no token of a ServiceAccount. An admission policy is the administrator's to change:
/// its words say how, and trying again soon would not.
fn no_token(account: &str, error: &CallError) -> IssueError {
    let what = format!("a token of ServiceAccount {account}");
    if error.is_refused_by_admission() {
        return IssueError::PersonNeeded {
            what: format!("the API server refuses the controller {what}: {error}"),
        };
    }
    IssueError::Kubernetes { what, detail: error.to_string() }
}

fn missing(kind: &'static str, name: &str) -> IssueError {
    IssueError::InputMissing { kind, name: name.to_owned(), key: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::conditions::Reason;
    use refreshable_rules::inputs::InputKey;
    use refreshable_rules::retry::Class;

    fn held(object: &InputObject, asked: &str) -> Option<Arc<InputData>> {
        let data = [(asked.to_owned(), SecretSlice::from(b"v".to_vec()))].into();
        let held = InputData::new(object.clone(), "u/1".to_owned(), None, data);
        held.bytes(asked).expect("there");
        Some(Arc::new(held))
    }

    #[test]
    fn a_token_that_a_policy_refuses_is_the_administrator_s_to_allow() {
        let refused = |message: &str| {
            let status = kube::core::Status {
                code: 403,
                message: message.to_owned(),
                ..kube::core::Status::default()
            };
            no_token("app", &Box::new(kube::Error::Api(Box::new(status))).into()).failure()
        };
        let denial = "serviceaccounts \"app\" is forbidden: ValidatingAdmissionPolicy 'r-tokens' with binding \
                      'r-tokens' denied request: the administrator adds it to fence.namespaces";
        for message in [denial, "admission webhook \"tokens.example.com\" denied the request: no"] {
            let failure = refused(message);
            assert_eq!((failure.class, failure.reason), (Class::Person, Reason::PersonNeeded));
            assert!(failure.message.contains(message), "{}", failure.message);
        }
        let failure =
            refused("User \"controller\" cannot create resource \"serviceaccounts/token\"");
        assert_eq!((failure.class, failure.reason), (Class::Transient, Reason::KubernetesError));
    }

    #[test]
    fn an_object_that_served_both_purposes_counts_with_what_either_asked() {
        let [device, seed, ca, gone] = [
            InputObject::Secret("device".into()),
            InputObject::Secret("seed".into()),
            InputObject::ConfigMap("device".into()),
            InputObject::ConfigMap("gone".into()),
        ];
        let read = ReadInputs::from([
            (device.clone(), held(&device, "tls.crt")),
            (seed.clone(), held(&seed, "seed")),
        ]);
        let trusted = [
            (device.clone(), held(&device, "ca.crt")),
            (ca.clone(), held(&ca, "ca.crt")),
            (gone.clone(), None),
        ];
        let key = InputKey::new(&[1; InputKey::LENGTH]).expect("a key");
        let keys = |held: Option<Arc<InputData>>| {
            held.and_then(|h| h.used(Some(&key), "uid").digest).map(|d| d.keys)
        };
        let all: Vec<_> = both(&read, &trusted.into())
            .into_iter()
            .map(|(o, h)| (o.to_string(), keys(h)))
            .collect();
        let expected = [
            ("device", Some(vec!["ca.crt", "tls.crt"])),
            ("seed", Some(vec!["seed"])),
            ("ConfigMap/device", Some(vec!["ca.crt"])),
            ("ConfigMap/gone", None),
        ];
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(all, expected.map(|(name, keys)| (name.to_owned(), keys.map(owned))));
    }
}
