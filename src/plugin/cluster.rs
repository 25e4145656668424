//! The connection to the API server, configured like kubectl's, and the commands' requests.

use super::error::{Error, Result, chain};
use super::global::Global;
use super::plugin_loop;
use kube::api::{Api, ListParams, ObjectList};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use refreshable_api::{ObjectName, RefreshableCredential, is_namespace};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time limit for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The cluster that the flags and the kubeconfig name.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    server: String,
    timeout: Duration,
}

impl Cluster {
    /// Reads the configuration, without a request.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`].
    pub async fn of(global: &Global) -> Result<Self> {
        let mut config = config(global).await?;
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = None;
        let namespace =
            global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        if !is_namespace(&namespace) {
            return Err(Error::failed(format!(
                "{namespace:?} is not a name of a namespace: write 1 to 63 lower-case letters, digits and hyphens"
            )));
        }
        let server = config.cluster_url.to_string();
        if let Some(exec) = &mut config.auth_info.exec {
            let running = std::env::var(plugin_loop::RUNNING).unwrap_or_default();
            plugin_loop::enter(
                exec,
                &server,
                &running,
                std::env::var("AWS_PROFILE").ok().as_deref(),
            )?;
        }
        let exec = config.auth_info.exec.clone();
        let unusable = |e| {
            plugin_loop::failure(&e, exec.as_ref()).unwrap_or_else(|| Error::Kubeconfig(chain(&e)))
        };
        let client = Client::try_from(config).map_err(unusable)?;
        Ok(Self { client, namespace, server, timeout: global.request_timeout })
    }

    /// The namespace that commands work in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The client, for what this type does not offer.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A namespaced kind in the commands' namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A kind in all namespaces, or a cluster-scoped one.
    pub fn everywhere<K: kube::Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Makes a request within `--request-timeout`.
    ///
    /// # Errors
    /// The API server's error, or that it did not respond.
    pub async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T> {
        let answer = if self.timeout.is_zero() {
            request.await
        } else {
            tokio::time::timeout(self.timeout, request)
                .await
                .map_err(|_| Error::Slow(self.timeout))?
        };
        answer.map_err(|error| match Error::from(error) {
            Error::Unreachable(why) => {
                Error::Unreachable(format!("the API server at {}: {why}", self.server))
            }
            other => other,
        })
    }

    /// The RefreshableCredential of that name in the commands' namespace.
    ///
    /// # Errors
    /// The API server's error; where the kind is unknown, that the controller is not installed.
    pub async fn credential(&self, name: &str) -> Result<RefreshableCredential> {
        object_name(name)?;
        self.ask(self.api::<RefreshableCredential>().get(name)).await.map_err(not_installed)
    }

    /// All objects of a kind that an [`Api`] reaches.
    ///
    /// # Errors
    /// The API server's error; where the kind is unknown, that the controller is not installed.
    pub async fn list<K>(&self, api: &Api<K>, selector: Option<&str>) -> Result<ObjectList<K>>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let parameters =
            selector.map_or_else(ListParams::default, |s| ListParams::default().labels(s));
        self.ask(api.list(&parameters)).await.map_err(not_installed)
    }
}

/// A name as kubectl accepts it: alone, or after the kind (`rcred/reports`).
pub fn bare_name(given: &str) -> &str {
    let kinds = [
        "rcred",
        "refreshablecredential",
        "refreshablecredentials",
        "refreshablecredential.refreshable.dev",
    ];
    match given.split_once('/') {
        Some((kind, name)) if kinds.contains(&kind.to_ascii_lowercase().as_str()) => name,
        _ => given,
    }
}

/// A name that may become a part of a URL.
///
/// # Errors
/// The fault, and what to write instead.
pub fn object_name(name: &str) -> Result<&str> {
    ObjectName::check(name).map_err(Error::failed)
}

/// A 404 without an object means that the API server does not know the kind.
fn not_installed(error: Error) -> Error {
    match error {
        Error::Server { status, .. }
            if status.code == 404 && status.details.as_ref().is_none_or(|d| d.name.is_empty()) =>
        {
            Error::failed(
                "this cluster does not know the kind RefreshableCredential: install the controller, or choose another --context",
            )
        }
        other => other,
    }
}

/// The way to the API server: the kubeconfig, or in a Pod its ServiceAccount, and over it the
/// flags.
async fn config(global: &Global) -> Result<Config> {
    let unusable = |e: &dyn std::error::Error| Error::Kubeconfig(chain(e));
    let options = KubeConfigOptions {
        context: global.context.clone(),
        cluster: global.cluster.clone(),
        user: global.user.clone(),
    };
    let mut config = match kubeconfig(global)? {
        Some(file) => {
            Config::from_custom_kubeconfig(file, &options).await.map_err(|e| unusable(&e))?
        }
        None => match (&global.server, Config::incluster()) {
            (_, Ok(config)) => config,
            (Some(server), Err(_)) => Config::new(uri(server)?),
            (None, Err(_)) => {
                return Err(Error::Kubeconfig(
                    "kubeconfig not found: name one with --kubeconfig or KUBECONFIG, or write ~/.kube/config"
                        .to_owned(),
                ));
            }
        },
    };
    if let Some(server) = &global.server {
        config.cluster_url = uri(server)?;
    }
    if let Some(file) = &global.certificate_authority {
        config.root_cert = Some(certificates(file)?);
    }
    config.accept_invalid_certs |= global.insecure_skip_tls_verify;
    config.tls_server_name = global.tls_server_name.clone().or(config.tls_server_name);
    let who = &mut config.auth_info;
    if let Some(token) = &global.token {
        who.token = Some(token.clone());
    }
    who.impersonate = global.act_as.clone().or_else(|| who.impersonate.take());
    who.impersonate_uid = global.act_as_uid.clone().or_else(|| who.impersonate_uid.take());
    if !global.act_as_group.is_empty() {
        who.impersonate_groups = Some(global.act_as_group.clone());
    }
    Ok(config)
}

/// The kubeconfig: of the flag, else the files of `KUBECONFIG` that exist, else `~/.kube/config`;
/// `None` where there is none at all.
fn kubeconfig(global: &Global) -> Result<Option<Kubeconfig>> {
    let read = |path: &Path| {
        Kubeconfig::read_from(path)
            .map_err(|e| Error::Kubeconfig(format!("{}: {}", path.display(), chain(&e))))
    };
    if let Some(path) = &global.kubeconfig {
        return read(path).map(Some);
    }
    let listed = std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty());
    let paths: Vec<PathBuf> = match &listed {
        Some(list) => std::env::split_paths(list).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    let mut whole: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|p| p.exists()) {
        let next = read(path)?;
        let merged = match whole {
            Some(before) => before.merge(next).map_err(|e| Error::Kubeconfig(chain(&e)))?,
            None => next,
        };
        whole = Some(merged);
    }
    Ok(whole)
}

fn uri(server: &str) -> Result<http::Uri> {
    let whole =
        if server.contains("://") { server.to_owned() } else { format!("https://{server}") };
    whole.parse().map_err(|_| {
        Error::Kubeconfig(format!(
            "--server {server} is no URL: write it like https://10.0.0.1:6443"
        ))
    })
}

fn certificates(file: &Path) -> Result<Vec<Vec<u8>>> {
    let unusable = |what: String| {
        Error::Kubeconfig(format!("--certificate-authority {}: {what}", file.display()))
    };
    let text = std::fs::read(file).map_err(|e| unusable(e.to_string()))?;
    let blocks = pem::parse_many(text).map_err(|e| unusable(e.to_string()))?;
    let found: Vec<Vec<u8>> = blocks
        .into_iter()
        .filter(|b| b.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect();
    if found.is_empty() { Err(unusable("it lacks a certificate".to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_carry_their_kind() {
        for given in [
            "reports",
            "rcred/reports",
            "refreshablecredential/reports",
            "RefreshableCredentials/reports",
        ] {
            assert_eq!(bare_name(given), "reports");
        }
        assert_eq!(bare_name("pod/reports"), "pod/reports");
    }

    #[test]
    fn servers_may_be_given_without_a_scheme() {
        assert_eq!(
            uri("127.0.0.1:6443").map(|u| u.to_string()).expect("a URL"),
            "https://127.0.0.1:6443/"
        );
        let error = uri("not a url").expect_err("no URL").to_string();
        assert!(error.contains("--server not a url is no URL: write it like"), "{error}");
    }
}
