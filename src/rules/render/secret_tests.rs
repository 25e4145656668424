use super::*;
use crate::render::sample_manifest;
use jiff::Timestamp;

fn object(secret: Value) -> RefreshableCredential {
    crate::fixtures::credential(json!({"secret": secret}))
}

fn written(secret: Value, existing: Existing<'_>) -> Manifest {
    sample_manifest(&object(secret), Timestamp::UNIX_EPOCH, existing).expect("a Secret")
}

const NONE: Existing<'_> = Existing { uid: None, adopted: false };
const KNOWN: Existing<'_> = Existing { uid: Some("u"), adopted: false };

#[test]
fn a_secret_of_a_type_that_others_make_says_that_it_is_ours_and_is_written_over_none() {
    for (kind, shared) in [
        (json!("Opaque"), true),
        (json!("example.com/aws"), true),
        (json!("refreshable.dev/aws-credentials"), false),
        (Value::Null, false),
    ] {
        let secret = json!({"type": kind});
        for (existing, only_new) in [(NONE, shared), (KNOWN, false)] {
            let manifest = written(secret.clone(), existing);
            let body = manifest.expose();
            let expected = kind.as_str().unwrap_or(names::SECRET_TYPE);
            assert_eq!(body["type"], expected);
            let told = &body["metadata"]["annotations"][names::TYPE_ANNOTATION];
            assert_eq!(told.as_str(), shared.then_some(expected));
            assert_eq!(manifest.is_only_new(), only_new, "{kind}");
            assert_eq!(manifest.uid(), existing.uid);
        }
        let adopted = written(secret, Existing { uid: Some("u"), adopted: true });
        let body = adopted.expose();
        assert!(body["type"].is_null(), "an adopted Secret keeps its type");
        assert!(body["metadata"]["annotations"][names::TYPE_ANNOTATION].is_null());
    }
}

#[test]
fn it_is_made_anew_or_written_over_the_one_that_is_found() {
    let known = written(json!({}), KNOWN);
    let anew = known.only_new();
    assert!(anew.is_only_new() && anew.uid().is_none());
    assert_eq!(anew.expose()["data"], known.expose()["data"]);
    let found = anew.over("v");
    assert_eq!((found.is_only_new(), found.uid()), (false, Some("v")));
    let mut expected = known.expose().clone();
    expected["metadata"]["uid"] = "v".into();
    expected["metadata"]["name"] = "other".into();
    assert_eq!(*found.named("other").expose(), expected);
}

#[test]
fn a_secret_that_is_put_right_keeps_its_type() {
    let object = object(json!({"type": "Opaque"}));
    let secret = |kind: &str| -> Secret {
        let secret = json!({"metadata": {"name": "reports", "uid": "u"}, "type": kind});
        serde_json::from_value(secret).expect("a Secret")
    };
    let kind = |manifest: Manifest| manifest.expose()["type"].clone();
    assert_eq!(kind(restored(&object, &secret("example.com/aws"), false)), "example.com/aws");
    assert_eq!(kind(restored(&object, &secret("Opaque"), true)), Value::Null);
}
