//! Reads a resource's inputs from the API server: each Secret once for an attempt.

use super::Calls;
use super::secret_meta::version_of;
use crate::issuer::IssueError;
use crate::rules::fingerprint::InputVersions;
use crate::source::{Inputs, SecretData};
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use secrecy::{SecretSlice, SecretString};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Lifetime asked for ServiceAccount tokens, in seconds: the shortest that Kubernetes grants.
const TOKEN_SECONDS: i64 = 600;

/// Inputs of one attempt.
pub(super) struct ClusterInputs<'a> {
    calls: &'a Calls,
    namespace: &'a str,
    read: Mutex<BTreeMap<String, Arc<SecretData>>>,
}

impl<'a> ClusterInputs<'a> {
    pub(super) fn new(calls: &'a Calls, namespace: &'a str) -> Self {
        Self { calls, namespace, read: Mutex::default() }
    }

    /// Versions of the Secrets that were read.
    pub(super) fn versions(&self) -> InputVersions {
        self.lock().iter().map(|(name, secret)| (name.clone(), secret.version.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<SecretData>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_secret(&self, name: &str) -> Result<Arc<SecretData>, IssueError> {
        if let Some(known) = self.lock().get(name) {
            return Ok(known.clone());
        }
        let api = Api::<Secret>::namespaced(self.calls.client(), self.namespace);
        let secret = self
            .calls
            .read("get secrets", api.get_opt(name))
            .await
            .map_err(|e| IssueError::Kubernetes { what: format!("Secret {name}"), detail: e.to_string() })?;
        let secret = secret.ok_or_else(|| missing("Secret", name))?;
        let data = Arc::new(SecretData {
            name: name.to_owned(),
            version: version_of(&secret.metadata),
            data: secret.data.unwrap_or_default().into_iter().map(|(k, v)| (k, SecretSlice::from(v.0))).collect(),
        });
        self.lock().insert(name.to_owned(), data.clone());
        Ok(data)
    }

    async fn request_token(&self, account: &str, audience: &str) -> Result<SecretString, IssueError> {
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
        Box::pin(self.read_secret(name))
    }

    fn token<'a>(&'a self, account: &'a str, audience: &'a str) -> BoxFuture<'a, Result<SecretString, IssueError>> {
        Box::pin(self.request_token(account, audience))
    }
}

fn missing(kind: &'static str, name: &str) -> IssueError {
    IssueError::InputMissing { kind, name: name.to_owned(), key: None }
}
