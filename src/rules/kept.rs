//! The part of an object's metadata that the controller keeps in memory. Whoever may write in a
//! namespace decides how large the rest is.

use crate::fleet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use refreshable_api::names;
use std::collections::BTreeMap;

/// Most bytes of the controller's own annotations of a resource, and of its labels of a Secret.
const MOST_OF_OURS: usize = 64 * 1024;
/// Most bytes of the annotations of others, and of their labels.
const MOST_OF_OTHERS: usize = 4 * 1024;
/// Most owners and finalizers of a Secret.
const MOST_IN_LISTS: usize = 32;

/// Leaves of `meta` what a resource is planned by: the annotations that are the controller's. Of one
/// that a ClusterRefreshableCredential made, labels tell whether somebody changed those, too.
pub fn of_resource(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    let made = fleet::owner_uid(meta).is_some();
    match &mut meta.labels {
        Some(labels) if made => {
            cut(labels, MOST_OF_OTHERS);
        }
        labels => *labels = None,
    }
    if let Some(annotations) = &mut meta.annotations {
        annotations.retain(|key, _| key.starts_with(names::ANNOTATION_PREFIX));
        cut(annotations, MOST_OF_OURS);
    }
}

/// Leaves of `meta` what a namespace is judged by: its labels, and the limits of its resources.
pub fn of_namespace(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    let mut annotations = meta.annotations.take().unwrap_or_default();
    annotations.retain(|key, text| {
        shorten(text);
        [names::ATTEMPTS_ANNOTATION, names::TOTAL_SIZE_ANNOTATION].contains(&key.as_str())
    });
    meta.annotations = (!annotations.is_empty()).then_some(annotations);
}

/// Of a limit that cannot be read, so many bytes tell enough.
fn shorten(text: &mut String) {
    const SHOWN: usize = 32;
    text.truncate(text.floor_char_boundary(SHOWN));
}

/// Leaves of `meta` what tells a Secret's owner, its credentials, and whether somebody changed its
/// labels and annotations. Where those of others are too large, the largest are left out, and
/// [`names::LEFT_OUT_ANNOTATION`] stands in their place: they can be compared with nothing.
///
/// The controller's own annotations stay whole. They are the record of what is published, which a
/// hundred profiles with inputs of their own make large, and a part of it would read as a Secret
/// that somebody altered. The API server bounds them: it takes 256 KiB of annotations.
pub fn of_secret(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    let (mut annotations, mut others) = parted(meta.annotations.take());
    let (mut labels, mut other_labels) = parted(meta.labels.take());
    cut(&mut labels, MOST_OF_OURS);
    annotations.remove(names::LEFT_OUT_ANNOTATION);
    others.remove(LAST_APPLIED);
    let labels_left_out = cut(&mut other_labels, MOST_OF_OTHERS);
    let left_out = cut(&mut others, MOST_OF_OTHERS) || labels_left_out;
    annotations.append(&mut others);
    labels.append(&mut other_labels);
    if left_out {
        annotations.insert(names::LEFT_OUT_ANNOTATION.to_owned(), "true".to_owned());
    }
    meta.annotations = (!annotations.is_empty()).then_some(annotations);
    meta.labels = (!labels.is_empty()).then_some(labels);
    if let Some(owners) = &mut meta.owner_references {
        // The controlling one decides.
        owners.sort_by_key(|owner| owner.controller != Some(true));
        owners.truncate(MOST_IN_LISTS);
    }
    if let Some(finalizers) = &mut meta.finalizers {
        finalizers.truncate(MOST_IN_LISTS);
    }
}

/// The controller's entries, and those of others.
fn parted(
    entries: Option<BTreeMap<String, String>>,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    entries.unwrap_or_default().into_iter().partition(|(key, _)| {
        key.starts_with(names::ANNOTATION_PREFIX) || key == names::MANAGED_BY_LABEL
    })
}

/// Whether annotations of others were left out of `meta`.
pub fn is_cut(meta: &ObjectMeta) -> bool {
    meta.annotations.as_ref().is_some_and(|a| a.contains_key(names::LEFT_OUT_ANNOTATION))
}

/// The copy of the whole object that `kubectl apply` leaves: of a Secret it holds the data.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes the largest out until the rest fits into `most` bytes. Whether any was taken.
fn cut(entries: &mut BTreeMap<String, String>, most: usize) -> bool {
    let mut total = size(entries);
    if total <= most {
        return false;
    }
    let mut sizes: Vec<(usize, String)> =
        entries.iter().map(|(key, value)| (key.len() + value.len(), key.clone())).collect();
    sizes.sort();
    while total > most
        && let Some((bytes, key)) = sizes.pop()
    {
        entries.remove(&key);
        total -= bytes;
    }
    true
}

fn size(entries: &BTreeMap<String, String>) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn meta(value: Value) -> ObjectMeta {
        serde_json::from_value(value).expect("metadata")
    }

    fn left(of: fn(&mut ObjectMeta), value: Value) -> Value {
        let mut meta = meta(value);
        of(&mut meta);
        serde_json::to_value(meta).expect("JSON")
    }

    fn all() -> Value {
        json!({
            "name": "x", "uid": "u", "labels": {"team": "a"}, "managedFields": [{"manager": "kubectl"}],
            "annotations": {"refreshable.dev/owner-name": "x", "note": "n", LAST_APPLIED: "{\"data\":{}}"},
        })
    }

    #[test]
    fn each_kind_keeps_what_the_controller_reads_of_it() {
        let ours = json!({"refreshable.dev/owner-name": "x"});
        assert_eq!(left(of_resource, all()), json!({"name": "x", "uid": "u", "annotations": ours}));
        let mut made = all();
        made["ownerReferences"] = json!([{"apiVersion": "refreshable.dev/v1alpha1", "uid": "c", "name": "c",
            "kind": "ClusterRefreshableCredential", "controller": true}]);
        assert_eq!(left(of_resource, made)["labels"], json!({"team": "a"}));
        let labels = json!({"team": "a"});
        assert_eq!(left(of_namespace, all()), json!({"name": "x", "uid": "u", "labels": labels}));
        let limited =
            |text: &str| json!({"name": "x", "annotations": {names::ATTEMPTS_ANNOTATION: text}});
        assert_eq!(left(of_namespace, limited("60")), limited("60"));
        let sized = json!({"name": "x", "annotations": {names::TOTAL_SIZE_ANNOTATION: "10Mi"}});
        assert_eq!(left(of_namespace, sized.clone()), sized);
        assert_eq!(
            left(of_namespace, limited(&"\u{fc}".repeat(99))),
            limited(&"\u{fc}".repeat(16))
        );
        let kept = json!({"refreshable.dev/owner-name": "x", "note": "n"});
        assert_eq!(
            left(of_secret, all()),
            json!({"name": "x", "uid": "u", "labels": labels, "annotations": kept})
        );
    }

    #[test]
    fn the_largest_annotations_of_others_are_left_out_and_that_is_noted() {
        let (small, large) = ("s".repeat(1000), "l".repeat(200_000));
        let annotations =
            json!({"a": small, "b": large, "c": small, "refreshable.dev/checksum": "c"});
        let mut kept = meta(json!({"annotations": annotations}));
        assert!(!is_cut(&kept));
        of_secret(&mut kept);
        let names: Vec<&str> =
            kept.annotations.iter().flatten().map(|(key, _)| key.as_str()).collect();
        assert_eq!(names, ["a", "c", "refreshable.dev/checksum", names::LEFT_OUT_ANNOTATION]);
        assert!(is_cut(&kept));
        let forged = json!({"annotations": {names::LEFT_OUT_ANNOTATION: "true"}});
        let mut kept = meta(forged);
        of_secret(&mut kept);
        assert!(!is_cut(&kept), "only this function says so");
    }

    #[test]
    fn what_somebody_writes_into_our_annotations_has_a_bound() {
        let value = "v".repeat(200_000);
        let annotations = json!({"refreshable.dev/requested-at": value, "refreshable.dev/x": "c"});
        let left = left(of_resource, json!({"annotations": annotations}));
        assert_eq!(left, json!({"annotations": {"refreshable.dev/x": "c"}}));
    }

    #[test]
    fn the_record_of_a_secret_is_kept_whole() {
        // A hundred profiles whose roles have two inputs each take some 75 KB.
        let value = "v".repeat(200_000);
        let annotations =
            json!({"refreshable.dev/profiles": value, "refreshable.dev/checksum": "c"});
        let record = json!({"annotations": annotations});
        assert_eq!(left(of_secret, record.clone()), record);
    }

    #[test]
    fn labels_owners_and_finalizers_have_bounds_and_what_decides_stays() {
        let mut labels: BTreeMap<String, String> =
            (0..1000).map(|n| (format!("label-{n}"), "v".repeat(63))).collect();
        labels.insert(names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned());
        let owner = |n: usize| json!({"apiVersion": "v1", "kind": "K", "name": "k", "uid": n.to_string(), "controller": n == 999});
        let owners: Vec<Value> = (0..1000).map(owner).collect();
        let finalizers: Vec<String> = (0..1000).map(|n| format!("f/{n}")).collect();
        let mut kept =
            meta(json!({"labels": labels, "ownerReferences": owners, "finalizers": finalizers}));
        of_secret(&mut kept);
        assert!(is_cut(&kept));
        assert!(serde_json::to_vec(&kept).expect("JSON").len() < 2 * MOST_OF_OTHERS);
        let labels = kept.labels.expect("labels");
        assert_eq!(
            labels.get(names::MANAGED_BY_LABEL).map(String::as_str),
            Some(names::MANAGED_BY)
        );
        let first = kept.owner_references.expect("owners").remove(0);
        assert_eq!((first.uid.as_str(), first.controller), ("999", Some(true)));
        assert!(kept.finalizers.is_some_and(|f| !f.is_empty()));
    }
}
