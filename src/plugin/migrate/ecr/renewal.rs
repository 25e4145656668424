//! How a workload renews passwords: for which registries, into which Secrets, as which roles.

use super::registry::{self, Named};
use super::shell::{self, Command, is_known};
use super::tools;
use super::workload::Workload;
use refreshable_api::EcrRegistry;
use std::collections::{BTreeMap, BTreeSet};

/// A role that is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssumedRole {
    /// Its ARN.
    pub arn: String,
    /// `externalId`, if one is given.
    pub external_id: Option<String>,
    /// `roleSessionName`, if one is given.
    pub session_name: Option<String>,
}

/// The work of a workload.
#[derive(Clone, Debug, Default)]
pub struct Renewal {
    /// Whether it renews a password of ECR at all.
    pub found: bool,
    /// Private registries.
    pub registries: Vec<EcrRegistry>,
    /// Amazon ECR Public.
    pub public: bool,
    /// Names of the Secrets that it writes.
    pub secrets: BTreeSet<String>,
    /// Namespaces that it writes them to.
    pub namespaces: BTreeSet<String>,
    /// Roles that it assumes, in order.
    pub roles: Vec<AssumedRole>,
    /// Whatever cannot be carried over, with advice.
    pub notes: Vec<String>,
}

/// Programs whose work is not needed any more, or that change nothing.
const NEEDLESS: [&str; 45] = [
    "[", "[[", "]]", "}", "apk", "apt", "apt-get", "awk", "base64", "break", "cat", "cd", "chmod",
    "continue", "cut", "date", "dnf", "done", "echo", "esac", "exit", "false", "fi", "grep", "jq",
    "mkdir", "mv", "pip", "pip3", "printf", "pwd", "return", "rm", "sed", "set", "shift", "sleep",
    "tee", "test", "tr", "true", "unset", "wait", "which", "yum",
];

impl Renewal {
    /// Reads a workload. Assignments of its scripts become variables.
    pub fn of(workload: &mut Workload) -> Self {
        let mut renewal = Self::default();
        tools::read(workload, &mut renewal);
        for (name, script) in workload.scripts.clone() {
            for command in shell::commands(&script, &mut workload.variables) {
                renewal.read(&command, &name, workload);
            }
        }
        renewal
    }

    /// Adds a note, once.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn read(&mut self, command: &Command, script: &str, workload: &Workload) {
        let program = command.words[0].rsplit('/').next().unwrap_or_default();
        let arguments = Arguments::of(&command.words[1..]);
        if command.words.iter().any(|word| word == shell::DOCUMENT) {
            self.note(format!(
                "the text that line {} of {script} writes (<<) is not read: carry over by hand what it holds",
                command.line
            ));
        }
        let done = match program {
            "aws" | "aws2" => self.read_aws(&arguments, workload),
            "kubectl" | "oc" | "k" => self.read_kubectl(&arguments),
            // A variable with the program's name.
            _ if !is_known(program) && arguments.has(&["create", "secret"]) => {
                self.read_kubectl(&arguments)
            }
            _ => NEEDLESS.contains(&program) || program.is_empty(),
        };
        if !done {
            // Whatever does not look like a program's name may be a part of something secret.
            let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let named = program.len() <= 40 && program.chars().all(is_name);
            let known = if named { program } else { "a computed command" };
            self.note(format!(
                "line {} of {script} ({known}) is left out: it has no counterpart",
                command.line
            ));
        }
    }

    fn read_aws(&mut self, arguments: &Arguments<'_>, workload: &Workload) -> bool {
        if arguments.option("profile").is_some() {
            self.note("--profile of aws is left out: the credentials are those of spec.source");
        }
        let plain = &arguments.positional;
        match plain.as_slice() {
            ["ecr", "get-login-password" | "get-login" | "get-authorization-token", ..] => {
                self.found = true;
                let variable = |name: &str| workload.variables.get(name).map(String::as_str);
                let region = arguments
                    .option("region")
                    .or_else(|| variable("AWS_REGION"))
                    .or_else(|| variable("AWS_DEFAULT_REGION"))
                    .unwrap_or_default();
                let accounts = arguments.option("registry-ids").unwrap_or_default();
                for account in words(accounts) {
                    let found = registry::private(account, region, None);
                    found.into_iter().for_each(|r| registry::add(&mut self.registries, r));
                }
                true
            }
            ["ecr-public", ..] => {
                self.found = true;
                self.public = true;
                true
            }
            ["sts", "assume-role", ..] => match arguments.option("role-arn") {
                Some(arn) if is_known(arn) => {
                    let known =
                        |name| arguments.option(name).filter(|v| is_known(v)).map(str::to_owned);
                    self.roles.push(AssumedRole {
                        arn: arn.to_owned(),
                        external_id: known("external-id"),
                        session_name: known("role-session-name"),
                    });
                    true
                }
                _ => {
                    self.note("a role is assumed whose ARN is not known: give --role-arn <ARN>");
                    true
                }
            },
            ["sts", "get-caller-identity", ..] | ["configure", "set" | "list", ..] | [] => true,
            _ => false,
        }
    }

    fn read_kubectl(&mut self, arguments: &Arguments<'_>) -> bool {
        let namespace = arguments.option("namespace").or_else(|| arguments.option("n"));
        match arguments.positional.as_slice() {
            ["create", "secret", "docker-registry" | "generic", name, ..] => {
                self.add_secret(name, namespace);
                if let Some(server) = arguments.option("docker-server") {
                    self.add_server(server);
                }
                true
            }
            ["patch" | "edit", "serviceaccount" | "serviceaccounts" | "sa", name, ..] => {
                let name = if is_known(name) { name } else { "(computed)" };
                self.note(format!(
                    "ServiceAccount {name} is not patched: name the Secret in its imagePullSecrets"
                ));
                true
            }
            [verb, kind, ..] if *verb == "patch" && kind.starts_with("serviceaccount/") => {
                let name = kind.trim_start_matches("serviceaccount/");
                self.note(format!(
                    "ServiceAccount {name} is not patched: name the Secret in its imagePullSecrets"
                ));
                true
            }
            ["delete", "secret" | "secrets", ..] | ["get", ..] | [] => true,
            ["apply" | "replace", ..] => {
                arguments.option("f").or(arguments.option("filename")) == Some("-")
            }
            _ => false,
        }
    }

    /// A Secret that is written, in namespaces that may be many.
    pub fn add_secret(&mut self, name: &str, namespaces: Option<&str>) {
        if is_known(name) && !name.is_empty() {
            self.secrets.insert(name.to_owned());
        }
        for namespace in words(namespaces.unwrap_or_default()) {
            if !is_known(namespace) || namespace.contains(['*', '?']) {
                self.note(format!(
                    "the namespaces that the Secret is written to are not all known ({}): apply the resource in each of them",
                    namespace.replace(shell::UNKNOWN, "...")
                ));
            } else {
                self.namespaces.insert(namespace.to_owned());
            }
        }
    }

    /// A registry by its host.
    pub fn add_server(&mut self, server: &str) {
        match registry::read(server) {
            Named::Private(found) => registry::add(&mut self.registries, found),
            Named::Public => self.public = true,
            Named::Other => self.note(format!(
                "{server} is not a registry of Amazon ECR: put its login into a Secret of type kubernetes.io/dockerconfigjson, and name that in spec.token.ecr.mergeFrom"
            )),
            Named::Unknown => self.note(format!(
                "the registry {} is not known as a whole: give --registry <HOST> for each",
                server.replace(shell::UNKNOWN, "...")
            )),
        }
    }
}

/// Words that spaces or commas separate.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\n']).map(str::trim).filter(|word| !word.is_empty())
}

/// Arguments of aws or kubectl: options with their values, and the rest.
struct Arguments<'a> {
    options: BTreeMap<&'a str, &'a str>,
    positional: Vec<&'a str>,
}

/// Options without a value.
const FLAGS: [&str; 9] = [
    "no-include-email",
    "include-email",
    "ignore-not-found",
    "force",
    "dry-run",
    "overwrite",
    "no-verify-ssl",
    "debug",
    "all",
];

impl<'a> Arguments<'a> {
    fn of(words: &'a [String]) -> Self {
        let (mut options, mut positional) = (BTreeMap::new(), Vec::new());
        let mut rest = words.iter().map(String::as_str).peekable();
        while let Some(word) = rest.next() {
            let Some(option) = word.strip_prefix("--").or(word.strip_prefix('-')) else {
                positional.push(word);
                continue;
            };
            match option.split_once('=') {
                Some((name, value)) => options.insert(name, value),
                None if FLAGS.contains(&option) => options.insert(option, ""),
                // A value of its own, or none before the next option.
                None => {
                    let value = rest.next_if(|next| *next == "-" || !next.starts_with('-'));
                    options.insert(option, value.unwrap_or_default())
                }
            };
        }
        Self { options, positional }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.get(name).copied()
    }

    fn has(&self, words: &[&str]) -> bool {
        self.positional.starts_with(words)
    }
}
