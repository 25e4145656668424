//! Programs and PKCS#11 modules that the administrator registers with the controller by name.
//!
//! A tenant uses the names; only the administrator decides what they refer to.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The file that `--registry` names, in YAML.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Registry {
    /// Programs for source `custom.process`, by name.
    pub processes: BTreeMap<String, Process>,
    /// PKCS#11 libraries for `pkcs11.module`: the path of each, by name.
    pub pkcs11_modules: BTreeMap<String, PathBuf>,
}

/// A program that prints credentials in the JSON of the credential process protocol.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Process {
    /// The program's absolute path and its first arguments. No shell reads them.
    pub command: Vec<String>,
    /// Whether a resource may add arguments.
    #[serde(default)]
    pub takes_args: bool,
    /// Variables of its environment, which is empty otherwise.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Variables of the controller's own environment that it gets.
    #[serde(default)]
    pub inherited: BTreeSet<String>,
    /// Time limit in seconds, after which its whole process group is killed.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
}

fn timeout_seconds() -> u64 {
    30
}

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It is not a registry.
    #[error("{0}: {1}")]
    Wrong(PathBuf, String),
}

impl Registry {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn read(file: &Path) -> Result<Self, RegistryError> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| RegistryError::Unreadable(file.to_owned(), e))?;
        Self::parse(&text).map_err(|what| RegistryError::Wrong(file.to_owned(), what))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let registry: Self = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
        for (name, process) in &registry.processes {
            let program =
                process.command.first().ok_or_else(|| format!("process {name} has no command"))?;
            if !Path::new(program).is_absolute() {
                return Err(format!(
                    "process {name}: {program} is not an absolute path, and no PATH is searched"
                ));
            }
            if !(1..=60).contains(&process.timeout_seconds) {
                return Err(format!("process {name}: timeoutSeconds must be 1 to 60"));
            }
        }
        for (name, path) in &registry.pkcs11_modules {
            if !path.is_absolute() {
                return Err(format!(
                    "PKCS#11 module {name}: {} is not an absolute path",
                    path.display()
                ));
            }
        }
        Ok(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_read() {
        let text = "processes:\n  vault:\n    command: [/usr/bin/helper, --json]\n    takesArgs: true\n    environment: {HOME: /tmp}\n    inherited: [PATH]\npkcs11Modules:\n  softhsm: /usr/lib/softhsm/libsofthsm2.so\n";
        let registry = Registry::parse(text).expect("a registry");
        assert_eq!(registry.processes["vault"].timeout_seconds, 30);
        assert!(registry.processes["vault"].takes_args);
        assert_eq!(
            registry.pkcs11_modules["softhsm"],
            Path::new("/usr/lib/softhsm/libsofthsm2.so")
        );
        assert_eq!(Registry::parse("{}"), Ok(Registry::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("processes: {a: {command: []}}", "process a has no command"),
            ("processes: {a: {command: [helper]}}", "helper is not an absolute path"),
            ("processes: {a: {command: [/bin/x], timeoutSeconds: 0}}", "1 to 60"),
            ("processes: {a: {command: [/bin/x], shell: true}}", "shell"),
            ("pkcs11Modules: {a: lib.so}", "not an absolute path"),
        ] {
            let error = Registry::parse(text).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
