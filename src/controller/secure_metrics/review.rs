//! Asks Kubernetes whose a token is, and whether its user may get the metrics.

use super::super::call::bounded;
use super::super::metrics_page::METRICS;
use super::super::{CallError, Metrics};
use super::verdicts::Verdict;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use refreshable_rules::issuer::Redactor;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// The API server, as it is asked about tokens.
pub(super) struct Reviews {
    client: Client,
    metrics: Metrics,
    limit: Duration,
}

impl Reviews {
    /// Each call has to end within `limit`.
    pub(super) fn new(client: Client, metrics: Metrics, limit: Duration) -> Self {
        Self { client, metrics, limit }
    }

    /// The verdict on a token.
    ///
    /// # Errors
    /// See [`CallError`]; the token is not in it.
    pub(super) async fn verdict(&self, token: &SecretString) -> Result<Verdict, CallError> {
        let redactor = Redactor::default();
        redactor.protect(token.expose_secret());
        let review = self.create("create tokenreviews", token_review(token)).await;
        let Some(user) = user(review.map_err(|e| e.redacted(&redactor))?) else {
            return Ok(Verdict::Unauthenticated);
        };
        let name = user.username.clone().unwrap_or_default();
        let review = self.create("create subjectaccessreviews", access_review(user)).await;
        if is_allowed(&review.map_err(|e| e.redacted(&redactor))?) {
            return Ok(Verdict::Allowed);
        }
        tracing::info!(
            user = name,
            "metrics were refused: bind this user to a ClusterRole with nonResourceURLs [/metrics] and verbs [get]"
        );
        Ok(Verdict::Forbidden)
    }

    async fn create<K>(&self, what: &'static str, object: K) -> Result<K, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let api = Api::<K>::all(self.client.clone());
        let parameters = PostParams::default();
        self.metrics.kubernetes(what, bounded(self.limit, api.create(&parameters, &object))).await
    }
}

/// The question whose a token is. Without audiences it is about those of the API server.
fn token_review(token: &SecretString) -> TokenReview {
    let spec = TokenReviewSpec { token: Some(token.expose_secret().to_owned()), audiences: None };
    TokenReview { spec, ..TokenReview::default() }
}

/// The user of an answer; none where the token is of no user.
fn user(review: TokenReview) -> Option<UserInfo> {
    let status = review.status?;
    let authenticated = status.authenticated.unwrap_or_default();
    status
        .user
        .filter(|user| authenticated && user.username.as_ref().is_some_and(|n| !n.is_empty()))
}

/// The question whether a user may get the metrics.
fn access_review(user: UserInfo) -> SubjectAccessReview {
    let attributes =
        NonResourceAttributes { path: Some(METRICS.to_owned()), verb: Some("get".to_owned()) };
    let spec = SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(attributes),
        resource_attributes: None,
    };
    SubjectAccessReview { spec, ..SubjectAccessReview::default() }
}

fn is_allowed(review: &SubjectAccessReview) -> bool {
    review.status.as_ref().is_some_and(|s| s.allowed && s.denied != Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answered(status: &Value) -> Option<UserInfo> {
        user(serde_json::from_value(json!({"spec": {}, "status": status})).expect("a TokenReview"))
    }

    #[test]
    fn a_token_is_of_the_user_that_was_authenticated() {
        let user = json!({"username": "u", "uid": "1"});
        for (status, known) in [
            (json!({"authenticated": true, "user": user}), true),
            (json!({"authenticated": false, "user": user}), false),
            (json!({"user": user}), false),
            (json!({"authenticated": true}), false),
            (json!({"authenticated": true, "user": {}}), false),
            (json!({"authenticated": true, "user": {"username": ""}}), false),
            (json!({"error": "the token has expired"}), false),
            (json!(null), false),
        ] {
            assert_eq!(answered(&status).is_some(), known, "{status}");
        }
    }

    #[test]
    fn all_of_a_user_is_asked_about_and_the_metrics_alone() {
        let status = json!({"authenticated": true, "user": {
            "username": "u", "uid": "1", "groups": ["g"], "extra": {"scopes": ["a", "b"]},
        }});
        let review = access_review(answered(&status).expect("a user"));
        assert_eq!(
            serde_json::to_value(review.spec).expect("JSON"),
            json!({
                "user": "u", "uid": "1", "groups": ["g"], "extra": {"scopes": ["a", "b"]},
                "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            })
        );
    }

    #[test]
    fn only_a_plain_yes_is_one() {
        for (status, allowed) in [
            (json!({"allowed": true}), true),
            (json!({"allowed": false}), false),
            (json!({"allowed": true, "denied": true}), false),
            (json!({"allowed": true, "denied": false}), true),
            (json!(null), false),
        ] {
            let review = json!({"spec": {}, "status": status});
            let review = serde_json::from_value(review).expect("a SubjectAccessReview");
            assert_eq!(is_allowed(&review), allowed, "{status}");
        }
    }
}
