//! Types that the published Secret may have.
//!
//! Kubernetes acts on some types of its own: it writes a token into a Secret of type
//! `kubernetes.io/service-account-token`, and takes one of type `bootstrap.kubernetes.io/token` for
//! a credential of a node. Of those that begin with `kubernetes.io/`, only two are permitted which
//! are data to it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// `Opaque`, or a domain and a name.
const FORM: &str = r"^(Opaque|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+/[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?)$";
/// Most characters.
const LONGEST: usize = 253;
/// Domain of Kubernetes' own types.
const KUBERNETES: &str = "kubernetes.io";
/// Beginning of the types of Secrets that nothing but the controller makes.
const OURS: &str = "refreshable.dev/";

/// The type of a published Secret.
#[derive(Clone, Copy, Debug)]
pub enum SecretType {}

impl SecretType {
    /// User name and password.
    pub const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
    /// Logins of image registries.
    pub const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";
    /// Data keys of which [`BASIC_AUTH`](Self::BASIC_AUTH) needs one.
    pub const BASIC_AUTH_KEYS: [&str; 2] = ["username", "password"];
    /// Data key that [`DOCKER_CONFIG`](Self::DOCKER_CONFIG) needs.
    pub const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

    /// Advice for a text that is not a type.
    pub const HINT: &str =
        "type must be Opaque, or a domain and a name, for example example.com/aws";
    /// Advice for a type of Kubernetes.
    pub const KUBERNETES_HINT: &str = "types of kubernetes.io are Kubernetes' own, and with some of them it writes or accepts tokens: choose Opaque, kubernetes.io/basic-auth, kubernetes.io/dockerconfigjson, or a type of another domain, for example example.com/aws";
    /// Advice for another of the controller's types.
    pub const OURS_HINT: &str = "of the types of refreshable.dev only refreshable.dev/aws-credentials can be chosen: leave type out for the type of a token, or choose another domain";

    /// `kind`, if a resource may ask for it.
    ///
    /// # Errors
    /// The advice to show.
    ///
    /// ```
    /// use refreshable_api::SecretType;
    ///
    /// assert_eq!(SecretType::check("example.com/aws"), Ok("example.com/aws"));
    /// let token = SecretType::check("kubernetes.io/service-account-token");
    /// assert_eq!(token, Err(SecretType::KUBERNETES_HINT));
    /// ```
    pub fn check(kind: &str) -> Result<&str, &'static str> {
        let Some((domain, name)) = kind.split_once('/') else {
            return if kind == "Opaque" { Ok(kind) } else { Err(Self::HINT) };
        };
        if kind.len() > LONGEST || !is_domain(domain) || !is_name(name) {
            return Err(Self::HINT);
        }
        let of_kubernetes = domain == KUBERNETES || domain.ends_with(&format!(".{KUBERNETES}"));
        if of_kubernetes && ![Self::BASIC_AUTH, Self::DOCKER_CONFIG].contains(&kind) {
            return Err(Self::KUBERNETES_HINT);
        }
        if kind.starts_with(OURS) && kind != super::names::SECRET_TYPE {
            return Err(Self::OURS_HINT);
        }
        Ok(kind)
    }

    /// Whether others make Secrets of this type, too: the type does not tell whose a Secret is.
    pub fn is_shared(kind: &str) -> bool {
        !kind.starts_with(OURS)
    }
}

fn is_domain(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| edge(Some(b)) || *b == b'-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

fn is_name(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| edge(Some(b)) || b"-._".contains(b))
}

impl JsonSchema for SecretType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // In CEL's text a backslash would begin an escape.
        let form = FORM.replace(r"\.", "[.]");
        let kubernetes = KUBERNETES.replace('.', "[.]");
        let (basic, docker) = (Self::BASIC_AUTH, Self::DOCKER_CONFIG);
        let credentials = super::names::SECRET_TYPE;
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST,
            "pattern": FORM,
            "x-kubernetes-validations": [
                {"rule": format!("self.matches('{form}')"), "message": Self::HINT},
                {
                    "rule": format!("self in ['{basic}', '{docker}'] || !self.matches('^([^/]*[.])?{kubernetes}/')"),
                    "message": Self::KUBERNETES_HINT,
                },
                {
                    "rule": format!("!self.startsWith('{OURS}') || self == '{credentials}'"),
                    "message": Self::OURS_HINT,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    const PERMITTED: [&str; 7] = [
        "Opaque",
        "refreshable.dev/aws-credentials",
        "kubernetes.io/basic-auth",
        "kubernetes.io/dockerconfigjson",
        "example.com/aws",
        "notkubernetes.io/token",
        "helm.sh/release.v1",
    ];
    const NO_TYPES: [&str; 14] = [
        "",
        "opaque",
        "aws",
        "/",
        "a/b",
        "example.com/",
        "/aws",
        "example.com/a/b",
        "Example.com/a",
        "example..com/a",
        "-a.com/b",
        "example.com/-",
        "example.com/a b",
        "example.com/ä",
    ];

    #[test]
    fn types_that_kubernetes_acts_on_are_refused() {
        for kind in PERMITTED {
            assert_eq!(SecretType::check(kind), Ok(kind));
        }
        for kind in [
            "kubernetes.io/service-account-token",
            "bootstrap.kubernetes.io/token",
            "kubernetes.io/tls",
            "kubernetes.io/dockercfg",
            "a.b.kubernetes.io/anything",
        ] {
            assert_eq!(SecretType::check(kind), Err(SecretType::KUBERNETES_HINT), "{kind}");
        }
        for kind in ["refreshable.dev/input-key", "refreshable.dev/aws-token"] {
            assert_eq!(SecretType::check(kind), Err(SecretType::OURS_HINT), "{kind}");
        }
        let long = format!("example.com/{}", "x".repeat(LONGEST));
        for kind in NO_TYPES.into_iter().chain([long.as_str()]) {
            assert_eq!(SecretType::check(kind), Err(SecretType::HINT), "{kind:?}");
        }
    }

    /// The CRD and the controller, before it writes a Secret, take the same types.
    #[test]
    fn the_schema_s_form_is_the_controller_s() {
        let form = Regex::new(FORM).expect("a pattern");
        for kind in PERMITTED.into_iter().chain(NO_TYPES) {
            assert_eq!(
                form.is_match(kind),
                SecretType::check(kind) != Err(SecretType::HINT),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn only_the_controller_makes_secrets_of_its_own_types() {
        for kind in [crate::names::SECRET_TYPE, crate::names::TOKEN_SECRET_TYPE] {
            assert!(!SecretType::is_shared(kind), "{kind}");
        }
        for kind in ["Opaque", SecretType::DOCKER_CONFIG, "example.com/aws"] {
            assert!(SecretType::is_shared(kind), "{kind}");
        }
    }
}
