use super::*;
use crate::{CredentialPolicy, RefreshableCredential};
use kube::CustomResourceExt as _;
use regex::Regex;
use serde_json::Value;

/// Texts that lead elsewhere in a URL, or that Kubernetes never takes.
const NO_NAMES: [&str; 20] = [
    "", "?", "a?b", "a/b", "../b", "..", ".", "a%2fb", "a#b", "a b", "a\nb", "Upper", "-a", "a-",
    ".a", "a.", "a..b", "a.-b", "a_b", "ä",
];

#[test]
fn names_that_lead_elsewhere_are_none() {
    for name in NO_NAMES {
        assert!(!ObjectName::fits(name), "{name:?}");
        let said = ObjectName::check(name).expect_err("no name");
        assert!(
            said.contains(&format!("{name:?} is not a name"))
                && said.contains("lower-case letters"),
            "{said}"
        );
        assert!(!is_namespace(name), "{name:?}");
    }
    for name in ["a", "0", "a-b", "a.b", "team-a.reports", "x".repeat(253).as_str()] {
        assert_eq!(ObjectName::check(name), Ok(name));
    }
    assert!(!ObjectName::fits(&"x".repeat(254)));
    assert!(
        is_namespace(&"x".repeat(63)) && !is_namespace(&"x".repeat(64)) && !is_namespace("a.b")
    );
}

#[test]
fn a_segment_of_a_path_stands_for_itself() {
    for text in ["role", "a.b", "..a", "A_b+c=d,e.f@g-h"] {
        assert!(is_path_segment(text), "{text}");
    }
    for text in ["", ".", "..", "a/b", "a?b", "a#b", "a%2e", "a b", "a;b", "a\\b", "é"] {
        assert!(!is_path_segment(text), "{text:?}");
    }
}

/// The CRD and the controller, before it uses a name, take the same names.
#[test]
fn the_schema_s_form_is_the_controller_s() {
    let names = Regex::new(SUBDOMAIN).expect("a pattern");
    for name in NO_NAMES.into_iter().chain(["a", "a-b.c", "0.1", "a.b-c.d"]) {
        assert_eq!(names.is_match(name), ObjectName::fits(name), "{name:?}");
    }
    let keys = Regex::new(KEY).expect("a pattern");
    for key in ["tls.crt", "AWS_ACCESS_KEY_ID", ".dockerconfigjson", "-", "a..b"] {
        assert!(keys.is_match(key), "{key:?}");
    }
    for key in ["", ".", "..", "..a", "a/b", "a b", "a?b", "ä"] {
        assert!(!keys.is_match(key), "{key:?}");
    }
}

/// A text field of a specification, by its path.
struct Text<'a> {
    path: String,
    schema: &'a Value,
}

fn texts<'a>(schema: &'a Value, path: String, found: &mut Vec<Text<'a>>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        texts(inner, if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
    }
    for (member, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[member].is_object() {
            texts(&schema[member], format!("{path}{suffix}"), found);
        }
    }
    if schema["type"] == "string" {
        found.push(Text { path, schema });
    }
}

fn crds() -> [(&'static str, Value); 2] {
    let spec = |crd| {
        let crd = serde_json::to_value::<
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        >(crd);
        crd.expect("JSON")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            .clone()
    };
    [
        ("RefreshableCredential", spec(RefreshableCredential::crd())),
        ("CredentialPolicy", spec(CredentialPolicy::crd())),
    ]
}

fn rules(schema: &Value) -> Vec<&str> {
    let rules = schema["x-kubernetes-validations"].as_array();
    rules.into_iter().flatten().filter_map(|r| r["message"].as_str()).collect()
}

/// A field that names an object or a key of one has the form of it, whatever it is called. Derived
/// from the schema, so that a reference which is added later is looked at, too.
#[test]
fn every_reference_of_the_schema_has_its_form() {
    let [(_, spec), _] = crds();
    let mut found = Vec::new();
    texts(&spec, String::new(), &mut found);
    let (mut names, mut keys) = (Vec::new(), Vec::new());
    for Text { path, schema } in &found {
        let parts: Vec<&str> = path.rsplit(['.']).map(|p| p.trim_end_matches("[]")).collect();
        let parent = parts.get(1).copied().unwrap_or_default();
        let is_name = parts[0] == "name"
            && (parent.ends_with("Ref") || parent == "secret" || parent == "restart");
        let is_key = (parts[0] == "key" && parent.ends_with("Ref"))
            || parts[0].ends_with("Key")
            || parent == "keys";
        let hint = match (is_name, is_key) {
            (true, _) => ObjectName::HINT,
            (_, true) => DataKey::HINT,
            _ => continue,
        };
        assert!(rules(schema).contains(&hint), "{path} has no form");
        assert!(
            schema["pattern"].is_string() && schema["maxLength"] == LONGEST,
            "{path}: {schema}"
        );
        if is_name { names.push(path.as_str()) } else { keys.push(path.as_str()) }
    }
    for known in [
        "source.accessKey.secretRef.name",
        "source.webIdentity.serviceAccountRef.name",
        "source.podIdentity.serviceAccountRef.name",
        "source.iot.pkcs11.pinSecretRef.name",
        "source.cognito.logins[].tokenSecretRef.name",
        "source.custom.http.headers[].valueSecretRef.name",
        "profiles[].roles[].totpSecretRef.name",
        "sts.caBundleRef.name",
        "secret.name",
        "restart[].name",
    ] {
        assert!(names.contains(&known), "{known} is not among {names:#?}");
    }
    for known in [
        "source.accessKey.secretAccessKeyKey",
        "source.identityCenter.tokenKey",
        "secret.keys.config",
        "source.iot.caBundleRef.key",
    ] {
        assert!(keys.contains(&known), "{known} is not among {keys:#?}");
    }
}

/// Texts that are neither part of a URL's path nor of a name, or whose form a CEL rule checks
/// better than a pattern.
const FREE: [(&str, &str); 29] = [
    ("caBundle", "certificates, in the body of a file"),
    ("policy", "a document, in the body of a request"),
    ("contextAssertion", "in the body of a request"),
    ("providerArn", "in the body of a request"),
    ("roleArn", "a rule holds it to the form of an ARN; in the body of a request"),
    ("policyArns[].arn", "a rule holds it to the form of an ARN; in the body of a request"),
    ("principalArn", "a rule holds it to the form of an ARN; in the body of a request"),
    ("customRoleArn", "in the body of a request"),
    ("trustAnchorArn", "a rule holds it to the form of an ARN"),
    ("profileArn", "a rule holds it to the form of an ARN"),
    ("identityPoolId", "a rule holds it to its form"),
    ("accountId", "a rule holds it to twelve digits"),
    ("audience", "in the body of a request"),
    ("audiences[]", "in the body of a request"),
    ("provider", "in the body of a request"),
    ("providerId", "in the body of a request"),
    ("transitiveTagKeys[]", "a rule holds it to the keys of the tags"),
    ("principal.arn", "a pattern that is compared"),
    ("refresh.before", "a rule holds it to a duration"),
    ("fullUri", "a URL, taken apart before it is called"),
    ("url", "a URL, taken apart before it is called"),
    ("endpoint", "a URL, taken apart before it is called"),
    ("tokenLabel", "compared with what the token says"),
    ("keyLabel", "compared with what the token says"),
    ("template{}", "read as a template, whose every fault is told"),
    ("labels{}", "the API server checks what it is written to"),
    ("annotations{}", "the API server checks what it is written to"),
    ("values[]", "compared with labels"),
    ("operator", "compared"),
];

/// Every text field of a specification has a known form: a new one without a form fails here.
#[test]
fn every_text_of_a_specification_has_a_form_or_a_reason() {
    let mut unused: Vec<&str> = FREE.iter().map(|(end, _)| *end).collect();
    for (kind, spec) in crds() {
        let mut found = Vec::new();
        texts(&spec, String::new(), &mut found);
        for Text { path, schema } in found {
            if schema["pattern"].is_string() || schema["enum"].is_array() {
                continue;
            }
            // A policy's texts are only compared.
            let compared = kind == "CredentialPolicy";
            let free =
                FREE.iter().find(|(end, _)| path == *end || path.ends_with(&format!(".{end}")));
            assert!(compared || free.is_some(), "{kind} {path}: say in a pattern what it may hold");
            if let Some((end, _)) = free {
                unused.retain(|u| u != end);
            }
        }
    }
    assert!(unused.is_empty(), "no such text is free any more: {unused:?}");
}

/// A reference leads only into the resource's own namespace: no field can name another.
#[test]
fn no_reference_names_a_namespace() {
    fn members(schema: &Value, found: &mut Vec<String>) {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            found.push(name.to_lowercase());
            members(inner, found);
        }
        members_of(&schema["items"], found);
        members_of(&schema["additionalProperties"], found);
    }
    fn members_of(schema: &Value, found: &mut Vec<String>) {
        if schema.is_object() {
            members(schema, found);
        }
    }
    let [(_, spec), _] = crds();
    let mut found = Vec::new();
    members(&spec, &mut found);
    assert!(found.len() > 100, "{found:?}");
    let named: Vec<_> = found.iter().filter(|name| name.contains("namespace")).collect();
    assert!(named.is_empty(), "{named:?}");
}
