//! PKCS#11 modules, which the administrator registered by name.

use super::pin::RefusedPins;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use parking_lot::Mutex;
use refreshable_rules::issuer::IssueError;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// A loaded module. Every signer holds the lock: a login is valid for the whole process, and a
/// signer must not use a key that another's PIN opened.
pub(super) type Loaded = Arc<Mutex<Pkcs11>>;

/// The registered modules. Each is loaded at its first use, once for a process.
#[derive(Default)]
pub struct Modules {
    registered: BTreeMap<String, PathBuf>,
    loaded: Mutex<HashMap<String, Loaded>>,
    /// PINs that the modules' tokens refused.
    pub(super) refused: Arc<RefusedPins>,
}

impl std::fmt::Debug for Modules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Modules").field("registered", &self.registered).finish_non_exhaustive()
    }
}

impl Modules {
    /// Modules by name, each with the path of its library.
    pub fn new(registered: BTreeMap<String, PathBuf>) -> Self {
        Self { registered, loaded: Mutex::default(), refused: Arc::default() }
    }

    /// The module of that name.
    pub(super) fn load(&self, name: &str) -> Result<Loaded, IssueError> {
        let specification =
            |what: String| IssueError::Specification { field: "pkcs11.module".to_owned(), what };
        let path = self.registered.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.registered.keys().map(String::as_str).collect();
            specification(format!(
                "no module {name} is registered with the controller (registered: {}); an administrator can add it to the file of --registry",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        })?;
        let mut loaded = self.loaded.lock();
        if let Some(module) = loaded.get(name) {
            return Ok(module.clone());
        }
        let module = Pkcs11::new(path)
            .and_then(|m| {
                m.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map(|()| m)
            })
            .map_err(|e| {
                specification(format!("module {name} ({}) cannot be loaded: {e}", path.display()))
            })?;
        let module = Arc::new(Mutex::new(module));
        loaded.insert(name.to_owned(), module.clone());
        Ok(module)
    }
}
