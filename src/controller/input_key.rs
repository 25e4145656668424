//! The key of the digests of inputs: a Secret of the controller's own namespace, made once by
//! whoever leads.

use super::{CallError, Calls};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use refreshable_api::names;
use refreshable_rules::inputs::InputKey;
use secrecy::{ExposeSecret as _, SecretSlice};
use std::sync::OnceLock;
use tokio::sync::Mutex;

/// Pause after a try that gave no key. Meanwhile versions tell whether inputs changed.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// The key of the digests of inputs, read when it is first needed.
#[derive(Debug)]
pub struct InputKeys {
    /// Namespace and name of the Secret; without a namespace there is no key.
    place: Option<(String, String)>,
    key: OnceLock<InputKey>,
    failed: Mutex<Option<Timestamp>>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("it does not hold 32 bytes under `key`: delete it, and it is made anew")]
    Invalid,
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl InputKeys {
    /// The key beside the Lease `lease` in `namespace`.
    pub fn beside(namespace: Option<&str>, lease: &str) -> Self {
        let place = namespace.map(|n| (n.to_owned(), names::input_key_secret(lease)));
        Self { place, key: OnceLock::new(), failed: Mutex::default() }
    }

    /// The key, if it has been read.
    pub fn known(&self) -> Option<&InputKey> {
        self.key.get()
    }

    /// The key. Without one, versions tell whether inputs changed, so that nothing waits for it.
    pub(super) async fn get(&self, calls: &Calls, now: Timestamp) -> Option<&InputKey> {
        let (namespace, name) = self.place.as_ref()?;
        if let Some(key) = self.key.get() {
            return Some(key);
        }
        let mut failed = self.failed.lock().await;
        if let Some(key) = self.key.get() {
            return Some(key);
        }
        if failed.is_some_and(|at| at <= now && now.duration_since(at) < AGAIN) {
            return None;
        }
        match load(calls, namespace, name).await {
            Ok(key) => Some(self.key.get_or_init(|| key)),
            Err(error) => {
                *failed = Some(now);
                tracing::warn!(namespace, name, %error, "no key for digests of inputs; their versions are compared");
                None
            }
        }
    }
}

async fn load(calls: &Calls, namespace: &str, name: &str) -> Result<InputKey, KeyError> {
    let api = Api::<Secret>::namespaced(calls.client(), namespace);
    if let Some(secret) = calls.read("get secrets", api.get_opt(name)).await? {
        return read(secret);
    }
    let mut bytes = vec![0; InputKey::LENGTH];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    let bytes = SecretSlice::from(bytes);
    let secret = Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        type_: Some(names::INPUT_KEY_TYPE.to_owned()),
        immutable: Some(true),
        data: Some(
            [(names::INPUT_KEY.to_owned(), ByteString(bytes.expose_secret().to_vec()))].into(),
        ),
        ..Secret::default()
    };
    match calls.write("create secrets", api.create(&PostParams::default(), &secret)).await {
        Ok(made) => read(made),
        // Another replica was faster.
        Err(error) if error.is_conflict() => read(calls.read("get secrets", api.get(name)).await?),
        Err(error) => Err(error.into()),
    }
}

fn read(secret: Secret) -> Result<InputKey, KeyError> {
    let bytes =
        secret.data.unwrap_or_default().remove(names::INPUT_KEY).map(|b| SecretSlice::from(b.0));
    bytes.and_then(|b| InputKey::new(b.expose_secret())).ok_or(KeyError::Invalid)
}
