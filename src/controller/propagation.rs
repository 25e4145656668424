//! Annotates the Pods that mount a renewed Secret, so that their kubelets bring the new files at
//! once.

use super::{Announcement, CallError, Context, call};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, Patch};
use kube::core::PartialObjectMeta;
use refreshable_api::RefreshableCredential;
use refreshable_api::conditions::Reason;
use refreshable_rules::ownership::Content;
use refreshable_rules::propagation;
use serde_json::Value;

/// A Pod's metadata: the rest of it is not watched.
pub type PodMeta = PartialObjectMeta<Pod>;

/// Most Pods that are annotated at the same time for one resource.
const AT_ONCE: usize = 8;

/// Annotates what mounts the Secret of `object` and may hold something older than `content`. What
/// cannot be annotated is left to its kubelet, which looks by itself a minute later.
pub(super) async fn notify_pods(
    object: &RefreshableCredential,
    content: &Content,
    context: &Context,
) -> Result<(), CallError> {
    if !propagation::is_due(object, content, context.now()) {
        return Ok(());
    }
    if !context.view.reads_pods {
        let why = "secret.propagation: Prompt waits for the kubelet like Kubelet does: the controller runs without \
                   --prompt-propagation (promptPropagation of its chart)";
        context.event_publisher.announce(Announcement::warning(
            object,
            Reason::PropagationOff,
            why.to_owned(),
        ));
        return Ok(());
    }
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::<Pod>::namespaced(context.calls.client(), &namespace);
    let patch = Patch::Merge(propagation::patch(content));
    let calls = behind(object, &namespace, content, context)
        .into_iter()
        .map(|name| tell(&api, name, &patch, context));
    let results: Vec<_> = futures::stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

/// Names of the Pods that may hold something older.
fn behind(
    object: &RefreshableCredential,
    namespace: &str,
    content: &Content,
    context: &Context,
) -> Vec<String> {
    let here = context.view.pods.within(namespace);
    here.filter(|p| propagation::is_behind(&p.metadata, object, content))
        .map(|p| p.name_any())
        .collect()
}

async fn tell(
    api: &Api<Pod>,
    name: String,
    patch: &Patch<Value>,
    context: &Context,
) -> Result<(), CallError> {
    let parameters = call::merge();
    match context.calls.write("patch pods", api.patch_metadata(&name, &parameters, patch)).await {
        Err(CallError::NotLeading(why)) => Err(CallError::NotLeading(why)),
        Err(error) => {
            tracing::debug!(name, %error, "a Pod could not be annotated");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}
