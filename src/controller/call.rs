//! Kubernetes API calls: each with a time limit, each write behind the lease's fence, all counted.

use super::{Fence, Metrics, NotLeading};
use kube::Client;
use kube::api::{DeleteParams, PatchParams, Preconditions};
use refreshable_api::names;
use refreshable_rules::issuer::Redactor;
use std::future::Future;
use std::time::Duration;

/// Why a Kubernetes API call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server answered with an error, or could not be reached.
    #[error("{}", describe(.0))]
    Api(#[from] Box<kube::Error>),
    /// It did not answer in time.
    #[error("the API server did not answer within {0:?}")]
    Timeout(Duration),
    /// This process may not write.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

/// An error in words. Never `Debug`: some of kube's errors hold bodies.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            format!("{} ({} {})", status.message, status.code, status.reason)
        }
        kube::Error::SerdeError(_) => "an answer of the API server could not be read".to_owned(),
        other => other.to_string(),
    }
}

impl CallError {
    /// The error without what `redactor` protects: whoever refuses an object at admission may quote
    /// it.
    #[must_use]
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            Self::Api(error) => Self::Api(Box::new(match *error {
                kube::Error::Api(mut status) => {
                    status.message = redactor.words(&status.message);
                    kube::Error::Api(status)
                }
                other => other,
            })),
            other => other,
        }
    }

    fn status(&self) -> Option<(u16, &str)> {
        match self {
            Self::Api(error) => match error.as_ref() {
                kube::Error::Api(status) => Some((status.code, status.reason.as_str())),
                _ => None,
            },
            _ => None,
        }
    }

    /// The object is another one than was expected, or somebody else's.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(|(code, _)| code == 409)
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|(code, _)| code == 404)
    }

    /// The API server does not accept the object.
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(|(code, _)| code == 422)
    }

    /// The object is larger than the API server takes.
    pub fn is_too_large(&self) -> bool {
        self.status().is_some_and(|(code, _)| code == 413)
    }

    /// The API server's RBAC or admission does not allow the call.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(|(code, _)| code == 403)
    }

    /// An admission policy or webhook of the cluster does not allow the call. RBAC, which has the
    /// same status, names the right that is missing.
    /// [Kubernetes](https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/)
    /// gives policies and webhooks no status of their own.
    pub fn is_refused_by_admission(&self) -> bool {
        let text = self.to_string();
        self.is_forbidden()
            && (text.contains("ValidatingAdmissionPolicy") || text.contains("admission webhook"))
    }

    /// The call may succeed if it is repeated: no answer, or one that says so. Of a token that the API
    /// server does not take (401), a newer one is read within a minute; the object is not to blame.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotLeading(_) => false,
            Self::Timeout(_) => true,
            Self::Api(_) => {
                self.status().is_none_or(|(code, _)| matches!(code, 401 | 408 | 429) || code >= 500)
            }
        }
    }

    /// The error as a metric's label.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::NotLeading(_) => "not_leading",
            Self::Api(_) => match self.status() {
                Some((409, _)) => "conflict",
                Some((404, _)) => "not_found",
                Some((403, _)) => "forbidden",
                Some((401, _)) => "unauthorized",
                Some((429, _)) => "throttled",
                Some((400..500, _)) => "refused",
                Some(_) => "server_error",
                None => "unreachable",
            },
        }
    }
}

/// A call with a time limit.
pub(super) async fn bounded<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(|e| CallError::Api(Box::new(e))),
        Err(_) => Err(CallError::Timeout(limit)),
    }
}

/// Parameters of a merge patch by the controller.
pub(super) fn merge() -> PatchParams {
    PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Parameters of a deletion of the object with this UID, and of no other of its name.
pub(super) fn only(uid: &str) -> DeleteParams {
    DeleteParams::default()
        .preconditions(Preconditions { uid: Some(uid.to_owned()), resource_version: None })
}

/// The Kubernetes API as the reconciler uses it.
#[derive(Clone)]
pub struct Calls {
    client: Client,
    fence: Fence,
    limit: Duration,
    metrics: Metrics,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls")
            .field("fence", &self.fence)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Calls {
    /// Calls through `client`, each within `limit`.
    pub fn new(client: Client, fence: Fence, limit: Duration, metrics: Metrics) -> Self {
        Self { client, fence, limit, metrics }
    }

    /// The client, to make an `Api` of.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The lease's fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// A read. `what` names verb and resource for the metrics.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        self.metrics.kubernetes(what, bounded(self.limit, call)).await
    }

    /// A write, begun only while this process can prove that it leads, and ended before others may.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn write<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        let fenced = async {
            let left = self.fence.check()?;
            bounded(self.limit.min(left), call).await
        };
        self.metrics.kubernetes(what, fenced).await
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
