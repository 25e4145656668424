//! The API server's flags, in the form of each way to run one: pure.
//!
//! The first `--service-account-issuer` is put into new tokens, and tokens of all of them are
//! accepted ([kube-apiserver](https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/)):
//! the old issuer stays the second, until the last token of it has expired.

use super::documents::IssuerUrl;
use clap::ValueEnum;

/// Flag that names an issuer; may be repeated.
const ISSUER: &str = "service-account-issuer";
/// Flag with the URL of the key set in the discovery document.
const KEYS: &str = "service-account-jwks-uri";

/// A way to run an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Distribution {
    /// kube-apiserver's own command line.
    Flags,
    /// A ClusterConfiguration of kubeadm (v1beta4).
    Kubeadm,
    /// The configuration file of K3s, /etc/rancher/k3s/config.yaml.
    K3s,
    /// A patch of Talos Linux's machine configuration.
    Talos,
    /// The configuration of a new kind cluster.
    Kind,
}

/// The flags in order: the new issuer, the old one if it is another, the key set.
pub fn flags(url: &IssuerUrl, present: &str) -> Vec<(&'static str, String)> {
    let mut flags = vec![(ISSUER, url.as_str().to_owned())];
    if present != url.as_str() {
        flags.push((ISSUER, present.to_owned()));
    }
    flags.push((KEYS, url.keys()));
    flags
}

impl Distribution {
    /// The configuration with the flags.
    pub fn write(self, url: &IssuerUrl, present: &str) -> String {
        let all = flags(url, present);
        match self {
            Self::Flags => lines(&all, |name, value| format!("--{name}={value}\n")),
            Self::Kubeadm => format!(
                "\
# kubeadm init phase control-plane apiserver --config FILE, on each node of the control plane.
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
apiServer:
  extraArgs:
{}",
                lines(&all, |name, value| format!("  - name: {name}\n    value: {}\n", yaml(value)))
            ),
            Self::K3s => format!(
                "\
# In /etc/rancher/k3s/config.yaml of each server; then restart k3s.
kube-apiserver-arg:
{}",
                lines(&all, |name, value| format!("- {}\n", yaml(&format!("{name}={value}"))))
            ),
            Self::Talos => format!(
                "\
# talosctl patch machineconfig --patch @FILE, on each node of the control plane. A value is one issuer: Talos versions
# that do not keep the cluster's endpoint beside it refuse tokens of the old issuer, and Pods need new ones.
cluster:
  apiServer:
    extraArgs:
{}",
                lines(&only_new(&all, url), |name, value| {
                    format!("      {name}: {}\n", yaml(value))
                })
            ),
            Self::Kind => format!(
                "\
# kind create cluster --config FILE. Where kind writes kubeadm v1beta4, extraArgs is a list of name and value.
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
  kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    apiServer:
      extraArgs:
{}",
                lines(&only_new(&all, url), |name, value| {
                    format!("        {name}: {}\n", yaml(value))
                })
            ),
        }
    }
}

fn lines<N: AsRef<str>>(flags: &[(N, String)], line: impl Fn(&str, &str) -> String) -> String {
    flags.iter().map(|(name, value)| line(name.as_ref(), value)).collect()
}

/// A map holds each flag once.
fn only_new<'a>(flags: &[(&'a str, String)], url: &IssuerUrl) -> Vec<(&'a str, String)> {
    let kept = flags.iter().filter(|(name, value)| *name != ISSUER || value == url.as_str());
    kept.cloned().collect()
}

/// A string of YAML, which JSON's is.
fn yaml(text: &str) -> String {
    super::super::output::escaped(&serde_json::Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const OLD: &str = "https://kubernetes.default.svc.cluster.local";
    const NEW: &str = "https://oidc.example.com";
    const JWKS: &str = "https://oidc.example.com/openid/v1/jwks";

    fn written(distribution: Distribution, present: &str) -> String {
        distribution.write(&IssuerUrl::parse(NEW).expect("a URL"), present)
    }

    fn read(distribution: Distribution) -> Value {
        let text = written(distribution, OLD);
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn the_new_issuer_comes_first_and_the_old_one_stays() {
        let expected = format!(
            "--service-account-issuer={NEW}\n--service-account-issuer={OLD}\n--service-account-jwks-uri={JWKS}\n"
        );
        assert_eq!(written(Distribution::Flags, OLD), expected);
        assert_eq!(written(Distribution::Flags, NEW).matches("issuer=").count(), 1);
        let named = |name: &str, value: &str| json!({"name": name, "value": value});
        let arguments = &read(Distribution::Kubeadm)["apiServer"]["extraArgs"];
        let expected = [named(ISSUER, NEW), named(ISSUER, OLD), named(KEYS, JWKS)];
        assert_eq!(*arguments, json!(expected));
        let arguments = &read(Distribution::K3s)["kube-apiserver-arg"];
        let expected =
            [format!("{ISSUER}={NEW}"), format!("{ISSUER}={OLD}"), format!("{KEYS}={JWKS}")];
        assert_eq!(*arguments, json!(expected));
    }

    #[test]
    fn maps_hold_the_new_issuer() {
        let expected = json!({ISSUER: NEW, KEYS: JWKS});
        assert_eq!(read(Distribution::Talos)["cluster"]["apiServer"]["extraArgs"], expected);
        let kind = read(Distribution::Kind);
        let patch = kind["nodes"][0]["kubeadmConfigPatches"][0].as_str().expect("a patch");
        let patch: Value = serde_saphyr::from_str(patch).expect("YAML");
        assert_eq!(patch["apiServer"]["extraArgs"], expected);
    }

    #[test]
    fn an_issuer_of_any_text_stays_a_text() {
        let text = written(Distribution::Kubeadm, "a: [b\"\u{1b}");
        let read: Value = serde_saphyr::from_str(&text).expect("YAML");
        assert_eq!(read["apiServer"]["extraArgs"][1]["value"], "a: [b\"\u{1b}");
        assert!(!text.contains('\u{1b}'));
    }
}
