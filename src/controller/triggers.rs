//! Which resources a change touches.

use super::SecretMeta;
use super::secret_meta::owner_name;
use crate::api::RefreshableCredential;
use crate::source::names_of_inputs;
use kube::ResourceExt as _;
use kube::runtime::reflector::{ObjectRef, Store};

/// Resources that something happened to.
pub type Touched = Vec<ObjectRef<RefreshableCredential>>;

/// Finds the resources that a change touches.
#[derive(Clone, Debug)]
pub(super) struct Triggers {
    credentials: Store<RefreshableCredential>,
}

impl Triggers {
    pub(super) fn new(credentials: Store<RefreshableCredential>) -> Self {
        Self { credentials }
    }

    /// A published Secret: the resource that it names as its owner.
    pub(super) fn of_own_secret(&self, secret: &SecretMeta) -> Touched {
        let namespace = secret.namespace().unwrap_or_default();
        owner_name(&secret.metadata).map(|name| ObjectRef::new(name).within(&namespace)).into_iter().collect()
    }

    /// An input Secret: the resources that read it.
    pub(super) fn of_input(&self, secret: &SecretMeta) -> Touched {
        let (namespace, name) = (secret.namespace(), secret.name_any());
        self.those(|c| c.namespace() == namespace && names_of_inputs(&c.spec).contains(&name))
    }

    /// The policies: every resource that needs one.
    pub(super) fn of_policies(&self) -> Touched {
        self.those(crate::rules::policy::needs_permission)
    }

    /// A namespace's labels: every resource in it that needs a policy.
    pub(super) fn of_namespace(&self, namespace: &str) -> Touched {
        self.those(|c| c.namespace().as_deref() == Some(namespace) && crate::rules::policy::needs_permission(c))
    }

    fn those(&self, touched: impl Fn(&RefreshableCredential) -> bool) -> Touched {
        self.credentials.state().iter().filter(|c| touched(c)).map(|c| ObjectRef::from_obj(c.as_ref())).collect()
    }
}
