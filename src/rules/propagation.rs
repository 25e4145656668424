//! Which Pods are annotated after a rotation, so that their kubelets bring the new files at once.
//!
//! A kubelet reads the Secrets of a Pod when it syncs the Pod: every minute or so, and at once when
//! the Pod changes.

use super::ownership::Content;
use super::timing::down_to_second;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use refreshable_api::{Propagation, RefreshableCredential, names};
use serde_json::{Value, json};

/// After this long every kubelet has done its periodic sync.
const BY_ITSELF: SignedDuration = SignedDuration::from_mins(3);

/// Whether the Pods of `object` are to be annotated at `now`.
pub fn is_due(object: &RefreshableCredential, content: &Content, now: Timestamp) -> bool {
    object.spec.secret().propagation() == Propagation::Prompt
        && now.duration_since(content.issued_at) < BY_ITSELF
}

/// Whether the Pod with this metadata mounts the Secret of `object` and may hold older credentials
/// than `content`.
pub fn is_behind(pod: &ObjectMeta, object: &RefreshableCredential, content: &Content) -> bool {
    let name = object.name_any();
    let annotation = |key: &str| pod.annotations.as_ref().and_then(|a| a.get(key));
    let mounts = annotation(names::INJECT_ANNOTATION).is_some_and(|n| n.trim() == name)
        || annotation(names::MOUNTS_ANNOTATION)
            .is_some_and(|list| list.split(',').any(|n| n.trim() == name));
    let rotation = down_to_second(content.issued_at);
    let told = annotation(names::PROPAGATED_ANNOTATION).and_then(|t| t.parse::<Timestamp>().ok());
    let created = pod.creation_timestamp.as_ref().map(|t| t.0);
    mounts
        && pod.deletion_timestamp.is_none()
        && told.is_none_or(|t| t < rotation)
        && created.is_none_or(|c| c <= rotation)
}

/// The merge patch that makes a Pod's kubelet look.
pub fn patch(content: &Content) -> Value {
    let rotation = down_to_second(content.issued_at).to_string();
    json!({"metadata": {"annotations": {names::PROPAGATED_ANNOTATION: rotation}}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{credential, minute, record};

    fn pod(value: Value) -> ObjectMeta {
        serde_json::from_value(value).expect("metadata")
    }

    fn prompt() -> (RefreshableCredential, Content) {
        let spec = json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}], "secret": {"propagation": "Prompt"}});
        let object = credential(spec);
        let content = record(&object).content.expect("content");
        (object, content)
    }

    #[test]
    fn only_where_it_is_asked_for_and_only_while_it_helps() {
        let (mut object, content) = prompt();
        assert!(is_due(&object, &content, minute(1)) && !is_due(&object, &content, minute(3)));
        object.spec.secret = None;
        assert!(!is_due(&object, &content, minute(1)));
    }

    #[test]
    fn pods_that_mount_it_and_were_there_before() {
        let (object, content) = prompt();
        let behind = |value: Value| is_behind(&pod(value), &object, &content);
        assert!(behind(json!({"annotations": {"refreshable.dev/inject": "x"}})));
        assert!(behind(json!({"annotations": {"refreshable.dev/mounts": "a, x"}})));
        assert!(!behind(json!({"annotations": {"refreshable.dev/mounts": "xx,a"}})));
        assert!(!behind(json!({})));
        let with = |key: &str, value: Timestamp| {
            let mut meta = json!({"annotations": {"refreshable.dev/inject": "x"}});
            match key {
                "propagated" => {
                    meta["annotations"]["refreshable.dev/propagated"] = value.to_string().into()
                }
                other => meta[other] = value.to_string().into(),
            }
            behind(meta)
        };
        assert!(with("propagated", minute(-40)) && !with("propagated", minute(0)));
        assert!(with("creationTimestamp", minute(-1)) && !with("creationTimestamp", minute(1)));
        assert!(!with("deletionTimestamp", minute(1)));
    }

    #[test]
    fn a_pod_that_was_told_is_not_behind() {
        let (object, content) = prompt();
        let mut told = patch(&content)["metadata"].clone();
        told["annotations"]["refreshable.dev/inject"] = "x".into();
        assert!(!is_behind(&pod(told), &object, &content));
    }
}
