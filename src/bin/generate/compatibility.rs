//! Whether a CRD still takes, and still gives, what its last release did.
//!
//! Objects to changes that break manifests, stored objects or clients: dropped versions and fields,
//! narrowed types and limits, new demands. The rules are those of Kubernetes' API changes guide
//! (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api_changes.md>).

use crate::crds::properties;
use serde_json::Value;
use std::collections::BTreeSet;

/// Keywords that say how lists and maps are merged, and what else may not change at all.
const FIXED: [&str; 9] = [
    "default",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-int-or-string",
];
/// Limits that may only fall, and that may not appear.
const FLOORS: [&str; 5] = ["minimum", "minLength", "minItems", "minProperties", "multipleOf"];
/// Limits that may only rise, and that may not appear.
const CEILINGS: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];

/// Breaks between `old` and `new`, each with its place and the old state; empty if they are
/// compatible.
pub(crate) fn objections(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut object = |what: String| found.push(what);
    for part in ["group", "scope"] {
        if old["spec"][part] != new["spec"][part] {
            object(format!("{part} was {}", old["spec"][part]));
        }
    }
    let (was, is) = (&old["spec"]["names"], &new["spec"]["names"]);
    for part in ["kind", "plural", "singular"] {
        if was[part] != is[part] {
            object(format!("names.{part} was {}", was[part]));
        }
    }
    for part in ["shortNames", "categories"] {
        for name in strings(&was[part]).difference(&strings(&is[part])) {
            object(format!("names.{part} had {name}"));
        }
    }
    let versions = |crd: &Value| crd["spec"]["versions"].as_array().cloned().unwrap_or_default();
    let (before, after) = (versions(old), versions(new));
    for version in &before {
        let name = version["name"].as_str().unwrap_or_default();
        let Some(now) = after.iter().find(|v| v["name"] == version["name"]) else {
            object(format!("version {name} was there"));
            continue;
        };
        if version["served"] == true && now["served"] != true {
            object(format!("version {name} was served"));
        }
        for subresource in keys(&version["subresources"]).difference(&keys(&now["subresources"])) {
            object(format!("version {name} had the subresource {subresource}"));
        }
        let schema = |v: &Value| v["schema"]["openAPIV3Schema"].clone();
        compare(name, &schema(version), &schema(now), &mut object);
    }
    if let Some(stored) = after.iter().find(|v| v["storage"] == true)
        && !before.iter().any(|v| v["name"] == stored["name"] && v["served"] == true)
    {
        object(format!(
            "version {} is stored and the release before did not serve it",
            stored["name"]
        ));
    }
    found
}

fn compare(path: &str, old: &Value, new: &Value, object: &mut impl FnMut(String)) {
    let mut object_here = |what: String| object(format!("{path}: {what}"));
    let (was, is) =
        (old["type"].as_str().unwrap_or_default(), new["type"].as_str().unwrap_or_default());
    if was != is && !(was == "integer" && is == "number") && !is.is_empty() {
        object_here(format!("type was {was}"));
    }
    for keyword in FIXED {
        // A default that comes to be says what its absence meant; one that goes or changes alters
        // what is meant.
        let appears = keyword == "default" && old[keyword].is_null();
        if old[keyword] != new[keyword] && !appears {
            object_here(format!("{keyword} was {}", shown(&old[keyword])));
        }
    }
    for keyword in FLOORS {
        if let Some(floor) = new[keyword].as_f64()
            && old[keyword].as_f64().is_none_or(|was| floor > was)
        {
            object_here(format!("{keyword} was {}", shown(&old[keyword])));
        }
    }
    for keyword in CEILINGS {
        if let Some(ceiling) = new[keyword].as_f64()
            && old[keyword].as_f64().is_none_or(|was| ceiling < was)
        {
            object_here(format!("{keyword} was {}", shown(&old[keyword])));
        }
    }
    for keyword in ["pattern", "format"] {
        let widened = keyword == "format" && old[keyword] == "int32" && new[keyword] == "int64";
        if !new[keyword].is_null() && old[keyword] != new[keyword] && !widened {
            object_here(format!("{keyword} was {}", shown(&old[keyword])));
        }
    }
    for keyword in
        ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"]
    {
        if old[keyword] == true && new[keyword] != true {
            object_here(format!("{keyword} was true"));
        }
    }
    if !new["enum"].is_null() {
        if old["enum"].is_null() {
            object_here("the enum is new".to_owned());
        }
        for value in strings(&old["enum"]).difference(&strings(&new["enum"])) {
            object_here(format!("enum had {value}"));
        }
    }
    let (before, after) = (properties(old), properties(new));
    for name in strings(&new["required"]).difference(&strings(&old["required"])) {
        if after.get(name).is_none_or(|p| p["default"].is_null()) {
            object_here(format!("{name} was not required"));
        }
    }
    let rules = |schema: &Value| {
        let rules = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
        rules.iter().filter_map(|r| r["rule"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let mut added = BTreeSet::new();
    new_names(old, new, &mut added);
    for rule in rules(new).difference(&rules(old)) {
        // A rule about what did not exist before asks nothing of what did.
        if !words(rule).any(|word| added.contains(word)) {
            object_here(format!("this rule was not there: {rule}"));
        }
    }
    for (name, property) in &before {
        let inner = format!("{path}.{name}");
        match after.get(name) {
            Some(now) => compare(&inner, property, now, object),
            None if new["x-kubernetes-preserve-unknown-fields"] == true => {}
            None => object(format!("{inner}: this field was there")),
        }
    }
    for (keyword, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        match (old[keyword].is_object(), new[keyword].is_object()) {
            (true, true) => {
                compare(&format!("{path}{suffix}"), &old[keyword], &new[keyword], object)
            }
            (true, false) => object(format!("{path}{suffix}: this was there")),
            _ => {}
        }
    }
}

/// Names of the fields at and below `new` that `old` does not have, and values that an enum does
/// not.
fn new_names(old: &Value, new: &Value, into: &mut BTreeSet<String>) {
    into.extend(strings(&new["enum"]).difference(&strings(&old["enum"])).cloned());
    let before = properties(old);
    for (name, property) in properties(new) {
        match before.get(&name) {
            Some(was) => new_names(was, &property, into),
            None => drop(into.insert(name)),
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if new[keyword].is_object() {
            new_names(&old[keyword], &new[keyword], into);
        }
    }
}

fn words(rule: &str) -> impl Iterator<Item = &str> {
    rule.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn strings(value: &Value) -> BTreeSet<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        .collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn shown(value: &Value) -> String {
    if value.is_null() { "not there".to_owned() } else { value.to_string() }
}

#[cfg(test)]
#[path = "compatibility_tests.rs"]
mod tests;
