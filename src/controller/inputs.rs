//! Reads a resource's inputs from the API server: each Secret once for an attempt.

use super::secret_meta::{data_written, version_of};
use super::{CallError, Calls, Context};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use parking_lot::{Mutex, MutexGuard};
use refreshable_api::{ObjectName, names};
use refreshable_issuers::source::{Inputs, SecretData};
use refreshable_rules::inputs::{UsedInput, UsedInputs};
use refreshable_rules::issuer::IssueError;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lifetime asked for ServiceAccount tokens, in seconds: the shortest that Kubernetes grants.
const TOKEN_SECONDS: i64 = 600;

/// Secrets that were read, by name; `None` where there is none of that name.
pub(super) type ReadSecrets = BTreeMap<String, Option<Arc<SecretData>>>;

/// Inputs of one attempt.
pub(super) struct ClusterInputs<'a> {
    context: &'a Context,
    calls: &'a Calls,
    namespace: &'a str,
    at_hand: &'a ReadSecrets,
    read: Mutex<ReadSecrets>,
    /// What the controller itself writes to: it matters to an attempt that failed, and is no input of one that did not.
    states: Mutex<ReadSecrets>,
}

/// Reads a Secret of the cluster.
pub(super) async fn read_secret(
    calls: &Calls,
    namespace: &str,
    name: &str,
) -> Result<Option<Arc<SecretData>>, CallError> {
    let api = Api::<Secret>::namespaced(calls.client(), namespace);
    let secret = calls.read("get secrets", api.get_opt(name)).await?;
    Ok(secret.map(|secret| {
        let data = secret.data.unwrap_or_default().into_iter().map(|(k, v)| (k, SecretSlice::from(v.0))).collect();
        Arc::new(SecretData::new(name, version_of(&secret.metadata), data_written(&secret.metadata), data))
    }))
}

impl<'a> ClusterInputs<'a> {
    /// Inputs in `namespace`, of which some are `at_hand`: they were read a moment ago to see whether they changed.
    pub(super) fn new(context: &'a Context, namespace: &'a str, at_hand: &'a ReadSecrets) -> Self {
        let (read, states) = Default::default();
        Self { context, calls: &context.calls, namespace, at_hand, read, states }
    }

    /// What the resource `owner` was given of the Secrets that were read: what its credentials were made from.
    pub(super) fn used(&self, owner: &str) -> UsedInputs {
        self.of(&self.read, owner)
    }

    /// The same with all that decides whether another attempt would fare otherwise.
    pub(super) fn attempted(&self, owner: &str) -> UsedInputs {
        let mut all = self.of(&self.states, owner);
        all.extend(self.used(owner));
        all
    }

    fn of(&self, secrets: &Mutex<ReadSecrets>, owner: &str) -> UsedInputs {
        let key = self.context.input_keys.known();
        let used =
            |secret: &Option<Arc<SecretData>>| secret.as_ref().map_or(UsedInput::default(), |s| s.used(key, owner));
        lock(secrets).iter().map(|(name, secret)| (name.clone(), used(secret))).collect()
    }

    async fn read_once(&self, name: &str) -> Result<Arc<SecretData>, IssueError> {
        let known = lock(&self.read).get(name).or_else(|| self.at_hand.get(name)).cloned();
        let known = match known {
            Some(known) => {
                lock(&self.read).insert(name.to_owned(), known.clone());
                known
            }
            None => self.fetch(name, &self.read).await?,
        };
        known.ok_or_else(|| missing("Secret", name))
    }

    async fn fetch(&self, name: &str, into: &Mutex<ReadSecrets>) -> Result<Option<Arc<SecretData>>, IssueError> {
        checked("Secret", name)?;
        self.context.input_keys.get(self.calls, self.context.now()).await;
        let secret = read_secret(self.calls, self.namespace, name).await.map_err(|e| of_secret(name, e.to_string()))?;
        lock(into).insert(name.to_owned(), secret.clone());
        Ok(secret)
    }

    /// Writes one key over the version that was read; the API server refuses it over any other. A dry run is refused
    /// as the write itself would be, by RBAC and by admission.
    async fn replace_key(&self, over: &SecretData, key: &str, value: &[u8], dry_run: bool) -> Result<bool, IssueError> {
        let api = Api::<Secret>::namespaced(self.calls.client(), self.namespace);
        let (uid, version) = over.version.split_once('/').unwrap_or_default();
        let body = json!({
            "metadata": {"uid": uid, "resourceVersion": version},
            "data": {key: STANDARD.encode(value)},
        });
        let field_manager = Some(names::FIELD_MANAGER.to_owned());
        let parameters = PatchParams { field_manager, dry_run, ..PatchParams::default() };
        let patch = Patch::Merge(&body);
        match self.calls.write("patch secrets", api.patch_metadata(&over.name, &parameters, &patch)).await {
            Ok(written) => {
                if !dry_run {
                    let after = over.after_write(key, value, version_of(&written.metadata));
                    lock(&self.states).insert(over.name.clone(), Some(Arc::new(after)));
                }
                Ok(true)
            }
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(false),
            Err(e) if e.is_forbidden() => Err(of_secret(
                &over.name,
                format!(
                    "renewed tokens cannot be written to it: {e}. Label it: kubectl label secret {} {}={}",
                    over.name,
                    names::RENEW_LABEL,
                    names::RENEW
                ),
            )),
            Err(e) => Err(of_secret(&over.name, e.to_string())),
        }
    }

    async fn request_token(&self, account: &str, audience: &str) -> Result<SecretString, IssueError> {
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
                return missing("ServiceAccount", account);
            }
            IssueError::Kubernetes { what: format!("a token of ServiceAccount {account}"), detail: e.to_string() }
        })?;
        answer.status.map(|s| SecretString::from(s.token)).ok_or_else(|| IssueError::Kubernetes {
            what: format!("a token of ServiceAccount {account}"),
            detail: "the answer holds none".to_owned(),
        })
    }
}

impl Inputs for ClusterInputs<'_> {
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<SecretData>, IssueError>> {
        Box::pin(self.read_once(name))
    }

    fn state<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<SecretData>, IssueError>> {
        Box::pin(async move { self.fetch(name, &self.states).await?.ok_or_else(|| missing("Secret", name)) })
    }

    fn may_replace<'a>(&'a self, over: &'a SecretData, key: &'a str) -> BoxFuture<'a, Result<bool, IssueError>> {
        Box::pin(async move { self.replace_key(over, key, over.bytes(key)?, true).await })
    }

    fn replace<'a>(
        &'a self,
        over: &'a SecretData,
        key: &'a str,
        value: &'a SecretString,
    ) -> BoxFuture<'a, Result<bool, IssueError>> {
        Box::pin(self.replace_key(over, key, value.expose_secret().as_bytes(), false))
    }

    fn token<'a>(&'a self, account: &'a str, audience: &'a str) -> BoxFuture<'a, Result<SecretString, IssueError>> {
        Box::pin(self.request_token(account, audience))
    }
}

/// Holds a name to Kubernetes' form before it becomes a part of a URL: an object that was stored before the CRD said so
/// may hold any text.
fn checked(kind: &str, name: &str) -> Result<(), IssueError> {
    let wrong = |what| IssueError::Specification { field: format!("the name of a {kind}"), what };
    ObjectName::check(name).map(drop).map_err(wrong)
}

fn lock(secrets: &Mutex<ReadSecrets>) -> MutexGuard<'_, ReadSecrets> {
    secrets.lock()
}

fn of_secret(name: &str, detail: String) -> IssueError {
    IssueError::Kubernetes { what: format!("Secret {name}"), detail }
}

fn missing(kind: &'static str, name: &str) -> IssueError {
    IssueError::InputMissing { kind, name: name.to_owned(), key: None }
}
