//! Objects as this process wrote their statuses last: the view may not show it yet.

use super::versions::older;
use super::{CallError, Calls, call};
use k8s_openapi::ClusterResourceScope;
use kube::api::{Api, Patch};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

/// The objects of a kind that belongs to no namespace, by UID.
#[derive(Debug)]
pub(super) struct Reported<K>(HashMap<String, K>);

impl<K> Default for Reported<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K> Reported<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    /// Each object with the status that it has, also where the view does not show that yet.
    /// `take_status` gives it to the object in view. Objects that are gone are forgotten.
    pub(super) fn newest(
        &mut self,
        objects: Vec<Arc<K>>,
        take_status: impl Fn(&mut K, &K),
    ) -> Vec<Arc<K>> {
        self.0.retain(|uid, _| objects.iter().any(|o| o.meta().uid.as_ref() == Some(uid)));
        let newest = |object: Arc<K>| {
            let own = object.meta().uid.as_ref().and_then(|uid| self.0.get(uid));
            let version =
                own.and_then(|own| own.meta().resource_version.as_deref()).unwrap_or_default();
            match own {
                Some(own) if older(object.meta().resource_version.as_deref(), version) => {
                    let mut object = Arc::unwrap_or_clone(object);
                    take_status(&mut object, own);
                    Arc::new(object)
                }
                _ => object,
            }
        };
        objects.into_iter().map(newest).collect()
    }

    /// Writes a status; `what` names that for the metrics. Where the object is gone, nothing is
    /// written.
    pub(super) async fn write(
        &mut self,
        calls: &Calls,
        what: &'static str,
        object: &K,
        status: Value,
    ) -> Result<(), CallError> {
        // The UID keeps the status of a deleted object from a new one of the same name.
        let patch = Patch::Merge(json!({ "metadata": { "uid": object.uid() }, "status": status }));
        let (api, name) = (Api::<K>::all(calls.client()), object.name_any());
        match calls.write(what, api.patch_status(&name, &call::merge(), &patch)).await {
            Ok(new) => drop(self.0.insert(new.uid().unwrap_or_default(), new)),
            Err(e) if e.is_not_found() || e.is_conflict() => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// Whether nothing more can be written for now: no lease, or an API server that does not answer.
pub(super) fn ends_the_look(error: &CallError) -> bool {
    error.is_transient() || matches!(error, CallError::NotLeading(_))
}
