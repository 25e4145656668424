//! The objects of a resource's namespace that its attempts read, and how the status spells them.
//!
//! A Secret is spelled by its name alone, as in versions before there were other kinds. A ConfigMap
//! is spelled `ConfigMap/company-ca`. A name contains no slash, so the two cannot be confused.

use refreshable_api::{CaBundleKind, CaBundleReference};
use std::fmt;

/// Prefix of a ConfigMap.
const CONFIG_MAP: &str = "ConfigMap/";

/// An object of the resource's namespace that an attempt reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputObject {
    /// The Secret of that name.
    Secret(String),
    /// The ConfigMap of that name.
    ConfigMap(String),
}

impl InputObject {
    /// The object that is spelled so.
    pub fn spelled(text: &str) -> Self {
        match text.strip_prefix(CONFIG_MAP) {
            Some(name) => Self::ConfigMap(name.to_owned()),
            None => Self::Secret(text.to_owned()),
        }
    }

    /// The object's kind, as Kubernetes names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "Secret",
            Self::ConfigMap(_) => "ConfigMap",
        }
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Secret(name) | Self::ConfigMap(name) => name,
        }
    }
}

impl From<&CaBundleReference> for InputObject {
    fn from(reference: &CaBundleReference) -> Self {
        match reference.kind() {
            CaBundleKind::ConfigMap => Self::ConfigMap(reference.name.clone()),
            CaBundleKind::Secret => Self::Secret(reference.name.clone()),
        }
    }
}

/// As the status spells it.
impl fmt::Display for InputObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name) => f.write_str(name),
            Self::ConfigMap(name) => write!(f, "{CONFIG_MAP}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_and_a_config_map_of_one_name_are_spelled_apart() {
        for (object, spelling, kind) in [
            (InputObject::Secret("company-ca".into()), "company-ca", "Secret"),
            (InputObject::Secret("configmap".into()), "configmap", "Secret"),
            (InputObject::ConfigMap("company-ca".into()), "ConfigMap/company-ca", "ConfigMap"),
        ] {
            assert_eq!(object.to_string(), spelling);
            assert_eq!(InputObject::spelled(spelling), object);
            assert_eq!(
                (object.kind(), format!("{kind}/{}", object.name())),
                (kind, format!("{kind}/{}", object.name()))
            );
        }
    }

    #[test]
    fn a_reference_without_a_kind_is_to_a_config_map() {
        for (kind, spelling) in [
            (None, "ConfigMap/x"),
            (Some(CaBundleKind::ConfigMap), "ConfigMap/x"),
            (Some(CaBundleKind::Secret), "x"),
        ] {
            let reference = CaBundleReference { kind, name: "x".into(), key: None };
            assert_eq!(InputObject::from(&reference).to_string(), spelling, "{kind:?}");
        }
    }
}
