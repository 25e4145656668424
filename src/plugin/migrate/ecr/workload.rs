//! A CronJob, Deployment or other workload: its variables and scripts, out of its containers and of
//! the ConfigMaps and Secrets that these name.

use super::shell::Variables;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A workload with what it reads.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// `CronJob`, `Deployment`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace, where the object says it.
    pub namespace: Option<String>,
    /// Its ServiceAccount.
    pub service_account: String,
    /// The role that the ServiceAccount is annotated with.
    pub irsa_role: Option<String>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Images of its containers.
    pub images: Vec<String>,
    /// Arguments of its containers, without scripts.
    pub arguments: Vec<String>,
    /// Its variables with values that are known. Of what a Secret holds, only what is not secret.
    pub variables: Variables,
    /// The Secret and the key that a variable comes from.
    pub from_secrets: BTreeMap<String, (String, String)>,
    /// The names of its scripts, and their texts.
    pub scripts: Vec<(String, String)>,
    /// Secrets that are mounted, with their paths.
    pub mounted_secrets: Vec<(String, String)>,
    /// Objects that it reads and that are not given: `ConfigMap settings`.
    pub missing: BTreeSet<String>,
}

/// Kinds with Pods that renew passwords.
const KINDS: [&str; 7] =
    ["CronJob", "Job", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];

/// The specification of the Pods of an object that has some.
pub fn pod_of(object: &Value) -> Option<&Value> {
    let kind = object["kind"].as_str().filter(|k| KINDS.contains(k))?;
    object.pointer(match kind {
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "Pod" => "/spec",
        _ => "/spec/template/spec",
    })
}

/// Names of the ConfigMaps and Secrets that a Pod reads, by kind.
pub fn objects_of(pod: &Value) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    let mut add = |kind, name: &Value| {
        found.extend(name.as_str().map(|n| (kind, n.to_owned())));
    };
    for container in containers(pod) {
        for from in list(container, "envFrom") {
            add("ConfigMap", &from["configMapRef"]["name"]);
            add("Secret", &from["secretRef"]["name"]);
        }
        for variable in list(container, "env") {
            add("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]["name"]);
            add("Secret", &variable["valueFrom"]["secretKeyRef"]["name"]);
        }
    }
    for volume in list(pod, "volumes") {
        add("ConfigMap", &volume["configMap"]["name"]);
    }
    found
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "initContainers").chain(list(pod, "containers"))
}

impl Workload {
    /// Reads a workload with the objects beside it.
    ///
    /// # Errors
    /// Where it has no Pods or no name.
    pub fn new(object: &Value, beside: &[Value]) -> Result<Self, String> {
        let kind = object["kind"].as_str().unwrap_or("object").to_owned();
        let pod = pod_of(object).ok_or_else(|| format!("the {kind} has no Pods"))?;
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("the {kind} has no metadata.name"))?.to_owned();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let namespace = object.pointer("/metadata/namespace").and_then(text);
        let account = text(&pod["serviceAccountName"]).or_else(|| text(&pod["serviceAccount"]));
        let service_account = account.unwrap_or_else(|| "default".to_owned());
        let mut workload = Self {
            kind,
            name,
            suspended: object["spec"]["suspend"] == true,
            irsa_role: Objects(beside)
                .find("ServiceAccount", &service_account)
                .and_then(|a| text(&a["metadata"]["annotations"]["eks.amazonaws.com/role-arn"])),
            service_account,
            namespace,
            ..Self::default()
        };
        for container in containers(pod) {
            workload.read_container(container, &Objects(beside));
        }
        workload.read_volumes(pod, &Objects(beside));
        Ok(workload)
    }

    fn read_container(&mut self, container: &Value, objects: &Objects<'_>) {
        self.images.extend(container["image"].as_str().map(str::to_owned));
        for from in list(container, "envFrom") {
            let prefix = from["prefix"].as_str().unwrap_or_default();
            for (kind, reference) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
                let Some(name) = from[reference]["name"].as_str() else { continue };
                match objects.find(kind, name) {
                    Some(object) => {
                        for key in keys(object) {
                            self.read_variable(&format!("{prefix}{key}"), object, name, &key);
                        }
                    }
                    None => self.lack(kind, name),
                }
            }
        }
        for variable in list(container, "env") {
            let Some(own) = variable["name"].as_str() else { continue };
            let from = &variable["valueFrom"];
            if let Some(value) = variable["value"].as_str() {
                self.variables.insert(own.to_owned(), value.to_owned());
            } else if from["fieldRef"]["fieldPath"] == "metadata.namespace" {
                self.variables.extend(self.namespace.clone().map(|n| (own.to_owned(), n)));
            }
            for (kind, member) in [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")] {
                let reference = &from[member];
                let (Some(name), Some(key)) =
                    (reference["name"].as_str(), reference["key"].as_str())
                else {
                    continue;
                };
                match objects.find(kind, name) {
                    Some(object) => self.read_variable(own, object, name, key),
                    None => {
                        if kind == "Secret" {
                            let place = (name.to_owned(), key.to_owned());
                            self.from_secrets.insert(own.to_owned(), place);
                        }
                        if kind == "ConfigMap" || is_open(own) {
                            self.lack(kind, name);
                        }
                    }
                }
            }
        }
        let words = || list(container, "command").chain(list(container, "args"));
        for word in words().filter_map(Value::as_str) {
            // A text of several words is a script; other words are a program and its arguments.
            if word.trim().contains([' ', '\n']) {
                let name = container["name"].as_str().unwrap_or("container");
                self.scripts.push((format!("container {name}"), word.to_owned()));
            } else {
                self.arguments.push(word.to_owned());
            }
        }
    }

    fn read_variable(&mut self, own: &str, object: &Value, name: &str, key: &str) {
        let secret = object["kind"] == "Secret";
        if secret {
            self.from_secrets.insert(own.to_owned(), (name.to_owned(), key.to_owned()));
        }
        if !secret || is_open(own) {
            self.variables.extend(value(object, key).map(|v| (own.to_owned(), v)));
        }
    }

    fn read_volumes(&mut self, pod: &Value, objects: &Objects<'_>) {
        let mounts: Vec<&Value> = containers(pod).flat_map(|c| list(c, "volumeMounts")).collect();
        for volume in list(pod, "volumes") {
            if let Some(name) = volume["configMap"]["name"].as_str() {
                match objects.find("ConfigMap", name) {
                    Some(object) => {
                        for key in keys(object) {
                            let script = value(object, &key).unwrap_or_default();
                            self.scripts.push((format!("{key} of ConfigMap {name}"), script));
                        }
                    }
                    None => self.lack("ConfigMap", name),
                }
            }
            if let Some(name) = volume["secret"]["secretName"].as_str() {
                let of_it = mounts.iter().filter(|m| m["name"] == volume["name"]);
                let paths = of_it.filter_map(|m| m["mountPath"].as_str());
                self.mounted_secrets.extend(paths.map(|p| (name.to_owned(), p.to_owned())));
            }
        }
    }

    fn lack(&mut self, kind: &str, name: &str) {
        self.missing.insert(format!("{kind} {name}"));
    }
}

/// The objects beside a workload.
struct Objects<'a>(&'a [Value]);

impl<'a> Objects<'a> {
    fn find(&self, kind: &str, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
    }
}

fn keys(object: &Value) -> BTreeSet<String> {
    let fields = ["data", "stringData"].map(|field| object[field].as_object());
    fields.into_iter().flatten().flat_map(|data| data.keys().cloned()).collect()
}

fn value(object: &Value, key: &str) -> Option<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    if let Some(plain) = object["stringData"][key].as_str() {
        return Some(plain.to_owned());
    }
    let text = object["data"][key].as_str()?;
    if object["kind"] != "Secret" {
        return Some(text.to_owned());
    }
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    Some(text.trim().to_owned())
}

/// Whether a variable of this name may be shown: an account, a Region, a name.
fn is_open(variable: &str) -> bool {
    let plain = super::plain(variable);
    let open = ["account", "region", "namespace", "role", "registr", "secretname", "server"];
    let closed = ["password", "token", "secretaccess", "accesskey"];
    let has = |words: &[&str]| words.iter().any(|word| plain.contains(word));
    has(&open) && !has(&closed)
}
