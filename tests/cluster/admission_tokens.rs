//! Tokens that a specification asks for: what is refused, and what is taken.

use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/puller";

fn registry() -> Value {
    json!({"accountId": "111122223333", "region": "eu-west-1"})
}

/// A specification with this token, and these members beside it.
fn token(ecr: Value, more: Value) -> Value {
    let mut spec = json!({"roles": [{"roleArn": ROLE}], "token": {"ecr": ecr}});
    let more = more.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(more);
    spec
}

fn one(more: Value) -> Value {
    token(json!({"registries": [registry()]}), more)
}

fn of_registry(patch: Value) -> Value {
    let mut registry = registry();
    let patch = patch.as_object().expect("an object").clone();
    registry.as_object_mut().expect("an object").extend(patch);
    token(json!({"registries": [registry]}), json!({}))
}

/// Specifications that are refused, with a part of the message that says what to write instead.
pub(super) fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "a token without a member",
            json!({"roles": [{"roleArn": ROLE}], "token": {}}),
            "token must have exactly one of ecr",
        ),
        ("no registry", token(json!({}), json!({})), "ecr must name a registry"),
        (
            "no registry but not the public one",
            token(json!({"public": false}), json!({})),
            "ecr must name a registry",
        ),
        (
            "an account of eleven digits",
            of_registry(json!({"accountId": "11112222333"})),
            "should match",
        ),
        (
            "a zone for a Region",
            of_registry(json!({"region": "eu-west-1a"})),
            "must be the code of an AWS Region",
        ),
        (
            "half a Region",
            of_registry(json!({"region": "eu-west"})),
            "must be the code of an AWS Region",
        ),
        ("a host of no kind", of_registry(json!({"hosts": ["IPv6"]})), "supported values"),
        ("no hosts", of_registry(json!({"hosts": []})), "at least 1 items"),
        (
            "a registry twice",
            token(json!({"registries": [registry(), registry()]}), json!({})),
            "Duplicate value",
        ),
        (
            "a token of many profiles",
            one(json!({"roles": [], "profiles": [{"name": "a", "roles": [{"roleArn": ROLE}]}]})),
            "a token is bought by one session",
        ),
        (
            "a token beside files",
            one(json!({"secret": {"formats": ["Credentials"]}})),
            "take formats, keys, profile, region, mountPath and template out of spec.secret",
        ),
        (
            "a token in a folder",
            one(json!({"secret": {"mountPath": "/aws"}})),
            "take formats, keys, profile, region, mountPath and template out of spec.secret",
        ),
        (
            "a token in an adopted Secret",
            one(json!({"secret": {"adopt": true}})),
            "take secret.adopt out",
        ),
        (
            "a Secret merged into itself",
            token(
                json!({"registries": [registry()], "mergeFrom": {"name": "images"}}),
                json!({"secret": {"name": "images"}}),
            ),
            "token.ecr.mergeFrom names the Secret that is published",
        ),
    ]
}

/// Specifications that are taken.
pub(super) fn taken() -> Vec<(&'static str, Value)> {
    let all = json!(["Standard", "Fips", "DualStack", "DualStackFips"]);
    vec![
        ("a registry", one(json!({}))),
        ("the public registry alone", token(json!({"public": true}), json!({}))),
        ("each host", of_registry(json!({"hosts": all}))),
        ("a Region of another partition", of_registry(json!({"region": "us-gov-west-1"}))),
        ("a Region of the sovereign cloud", of_registry(json!({"region": "eusc-de-east-1"}))),
        (
            "all that a token may have beside it",
            token(
                json!({"registries": [registry()], "public": true, "mergeFrom": {"name": "others"}}),
                json!({
                    "secret": {"name": "images", "labels": {"a": "b"}, "deletionPolicy": "Retain"},
                    "refresh": {"before": "25m"}, "principal": {"accountId": "111122223333"},
                    "restart": [{"kind": "Deployment", "name": "app"}],
                }),
            ),
        ),
    ]
}
