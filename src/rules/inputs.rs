//! Digests of input data: which data of which input Secret the credentials were obtained with, and
//! whether it is still the same.
//!
//! Inputs are watched by their metadata alone, and a resource version changes with every label. So
//! an attempt notes a keyed digest of the data that it used. Where a version differs, the input is
//! read once and its digest compared. Without a digest, or with one under another key, the versions
//! decide.

use hmac::{Hmac, KeyInit as _, Mac as _};
use refreshable_api::{InputDigest, InputStatus};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Versions of inputs by their spelling: `<uid>/<resourceVersion>`.
pub type InputVersions = BTreeMap<String, String>;

/// Data of each input that an attempt read, as [`InputObject`](super::input_object::InputObject)
/// spells it.
pub type UsedInputs = BTreeMap<String, UsedInput>;

/// Data of one input Secret that an attempt read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedInput {
    /// `<uid>/<resourceVersion>`; absent where the Secret did not exist.
    pub version: Option<String>,
    /// Digest of the data that was used; absent where the controller had no key for it.
    pub digest: Option<InputDigest>,
}

/// The key of the digests. Without a key, a PIN or an external id is short enough to be guessed
/// from its digest.
#[derive(Clone)]
pub struct InputKey {
    id: String,
    key: Hmac<Sha256>,
}

impl fmt::Debug for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl InputKey {
    /// Length of a key in bytes.
    pub const LENGTH: usize = 32;

    /// The key of these bytes; `None` where they are not [`LENGTH`](Self::LENGTH) many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LENGTH {
            return None;
        }
        let key = Hmac::new_from_slice(bytes).ok()?;
        let id = hex::encode(&key.clone().chain_update(b"id").finalize().into_bytes()[..8]);
        Some(Self { id, key })
    }

    /// Identifier of this key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Digest of `data` (key and value; a key that is missing counts, too) in the Secret `name`,
    /// for the resource with UID `owner`: two resources that use the same data have different
    /// digests.
    pub fn digest<'a>(
        &self,
        owner: &str,
        name: &str,
        data: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> InputDigest {
        let ordered: BTreeMap<_, _> = data.into_iter().collect();
        let mut context = self.key.clone();
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(owner.as_bytes());
        part(name.as_bytes());
        for (key, value) in &ordered {
            part(key.as_bytes());
            part(&[u8::from(value.is_some())]);
            part(value.unwrap_or_default());
        }
        let mac = hex::encode(context.finalize().into_bytes());
        InputDigest {
            key_id: self.id.clone(),
            keys: ordered.into_keys().map(str::to_owned).collect(),
            mac,
        }
    }
}

/// Present state of a resource's input Secrets, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownInputs(BTreeMap<String, KnownInput>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct KnownInput {
    version: Option<String>,
    /// Digests of the data at that version, as far as they were compared.
    macs: BTreeSet<String>,
    read: bool,
}

impl KnownInputs {
    /// The Secret `name` is at `version`, or is not there. `macs` are digests that are known of
    /// that version.
    pub fn see(&mut self, name: &str, version: Option<String>, macs: BTreeSet<String>) {
        self.0.insert(name.to_owned(), KnownInput { version, macs, read: false });
    }

    /// The Secret `name` was read at `version`, and its data has these digests.
    pub fn read(&mut self, name: &str, version: Option<String>, macs: BTreeSet<String>) {
        self.0.insert(name.to_owned(), KnownInput { version, macs, read: true });
    }

    /// Whether the published credentials were obtained with other data. A deleted or unknown input
    /// does not count: credentials obtained with it are still valid.
    pub fn published_changed(&self, used: &UsedInputs) -> bool {
        used.iter().any(|(name, used)| {
            self.0.get(name).is_some_and(|k| k.version.is_some() && k.differs(used))
        })
    }

    /// Whether an attempt now would read other data than the one that used these. That an input is
    /// gone matters, too.
    pub fn attempt_changed(&self, used: &UsedInputs) -> bool {
        used.iter().any(|(name, used)| self.0.get(name).is_some_and(|k| k.differs(used)))
    }

    /// Names of those inputs that have another version than was used, and whose data decides
    /// whether they changed.
    pub fn unread(&self, used: &UsedInputs, key: &InputKey) -> BTreeSet<String> {
        let open = |(name, used): (&String, &UsedInput)| {
            let known = self.0.get(name)?;
            let comparable = used.digest.as_ref().is_some_and(|d| d.key_id == key.id);
            (comparable && !known.read && known.version.is_some() && known.differs(used))
                .then(|| name.clone())
        };
        used.iter().filter_map(open).collect()
    }
}

impl KnownInput {
    fn differs(&self, used: &UsedInput) -> bool {
        self.version != used.version
            && !used.digest.as_ref().is_some_and(|d| self.macs.contains(&d.mac))
    }
}

/// Whether two attempts read the same data, as far as both read.
pub fn same_data(a: &UsedInputs, b: &UsedInputs) -> bool {
    let same = |a: &UsedInput, b: &UsedInput| match (&a.digest, &b.digest) {
        (Some(x), Some(y)) if x.key_id == y.key_id && x.keys == y.keys => x.mac == y.mac,
        _ => a.version == b.version,
    };
    a.iter().all(|(name, used)| b.get(name).is_none_or(|other| same(used, other)))
}

/// The inputs of an attempt, in the form of the status.
pub fn to_status(used: &UsedInputs) -> Vec<InputStatus> {
    let one = |(name, used): (&String, &UsedInput)| InputStatus {
        name: name.clone(),
        version: used.version.clone(),
        digest: used.digest.clone(),
    };
    used.iter().map(one).collect()
}

/// The same, read back.
pub fn from_status(status: &[InputStatus]) -> UsedInputs {
    let one = |i: &InputStatus| {
        (i.name.clone(), UsedInput { version: i.version.clone(), digest: i.digest.clone() })
    };
    status.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> InputKey {
        InputKey::new(&[byte; InputKey::LENGTH]).expect("32 bytes")
    }

    fn mac(key: &InputKey, data: &[(&str, Option<&str>)]) -> String {
        key.digest("uid", "s", data.iter().map(|(k, v)| (*k, v.map(str::as_bytes)))).mac
    }

    fn used(version: &str, digest: Option<InputDigest>) -> UsedInputs {
        [("s".to_owned(), UsedInput { version: Some(version.to_owned()), digest })].into()
    }

    fn digest(key: &InputKey, value: &str) -> InputDigest {
        key.digest("uid", "s", [("k", Some(value.as_bytes()))])
    }

    #[test]
    fn a_digest_tells_data_apart_and_nothing_else() {
        let a = key(1);
        let one = mac(&a, &[("k", Some("v")), ("l", Some("w"))]);
        assert_eq!(one, mac(&a, &[("l", Some("w")), ("k", Some("v"))]), "order");
        for (what, other) in [
            ("value", mac(&a, &[("k", Some("v2")), ("l", Some("w"))])),
            ("boundary", mac(&a, &[("kv", Some("")), ("l", Some("w"))])),
            ("missing", mac(&a, &[("k", Some("v")), ("l", None)])),
            ("empty", mac(&a, &[("k", Some("v")), ("l", Some(""))])),
            ("fewer", mac(&a, &[("k", Some("v"))])),
            ("key", mac(&key(2), &[("k", Some("v")), ("l", Some("w"))])),
        ] {
            assert_ne!(one, other, "{what}");
        }
        let data = || [("k", Some("v".as_bytes()))];
        assert_ne!(a.digest("uid", "s", data()).mac, a.digest("other", "s", data()).mac);
        assert_ne!(a.digest("uid", "s", data()).mac, a.digest("uid", "other", data()).mac);
        assert_ne!(a.id(), key(2).id());
        assert!(InputKey::new(b"short").is_none() && InputKey::new(&[0; 33]).is_none());
        assert!(!format!("{a:?}").contains("[1"), "{a:?}");
    }

    #[test]
    fn only_other_data_is_a_change() {
        let (ours, theirs) = (key(1), key(2));
        let with = |key: &InputKey| used("u/1", Some(digest(key, "v")));
        let old_format = used("u/1", None);
        let absent = BTreeMap::from([("s".to_owned(), UsedInput::default())]);
        // What is seen: version, and the value that was read at it, where it was.
        for (what, used, version, value, unread, published, attempt) in [
            ("same version", with(&ours), Some("u/1"), None, false, false, false),
            ("other version, not read", with(&ours), Some("u/2"), None, true, true, true),
            ("a label", with(&ours), Some("u/2"), Some("v"), false, false, false),
            (
                "made anew with the same data",
                with(&ours),
                Some("w/9"),
                Some("v"),
                false,
                false,
                false,
            ),
            ("other data", with(&ours), Some("u/2"), Some("x"), false, true, true),
            ("gone", with(&ours), None, None, false, false, true),
            ("unknown key, same version", with(&theirs), Some("u/1"), None, false, false, false),
            ("unknown key, other version", with(&theirs), Some("u/2"), None, false, true, true),
            (
                "old format, same version",
                old_format.clone(),
                Some("u/1"),
                None,
                false,
                false,
                false,
            ),
            ("old format, other version", old_format.clone(), Some("u/2"), None, false, true, true),
            ("was not there and is not", absent.clone(), None, None, false, false, false),
            ("was not there and is", absent.clone(), Some("u/1"), None, false, true, true),
        ] {
            let mut known = KnownInputs::default();
            let version = version.map(str::to_owned);
            match value {
                Some(value) => known.read("s", version, [digest(&ours, value).mac].into()),
                None => known.see("s", version, BTreeSet::new()),
            }
            assert_eq!(!known.unread(&used, &ours).is_empty(), unread, "{what}: to be read");
            assert_eq!(known.published_changed(&used), published, "{what}: published");
            assert_eq!(known.attempt_changed(&used), attempt, "{what}: attempt");
        }
        let nothing = KnownInputs::default();
        assert!(
            !nothing.published_changed(&with(&ours)) && !nothing.attempt_changed(&with(&ours)),
            "not known"
        );
    }

    #[test]
    fn what_was_compared_is_not_read_again() {
        let key = key(1);
        let used = used("u/1", Some(digest(&key, "v")));
        let mut known = KnownInputs::default();
        known.see("s", Some("u/2".to_owned()), [digest(&key, "v").mac].into());
        assert!(known.unread(&used, &key).is_empty() && !known.published_changed(&used));
    }

    #[test]
    fn attempts_are_the_same_where_they_read_the_same_data() {
        let key = key(1);
        let of = |version: &str, value: &str| used(version, Some(digest(&key, value)));
        for (what, a, b, same) in [
            ("a label", of("u/1", "v"), of("u/2", "v"), true),
            ("other data", of("u/1", "v"), of("u/2", "x"), false),
            ("no digest, same version", used("u/1", None), of("u/1", "v"), true),
            ("no digest, other version", used("u/1", None), of("u/2", "v"), false),
            ("came as far as nothing", UsedInputs::new(), of("u/1", "v"), true),
        ] {
            assert_eq!(same_data(&a, &b), same, "{what}");
        }
    }

    #[test]
    fn the_status_holds_all_of_it() {
        let mut all = used("u/1", Some(digest(&key(1), "v")));
        all.insert("absent".to_owned(), UsedInput::default());
        assert_eq!(from_status(&to_status(&all)), all);
    }
}
