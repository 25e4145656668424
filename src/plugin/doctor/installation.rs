//! Checks of what is installed: the CRDs, the controller's Deployment, the fence.

use super::check::Check;
use super::facts::{Controller, Definition, Fence, Known};
use refreshable_api::VERSION;
use serde_json::Value;
use std::collections::BTreeSet;

const INSTALL: &str = "docs/install.md";
const UPGRADE: &str = "docs/upgrade.md#the-controller";
/// Endings of the names of the policies that each fence has; they begin with the Deployment's name.
const FENCE: [&str; 2] = ["tokens", "secrets"];

/// Judges the CRDs. Before an installation it is well if there are none.
pub fn definitions(found: &[Definition], before: bool) -> Check {
    const NAME: &str = "crds";
    let mut worst = Vec::new();
    let mut absent = Vec::new();
    for definition in found {
        let name = definition.own["metadata"]["name"].as_str().unwrap_or_default();
        match &definition.found {
            Err(why) => return Check::not_checked(NAME, format!("{name}: {why}")),
            Ok(None) => absent.push(name),
            Ok(Some(cluster)) => worst.extend(definition_of(name, &definition.own, cluster)),
        }
    }
    if absent.len() == found.len() && before {
        return Check::ok(NAME, "no CRD of the controller is installed yet");
    }
    if !absent.is_empty() {
        return Check::failure(
            NAME,
            format!("{} not installed", absent.join(", ")),
            "Install the controller with its CRDs (crds.enabled of the chart), or choose another --context",
            INSTALL,
        );
    }
    worst.into_iter().max_by_key(|check| check.verdict).unwrap_or_else(|| {
        let names = found.iter().filter_map(|d| d.own["metadata"]["name"].as_str());
        let names: Vec<&str> = names.collect();
        Check::ok(NAME, format!("{} serve {VERSION} as this build knows it", names.join(", ")))
    })
}

/// The fault of one CRD, if it has one.
fn definition_of(name: &str, own: &Value, cluster: &Value) -> Option<Check> {
    const NAME: &str = "crds";
    let served = versions(cluster).find(|v| v["name"] == VERSION && v["served"] == true);
    let Some(served) = served else {
        return Some(Check::failure(
            NAME,
            format!("{name} does not serve {VERSION}"),
            "Upgrade the CRDs together with the controller",
            UPGRADE,
        ));
    };
    let conditions = cluster["status"]["conditions"].as_array();
    let established = conditions
        .is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"));
    if !established {
        return Some(Check::failure(
            NAME,
            format!("{name} is not established: the API server does not serve it"),
            "Read its conditions: another CRD may have taken its names",
            INSTALL,
        ));
    }
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    let mine = versions(own).find(|v| v["name"] == VERSION).map(schema).unwrap_or_default();
    let theirs = schema(served);
    let (known, there) = (fields(&mine), fields(&theirs));
    if let Some(missing) = known.difference(&there).next() {
        return Some(Check::failure(
            NAME,
            format!("{name} is older than this build: it lacks {missing}"),
            "Upgrade the CRDs: helm leaves those in a crds folder as they are, this chart's are templates",
            UPGRADE,
        ));
    }
    if let Some(more) = there.difference(&known).next() {
        return Some(Check::warning(
            NAME,
            format!("{name} is newer than this build, which does not know {more}"),
            "Upgrade this plugin to the controller's version",
            "docs/plugin.md",
        ));
    }
    (rules(&mine) != rules(&theirs)).then(|| {
        Check::warning(
            NAME,
            format!("{name} has other validation rules than this build"),
            "Bring the CRDs, the controller and this plugin to one version",
            UPGRADE,
        )
    })
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"].as_array().into_iter().flatten()
}

/// The paths of all fields of a structural schema, like `spec.roles[].roleArn`.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, "", &mut |path, _| {
        found.insert(path.to_owned());
    });
    found
}

/// The rules (CEL) of all fields of a structural schema.
fn rules(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, "", &mut |path, schema| {
        let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
        found.extend(rules.filter_map(|r| Some(format!("{path}: {}", r["rule"].as_str()?))));
    });
    found
}

fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(field, &path, visit);
    }
    for (member, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[member].is_object() {
            walk(&schema[member], &format!("{path}{mark}"), visit);
        }
    }
}

/// Judges the controller's Deployments against this plugin's version.
pub fn controllers(found: &Known<Vec<Controller>>, own: &str, before: bool) -> Check {
    const NAME: &str = "controller";
    let found = match found {
        Ok(found) => found,
        Err(why) => return Check::not_checked(NAME, why.as_str()),
    };
    if found.is_empty() && before {
        return Check::ok(NAME, "no controller is installed yet");
    }
    if found.is_empty() {
        return Check::failure(
            NAME,
            "no Deployment with label app.kubernetes.io/name=refreshable",
            "Install the controller",
            INSTALL,
        );
    }
    let one = |c: &Controller| {
        let state = format!("Deployment {}: {} of {} ready", c.full_name(), c.ready, c.wanted);
        let version = c.version.as_deref().unwrap_or("unknown");
        if c.ready < 1 {
            return Check::failure(
                NAME,
                state,
                "Read the events and the log of its Pods",
                "docs/operations.md#refreshablecontrollerdown",
            );
        }
        if c.ready < c.wanted {
            return Check::warning(
                NAME,
                state,
                "Read the events and the log of the Pods that are not ready",
                "docs/operations.md#refreshablecontrollerdown",
            );
        }
        if version != own {
            return Check::warning(
                NAME,
                format!("{state}, version {version}; this plugin is {own}"),
                "Bring the controller and this plugin to one version",
                UPGRADE,
            );
        }
        Check::ok(NAME, format!("{state}, version {version}, as this plugin"))
    };
    let judged: Vec<Check> = found.iter().map(one).collect();
    judged.into_iter().max_by_key(|c| c.verdict).unwrap_or_else(|| Check::ok(NAME, "none"))
}

/// Judges the fence: the policies that bound the controller's own ServiceAccount.
pub fn fence(found: &Known<Fence>, controllers: &[Controller]) -> Check {
    const NAME: &str = "fence";
    const PAGE: &str = "docs/install.md#the-fence";
    let found = match found {
        Ok(found) => found,
        Err(why) => return Check::not_checked(NAME, why.as_str()),
    };
    let mut faults = Vec::new();
    let mut without = Vec::new();
    for controller in controllers {
        if !is_fenced(found, controller) {
            without.push(controller.full_name());
            continue;
        }
        let user = format!("'{}'", controller.user());
        let reach = found.reach.iter().filter(|(name, _)| *name == controller.full_name());
        let ends = FENCE.into_iter().chain(reach.map(|(_, end)| *end));
        faults.extend(ends.filter_map(|end| {
            fault(found, &format!("{}-{end}", controller.name), Some(user.as_str()))
        }));
    }
    if !faults.is_empty() {
        return Check::failure(
            NAME,
            faults.join(", "),
            "Apply the chart again: whoever steals the controller's token can do more than it should",
            PAGE,
        );
    }
    if !without.is_empty() {
        return Check::warning(
            NAME,
            format!("no admission policies bound the controller of {}", without.join(", ")),
            "Set fence.enabled of the chart, and apply it again if they were deleted",
            PAGE,
        );
    }
    match &found.unknown {
        Some(why) => Check::not_checked(NAME, format!("what the controller may change: {why}")),
        None => Check::ok(NAME, "the admission policies of the fence are there and bound"),
    }
}

/// Judges the policy that checks limits where they are written.
pub fn limits(found: &Known<Fence>, controllers: &[Controller]) -> Check {
    const NAME: &str = "limits";
    let found = match found {
        Ok(found) => found,
        Err(why) => return Check::not_checked(NAME, why.as_str()),
    };
    let mut checked = controllers.iter().filter(|c| c.reads_namespaces && is_fenced(found, c));
    let mut faults = checked
        .clone()
        .filter_map(|c| fault(found, &format!("{}-limits", c.name), None))
        .peekable();
    if faults.peek().is_some() {
        return Check::failure(
            NAME,
            faults.collect::<Vec<_>>().join(", "),
            "Apply the chart again: a limit of a namespace that cannot be read is none",
            "docs/tenancy.md#limits-for-a-namespace",
        );
    }
    match checked.next() {
        Some(_) => Check::ok(NAME, "limits of namespaces are checked where they are written"),
        None => Check::not_checked(NAME, "no controller has a fence and reads namespaces"),
    }
}

/// Whether a controller has policies of the fence: all of them, or some that are left.
fn is_fenced(found: &Fence, controller: &Controller) -> bool {
    let names = FENCE.map(|end| format!("{}-{end}", controller.name));
    found.policies.iter().any(|(name, _)| names.contains(name))
}

/// The fault of one policy, which bounds `user` if it is one of the fence.
fn fault(found: &Fence, name: &str, user: Option<&str>) -> Option<String> {
    let Some((_, conditions)) = found.policies.iter().find(|(n, _)| n == name) else {
        return Some(format!("ValidatingAdmissionPolicy {name} is missing"));
    };
    if let Some(user) = user
        && !conditions.iter().any(|c| c.contains(user))
    {
        return Some(format!("ValidatingAdmissionPolicy {name} is for another user than {user}"));
    }
    let denies = |(policy, actions): &(String, Vec<String>)| {
        policy == name && actions.iter().any(|a| a == "Deny")
    };
    (!found.bindings.iter().any(denies))
        .then(|| format!("ValidatingAdmissionPolicy {name} has no binding that denies"))
}

#[cfg(test)]
#[path = "installation_tests.rs"]
mod tests;
