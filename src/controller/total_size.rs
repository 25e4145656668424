//! Namespaces whose resources take more bytes than their administrator allows, and when they do no
//! longer.

use super::store::name_of;
use super::{Context, ResourceName, Touched};
use parking_lot::Mutex;
use refreshable_rules::size_limit::{self, Oversize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Namespaces in which a resource was found to wait until all of them take fewer bytes. Clones share
/// them.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowded(Arc<Mutex<BTreeSet<String>>>);

/// How the resources of `namespace` exceed the size that is allowed, if they do. They are looked at
/// again when they do no longer ([`relieved`]), or when the limit changes.
pub(super) fn oversize(namespace: &str, context: &Context) -> Option<Oversize> {
    exceeded(namespace, context)?;
    context.view.crowded.0.lock().insert(namespace.to_owned());
    // Measured once more: a change that came before the note was taken touched nothing.
    exceeded(namespace, context)
}

/// After resources changed: those that wait in the same namespaces, where they need to no longer.
pub(super) fn relieved(changed: &[ResourceName], context: &Context) -> Touched {
    let mut touched = Touched::new();
    let crowded = &context.view.crowded.0;
    if crowded.lock().is_empty() {
        return touched;
    }
    let namespaces: BTreeSet<&str> = changed.iter().map(|name| &*name.namespace).collect();
    for namespace in namespaces {
        if !crowded.lock().contains(namespace) || exceeded(namespace, context).is_some() {
            continue;
        }
        crowded.lock().remove(namespace);
        let waiting = context.view.credentials.within(namespace).filter(|c| size_limit::is_new(c));
        touched.extend(waiting.map(|c| name_of(c.as_ref())));
    }
    touched
}

fn exceeded(namespace: &str, context: &Context) -> Option<Oversize> {
    let limit = context.view.size_limit(namespace).or(context.settings.size_limit)?;
    limit.exceeded_by(context.view.credentials.bytes_within(namespace))
}
