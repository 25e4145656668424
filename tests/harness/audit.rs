//! The API server's audit log, read and counted: requests, and by whom they were made.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

/// One answered request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The plural name of the kind.
    pub resource: String,
    /// `status`, `token`, or empty.
    pub subresource: String,
    /// Empty for what belongs to the cluster.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// A ServiceAccount is `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// User agent of the client.
    pub user_agent: String,
    /// The status of the answer.
    pub code: u16,
    /// Whether the request was one that RBAC lets the user make.
    pub authorized: bool,
    /// When it came in.
    pub at: jiff::Timestamp,
}

/// Requests, to be narrowed down and counted.
#[derive(Clone, Debug)]
pub struct Audit(Vec<Request>);

impl Audit {
    /// Reads a log: each request once, when its answer was complete.
    pub fn read(log: &Path) -> Self {
        let text = match std::fs::read_to_string(log) {
            Ok(text) => text,
            // Nothing worth a line has happened yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => panic!("{}: {error}", log.display()),
        };
        // The last line may be half written.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        Self(complete.lines().filter_map(parse).collect())
    }

    /// Only what a ServiceAccount asked.
    pub fn by_account(self, namespace: &str, name: &str) -> Self {
        let account = format!("system:serviceaccount:{namespace}:{name}");
        self.only(|request| request.user == account)
    }

    /// Only from clients whose user agent starts with this.
    pub fn by_agent(self, prefix: &str) -> Self {
        self.only(|request| request.user_agent.starts_with(prefix))
    }

    /// Only in a namespace.
    pub fn within(self, namespace: &str) -> Self {
        self.only(|request| request.namespace == namespace)
    }

    /// Only about an object.
    pub fn named(self, name: &str) -> Self {
        self.only(|request| request.name == name)
    }

    /// Only what came in at this time or later.
    pub fn since(self, time: jiff::Timestamp) -> Self {
        self.only(|request| request.at >= time)
    }

    /// Only a verb on a resource, where `resource/subresource` names a subresource.
    pub fn of(self, verb: &str, resource: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        self.only(|request| {
            request.verb == verb
                && request.resource == resource
                && request.subresource == subresource
        })
    }

    /// Only what changes something.
    pub fn writes(self) -> Self {
        self.only(|request| !matches!(request.verb.as_str(), "get" | "list" | "watch"))
    }

    /// Only what a condition holds for.
    pub fn only(mut self, condition: impl Fn(&Request) -> bool) -> Self {
        self.0.retain(condition);
        self
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn requests(&self) -> &[Request] {
        &self.0
    }
}

/// For the messages of failed checks: one line each.
impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for request in &self.0 {
            let Request { verb, resource, subresource, namespace, name, user, code, at, .. } =
                request;
            let slash = if subresource.is_empty() { "" } else { "/" };
            writeln!(
                f,
                "{at} {code} {verb} {resource}{slash}{subresource} {namespace}/{name} by {user}"
            )?;
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<Request> {
    let event: Event =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("audit log: {error}: {line}"));
    // A watch has two more lines, and counts when it has ended.
    if event.stage != "ResponseComplete" {
        return None;
    }
    let object = event.object_ref.unwrap_or_default();
    Some(Request {
        verb: event.verb,
        group: object.api_group,
        authorized: event
            .annotations
            .get("authorization.k8s.io/decision")
            .is_some_and(|d| d == "allow"),
        resource: object.resource,
        subresource: object.subresource,
        namespace: object.namespace,
        name: object.name,
        user: event.user.username,
        user_agent: event.user_agent,
        code: event.response_status.map_or(0, |status| status.code),
        at: event.request_received_timestamp,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    request_received_timestamp: jiff::Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}
