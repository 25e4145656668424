//! Each change that breaks somebody is objected to, and each that does not is taken.

use super::objections;
use serde_json::{Value, json};

fn crd() -> Value {
    json!({"spec": {
        "group": "refreshable.dev",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "singular": "thing", "shortNames": ["th"], "categories": ["aws"]},
        "versions": [{
            "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                "type": "object",
                "required": ["role"],
                "x-kubernetes-validations": [{"rule": "self.role != ''", "message": "m"}],
                "properties": {
                    "role": {"type": "string", "minLength": 2, "maxLength": 20, "pattern": "^a"},
                    "mode": {"type": "string", "enum": ["A", "B"], "default": "A"},
                    "seconds": {"type": "integer", "format": "int32", "minimum": 900, "maximum": 43200},
                    "tags": {"type": "array", "maxItems": 50, "x-kubernetes-list-type": "atomic", "items": {
                        "type": "object", "properties": {"key": {"type": "string"}},
                    }},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            }}}},
        }],
    }})
}

const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";

/// The CRD with a change at a pointer: null takes it out.
fn changed(pointer: &str, value: Value) -> Value {
    let mut crd = crd();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = crd.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, value) {
        (Value::Object(members), Value::Null) => drop(members.remove(name).expect("it is there")),
        (Value::Object(members), value) => drop(members.insert(name.to_owned(), value)),
        (other, _) => panic!("{pointer}: {other}"),
    }
    crd
}

fn within_spec(pointer: &str, value: Value) -> Value {
    changed(&format!("{SPEC}/{pointer}"), value)
}

#[test]
fn what_breaks_somebody_is_objected_to() {
    let rule = |rule: &str| json!([{"rule": "self.role != ''"}, {"rule": rule}]);
    for (broken, words) in [
        (changed("/spec/group", json!("example.com")), "group was"),
        (changed("/spec/scope", json!("Cluster")), "scope was"),
        (changed("/spec/names/plural", json!("thingies")), "names.plural was"),
        (changed("/spec/names/shortNames", json!([])), "shortNames had th"),
        (changed("/spec/versions", json!([])), "version v1alpha1 was there"),
        (changed("/spec/versions/0/served", json!(false)), "v1alpha1 was served"),
        (changed("/spec/versions/0/subresources", json!({})), "subresource status"),
        (within_spec("properties/mode", Value::Null), "v1alpha1.spec.mode: this field was there"),
        (
            within_spec("properties/tags/items/properties/key", Value::Null),
            "spec.tags[].key: this field was there",
        ),
        (within_spec("properties/role/type", json!("integer")), "spec.role: type was string"),
        (
            within_spec("properties/labels/additionalProperties/type", json!("integer")),
            "spec.labels{}: type was",
        ),
        (within_spec("required", json!(["role", "tags"])), "spec: tags was not required"),
        (within_spec("properties/mode/enum", json!(["A"])), "enum had B"),
        (within_spec("properties/role/enum", json!(["ab"])), "the enum is new"),
        (within_spec("properties/role/minLength", json!(3)), "minLength was 2"),
        (within_spec("properties/role/maxLength", json!(19)), "maxLength was 20"),
        (within_spec("properties/tags/minItems", json!(1)), "minItems was not there"),
        (within_spec("properties/labels/maxProperties", json!(9)), "maxProperties was not there"),
        (within_spec("properties/seconds/minimum", json!(901.0)), "minimum was 900"),
        (within_spec("properties/role/pattern", json!("^b")), "pattern was"),
        (within_spec("properties/mode/pattern", json!("^b")), "pattern was not there"),
        (within_spec("properties/mode/default", json!("B")), "default was \"A\""),
        (within_spec("properties/mode/default", Value::Null), "default was \"A\""),
        (within_spec("properties/tags/x-kubernetes-list-type", json!("set")), "list-type was"),
        (
            within_spec("x-kubernetes-validations", rule("size(self.tags) > 1")),
            "this rule was not there: size",
        ),
        (within_spec("properties/role/oneOf", json!([{"pattern": "x"}])), "oneOf was not there"),
    ] {
        let found = objections(&crd(), &broken);
        assert!(found.iter().any(|o| o.contains(words)), "{words}: {found:?}");
    }
}

#[test]
fn another_stored_version_is_served_for_a_release_first() {
    let mut new = crd();
    let versions = new["spec"]["versions"].as_array_mut().expect("versions");
    let mut next = versions[0].clone();
    next["name"] = "v1".into();
    next["storage"] = false.into();
    versions.push(next);
    assert_eq!(objections(&crd(), &new), Vec::<String>::new(), "another version may be served");
    let served = new.clone();
    new["spec"]["versions"][0]["storage"] = false.into();
    new["spec"]["versions"][1]["storage"] = true.into();
    assert!(
        objections(&crd(), &new).iter().any(|o| o.contains("is stored")),
        "but not stored at once"
    );
    assert_eq!(objections(&served, &new), Vec::<String>::new(), "only after that");
}

#[test]
fn what_breaks_nobody_is_taken() {
    let new_field = json!({"type": "string", "pattern": "^x"});
    let mut with_rule = within_spec("properties/extra", new_field.clone());
    with_rule.pointer_mut(SPEC).expect("spec")["x-kubernetes-validations"] = json!([{"rule": "self.role != ''", "message": "other words"}, {"rule": "!has(self.extra) || self.role != 'b'"}]);
    let mut defaulted = within_spec("properties/extra", json!({"type": "string", "default": "x"}));
    defaulted.pointer_mut(SPEC).expect("spec")["required"] = json!(["role", "extra"]);
    for (what, new) in [
        ("nothing", crd()),
        ("a field", within_spec("properties/extra", new_field)),
        ("a field with a rule of its own", with_rule),
        ("a required field with a default", defaulted),
        ("a value", within_spec("properties/mode/enum", json!(["A", "B", "C"]))),
        ("no pattern", within_spec("properties/role/pattern", Value::Null)),
        ("wider limits", within_spec("properties/role/maxLength", json!(30))),
        ("no limit", within_spec("properties/role/maxLength", Value::Null)),
        ("a wider number", within_spec("properties/seconds/format", json!("int64"))),
        ("nothing required", within_spec("required", json!([]))),
        ("fewer rules", within_spec("x-kubernetes-validations", json!([]))),
    ] {
        assert_eq!(objections(&crd(), &new), Vec::<String>::new(), "{what}");
    }
}
