//! Resources that the view still shows, and that may be gone.
//!
//! A watch that is behind shows a resource that was deleted, or made anew under its name. What is
//! published for it is deleted by the garbage collector at once, which looks like a Secret that
//! somebody deleted: it would be issued anew, and anew, for as long as the watch is behind.

use super::store::name_of;
use super::{CallError, Context};
use kube::ResourceExt as _;
use kube::api::Api;
use refreshable_api::RefreshableCredential;

/// The resource as it is now; `None` where it is gone, or another one has its name.
///
/// # Errors
/// The API server's.
pub(super) async fn read(
    context: &Context,
    object: &RefreshableCredential,
) -> Result<Option<RefreshableCredential>, CallError> {
    let api = Api::<RefreshableCredential>::namespaced(
        context.calls.client(),
        &object.namespace().unwrap_or_default(),
    );
    let name = object.name_any();
    let live = context.calls.read("get refreshablecredentials", api.get_opt(&name)).await?;
    let live = live.filter(|live| live.metadata.uid == object.metadata.uid);
    if live.is_none() {
        is_gone(context, object);
    }
    Ok(live)
}

/// `object` turned out to be gone. Until the view shows as much, it is read before anything is done
/// for it.
pub(super) fn is_gone(context: &Context, object: &RefreshableCredential) {
    let uid = object.uid().unwrap_or_default();
    context.memory.forget(&uid);
    context.memory.write_outcome_unknown(&uid, context.now());
    let shown = context.view.credentials.get(&name_of(object));
    // After `write_outcome_unknown`: the feed forgets the UID only once, when it learns of the end.
    if shown.is_none_or(|shown| shown.metadata.uid != object.metadata.uid) {
        context.memory.forget(&uid);
    }
}
