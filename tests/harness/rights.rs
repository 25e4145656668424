//! Rights that RBAC grants, one at a time, and which of them were used.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::audit::{Audit, Request};

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The namespace that it holds in; none for all of them and for what belongs to the cluster.
    pub namespace: Option<String>,
    /// The API group.
    pub group: String,
    /// The plural name of the kind, with its subresource.
    pub resource: String,
    /// The verb.
    pub verb: String,
    /// The one object that it is about; none for all.
    pub name: Option<String>,
}

/// Every right that the Roles and ClusterRoles among these objects grant by a binding among them.
/// Others are for people: Kubernetes merges them into `view`, `edit` and `admin`.
pub fn granted(objects: &[Value]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let bound = |role: &Value| {
        objects.iter().any(|binding| {
            binding["roleRef"]["kind"] == role["kind"]
                && binding["roleRef"]["name"] == role["metadata"]["name"]
                && binding["metadata"]["namespace"] == role["metadata"]["namespace"]
        })
    };
    for object in objects {
        if !matches!(object["kind"].as_str(), Some("Role" | "ClusterRole")) || !bound(object) {
            continue;
        }
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        for rule in object["rules"].as_array().into_iter().flatten() {
            let list = |key: &str| -> Vec<String> {
                rule[key]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|v| v.as_str())
                    .map(str::to_owned)
                    .collect()
            };
            let names = list("resourceNames");
            let names: Vec<_> =
                if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
            for (group, resource) in list("apiGroups")
                .iter()
                .flat_map(|g| list("resources").into_iter().map(move |r| (g, r)))
            {
                for (verb, name) in
                    list("verbs").iter().flat_map(|v| names.iter().map(move |n| (v, n)))
                {
                    rights.insert(Right {
                        namespace: namespace.clone(),
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name.clone(),
                    });
                }
            }
        }
    }
    rights
}

/// The rights that nobody used.
pub fn unused(granted: &BTreeSet<Right>, asked: &Audit) -> BTreeSet<Right> {
    let used = |right: &Right| {
        asked.requests().iter().any(|r| needs(r).iter().any(|need| right.covers(need)))
    };
    granted.iter().filter(|right| !used(right)).cloned().collect()
}

/// Rights that requests needed and that are not granted.
pub fn lacking(granted: &BTreeSet<Right>, asked: &Audit) -> BTreeSet<Right> {
    let needs = asked.requests().iter().flat_map(needs);
    needs.filter(|need| !granted.iter().any(|right| right.covers(need))).collect()
}

/// Rights that a request needs: none where it is about no resource, as a question for the server's
/// version is.
fn needs(request: &Request) -> Vec<Right> {
    if request.resource.is_empty() {
        return Vec::new();
    }
    let slash = if request.subresource.is_empty() { "" } else { "/" };
    let need = Right {
        namespace: (!request.namespace.is_empty()).then(|| request.namespace.clone()),
        group: request.group.clone(),
        resource: format!("{}{slash}{}", request.resource, request.subresource),
        verb: request.verb.clone(),
        name: (!request.name.is_empty()).then(|| request.name.clone()),
    };
    // A patch of what does not exist makes it (server-side apply), and is asked for both.
    let made = (request.verb == "patch" && request.code == 201)
        .then(|| Right { verb: "create".to_owned(), ..need.clone() });
    [need].into_iter().chain(made).collect()
}

impl Right {
    fn covers(&self, need: &Right) -> bool {
        let same = |mine: &str, theirs: &str| mine == theirs;
        same(&self.group, &need.group)
            && same(&self.resource, &need.resource)
            && same(&self.verb, &need.verb)
            && (self.namespace.is_none() || self.namespace == need.namespace)
            && (self.name.is_none() || self.name == need.name)
    }
}

/// For the messages of failed checks.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Right { namespace, group, resource, verb, name } = self;
        let place =
            namespace.as_deref().map_or("in every namespace".to_owned(), |n| format!("in {n}"));
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let name = name.as_deref().map(|n| format!(" {n}")).unwrap_or_default();
        write!(f, "{verb} {resource}{group}{name} {place}")
    }
}
