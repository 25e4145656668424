//! The form in which the view keeps objects: those of which there may be a hundred thousand as
//! compressed JSON, which takes a fraction of the bytes of the object as it is read.

use super::secret_meta::{owner_name, owner_uid};
use super::{ConfigMapMeta, PodMeta, SecretMeta};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use refreshable_api::conditions::READY;
use refreshable_api::{ClusterRefreshableCredential, CredentialPolicy, RefreshableCredential};
use refreshable_rules::fleet;
use refreshable_rules::health::Vitals;
use refreshable_rules::kept;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

/// A kind that the view keeps.
pub trait Kept: Resource<DynamicType = ()> + Clone + Send + Sync + 'static {
    /// In which form.
    type Form: Form<Self>;

    /// Drops what the controller does not read. Whoever may write in a namespace decides how large
    /// that is.
    fn trim(&mut self);

    /// Its bytes as JSON, where those are counted together for each namespace; else zero.
    fn bytes(&self) -> u32 {
        0
    }

    /// Part that a change of the object is judged by (which resources it touches, what it teaches
    /// memory). Where that stays the same, the object as it was is not opened for it.
    fn essence(&self) -> impl Hash;
}

/// An object of kind `K` as it is kept.
pub trait Form<K>: Send + Sync + 'static {
    /// Brings an object into the form.
    fn of(object: &Arc<K>) -> Self;

    /// The same, of an object that had so many bytes before it was trimmed.
    fn of_bytes(self, _: u32) -> Self
    where
        Self: Sized,
    {
        self
    }

    /// How many those were; zero of kinds that are not counted.
    fn bytes(&self) -> u64 {
        0
    }

    /// The object. `None` where it cannot be read back: a fault of the controller itself, that is
    /// logged.
    fn object(&self) -> Option<Arc<K>>;

    /// Its UID and resource version.
    fn state(&self) -> (Option<&str>, Option<&str>);

    /// Whether it is known that the essence of both is the same.
    fn is_alike(&self, other: &Self) -> bool;
}

/// The object as it is: for kinds of which there are few.
#[derive(Debug)]
pub struct Whole<K>(Arc<K>);

impl<K: Resource + Send + Sync + 'static> Form<K> for Whole<K> {
    fn of(object: &Arc<K>) -> Self {
        Self(object.clone())
    }

    fn object(&self) -> Option<Arc<K>> {
        Some(self.0.clone())
    }

    fn state(&self) -> (Option<&str>, Option<&str>) {
        let meta = self.0.meta();
        (meta.uid.as_deref(), meta.resource_version.as_deref())
    }

    fn is_alike(&self, _: &Self) -> bool {
        // It is open already.
        false
    }
}

/// The parts that nearly all resources and Secrets have in common: the compression refers to them.
/// Objects that differ only take more bytes.
const SAMPLE: &[u8] = include_bytes!("packed_sample.json");

/// The object as JSON, compressed (LZ4's block format, with a dictionary).
#[derive(Debug)]
pub struct Packed<K> {
    uid: Option<Box<str>>,
    version: Option<Box<str>>,
    /// Of its essence.
    digest: u64,
    bytes: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Form<K> for Packed<K>
where
    K: Kept + Serialize + DeserializeOwned,
{
    fn of(object: &Arc<K>) -> Self {
        let meta = object.meta();
        let json = serde_json::to_vec(object.as_ref()).unwrap_or_default();
        Self {
            uid: meta.uid.as_deref().map(Into::into),
            version: meta.resource_version.as_deref().map(Into::into),
            digest: digest(&object.essence()),
            bytes: compress_prepend_size_with_dict(&json, SAMPLE).into_boxed_slice(),
            kind: PhantomData,
        }
    }

    fn object(&self) -> Option<Arc<K>> {
        // An error may quote the object: that there is one says enough.
        let json = decompress_size_prepended_with_dict(&self.bytes, SAMPLE).ok();
        let object = json.and_then(|json| serde_json::from_slice(&json).ok());
        if object.is_none() {
            tracing::error!(kind = %K::kind(&()), uid = self.uid, "an object in view cannot be read");
        }
        object.map(Arc::new)
    }

    fn state(&self) -> (Option<&str>, Option<&str>) {
        (self.uid.as_deref(), self.version.as_deref())
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// The same in each run: what the controller does does not depend on it.
fn digest(essence: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    essence.hash(&mut hasher);
    hasher.finish()
}

/// A resource, with what each scrape of the metrics reads of it.
#[derive(Debug)]
pub struct PackedCredential {
    packed: Packed<RefreshableCredential>,
    /// Its health follows from these.
    pub(super) vitals: Vitals,
    /// UID of the ClusterRefreshableCredential that made it.
    pub(super) made_by: Option<Box<str>>,
    /// As the API server returned it.
    bytes: u32,
}

impl Form<RefreshableCredential> for PackedCredential {
    fn of(object: &Arc<RefreshableCredential>) -> Self {
        let made_by = fleet::owner_uid(&object.metadata).map(Into::into);
        Self { packed: Packed::of(object), vitals: Vitals::of(object), made_by, bytes: 0 }
    }

    fn of_bytes(self, bytes: u32) -> Self {
        Self { bytes, ..self }
    }

    fn bytes(&self) -> u64 {
        self.bytes.into()
    }

    fn object(&self) -> Option<Arc<RefreshableCredential>> {
        self.packed.object()
    }

    fn state(&self) -> (Option<&str>, Option<&str>) {
        self.packed.state()
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.packed.is_alike(&other.packed)
    }
}

/// Counts the bytes that are written to it.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept for RefreshableCredential {
    type Form = PackedCredential;

    fn trim(&mut self) {
        kept::of_resource(self.meta_mut());
    }

    fn bytes(&self) -> u32 {
        let mut bytes = Counter(0);
        // A counter takes everything, and the object was JSON a moment ago.
        let _ = serde_json::to_writer(&mut bytes, self);
        u32::try_from(bytes.0).unwrap_or(u32::MAX)
    }

    fn essence(&self) -> impl Hash {
        // The identity of its specification: its status, which each rotation writes, touches nothing
        // but itself. Whether it is ready is told by the ClusterRefreshableCredential that made it,
        // of which alone labels are kept.
        let conditions = self.status.iter().flat_map(|s| &s.conditions);
        let ready = conditions.into_iter().find(|c| c.type_ == READY);
        (
            &self.metadata.uid,
            self.metadata.generation,
            ready.map(|r| (&r.status, &r.reason)),
            &self.metadata.labels,
        )
    }
}

impl Kept for SecretMeta {
    type Form = Packed<Self>;

    fn trim(&mut self) {
        kept::of_secret(self.meta_mut());
    }

    fn essence(&self) -> impl Hash {
        (&self.metadata.uid, owner_name(&self.metadata), owner_uid(&self.metadata))
    }
}

impl Kept for ConfigMapMeta {
    type Form = Packed<Self>;

    fn trim(&mut self) {
        kept::of_secret(self.meta_mut());
    }

    fn essence(&self) -> impl Hash {
        &self.metadata.uid
    }
}

impl Kept for PodMeta {
    type Form = Packed<Self>;

    fn trim(&mut self) {
        kept::of_resource(self.meta_mut());
    }

    fn essence(&self) -> impl Hash {
        &self.metadata.uid
    }
}

impl Kept for ClusterRefreshableCredential {
    type Form = Whole<Self>;

    fn trim(&mut self) {
        kept::of_resource(self.meta_mut());
    }

    fn essence(&self) -> impl Hash {
        &self.metadata.uid
    }
}

impl Kept for CredentialPolicy {
    type Form = Whole<Self>;

    fn trim(&mut self) {
        kept::of_resource(self.meta_mut());
    }

    fn essence(&self) -> impl Hash {
        &self.metadata.uid
    }
}

impl Kept for PartialObjectMeta<Namespace> {
    type Form = Whole<Self>;

    fn trim(&mut self) {
        kept::of_namespace(self.meta_mut());
    }

    fn essence(&self) -> impl Hash {
        &self.metadata.uid
    }
}

impl Kept for ConfigMap {
    type Form = Whole<Self>;

    fn trim(&mut self) {
        self.managed_fields_mut().clear();
    }

    fn essence(&self) -> impl Hash {
        &self.metadata.uid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resource() -> RefreshableCredential {
        let spec = json!({
            "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x", "durationSeconds": 900,
                "tags": [{"key": "a", "value": "\u{fc}\n"}]}],
            "secret": {"labels": {"a": "b"}},
        });
        let status = json!({"observedGeneration": 3, "expiration": "2026-01-01T00:00:00Z"});
        let metadata = json!({"namespace": "a", "name": "x", "uid": "u", "resourceVersion": "7",
            "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z"});
        serde_json::from_value(json!({"apiVersion": "refreshable.dev/v1alpha1",
            "kind": "RefreshableCredential", "metadata": metadata, "spec": spec, "status": status}))
        .expect("a resource")
    }

    #[test]
    fn what_is_packed_is_read_back_whole() {
        let object = Arc::new(resource());
        let packed = PackedCredential::of(&object);
        assert_eq!(packed.state(), (Some("u"), Some("7")));
        let json = |o: &RefreshableCredential| serde_json::to_value(o).expect("JSON");
        let back = packed.object().expect("readable");
        assert_eq!(json(&back), json(&object));
        assert_eq!(packed.vitals, Vitals::of(&object));
    }

    #[test]
    fn every_example_is_read_back_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/examples");
        let mut count = 0;
        for file in std::fs::read_dir(folder).expect("the examples").filter_map(Result::ok) {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            for one in text.split("\n---\n").filter(|t| t.contains("kind: RefreshableCredential\n"))
            {
                let object: RefreshableCredential = serde_saphyr::from_str(one).expect("YAML");
                let object = Arc::new(object);
                let back = PackedCredential::of(&object).object().expect("readable");
                let json = |o: &RefreshableCredential| serde_json::to_value(o).expect("JSON");
                assert_eq!(json(&back), json(&object), "{:?}", file.path());
                count += 1;
            }
        }
        assert!(count > 10, "{count} examples");
    }

    #[test]
    fn metadata_is_read_back_as_it_was_kept() {
        let metadata = json!({"namespace": "a", "name": "x", "uid": "u", "resourceVersion": "7",
            "annotations": {"refreshable.dev/owner-name": "x"}, "labels": {"l": "v"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "k", "uid": "o", "controller": true}],
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["f/x"]});
        let whole: Value = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata});
        let secret: Arc<SecretMeta> = Arc::new(serde_json::from_value(whole).expect("a Secret"));
        let back = Packed::of(&secret).object().expect("readable");
        assert_eq!(back.metadata, secret.metadata);
    }

    #[test]
    fn a_resource_is_counted_as_the_api_server_returns_it() {
        let object = resource();
        let json = serde_json::to_vec(&object).expect("JSON");
        assert_eq!(object.bytes() as usize, json.len());
        let packed = PackedCredential::of(&Arc::new(object)).of_bytes(7);
        assert_eq!(packed.bytes(), 7);
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        let packed = Packed::<RefreshableCredential> {
            uid: None,
            version: None,
            digest: 0,
            bytes: Box::from(*b"{"),
            kind: PhantomData,
        };
        assert!(packed.object().is_none());
    }
}
