//! The controller's own resources that sources use, besides STS.

use crate::certificate::Modules;
use crate::http::{Guarded, Transport};
use crate::registry::Registry;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::Mutex as AsyncMutex;

/// The controller's own resources that sources use, besides STS.
#[derive(Debug)]
pub struct SourceContext {
    /// Shared configuration of AWS's clients: HTTP client, endpoints, time source, the controller's
    /// identity.
    pub aws: aws_types::SdkConfig,
    /// The carrier of all calls that are not the SDK's.
    pub http: Arc<dyn Transport>,
    /// Programs that are registered.
    pub registry: Registry,
    /// PKCS#11 modules that are registered.
    pub modules: Modules,
    /// The cluster's name, which session tags tell AWS.
    pub cluster_name: Option<String>,
    /// One writer at a time for each token that is renewed.
    pub writers: Writers,
}

impl SourceContext {
    /// With the AWS clients' configuration and the registry.
    pub fn new(aws: aws_types::SdkConfig, registry: Registry) -> Self {
        let modules = Modules::new(registry.pkcs11_modules.clone());
        let (http, writers) = (Arc::new(Guarded), Writers::default());
        Self { aws, http, modules, registry, cluster_name: None, writers }
    }

    /// The same, whose calls go by `http`.
    #[must_use]
    pub fn by(self, http: impl Transport + 'static) -> Self {
        Self { http: Arc::new(http), ..self }
    }

    /// The same, in a cluster of this name.
    #[must_use]
    pub fn in_cluster(self, name: Option<String>) -> Self {
        Self { cluster_name: name, ..self }
    }
}

/// Locks by name. A lock is dropped when its last holder is gone.
#[derive(Debug, Default)]
pub struct Writers(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

impl Writers {
    /// The lock of that name.
    pub fn of(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock();
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(AsyncMutex::new(()));
        locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}
