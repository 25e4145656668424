//! Whether a Secret still holds what was published.

use k8s_openapi::api::core::v1::Secret;
use refreshable_api::RefreshableCredential;
use refreshable_rules::fingerprint;
use refreshable_rules::ownership::{self, Content, SecretView};
use refreshable_rules::render;

/// The record in the annotations of `secret`, if the Secret is the resource's and its data match
/// the checksum: altered data are not passed on. The Secret itself is read and not the view of it,
/// because a write whose answer was lost may have landed.
pub(super) fn published(object: &RefreshableCredential, secret: &Secret) -> Option<Content> {
    let SecretView::Own(record) =
        ownership::view(&secret.metadata, object.metadata.uid.as_deref()?)
    else {
        return None;
    };
    let content = record.content?;
    let keys = object.spec.data_keys();
    let named = |key: &String| {
        keys.contains(key) || content.profiles.keys().any(|p| render::profile_key(p) == *key)
    };
    let data =
        secret.data.iter().flatten().filter(|(k, _)| named(k)).map(|(k, v)| (k, v.0.as_slice()));
    (fingerprint::of_data(data) == content.checksum).then_some(content)
}
