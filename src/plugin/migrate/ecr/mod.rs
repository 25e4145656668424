//! From a CronJob or Deployment that renews passwords of Amazon ECR for `imagePullSecrets`.
//!
//! ```text
//! files, cluster           -> input      a CronJob, ConfigMaps, ...
//!   CronJob, ...           -> workload   its variables and scripts
//!   scripts                -> shell      commands, without running them
//!   commands, programs     -> renewal    registries, Secrets, namespaces, roles
//!   variables, account     -> source     source and roles of the session
//! ```

mod input;
mod registry;
mod renewal;
mod shell;
mod source;
mod tools;
mod workload;

pub use input::Ecr;

use super::access_key::plain;
use super::outcome::Outcome;
use refreshable_rules::partition;
use renewal::Renewal;
use serde_json::{Map, Value, json};
use shell::is_known;
use source::Origin;
use std::collections::BTreeSet;
use workload::Workload;

/// Facts of the command line, beside the workload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// Registries by their hosts.
    pub registries: &'a [String],
    /// A role to assume.
    pub role_arn: Option<&'a str>,
    /// The namespace of a workload that does not say its own.
    pub namespace: Option<&'a str>,
}

/// The replacement for a workload, with the objects that it reads `beside` it.
///
/// # Errors
/// Where it renews no password of ECR, or a fact is missing.
pub fn migrate(
    object: &Value,
    beside: &[Value],
    given: Given<'_>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let mut workload = Workload::new(object, beside)?;
    let from_namespace = workload.namespace.clone().or(given.namespace.map(str::to_owned));
    let mut renewal = Renewal::of(&mut workload);
    let whose = format!("{} {}", workload.kind, workload.name);
    if !renewal.found {
        return Err(format!(
            "nothing in {whose} asks for a password of Amazon ECR (aws ecr get-login-password).{}",
            workload.missing.iter().map(|m| format!(" {}", not_read(m))).collect::<String>()
        ));
    }
    given.registries.iter().for_each(|server| renewal.add_server(server));
    if renewal.registries.is_empty() && !renewal.public {
        return Err(format!(
            "{whose} does not say which registries it renews: give --registry <HOST>, like 111122223333.dkr.ecr.eu-west-1.amazonaws.com. {}",
            renewal.notes.join(". ")
        ));
    }
    let origin = source::origin(&workload, given.role_arn, &mut renewal)?;
    left_out(&workload).into_iter().for_each(|left| renewal.note(left));
    if workload.suspended {
        renewal.note(format!(
            "{whose} is suspended, and so is what comes out of it: take spec.suspend out"
        ));
    }
    if renewal.secrets.is_empty() {
        renewal.note(format!(
            "the name of the Secret that {whose} writes is not known: the new one is named after the {}",
            workload.kind
        ));
        renewal.secrets.insert(workload.name.clone());
    }
    let spec = spec(&origin, &renewal, workload.suspended);
    write(&origin, &spec, from_namespace, &mut renewal, outcome);
    outcome.notes.append(&mut renewal.notes);
    let old = renewal.secrets.first().map(String::as_str).unwrap_or_default();
    let new = new_name(old);
    outcome.note(format!(
        "apply this and wait (kubectl wait --for=condition=Ready rcred/{new}); name Secret {new} in the imagePullSecrets of Pods and ServiceAccounts instead of {old}; then delete {whose}, its Role and RoleBinding, and Secret {old}"
    ));
    Ok(())
}

fn spec(origin: &Origin, renewal: &Renewal, suspended: bool) -> Map<String, Value> {
    let mut spec = Map::new();
    spec.extend(origin.source.clone().map(|source| ("source".to_owned(), source)));
    if !origin.roles.is_empty() {
        spec.insert("roles".to_owned(), origin.roles.clone().into());
    }
    if let Some(region) = foreign_region(renewal) {
        spec.insert("sts".to_owned(), json!({"region": region}));
    }
    let mut ecr = Map::new();
    if !renewal.registries.is_empty() {
        ecr.insert("registries".to_owned(), json!(renewal.registries));
    }
    if renewal.public {
        ecr.insert("public".to_owned(), true.into());
    }
    spec.insert("token".to_owned(), json!({"ecr": ecr}));
    if suspended {
        spec.insert("suspend".to_owned(), true.into());
    }
    spec
}

/// Adds a resource for each Secret in each namespace.
fn write(
    origin: &Origin,
    spec: &Map<String, Value>,
    own: Option<String>,
    renewal: &mut Renewal,
    outcome: &mut Outcome,
) {
    let namespaces: Vec<Option<String>> = if renewal.namespaces.is_empty() {
        vec![own.clone()]
    } else {
        renewal.namespaces.iter().cloned().map(Some).collect()
    };
    for namespace in &namespaces {
        let shown = namespace.as_deref().unwrap_or("default");
        for new in renewal.secrets.iter().map(|old| new_name(old)) {
            if origin.source.is_none() {
                let allow = json!({"roles": [{"arns": [origin.roles[0]["roleArn"]]}]});
                outcome.policy(&new, shown, allow);
            }
            outcome.credential(&new, namespace.as_deref(), None, spec.clone());
        }
        if origin.source.is_some() && *namespace != own {
            renewal.note(format!(
                "namespace {shown} needs what spec.source names, the Secret with the key or the ServiceAccount, of its own"
            ));
        }
    }
}

fn not_read(object: &str) -> String {
    format!("{object} was not read: give it with -f, too")
}

/// The old Secret keeps its name as long as something else writes it.
fn new_name(old: &str) -> String {
    let start: String = old.chars().take(240).collect();
    format!("{}-ecr", start.trim_end_matches(['-', '.']))
}

/// The Region of a registry outside of AWS's first partition, where STS must be called.
fn foreign_region(renewal: &Renewal) -> Option<&str> {
    let regions = renewal.registries.iter().map(|r| r.region.as_str());
    regions.into_iter().find(|region| partition::of_region(region).name != "aws")
}

/// Variables that say the same as the manifest, or that only the shell reads.
const CARRIED: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCOUNT",
    "AWS_ACCOUNT_ID",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "HOME",
    "PATH",
    "DOCKER_EMAIL",
];

/// Notes on variables and arguments that nothing has used.
fn left_out(workload: &Workload) -> Vec<String> {
    let scripts: String = workload.scripts.iter().map(|(_, text)| text.as_str()).collect();
    let is_used = |name: &str| CARRIED.contains(&name) || scripts.contains(name);
    let names = workload.variables.keys().chain(workload.from_secrets.keys());
    let unused: BTreeSet<&str> = names.map(String::as_str).filter(|n| !is_used(n)).collect();
    let variables = unused.iter().map(|name| match plain(name) {
        proxy if proxy.ends_with("proxy") => {
            format!("variable {name} is left out: set it for the controller (extraEnv in the chart)")
        }
        endpoint if endpoint.contains("endpointurl") => {
            format!("variable {name} is left out: it is a matter of spec.sts.endpoint, or of the controller's environment")
        }
        _ => format!("variable {name} has no counterpart and is left out"),
    });
    let shells = ["sh", "bash", "ash", "-c", "-ce", "-ec", "-e", "-x", "-ex", "-xe", "-xec", "-lc"];
    let is_shell = |argument: &str| {
        shells.contains(&argument) || argument.starts_with('/') || !is_known(argument)
    };
    let arguments = workload.arguments.iter().filter(|a| !is_shell(a)).map(|argument| {
        // Another may be the value of the one before it, and secret.
        match argument.split('=').next().filter(|name| name.starts_with('-')) {
            Some(name) => format!("argument {name} has no counterpart and is left out"),
            None => "an argument without a name is left out".to_owned(),
        }
    });
    let secrets = workload.mounted_secrets.iter().filter(|(_, path)| !source::is_home(path));
    let secrets =
        secrets.map(|(name, path)| format!("Secret {name}, mounted at {path}, is left out"));
    let missing = workload.missing.iter().map(|object| not_read(object));
    variables.chain(arguments).chain(secrets).chain(missing).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
